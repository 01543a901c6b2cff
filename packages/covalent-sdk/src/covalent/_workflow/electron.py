"""Where libraries look for ``Electron``."""

from __future__ import annotations

from covalent.electron import Electron, electron, wait

__all__ = ["Electron", "electron", "wait"]
