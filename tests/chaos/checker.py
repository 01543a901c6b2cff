"""What has to hold after all that was done, told from what users, tasks and workers noted and from the server's books.

Not a line of the server's code is in it. Four promises are looked at:

* *lost*: what a user or a worker was told to be stored is there, whole, and right;
* *twice*: nothing was recorded twice: no completion, no workflow, no firing of a trigger; and a task that is never to
  be begun twice has begun once at most;
* *stuck*: all that was begun has ended;
* *unexplained*: a task that began again had failed, or its runner or its worker had been killed or lost, and its
  result had not been acknowledged; and one that is never begun twice has failed only if it may have been lost so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.chaos.books import Books, Node
from tests.chaos.deeds import Deed

PROMISES: Final = ("lost", "twice", "stuck", "unexplained")
#: A process may note something between the note of its death, or of its worker's, and the death itself.
_SLACK: Final = 1.0
#: How a workflow of a kind ends, where that is not well.
_ENDS: Final = {"cancelled": "CANCELLED", "broken": "FAILED"}
#: What users were told of, apart from how a workflow ended.
_WISHES: Final = ("cancelled", "purging", "purged")
#: Workflows that triggers start.
_REPEATED: Final = frozenset({"triggered", "watching", "vanished"})
#: Says that a task was lost more often than it may be; it was not the first to run in each of the workers.
_LOST_OFTEN: Final = "lost 4 times"
_MOST_LOSSES: Final = 3
#: Says that a task was lost that is never begun twice.
_NOT_AGAIN: Final = "it is not begun again, because it has at_most_once=True"
#: Why tasks fail that are not tried again: they or their runner died, perhaps before they began.
_KILLED: Final = (_NOT_AGAIN, _LOST_OFTEN, "SIGKILL", "cannot run tasks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that must not be."""

    promise: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the journal, without its word."""

    label: str
    more: tuple[str, ...]
    runner: int
    worker: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """A result of which a worker was told that it is stored."""

    outcome: str
    node: int
    attempt: int
    output: str
    #: The process that was told.
    worker: int
    at: float


@dataclass(slots=True, kw_only=True)
class Evidence:
    """All that was noted in one life of an installation."""

    books: Books
    deeds: Sequence[Deed]
    acknowledged: Sequence[Acknowledged]
    #: The journal's lines by their words.
    lines: dict[str, list[Line]] = field(default_factory=dict)
    nodes: Sequence[Node] = ()

    @classmethod
    def of(cls, books: Books, deeds: Sequence[Deed], journal: Path, acknowledged: Path) -> Evidence:
        """Read it."""
        lines: defaultdict[str, list[Line]] = defaultdict(list)
        for text in journal.read_text(encoding="utf-8").splitlines():
            word, label, *more, runner, worker, at = text.split()
            lines[word].append(
                Line(label=label, more=tuple(more), runner=int(runner), worker=int(worker), at=float(at))
            )
        told = []
        if acknowledged.exists():
            for text in acknowledged.read_text(encoding="ascii").splitlines():
                outcome, node, attempt, output, worker, at = text.split()
                told.append(
                    Acknowledged(
                        outcome=outcome,
                        node=int(node),
                        attempt=int(attempt),
                        output=output,
                        worker=int(worker),
                        at=float(at),
                    )
                )
        # What a look at a directory gave is gone after the next look.
        observers = books.observers()
        told = [item for item in told if item.worker not in observers]
        return cls(books=books, deeds=deeds, acknowledged=told, lines=dict(lines), nodes=books.nodes())

    def told(self, word: str) -> list[Line]:
        """The lines that begin with a word."""
        return self.lines.get(word, [])


def faults(evidence: Evidence) -> list[Fault]:
    """All that must not be; to be asked when nothing goes on any more."""
    found = [*_damaged(evidence), *_sent(evidence), *_told(evidence), *_results(evidence), *_repetitions(evidence)]
    found += [*_doubles(evidence), *_once(evidence), *_firings(evidence), *_standing(evidence)]
    return found


def counts(evidence: Evidence) -> Counter[str]:
    """How much there was to go wrong."""
    begun = Counter(line.label for line in evidence.told("begin"))
    return Counter(
        {
            "workflows": len(evidence.told("sent")),
            "tasks": sum(node.state == "COMPLETED" for node in evidence.nodes),
            "acknowledged results": sum(item.outcome == "COMPLETED" for item in evidence.acknowledged),
            "repeated executions": sum(begun.values()) - len(begun),
            "tasks lost too often": sum(_LOST_OFTEN in (node.error or "") for node in evidence.nodes),
            "tasks that are never begun twice": sum(node.once for node in evidence.nodes),
            "of them given up": sum(_given_up(node) for node in evidence.nodes),
        }
    )


def _damaged(evidence: Evidence) -> Iterator[Fault]:
    for text in evidence.books.damages():
        yield Fault(promise="lost", text=text)


def _sent(evidence: Evidence) -> Iterator[Fault]:
    """The workflows that the server has taken, against what is in the books."""
    stored = evidence.books.dispatches()
    worn_out = {node.dispatch for node in evidence.nodes if _LOST_OFTEN in (node.error or "") or _given_up(node)}
    cancelled, purging, purged = ({line.label for line in evidence.told(word)} for word in _WISHES)
    for line in evidence.told("sent"):
        kind, dispatch_id = line.more
        row = stored.get(dispatch_id)
        text = None
        if line.label in purging:
            if row is not None and line.label in purged:
                text = "was deleted, and is there"
        elif row is None:
            text = "was taken, and is not there"
        elif kind not in _REPEATED and dispatch_id not in worn_out and (kind != "cancelled" or line.label in cancelled):
            wanted = _ENDS.get(kind, "COMPLETED")
            if row["status"] != wanted:
                text = f"is {row['status']}, not {wanted}: {row['error']}"
        if text is not None:
            yield Fault(promise="lost", text=f"workflow {line.label} ({kind}, {dispatch_id}) {text}")


def _told(evidence: Evidence) -> Iterator[Fault]:
    """What users had to see of it."""
    full = [deed.at for deed in evidence.deeds if deed.point == "full"]
    room = [deed.at for deed in evidence.deeds if deed.point == "room"]
    for line in evidence.told("puzzled"):
        if any(start < line.at < end + _SLACK for start, end in zip(full, room, strict=True)):
            continue  # who is told that there is no room has been promised nothing
        yield Fault(promise="lost", text=f"the user of workflow {line.label} ({line.more[0]}) had an error")
    for line in evidence.told("told"):
        status, right = line.more
        if status == "COMPLETED" and right != "True":
            yield Fault(promise="lost", text=f"the user of workflow {line.label} was given another value")


def _results(evidence: Evidence) -> Iterator[Fault]:
    """What workers were told, against what is in the books."""
    nodes = {node.key: node for node in evidence.nodes}
    deleted = _deleted(evidence)
    begun = defaultdict(list)
    for line in evidence.told("begin"):
        begun[line.label].append(line)
    gone = {item.node for item in evidence.acknowledged if item.outcome == "COMPLETED"} - nodes.keys()
    if len(gone) > deleted:
        text = f"{len(gone)} acknowledged results are not there, and {deleted} were deleted: {sorted(gone)[:10]}"
        yield Fault(promise="lost", text=text)
    for item in evidence.acknowledged:
        if item.outcome == "COMPLETED" and item.node in nodes:
            node = nodes[item.node]
            yield from _result(evidence, item, node, begun[node.label or ""])


def _result(evidence: Evidence, item: Acknowledged, node: Node, begun: Sequence[Line]) -> Iterator[Fault]:
    """One result, and whether its task began after it had been acknowledged."""
    if node.state not in {"COMPLETED", "CANCELLED"}:
        if not (_worn_out(evidence, node) or _given_up(node)):  # the dispatch of a sublattice decides how its node ends
            yield Fault(promise="lost", text=f"the result of node {node.key} was acknowledged; it is {node.state}")
        return
    if not _is_unique(node):
        return
    if _counts(item, node) and item.output != node.output:
        yield Fault(promise="twice", text=f"node {node.key} has another output than was acknowledged")
    # A replacement that was leased before the result came may just begin when it is told to stop.
    later = [line for line in begun if line.at > item.at]
    if len(later) > max(0, node.attempt - item.attempt):
        text = f"{node.label} began again {later[-1].at - item.at:.3f} s after its result was acknowledged"
        yield Fault(promise="twice", text=text)


def _deleted(evidence: Evidence) -> int:
    """How many results may be gone, because their users wanted that; a sublattice's own task notes nothing."""
    numbers = {line.label for line in evidence.told("purging")}
    return len(numbers) + len({line.label for line in evidence.told("end") if line.label.partition("/")[0] in numbers})


def _counts(item: Acknowledged, node: Node) -> bool:
    return item.attempt == node.fenced and node.state == "COMPLETED" and not (node.label or "").endswith("/part")


def _is_unique(node: Node) -> bool:
    """Whether no other task has its label; those of workflows that trigger start do."""
    return node.label is not None and not node.label.endswith("/fired")


def _worn_out(evidence: Evidence, node: Node) -> bool:
    number = (node.label or "").partition("/")[0]
    return any(
        _LOST_OFTEN in (item.error or "") and (item.label or "").partition("/")[0] == number for item in evidence.nodes
    )


def _given_up(node: Node) -> bool:
    return node.once and node.state == "FAILED"


def _once(evidence: Evidence) -> Iterator[Fault]:
    """What is never begun twice; the same label is the same task."""
    begun = Counter(line.label for line in evidence.told("begin"))
    for node in evidence.nodes:
        if node.once and node.label is not None and begun[node.label] > 1:
            yield Fault(
                promise="twice", text=f"{node.label} is never to be begun twice, and began {begun[node.label]} times"
            )
        if _given_up(node) and not any(words in (node.error or "") for words in _KILLED):
            yield Fault(promise="unexplained", text=f"{node.label} was given up: {node.error}")


def _repetitions(evidence: Evidence) -> Iterator[Fault]:
    """Why tasks began again."""
    ends: defaultdict[int, list[float]] = defaultdict(list)
    for deed in evidence.deeds:
        ends[deed.pid].append(deed.at)
    failed = {(line.label, line.runner) for line in evidence.told("fail")}
    begun: defaultdict[str, list[Line]] = defaultdict(list)
    for line in evidence.told("begin"):
        if not line.label.endswith("/fired"):
            begun[line.label].append(line)
    for label, lines in begun.items():
        lines.sort(key=lambda line: line.at)
        for line in lines[:-1]:
            killed = any(at > line.at - _SLACK for pid in (line.runner, line.worker) for at in ends[pid])
            if not killed and (label, line.runner) not in failed:
                text = f"{label} began {len(lines)} times; its runner {line.runner} and worker {line.worker} lived"
                yield Fault(promise="unexplained", text=text)
                break


def _doubles(evidence: Evidence) -> Iterator[Fault]:
    for node in evidence.nodes:
        if node.completions > 1:
            yield Fault(promise="twice", text=f"node {node.key} ({node.label}) completed {node.completions} times")
        if node.leased_again:
            yield Fault(promise="twice", text=f"node {node.key} ({node.label}) was leased after it had completed")
        if node.state == "COMPLETED" and not node.completions:
            yield Fault(promise="lost", text=f"node {node.key} ({node.label}) completed without an event")
        if node.losses > _MOST_LOSSES and node.state != "FAILED":
            yield Fault(promise="unexplained", text=f"node {node.key} was lost {node.losses} times and went on")
    labels = Counter(node.label for node in evidence.nodes if _is_unique(node))
    for label, number in labels.items():
        if number > 1:
            yield Fault(promise="twice", text=f"{label} is there {number} times: its workflow was recorded twice")


def _firings(evidence: Evidence) -> Iterator[Fault]:
    """Every firing of a trigger gave one workflow."""
    stored = evidence.books.dispatches()
    numbers = {line.more[1]: line.label for line in evidence.told("sent")}
    for dispatch_id, firings in evidence.books.firings().items():
        number = numbers.get(dispatch_id)
        if number is None:
            continue  # its user was not told of it, and does not know the number
        label = f"{number}/fired"
        started = sum(
            node.label == label and stored[node.dispatch]["status"] != "NEW_OBJECT" for node in evidence.nodes
        )
        if started != firings:
            promise = "twice" if started > firings else "lost"
            text = f"the triggers of workflow {number} fired {firings} times and started {started}"
            yield Fault(promise=promise, text=text)


def _standing(evidence: Evidence) -> Iterator[Fault]:
    for dispatch_id in evidence.books.unfinished():
        yield Fault(promise="stuck", text=f"the dispatch {dispatch_id} has not ended")
