"""A double pendulum: two rods of one metre with a kilogram at the end of each, let go at rest.

Ordinary numpy code that knows nothing of Covalent; it travels with the workflow to wherever its tasks run.
"""

from __future__ import annotations

from typing import Final

import numpy as np

GRAVITY: Final = 9.81
#: The energy of what moves freely stays the same: a computed motion that gains or loses more of it is wrong.
#: As a share of the energy that it takes to lift both masses from below to above.
ALLOWED_DRIFT: Final = 1e-3


class StepTooLargeError(ArithmeticError):
    """The computed motion does not keep its energy."""


def at_rest(degrees: float) -> np.ndarray:
    """Both rods at the same angle from hanging down: two angles and two angular velocities."""
    return np.array([np.radians(degrees), np.radians(degrees), 0.0, 0.0])


def motion(state: np.ndarray, seconds: float, step: float) -> np.ndarray:
    """The states at all steps, by the Runge-Kutta method of the fourth order; raises StepTooLargeError."""
    states = [state]
    for _ in range(round(seconds / step)):
        first = change(state)
        second = change(state + step / 2 * first)
        third = change(state + step / 2 * second)
        fourth = change(state + step * third)
        state = state + step / 6 * (first + 2 * second + 2 * third + fourth)
        states.append(state)
    path = np.array(states)
    drift = np.ptp(energy(path)) / (6 * GRAVITY)
    if not drift <= ALLOWED_DRIFT:
        raise StepTooLargeError(
            f"with steps of {step} s the energy changes by {drift:.2g}; {ALLOWED_DRIFT:g} is allowed"
        )
    return path


def change(state: np.ndarray) -> np.ndarray:
    """How a state changes with time."""
    upper, lower, upper_speed, lower_speed = state
    between = upper - lower
    sine, cosine = np.sin(between), np.cos(between)
    mixed = 2 - cosine**2
    return np.array([
        upper_speed,
        lower_speed,
        (-(upper_speed**2) * sine * cosine - lower_speed**2 * sine
         + GRAVITY * (np.sin(lower) * cosine - 2 * np.sin(upper))) / mixed,
        (2 * upper_speed**2 * sine + lower_speed**2 * sine * cosine
         + 2 * GRAVITY * (np.sin(upper) * cosine - np.sin(lower))) / mixed,
    ])  # fmt: skip


def energy(path: np.ndarray) -> np.ndarray:
    """The energy of each state, in joules."""
    upper, lower, upper_speed, lower_speed = path.T
    kinetic = upper_speed**2 + lower_speed**2 / 2 + upper_speed * lower_speed * np.cos(upper - lower)
    return kinetic - GRAVITY * (2 * np.cos(upper) + np.cos(lower))
