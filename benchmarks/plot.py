"""The systems beside each other as a picture: one panel for each of a few measures, on logarithmic scales."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from html import escape
from typing import Final

from benchmarks.measures import MEASURES, Measure, Record, number, samples

#: What is shown, by name.
SHOWN: Final = ("one_task_ms", "chain_50_ms", "fan_out_1000_per_s", "large_value_s")
_WIDTH, _LABELS, _FIGURES = 720, 90, 90
_LINE, _HEAD = 22, 34
_OURS, _OTHERS, _TEXT = "#1f5fbf", "#8a929c", "#444b53"


def drawn(record: Record, systems: Sequence[tuple[str, str]]) -> str:
    """The picture as SVG; systems are names and titles."""
    body, top = [], 0
    for key in SHOWN:
        measure = next(measure for measure in MEASURES if measure.key == key)
        rows = [(title, samples(record, name, key)) for name, title in systems]
        panel = _panel(measure, [(title, values) for title, values in rows if values], top)
        body += panel
        top += _HEAD + _LINE * sum(bool(values) for _, values in rows)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top + 10}" font-family="sans-serif" '
        f'font-size="12" fill="{_TEXT}">'
    )
    return "\n".join([head, *body, "</svg>", ""])


def _panel(measure: Measure, rows: Sequence[tuple[str, list[float]]], top: int) -> list[str]:
    better = "more" if measure.more_is_better else "less"
    title = escape(f"{measure.text}, {measure.unit} ({better} is better)")
    lines = [f'<text x="0" y="{top + 22}" font-weight="bold">{title}</text>']
    every = [value for _, values in rows for value in values]
    low, high = min(every, default=1.0), max(every, default=1.0)
    for place, (name, values) in enumerate(rows):
        y = top + _HEAD + _LINE * place + 8
        colour = _OURS if place == 0 else _OTHERS
        middle = statistics.median(values)
        start, centre, end = (_along(value, low, high) for value in (min(values), middle, max(values)))
        lines += [
            f'<text x="0" y="{y + 4}">{escape(name)}</text>',
            f'<line x1="{start:.1f}" x2="{end:.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2"/>',
            f'<circle cx="{centre:.1f}" cy="{y}" r="5" fill="{colour}"/>',
            f'<text x="{_WIDTH}" y="{y + 4}" text-anchor="end">{number(middle)}</text>',
        ]
    return lines


def _along(value: float, low: float, high: float) -> float:
    """Where on the scale a value lies."""
    room = _WIDTH - _LABELS - _FIGURES
    share = (math.log(value) - math.log(low)) / (math.log(high) - math.log(low)) if high > low else 0.5
    return _LABELS + room * share
