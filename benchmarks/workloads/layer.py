"""One task with a package of its own, new and again, beside a task that has none. ``layer.py RUNS``.

The package is a small wheel made here, so that neither an index of packages nor a download is measured. Each cold run
asks for another version: its layer has never been built.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import covalent as ct

WARM_RUNS = 5


def wheel(directory: Path, number: int) -> None:
    """A package of one module with a number in it."""
    info = f"layered-{number}.dist-info"
    contents = {
        "layered.py": f"NUMBER = {number}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: layered\nVersion: {number}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(directory / f"layered-{number}-py3-none-any.whl", "w") as archive:
        for path, text in contents.items():
            archive.writestr(path, text)


def same(value: int) -> int:
    """The task without packages."""
    return value


def added(value: int) -> int:
    """The task with one."""
    import layered  # type: ignore[import-not-found] # noqa: PLC0415  only the task's layer has it

    number: int = layered.NUMBER
    return value + number


def workflow(directory: Path, number: int) -> ct.Lattice[[int]]:
    """The task with a version of the package; zero is without it."""
    options = ["--no-index", f"--find-links {directory}", f"layered=={number}"]
    task = ct.electron(added, deps_pip=options) if number else ct.electron(same)

    @ct.lattice
    def lattice(value: int) -> int:
        got: int = task(value)
        return got

    return lattice


def run(lattice: ct.Lattice[[int]], value: int, expected: int) -> float:
    """Milliseconds of one run."""
    began = time.perf_counter()
    got = ct.get_result(ct.dispatch(lattice)(value), wait=True)
    seconds = time.perf_counter() - began
    if got.result != expected:
        raise SystemExit(f"the task of {value} gave {got.result!r} instead of {expected}: {got.error}")
    return seconds * 1000


def main(runs: int) -> dict[str, list[float]]:
    """Build a layer for each run, and use it again in turns with a task that needs none."""
    samples: dict[str, list[float]] = {key: [] for key in ("cold_ms", "second_ms", "warm_ms", "plain_ms")}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        plain = workflow(directory, 0)
        for number in range(1, runs + 1):
            wheel(directory, number)
            lattice = workflow(directory, number)
            run(plain, number, number)
            samples["cold_ms"].append(run(lattice, number, 2 * number))
            samples["second_ms"].append(run(lattice, 1, number + 1))
            for value in range(WARM_RUNS):
                samples["warm_ms"].append(run(lattice, value, number + value))
                samples["plain_ms"].append(run(plain, value, value))
    extra = [warm - bare for warm, bare in zip(samples["warm_ms"], samples["plain_ms"], strict=True)]
    return {f"layer_{key}": values for key, values in samples.items()} | {"layer_extra_ms": extra}


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
