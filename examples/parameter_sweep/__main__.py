"""At which angle must a double pendulum be let go, so that it turns over? A sweep in which some computations fail.

The motion is computed in steps. For the wild ones the steps are too large, which their tasks notice: they fail, and
all others end well. Then only what failed is computed again, with smaller steps, and what follows from it.

Run it in an environment with covalent-sdk and numpy, while a server runs somewhere::

    python examples/parameter_sweep
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pendulum

import covalent as ct

ANGLES = list(range(15, 180, 15))
SECONDS = 10.0
STEP = 0.02

start = ct.electron(pendulum.at_rest)


@ct.electron
def integrate(state: np.ndarray, step: float) -> np.ndarray:
    """The motion from a state; fails when the step is too large for it."""
    return pendulum.motion(state, SECONDS, step)


@ct.electron
def describe(path: np.ndarray, step: float) -> dict[str, Any]:
    """When the lower rod first turns over, and how fast it gets."""
    over = np.abs(path[:, 1]) > np.pi
    return {
        "turns over": round(float(over.argmax() * step), 2) if over.any() else None,
        "fastest": round(float(np.abs(path[:, 3]).max()), 2),
    }


@ct.electron
def table(angles: list[int], steps: list[float], found: list[dict[str, Any]]) -> str:
    """All of it, a line for each angle."""
    lines = ["angle    step   turns over     fastest"]
    for angle, step, seen in zip(angles, steps, found, strict=True):
        over = "never" if seen["turns over"] is None else f"after {seen['turns over']:5.2f} s"
        lines.append(f"{angle:4}°  {step:5} s  {over:>13}  {seen['fastest']:6.2f}/s")
    return "\n".join(lines)


@ct.electron
def chart(angles: list[int], steps: list[float], found: list[dict[str, Any]]) -> str:
    """The highest speeds as bars, of another kind where smaller steps were needed."""
    bars = (
        ("#" if step == STEP else "=") * round(2 * seen["fastest"]) for step, seen in zip(steps, found, strict=True)
    )
    return "\n".join(f"{angle:4}°  {bar}" for angle, bar in zip(angles, bars, strict=True))


@ct.lattice
def sweep(angles: list[int], steps: list[float]) -> str:
    """Each angle with its own step."""
    found = []
    for angle, step in zip(angles, steps, strict=True):
        path = integrate(start(angle), step)
        found.append(describe(path, step))
    return table(angles, steps, found)


def main() -> None:
    """Sweep, sweep again where it failed, and look at it in another way."""
    first = ct.dispatch(sweep)(ANGLES, [STEP] * len(ANGLES))
    print(f"dispatched {first}", flush=True)
    result = ct.get_result(first, wait=True)
    integrations = [node for node in result.get_all_node_results() if node.node_name == "integrate"]
    failed = {
        angle: node.error for angle, node in zip(ANGLES, integrations, strict=True) if node.status == ct.status.FAILED
    }
    print(f"it is {result.status}; {len(ANGLES) - len(failed)} of {len(ANGLES)} motions were computed")
    for angle, error in failed.items():
        print(f"  {angle}°: {error.strip().splitlines()[-1]}")

    # The same workflow with other steps for the failed ones. What has the same inputs as before is taken over.
    steps = [STEP / 10 if angle in failed else STEP for angle in ANGLES]
    again = ct.redispatch(first, reuse_previous_results=True)(ANGLES, steps)
    result = ct.get_result(again, wait=True)
    result.raise_for_status()
    print(f"\nwith smaller steps for those, {told(result)} ran again:\n\n{result.result}")
    assert ran(result) == {"integrate": len(failed), "describe": len(failed), "table": 1}

    # The same with another electron in the place of one, and the rest is there already.
    drawn = ct.redispatch(again, replace_electrons={"table": chart}, reuse_previous_results=True)()
    result = ct.get_result(drawn, wait=True)
    result.raise_for_status()
    print(f"\nwith a chart in the place of the table, {told(result)} ran again:\n\n{result.result}")
    assert ran(result) == {"table": 1}


def ran(result: ct.Result) -> Counter[str]:
    """How many tasks of each name ran: one that was taken over begins and ends at the same moment."""
    return Counter(node.node_name for node in result.get_all_node_results() if node.start_time != node.end_time)


def told(result: ct.Result) -> str:
    """The same in words."""
    return " and ".join(f"{name} ({count} x)" for name, count in ran(result).items())


if __name__ == "__main__":
    main()
