"""Where progress is shown: on a terminal, which is left as it was, or below a notebook's cell."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
from dataclasses import dataclass
from typing import Any, Final, TextIO

from covalent import markup
from covalent.client.progress import Standing, View

_VARIABLE: Final = "COVALENT_PROGRESS"
_OFF: Final = frozenset({"0", "off", "no", "false"})
_BAR_COLUMNS: Final = 24
_SHORTEST_BAR: Final = 6
_NAME_COLUMNS: Final = 32
#: Of a terminal that does not say how wide it is.
_COLUMNS: Final = 80
_ERASE: Final = "\r\x1b[K"
#: One waiting at a time writes to the terminal; threads that wait beside it are quiet.
_terminal_taken = threading.Lock()


def view() -> View | None:
    """Where somebody looks, if anybody does: below a notebook's cell, or at the terminal of the standard error."""
    if os.environ.get(_VARIABLE, "").strip().lower() in _OFF:
        return None
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)  # whoever runs in a notebook has loaded it
    if get_ipython is not None and hasattr(get_ipython(), "kernel"):
        return Notebook(importlib.import_module("IPython.display").display)
    return Terminal(sys.stderr) if _is_terminal(sys.stderr) else None


def _is_terminal(stream: Any) -> bool:
    """Whether a line can be written over itself; the stream may be anything that somebody has put in its place."""
    try:
        return bool(stream.isatty()) and os.environ.get("TERM") != "dumb"
    except (AttributeError, ValueError):  # no stream, no real one, a closed one
        return False


class Terminal:
    """A line on a terminal; its erasure leaves no trace."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._ours = False

    def show(self, standing: Standing) -> None:
        """Write the line over itself, no wider than the terminal."""
        self._ours = self._ours or _terminal_taken.acquire(blocking=False)
        if self._ours:
            self._write(f"\r{self._line(standing)}\x1b[K")

    def clear(self) -> None:
        """Erase the line."""
        if self._ours:
            self._write(_ERASE)

    def close(self) -> None:
        """Erase the line and leave the terminal to another waiting."""
        if self._ours:
            self._write(_ERASE)
            self._ours = False
            _terminal_taken.release()

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # the terminal is gone; the waiting goes on
            self._stream.write(text)
            self._stream.flush()

    def _line(self, standing: Standing) -> str:
        """Name, bar and words; the bar takes the room that is left, if that is enough for one."""
        encoding = getattr(self._stream, "encoding", None) or "ascii"
        full, empty = "█░" if _in(encoding, "█░") == "█░" else "#."
        room = self._columns() - 1  # a full line would wrap
        name = markup.cut(standing.name, _NAME_COLUMNS)
        bar = min(_BAR_COLUMNS, room - markup.columns(name) - len(standing.text) - 2)
        if bar < _SHORTEST_BAR:
            return _in(encoding, markup.cut(f"{name} {standing.text}", room))
        filled = bar * standing.done // max(standing.total, 1)
        return _in(encoding, f"{name} {full * filled}{empty * (bar - filled)} {standing.text}")

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or _COLUMNS
        except (AttributeError, OSError, ValueError):
            return _COLUMNS


def _in(encoding: str, text: str) -> str:
    return text.encode(encoding, "replace").decode(encoding)


@dataclass(frozen=True, slots=True)
class _Output:
    """What a notebook shows, in both of the forms that it may ask for."""

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


class Notebook:
    """An output below a cell, which is kept up to date and stays with the last that was known."""

    def __init__(self, display: Any) -> None:
        """``display`` is IPython's."""
        self._display = display
        self._handle: Any = None
        self._last: Standing | None = None

    def show(self, standing: Standing) -> None:
        """Show a bar and the words beside it."""
        self._last = standing
        bar = f'<progress value="{standing.done}" max="{max(standing.total, 1)}"></progress> '
        self._put(standing.name, standing.text, bar)

    def clear(self) -> None:
        """Nothing: other outputs come below this one."""

    def close(self) -> None:
        """Leave the words, without the bar."""
        last = self._last
        if last is not None:
            self._put(last.name, f"{last.status}: {last.text}" if last.status.at_rest else f"{last.text}, when left")

    def _put(self, name: str, said: str, bar: str = "") -> None:
        html = f"<div><strong>{markup.escaped(name)}</strong> {bar}{markup.escaped(said)}</div>"
        output = _Output(html, markup.readable(f"{name} {said}"))
        if self._handle is None:
            self._handle = self._display(output, display_id=True)
        else:
            self._handle.update(output)
