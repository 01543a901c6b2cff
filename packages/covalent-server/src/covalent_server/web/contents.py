"""What is sent and answered at each route: the records, and what may be asked for; OpenAPI is told from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from covalent.status import Status
from covalent.wire import (
    FRAMES_CONTENT_TYPE,
    limits,
    manifest,
    overview,
    pool_tokens,
    pools,
    provisioning,
    purging,
    records,
    signing_in,
    triggers,
    waiting,
    work,
)
from covalent_server.core.states import NodeState
from covalent_server.web.server import StopRequest

JSON: Final = "application/json"
OCTETS: Final = "application/octet-stream"
PLAIN: Final = "text/plain"

_TEXT: Final = {"type": "string"}
_NUMBER: Final = {"type": "number", "minimum": 0}
_WHOLE: Final = {"type": "integer", "minimum": 0}
_SEVERAL: Final = {"type": "array", "items": _TEXT}
#: Parameters of queries: a name means the same wherever it is asked with.
QUERY: Final[Mapping[str, tuple[Mapping[str, Any], str]]] = {
    "after": (_WHOLE, "The number of the event to go on after."),
    "attempt": (_WHOLE, "The attempt; the latest unless given."),
    "cursor": (_TEXT, "What the part before gave as `next`."),
    "dispatch": (_SEVERAL, "Only of these dispatches."),
    "level": ({"type": "string", "enum": ["dispatch"]}, "Of all dispatches what concerns them as a whole."),
    "limit": (_WHOLE, "So many at most."),
    "name": (_TEXT, "Only of this name."),
    "node": (_WHOLE, "Only of the node with this number."),
    "offset": (_WHOLE, "Where to begin, in bytes."),
    "since": (_NUMBER, "Only those made since, in seconds since the epoch."),
    "state": ({"type": "array", "items": {"enum": list(NodeState)}}, "In any of these states."),
    "status": ({"type": "array", "items": {"enum": list(Status)}}, "With any of these statuses."),
    "stopped": ({"type": "integer", "enum": [0, 1]}, "1 tells of those that were stopped, too."),
    "tag": (_SEVERAL, "With all of these tags."),
    "tail": (_WHOLE, "The last so many bytes."),
    "text": (_TEXT, "That hold this text, in large or small letters."),
    "until": (_NUMBER, "Only those made until then, in seconds since the epoch."),
    "wait": (_NUMBER, "Seconds, at most 60, for which the answer may be held back."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What goes over one route."""

    #: The record that its body is read into, and the one that is answered; None for what is no JSON of ours.
    takes: type | None = None
    gives: type | None = None
    #: The names of what may be asked with, out of :data:`QUERY`.
    query: tuple[str, ...] = ()
    status: int = 200
    #: In which forms the body may come.
    accepts: tuple[str, ...] = (JSON,)
    content_type: str = JSON


_EITHER: Final = (JSON, FRAMES_CONTENT_TYPE)

#: By method and path.
CONTENTS: Final[Mapping[tuple[str, str], Content]] = {
    ("GET", "/healthz"): Content(content_type=PLAIN),
    ("GET", "/readyz"): Content(content_type=PLAIN),
    ("GET", "/metrics"): Content(content_type=PLAIN),
    ("GET", "/api/v1/openapi.json"): Content(),
    ("GET", "/api/v1/server"): Content(gives=records.ServerInfo),
    ("POST", "/api/v1/server/stop"): Content(takes=StopRequest, status=202),
    ("POST", "/api/v1/session"): Content(takes=signing_in.SignIn, gives=signing_in.SessionRecord),
    ("GET", "/api/v1/session"): Content(gives=signing_in.SessionRecord),
    ("DELETE", "/api/v1/session"): Content(status=204),
    ("POST", "/api/v1/session/codes"): Content(takes=signing_in.CodeRequest, gives=signing_in.SignInCode, status=201),
    ("GET", "/api/v1/summary"): Content(gives=overview.Summary),
    ("POST", "/api/v1/dispatches"): Content(
        takes=manifest.Manifest, gives=manifest.Accepted, status=201, accepts=_EITHER
    ),
    ("GET", "/api/v1/dispatches"): Content(
        gives=records.DispatchList,
        query=("status", "name", "tag", "text", "since", "until", "limit", "cursor"),
    ),
    ("POST", "/api/v1/dispatches/purge"): Content(takes=purging.PurgeRequest, gives=purging.PurgeReport),
    ("GET", "/api/v1/dispatches/purge"): Content(gives=purging.PurgeProgress, query=("wait",)),
    ("GET", "/api/v1/dispatches/{id}"): Content(gives=records.DispatchRecord, query=("wait",)),
    ("GET", "/api/v1/dispatches/{id}/detail"): Content(gives=overview.DispatchDetail),
    ("GET", "/api/v1/dispatches/{id}/columns"): Content(gives=overview.Columns),
    ("GET", "/api/v1/dispatches/{id}/states"): Content(gives=overview.States),
    ("GET", "/api/v1/dispatches/{id}/timeline"): Content(gives=overview.Timeline),
    ("GET", "/api/v1/dispatches/{id}/graph"): Content(gives=manifest.Graph),
    ("GET", "/api/v1/dispatches/{id}/manifest"): Content(gives=manifest.Manifest),
    ("POST", "/api/v1/dispatches/{id}/cancel"): Content(takes=manifest.Cancellation, gives=records.DispatchRecord),
    ("POST", "/api/v1/dispatches/{id}/redispatch"): Content(
        takes=overview.Redispatch, gives=manifest.Accepted, status=201
    ),
    ("POST", "/api/v1/dispatches/{id}/result"): Content(
        takes=manifest.Conclusion, gives=records.DispatchRecord, accepts=_EITHER
    ),
    ("PUT", "/api/v1/dispatches/{id}/tags"): Content(takes=overview.Tags, gives=records.DispatchRecord),
    ("GET", "/api/v1/dispatches/{id}/nodes"): Content(
        gives=records.NodeList, query=("status", "state", "text", "limit", "cursor")
    ),
    ("GET", "/api/v1/dispatches/{id}/nodes/{node}"): Content(gives=records.NodeRecord),
    ("GET", "/api/v1/dispatches/{id}/nodes/{node}/detail"): Content(gives=overview.NodeDetail),
    ("GET", "/api/v1/dispatches/{id}/why"): Content(gives=waiting.WaitingList, query=("limit",)),
    ("GET", "/api/v1/dispatches/{id}/nodes/{node}/why"): Content(gives=waiting.Waiting),
    ("GET", "/api/v1/dispatches/{id}/nodes/{node}/{stream}"): Content(
        query=("attempt", "offset", "limit", "tail", "wait"), content_type=PLAIN
    ),
    ("GET", "/api/v1/dispatches/{id}/nodes/{node}/{stream}/search"): Content(
        gives=overview.MatchList, query=("text", "attempt", "limit")
    ),
    ("GET", "/api/v1/triggers"): Content(gives=triggers.TriggerList, query=("stopped",)),
    ("POST", "/api/v1/triggers"): Content(takes=triggers.Registration, gives=triggers.TriggerRecord, status=201),
    ("POST", "/api/v1/triggers/stop"): Content(takes=triggers.TriggerStop, gives=triggers.TriggerList),
    ("GET", "/api/v1/limits"): Content(gives=limits.LimitList),
    ("POST", "/api/v1/limits"): Content(takes=limits.Limit, gives=limits.LimitList),
    ("POST", "/api/v1/limits/remove"): Content(takes=limits.LimitName, gives=limits.LimitList),
    ("GET", "/api/v1/tokens"): Content(gives=pool_tokens.TokenList),
    ("POST", "/api/v1/tokens"): Content(takes=pool_tokens.NewToken, gives=pool_tokens.IssuedToken, status=201),
    ("POST", "/api/v1/tokens/revoke"): Content(takes=pool_tokens.TokenId, gives=pool_tokens.TokenList),
    ("GET", "/api/v1/pools"): Content(gives=pools.PoolList),
    ("GET", "/api/v1/events"): Content(gives=records.EventList, query=("after", "limit", "dispatch", "node")),
    ("GET", "/api/v1/events/stream"): Content(query=("after", "dispatch", "level"), content_type="text/event-stream"),
    ("POST", "/api/v1/assets/missing"): Content(takes=manifest.Digests, gives=manifest.Digests),
    ("POST", "/api/v1/assets/batch"): Content(takes=manifest.Digests, content_type=FRAMES_CONTENT_TYPE),
    ("GET", "/api/v1/assets/{digest}"): Content(content_type=OCTETS),
    ("PUT", "/api/v1/assets/{digest}"): Content(accepts=(OCTETS,), status=204),
    ("GET", "/api/v1/assets/{digest}/description"): Content(gives=records.AssetDescription),
    ("POST", "/api/v1/worker/hello"): Content(takes=work.Hello, gives=work.Welcome),
    ("POST", "/api/v1/worker/poll"): Content(takes=work.Poll, accepts=_EITHER, content_type=FRAMES_CONTENT_TYPE),
    ("POST", "/api/v1/worker/heartbeat"): Content(takes=work.Poll, accepts=_EITHER, content_type=FRAMES_CONTENT_TYPE),
    ("POST", "/api/v1/worker/bye"): Content(takes=work.Bye),
    ("POST", "/api/v1/provisioning/reports"): Content(takes=provisioning.Report, gives=provisioning.Demand),
    ("POST", "/api/v1/provisioning/jobs"): Content(takes=provisioning.JobRequest, gives=provisioning.JobOrder),
    ("POST", "/api/v1/provisioning/goodbyes"): Content(takes=provisioning.Leaving),
    ("GET", "/{path}"): Content(content_type="text/html"),
}
