"""What the users of a page's server dispatch: something of every kind that the page shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.programs import Project

#: Puts the ids of what it dispatches into ``facts``. Whatever still runs waits for the file ``gate``.
SCRIPT = '''
import os
import sys
import time


@ct.electron
def load(formula):
    print(f"\\033[32mreading\\033[0m {{formula}}")
    return [38.0 + step for step in range(5)]


@ct.electron(retries=1, retry_delay=0)
def relax(volume, steps):
    for step in range(40):
        print(f"step {{step:3d}}  energy {{-13.2 - volume / 100 + 0.5 ** step:10.5f}} eV", flush=True)
    print("forces are large", file=sys.stderr)
    if volume == 41.0:
        raise ValueError(f"no minimum within {{steps}} steps at a volume of {{volume}}")
    return {{"volume": volume, "energy": (volume - 40) ** 2 - 13.2}}


@ct.electron
def plot(volumes):
    return f"{{len(volumes)}} points"


@ct.electron
def report(results, picture):
    return len(results)


@ct.lattice
def equation_of_state(formula, steps):
    """Relax a crystal at several volumes, and see at which it is best off."""
    volumes = load(formula)
    results = [relax(volumes[place], steps) for place in range(5)]
    return report(results, plot(volumes))


@ct.electron
def simulate(seed):
    return seed * 2


@ct.electron
def average(values):
    return sum(values) / len(values)


@ct.lattice
def monte_carlo(samples):
    return average([simulate(seed) for seed in range(samples)])


@ct.electron
def wait_for(gate, number):
    print(f"number {{number}} waits", flush=True)
    while not os.path.exists(gate):
        time.sleep(0.02)
    if number == 1:
        raise RuntimeError("the gate opened too late")
    return number


@ct.electron
def gathered(numbers):
    return numbers


@ct.lattice
def at_the_gate(gate):
    return gathered([wait_for(gate, number) for number in range(3)])


@ct.electron
@ct.lattice
def inner(number):
    return simulate(number)


@ct.lattice
def outer(number):
    return average([inner(number), simulate(number)])


@ct.lattice(triggers=ct.triggers.CronTrigger("0 6 * * 1", timezone="Europe/Berlin"))
def weekly_report(samples):
    return average([simulate(seed) for seed in range(samples)])


facts["sweep"] = ct.dispatch(monte_carlo, tags=("sweep",))(60)
facts["nested"] = ct.dispatch(outer)(2)
facts["study"] = ct.dispatch(equation_of_state, tags=("silicon", "draft"))("Si8", 400)
facts["weekly"] = ct.dispatch(weekly_report)(3)
for name in ("sweep", "nested", "study"):
    ct.get_result(facts[name], wait=True)
facts["running"] = ct.dispatch(at_the_gate)({gate!r})
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatched:
    """What was dispatched: ids."""

    sweep: str
    nested: str
    study: str
    weekly: str
    running: str
    #: What the running one waits for.
    gate: Path

    @property
    def failed_task(self) -> int:
        """The number of the study's task that failed."""
        return 4


def dispatch_all(project: Project) -> Dispatched:
    """Dispatch one of each kind, and wait for those that end."""
    gate = project.directory / "gate"
    return Dispatched(**project.facts(SCRIPT.format(gate=str(gate))), gate=gate)
