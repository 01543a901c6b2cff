"""An integral over a function with sharp peaks: pieces are halved where an error estimate asks for it, and only there.

Which tasks there are depends on what other tasks found. So each piece is a sublattice: a workflow that is built when
its piece's estimate is known, and that decides whether the estimate is good enough or two halves are needed, each a
sublattice like itself.

Run it in an environment with covalent-sdk and numpy, while a server runs somewhere::

    python examples/refinement
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

import covalent as ct

#: Where a cross-section has its resonances, and how wide and how strong each is.
RESONANCES = [(2.0, 0.02, 1.0), (5.3, 0.004, 0.6), (5.5, 0.1, 2.0)]
#: The Gauss-Legendre rules that are compared, by their number of points.
COARSE, FINE = 8, 16
WIDTH = 60


class Piece(NamedTuple):
    """A part of the range with its integral."""

    low: float
    high: float
    value: float
    error: float


def cross_section(energy: np.ndarray) -> np.ndarray:
    """Breit-Wigner resonances over a slope."""
    peaks = [strength * width / ((energy - at) ** 2 + width**2) for at, width, strength in RESONANCES]
    return 0.1 * energy + sum(peaks)


def exact(low: float, high: float) -> float:
    """The integral as paper and pencil give it."""
    peaks = [s * (np.arctan((high - at) / width) - np.arctan((low - at) / width)) for at, width, s in RESONANCES]
    return float(0.05 * (high**2 - low**2) + sum(peaks))


@ct.electron
def estimate(low: float, high: float) -> Piece:
    """The integral over a piece by two rules; what they differ by is the error of the better one, or more."""
    coarse, fine = (rule(low, high, points) for points in (COARSE, FINE))
    return Piece(low, high, fine, abs(fine - coarse))


def rule(low: float, high: float, points: int) -> float:
    """A Gauss-Legendre rule."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    middle, half = (low + high) / 2, (high - low) / 2
    return float(half * weights @ cross_section(middle + half * nodes))


@ct.electron
def joined(left: list[Piece], right: list[Piece]) -> list[Piece]:
    """Two lists of pieces as one."""
    return left + right


@ct.electron
@ct.lattice
def refine(piece: Piece, tolerance: float) -> list[Piece]:
    """The pieces that a piece has to be cut into. Inside a sublattice its arguments are values: ``if`` works."""
    if piece.error <= tolerance:
        return [piece]
    middle = (piece.low + piece.high) / 2
    left = refine(estimate(piece.low, middle), tolerance / 2)
    right = refine(estimate(middle, piece.high), tolerance / 2)
    return joined(left, right)


@ct.lattice
def integrate(low: float, high: float, tolerance: float) -> list[Piece]:
    """The pieces of a range, each computed well enough for their sum to be within the tolerance."""
    return refine(estimate(low, high), tolerance)


def main() -> None:
    """Integrate, and show where it took most."""
    low, high, tolerance = 0.0, 8.0, 1e-6
    dispatch_id = ct.dispatch(integrate)(low, high, tolerance)
    print(f"dispatched {dispatch_id}", flush=True)
    result = ct.get_result(dispatch_id, wait=True)
    result.raise_for_status()
    pieces: list[Piece] = result.result

    total, truth = sum(piece.value for piece in pieces), exact(low, high)
    print(f"the integral is {total:.8f}, and {truth:.8f} by hand; {len(pieces)} pieces were needed")
    levels = list(sublattices(result))
    print(f"for them {len(levels)} sublattices were built, nested {max(levels)} deep")
    print(f"\n{picture(pieces, low, high)}")
    assert abs(total - truth) <= tolerance
    narrowest = min(pieces, key=lambda piece: piece.high - piece.low)
    assert any(narrowest.low - width <= at <= narrowest.high + width for at, width, _ in RESONANCES)


def sublattices(result: ct.Result, level: int = 1) -> Iterator[int]:
    """The level of each sublattice of a result, and of those inside of them."""
    for node in result.get_all_node_results():
        inner: Any = node.sublattice_result
        if inner is not None:
            yield level
            yield from sublattices(inner, level + 1)


def picture(pieces: list[Piece], low: float, high: float) -> str:
    """The pieces from the left to the right, a bar for each: the longer it is, the finer they had to be there."""
    lines = ["    from       to   halved"]
    for piece in pieces:
        halved = round(np.log2((high - low) / (piece.high - piece.low)))
        lines.append(f"{piece.low:8.4f} {piece.high:8.4f}   {halved:2} {'#' * halved}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
