"""What goes on while everything is killed: users who dispatch one workflow after the other, and note what they learn.

It is a script, run as a user runs one: ``crowd.py <options as JSON>``, in a directory with the module ``stock.py``.
Each workflow has a number of its own, and each task a label ``<number>/<task>``, which is its first argument. Tasks
append ``begin``, ``fail`` and ``end`` with their label to the journal; the users append what they were told:

    sent <number> <kind> <dispatch id>     the server has taken the workflow
    cancelled <number>                     the server has said that it is cancelled
    purging <number>                       its user wants it to be deleted
    purged <number>                        and was told that it is
    told <number> <status> <as it should be>
    unreached <number> <kind>              no server answered for long enough; nothing was promised
    puzzled <number> <kind>                any other error

A user begins another workflow until the file ``enough`` is there, and takes from the directory ``wanted`` what the
campaign wants to see next; else it is the usual one.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import random
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import stock  # type: ignore[import-not-found]  # the user's own module, which travels with the workflow

import covalent as ct

OPTIONS = json.loads(sys.argv[1])
#: A workflow, its arguments, and the value that it has to give.
Workflow = tuple[Any, tuple[Any, ...], Any]
JOURNAL = OPTIONS["journal"]
SEED = OPTIONS["seed"]
PYTHONS = OPTIONS["pythons"]
#: More than can be killed.
RETRIES = 1000
#: One in so many workflows is of tasks that are never begun twice.
ONCE_IN = 3
#: Larger than what travels inline.
LARGE = 200_000
#: A directory has been looked at by then, in seconds.
_LOOKED_AT = 5.0
#: The command's exit code when the server refuses what it is asked.
_REFUSED = 18


def note(journal: str, *words: object) -> None:
    line = " ".join(map(str, (*words, os.getpid(), os.getppid(), time.monotonic())))
    descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


@ct.electron(retries=RETRIES)
def square(label: str, journal: str, index: int, pause: float) -> Any:
    note(journal, "begin", label)
    print(label)
    time.sleep(pause)
    note(journal, "end", label)
    return stock.square(index)


@ct.electron(retries=RETRIES)
def double(label: str, journal: str, data: Any) -> Any:
    note(journal, "begin", label)
    note(journal, "end", label)
    return data + data


@ct.electron(retries=RETRIES)
def measure(label: str, journal: str, data: Any) -> int:
    note(journal, "begin", label)
    note(journal, "end", label)
    return len(data)


@ct.electron(retries=RETRIES, retry_delay=0.05)
def in_vain_at_first(label: str, journal: str) -> int:
    note(journal, "begin", label)
    mark = f"{journal}-{label.replace('/', '-')}"
    if not Path(mark).exists():
        Path(mark).touch()
        note(journal, "fail", label)
        raise ValueError("the first attempt")
    note(journal, "end", label)
    return 1


@ct.electron(at_most_once=True)
def act(label: str, journal: str) -> int:
    note(journal, "begin", label)
    time.sleep(0.02)
    note(journal, "end", label)
    return 1


@ct.electron(retries=RETRIES)
def total(label: str, journal: str, *numbers: Any) -> Any:
    note(journal, "begin", label)
    note(journal, "end", label)
    return sum(numbers)


@ct.electron(retries=RETRIES)
def ask(label: str, journal: str, secret: ct.Secret) -> int:
    note(journal, "begin", label)
    note(journal, "end", label)
    return len(secret.get())


def usual(number: int, python: str, chance: random.Random) -> Workflow:
    """Fans out and in, hands large values on, fails once, has a sublattice, prints, needs the user's module."""
    here = ct.executor.LocalExecutor(python=python)
    data = chance.randbytes(LARGE)
    pause = chance.choice([0.0, 0.01, 0.05])

    @ct.electron(retries=RETRIES)
    @ct.lattice(executor=here)
    def part(label: str, journal: str, count: int) -> Any:
        return total(f"{label}/total", journal, *[square(f"{label}/{i}", journal, i, pause) for i in range(count)])

    @ct.lattice(executor=here)
    def workflow(data: Any) -> Any:
        squares = [square(f"{number}/square{i}", JOURNAL, i, pause) for i in range(4)]
        size = measure(f"{number}/measure", JOURNAL, double(f"{number}/double", JOURNAL, data))
        once = in_vain_at_first(f"{number}/vain", JOURNAL)
        inner = part(f"{number}/part", JOURNAL, 3)
        return total(f"{number}/total", JOURNAL, *squares, size, once, inner)

    return workflow, (data,), 14 + 2 * LARGE + 1 + 5


def once(number: int, python: str, _: random.Random) -> Workflow:
    """Tasks that are never begun twice, so that some are given up when their workers are killed."""
    here = ct.executor.LocalExecutor(python=python)

    @ct.lattice(executor=here)
    def workflow() -> Any:
        return total(f"{number}/total", JOURNAL, *[act(f"{number}/once{index}", JOURNAL) for index in range(6)])

    return workflow, (), 6


def many(number: int, python: str, _: random.Random) -> Workflow:
    """More tasks than are written in one transaction."""
    here = ct.executor.LocalExecutor(python=python)
    count = 2001

    @ct.lattice(executor=here)
    def workflow() -> Any:
        return total(f"{number}/total", JOURNAL, *[square(f"{number}/{i}", JOURNAL, 1, 0.0) for i in range(count)])

    return workflow, (), count


def left_to_client(number: int, python: str, _: random.Random) -> Workflow:
    """The value is put together here, and handed to the server."""
    here = ct.executor.LocalExecutor(python=python)

    @ct.lattice(executor=here, workflow_executor="client")
    def workflow() -> Any:
        return {"sum": total(f"{number}/total", JOURNAL, *[square(f"{number}/{i}", JOURNAL, i, 0.0) for i in range(3)])}

    return workflow, (), {"sum": 5}


def secret(number: int, python: str, _: random.Random) -> Workflow:
    """A task looks a secret up."""
    here = ct.executor.LocalExecutor(python=python)

    @ct.lattice(executor=here)
    def workflow() -> Any:
        return ask(f"{number}/ask", JOURNAL, ct.Secret("password"))

    return workflow, (), len("well hidden")


def purged(number: int, python: str, chance: random.Random) -> Workflow:
    """What is deleted as soon as it has ended."""
    return usual(number, python, chance)


def limited(number: int, python: str, _: random.Random) -> Workflow:
    """Tasks of which one runs at a time, until that limit is taken away."""
    command("limit", "set", f"limit-{number}", "1")

    @ct.lattice(executor=ct.executor.LocalExecutor(python=python), tags=[f"limit-{number}"])
    def workflow() -> Any:
        return [square(f"{number}/limited{index}", JOURNAL, index, 0.05) for index in range(6)]

    return workflow, (), [index**2 for index in range(6)]


def module(number: int, python: str, _: random.Random) -> Workflow:
    """A task that needs a module of its user's which no worker has."""
    here = ct.executor.LocalExecutor(python=python)
    name = f"stock{number}"
    (Path(OPTIONS["directory"]) / f"{name}.py").write_text("def three():\n    return 3\n")
    importlib.invalidate_caches()
    own = importlib.import_module(name)

    @ct.electron(retries=RETRIES)
    def use(label: str, journal: str) -> Any:
        note(journal, "begin", label)
        note(journal, "end", label)
        return own.three()

    @ct.lattice(executor=here)
    def workflow() -> Any:
        return use(f"{number}/use", JOURNAL)

    return workflow, (), 3


def packages(number: int, python: str, _: random.Random) -> Workflow:
    """A task with a package of its own, which nobody has asked for before."""
    here = ct.executor.LocalExecutor(python=python)
    shelf = Path(OPTIONS["shelf"])
    name = max(shelf.glob("ware*.whl"), key=lambda path: path.stat().st_mtime_ns).name.partition("-")[0]

    @ct.electron(retries=RETRIES, deps_pip=["--no-index", f"--find-links {shelf}", f"{name}==1.0"])
    def use(label: str, journal: str, name: str) -> Any:
        note(journal, "begin", label)
        version = __import__(name).__version__
        note(journal, "end", label)
        return version

    @ct.lattice(executor=here)
    def workflow() -> Any:
        return use(f"{number}/use", JOURNAL, name)

    return workflow, (), "1.0"


def cancelled(number: int, python: str, _: random.Random) -> Workflow:
    """Long tasks, which are cancelled as soon as one has begun."""
    here = ct.executor.LocalExecutor(python=python)

    @ct.lattice(executor=here)
    def workflow() -> Any:
        return [square(f"{number}/long{i}", JOURNAL, i, 600.0) for i in range(2)]

    return workflow, (), None


def broken(number: int, __: str, _: random.Random) -> Workflow:
    """An interpreter that is not there."""

    @ct.lattice(executor=ct.executor.LocalExecutor(python=f"/nowhere/{number}/python"))
    def workflow() -> Any:
        return square(f"{number}/never", JOURNAL, 1, 0.0)

    return workflow, (), None


def triggered(number: int, python: str, _: random.Random) -> Workflow:
    """A workflow that starts again and again, until it is stopped."""

    @ct.lattice(executor=ct.executor.LocalExecutor(python=python), triggers=ct.triggers.TimeTrigger(0.2))
    def workflow() -> Any:
        return square(f"{number}/fired", JOURNAL, 3, 0.0)

    return workflow, (), 9


def watching(number: int, python: str, _: random.Random) -> Workflow:
    """A workflow that starts when there is a new file."""
    place = Path(OPTIONS["directory"]) / f"watched-{number}"
    place.mkdir()

    @ct.lattice(
        executor=ct.executor.LocalExecutor(python=python), triggers=ct.triggers.DirTrigger(str(place), "created")
    )
    def workflow() -> Any:
        return square(f"{number}/fired", JOURNAL, 3, 0.0)

    return workflow, (), 9


def vanished(number: int, python: str, chance: random.Random) -> Workflow:
    """The same, and its directory goes away."""
    return watching(number, python, chance)


KINDS = {
    kind.__name__: kind
    for kind in (
        usual,
        once,
        purged,
        limited,
        many,
        left_to_client,
        secret,
        module,
        packages,
        cancelled,
        broken,
        triggered,
        watching,
        vanished,
    )
}


def dispatch(number: int, kind: str, python: str) -> None:
    chance = random.Random(f"{SEED} {number}")  # noqa: S311  (no secret)
    workflow, arguments, expected = KINDS[kind](number, python, chance)
    try:
        dispatch_id = ct.dispatch(workflow, preflight=kind != "broken")(*arguments)
    except ct.errors.ServerUnreachableError:
        # Who has never reached it is told soon, and nothing was promised.
        note(JOURNAL, "unreached", number, kind)
        time.sleep(0.1)
        return
    note(JOURNAL, "sent", number, kind, dispatch_id)
    interfere(number, kind, dispatch_id)
    if kind == "vanished":
        (Path(OPTIONS["directory"]) / f"watched-{number}").rmdir()
        time.sleep(_LOOKED_AT)
        ct.stop_triggers(dispatch_id)
        return
    if kind in {"triggered", "watching"}:
        ct.triggers.TimeTrigger(0.3, lattice_dispatch_id=dispatch_id).register()
        for turn in range(3):
            if kind == "watching":
                (Path(OPTIONS["directory"]) / f"watched-{number}" / f"file{turn}").touch()
            wait_for(functools.partial(fired, number, turn + 1), 10)
        ct.stop_triggers(dispatch_id)
        note(JOURNAL, "stopped", number)
        return
    result = waited_for(dispatch_id)
    if kind == "left_to_client":
        # The value is here even when the server cannot be told of it just now; the next call tells it.
        wait_for(lambda: result.post_process() == expected and result.status == "COMPLETED", 60)
    right = result.result == expected if kind not in {"cancelled", "broken"} else True
    note(JOURNAL, "told", number, result.status, right)
    if kind == "purged":
        note(JOURNAL, "purging", number)
        if command("purge", dispatch_id, "--yes"):
            note(JOURNAL, "purged", number)


def command(*words: str, well: Collection[int] = (0,)) -> bool:
    """Whether the server's command went well, in one of several tries: a server may be away, or have been killed."""
    whole = [sys.executable, "-m", "covalent_server", *words]
    return wait_for(lambda: subprocess.run(whole, check=False).returncode in well, 60)


def interfere(number: int, kind: str, dispatch_id: str) -> None:
    """What a user does to some workflows while they run."""
    if kind == "cancelled":
        wait_for(lambda: f" {number}/long" in read(), 30)
        ct.cancel(dispatch_id)
        note(JOURNAL, "cancelled", number)
    elif kind == "limited":
        wait_for(lambda: f"end {number}/limited" in read(), 30)
        # Whose answer was lost finds it gone.
        command("limit", "remove", f"limit-{number}", well=(0, _REFUSED))


def waited_for(dispatch_id: str) -> Any:
    """The result; a server that was not reached for a minute is asked once more, as the error says."""
    while True:
        try:
            return ct.get_result(dispatch_id, wait=True)
        except ct.errors.ServerUnreachableError:
            time.sleep(0.1)


def fired(number: int, often: int) -> bool:
    return read().count(f"end {number}/fired") >= often


def read() -> str:
    return Path(JOURNAL).read_text()


def wait_for(condition: Callable[[], Any], seconds: float) -> bool:
    """Whether it has come; what does not come is for the campaign to judge."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def next_kind(wanted: Path, number: int) -> str:
    for path in sorted(wanted.iterdir()):
        try:
            path.unlink()
        except FileNotFoundError:
            continue
        return path.name.partition(".")[2]
    return "once" if number % ONCE_IN == 0 else "usual"


def user(numbers: Any, lock: Any) -> None:
    here = Path(OPTIONS["directory"])
    while not (here / "enough").exists():
        with lock:
            number = next(numbers)
        kind = next_kind(here / "wanted", number)
        try:
            dispatch(number, kind, PYTHONS[number % len(PYTHONS)])
        except Exception:  # noqa: BLE001  (whatever it is, the campaign wants to know)
            note(JOURNAL, "puzzled", number, kind)
            traceback.print_exc()


if __name__ == "__main__":
    numbers, lock = iter(range(1, 1_000_000)), threading.Lock()
    users = [threading.Thread(target=user, args=(numbers, lock)) for _ in range(OPTIONS["users"])]
    for thread in users:
        thread.start()
    for thread in users:
        thread.join()
