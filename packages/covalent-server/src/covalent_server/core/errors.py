"""Why a request cannot be granted; ``web`` turns each into one HTTP status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covalent.errors import CovalentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from covalent_server.core.origins import Origin


class RequestError(CovalentError):
    """The root of errors that belong to one request."""


class UnknownDispatchError(RequestError):
    """The caller has no dispatch of that id."""

    def __init__(self, dispatch_id: str) -> None:
        super().__init__(
            f"this server has no dispatch {dispatch_id!r}: the id is wrong, or it was purged; "
            "`python -m covalent show` lists those it has"
        )


class UnknownNodeError(RequestError):
    """The dispatch has no node of that number."""

    def __init__(self, dispatch_id: str, number: int) -> None:
        super().__init__(f"dispatch {dispatch_id!r} has no node {number}")


class UnknownTriggerError(RequestError):
    """The caller has neither a trigger nor a dispatch of that id."""

    def __init__(self, trigger_id: str) -> None:
        super().__init__(
            f"this server has no trigger {trigger_id!r}, nor a dispatch of that id with triggers; "
            "`covalent trigger list` shows those it has"
        )


class UnknownTokenError(RequestError):
    """The caller has no token of that id in force."""

    def __init__(self, token_id: str) -> None:
        super().__init__(f"there is no token {token_id!r} of a pool; `covalent token list` shows those that there are")


class ForeignPoolError(RequestError):
    """A worker asks for the tasks of another pool than its token is for."""

    def __init__(self, pool: str, wanted: str) -> None:
        super().__init__(
            f"the worker's token is for the pool {pool!r}, not for {wanted!r}; start the worker with --pool {pool}, or "
            f"make it another token: covalent token create --pool {wanted}"
        )


class UnknownAssetError(RequestError):
    """The caller has no asset of that digest."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"there is no asset {digest}; upload it first, or check the digest")


class LostAssetError(RequestError):
    """An asset whose bytes were stored, and are no longer what they were, or no longer there; it is never served."""

    def __init__(self, digest: str, fault: str, origin: Origin | None = None) -> None:
        made = "nothing tells what made it: bring back" if origin is None else f"{origin}, or bring back"
        super().__init__(f"the asset {digest} {fault}; {made} a backup with: covalent restore")
        self.digest = digest
        self.fault = fault


class ObsoleteSublatticeError(RequestError):
    """A sublattice whose node has ended, or is tried anew, before it was made a dispatch of."""

    def __init__(self) -> None:
        super().__init__("the node does not wait for this sublattice any more")


class ObsoleteFiringError(RequestError):
    """A trigger's firing that was recorded already, or whose trigger was stopped meanwhile."""

    def __init__(self) -> None:
        super().__init__("the trigger does not wait for this firing any more")


class UnknownLimitError(RequestError):
    """A limit that is not there."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(
            f"there is no limit {name!r} of the kind {kind}; covalent limit list shows those that there are"
        )


class EndedDispatchError(RequestError):
    """A dispatch that does not wait for what was sent."""

    def __init__(self, dispatch_id: str, status: str) -> None:
        super().__init__(
            f"dispatch {dispatch_id!r} is {status}: it does not wait for a return value. Only one that is "
            "PENDING_POSTPROCESSING takes one"
        )


class ForeignAssetError(RequestError):
    """A manifest names assets that its sender has not uploaded."""

    def __init__(self, digests: Sequence[str], path: str) -> None:
        more = f" and {len(digests) - 1} more" if len(digests) > 1 else ""
        super().__init__(f"the asset {digests[0]}{more} was not uploaded by this account; send it first")
        self.path = path


class AssetMismatchError(RequestError):
    """Bytes that are not what their digest or their header says."""


class IdempotencyConflictError(RequestError):
    """An idempotency key was used before, with another body."""

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key was used for another request; use a new key for a new request")


class ExecutorRefusedError(RequestError):
    """A node's executor cannot work on this server, known before anything was stored."""

    def __init__(self, message: str, path: str) -> None:
        super().__init__(message)
        self.path = path


class ProtocolError(RequestError):
    """The caller speaks another protocol, or requires a feature that this server does not have."""


class UnknownProvisionerError(RequestError):
    """A provisioner that has not reported, is of another kind or account, or asks for a pool that wants no worker."""

    def __init__(self, provisioner: str) -> None:
        super().__init__(f"the provisioner {provisioner!r} is not known here, or not wanted for this; it has to report")


class UnknownWorkerError(RequestError):
    """A worker that has not introduced itself, or was dismissed."""

    def __init__(self, worker: str) -> None:
        super().__init__(f"the worker {worker!r} is not known here; it has to introduce itself first")
