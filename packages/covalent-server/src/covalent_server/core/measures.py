"""Counts of what happens, for those who watch a server: cheap to take down, added up by whoever asks."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

#: Upper bounds of commits' durations, in seconds, and of the numbers of operations in them.
COMMIT_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
BATCH_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

Labels = tuple[tuple[str, str], ...]


class Histogram:
    """How often something was at most so much."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Take a value down."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


@dataclass(slots=True, kw_only=True)
class Tally:
    """What has happened since the server started."""

    accepted: int = 0
    ended: int = 0
    expired: int = 0
    #: Requests by method, route and status, and the seconds that those of a route took altogether.
    requests: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    seconds: defaultdict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One thing that is measured, with its values by labels."""

    name: str
    help: str
    #: ``counter``, ``gauge`` or ``histogram``.
    kind: str
    samples: Sequence[tuple[str, Labels, float]]


def simple(name: str, kind: str, text: str, values: Mapping[Labels, float] | float) -> Metric:
    """A counter or a gauge."""
    by_labels = values if isinstance(values, Mapping) else {(): values}
    return Metric(
        name=name, help=text, kind=kind, samples=[(name, labels, value) for labels, value in by_labels.items()]
    )


def distribution(name: str, text: str, histogram: Histogram) -> Metric:
    """A histogram, as it is exposed: each bucket holds all that is below it, too."""
    counts = list(histogram.counts)
    samples: list[tuple[str, Labels, float]] = []
    below = 0
    for bound, count in zip((*histogram.bounds, None), counts, strict=True):
        below += count
        samples.append((f"{name}_bucket", (("le", "+Inf" if bound is None else f"{bound:g}"),), below))
    return Metric(
        name=name,
        help=text,
        kind="histogram",
        samples=[*samples, (f"{name}_sum", (), histogram.total), (f"{name}_count", (), below)],
    )


def exposed(metrics: Iterable[Metric]) -> str:
    """The text that Prometheus reads (exposition format 0.0.4)."""
    lines: list[str] = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        for name, labels, value in metric.samples:
            told = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
            lines.append(f"{name}{{{told}}} {value:.17g}" if told else f"{name} {value:.17g}")
    return "\n".join([*lines, ""])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
