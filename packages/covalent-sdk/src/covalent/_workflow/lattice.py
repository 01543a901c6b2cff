"""Where libraries look for ``Lattice``."""

from __future__ import annotations

from covalent.lattice import Lattice, lattice

__all__ = ["Lattice", "lattice"]
