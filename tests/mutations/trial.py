"""Tests, run in copies of the tree: as it is, or with one rule broken."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.mutations.catalogue import ROOT, Mutation, git

#: Seconds for one test, and for one process with all of them.
_TEST_SECONDS: Final = 120
_SECONDS: Final = 1200


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a test ended that a mutation names."""

    test: str
    #: ``passed``, ``asserted``; else ``skipped``, ``broke`` (by other than an assertion), ``never ran``.
    how: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of a mutation."""

    mutation: Mutation
    verdicts: tuple[Verdict, ...]
    seconds: float

    @property
    def noticed(self) -> bool:
        """Whether every test that is to turn red did, by an assertion."""
        return bool(self.verdicts) and all(verdict.how == "asserted" for verdict in self.verdicts)


@contextmanager
def copied(root: Path = ROOT) -> Iterator[Path]:
    """A copy of all that is, or may become, a part of the repository."""
    listed = git(root, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    with TemporaryDirectory(prefix="mutation-") as directory:
        copy = Path(directory).resolve() / "tree"
        for name in filter(None, listed.stdout.split("\0")):
            if (root / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, copy / name)
        yield copy


def tried(mutation: Mutation, root: Path = ROOT) -> Trial:
    """Break a rule in a copy, and run the tests that are to notice."""
    with copied(root) as copy:
        mutation.apply(copy)
        began = time.monotonic()
        verdicts = run(copy, mutation.red)
        return Trial(mutation=mutation, verdicts=verdicts, seconds=round(time.monotonic() - began, 1))


def _interpreter(copy: Path) -> Path:
    """An environment that has all that this one has, and the packages of the copy: also for processes that tests start.

    It reads this one's packages where they are. What this one reads from elsewhere, the sources of this tree, it lacks.
    """
    here, made = Path(sys.prefix), copy.with_name("environment")
    (made / "bin").mkdir(parents=True)
    shutil.copy(here / "pyvenv.cfg", made)
    for path in (here / "bin").iterdir():
        if path.name.startswith("covalent"):  # a script, whose first line names its interpreter
            script = path.read_text(encoding="utf-8").replace(str(here), str(made))
            (made / "bin" / path.name).write_text(script, encoding="utf-8")
            shutil.copymode(path, made / "bin" / path.name)
        else:
            (made / "bin" / path.name).symlink_to(path.resolve())
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(made)}))
    packages.mkdir(parents=True)
    paths = [*sorted(copy.glob("packages/*/src")), sysconfig.get_path("purelib")]
    (packages / "copy.pth").write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
    return made / "bin" / Path(sys.executable).name


def run(copy: Path, tests: Iterable[str]) -> tuple[Verdict, ...]:
    """Run tests of a copy on the sources of the copy; how each of them ended."""
    named = tuple(dict.fromkeys(tests))
    written = copy.with_name("verdicts.json")
    # The embedded database is quicker; who means the other says so.
    kind = () if any("[postgresql]" in test for test in named) else ("-k", "not postgresql")
    command = [str(_interpreter(copy)), "-m", "pytest", "-q", "-p", "tests.mutations.verdicts", f"--verdicts={written}"]
    process = subprocess.run(
        [*command, "-p", "no:randomly", "-p", "no:cacheprovider", *kind, f"--timeout={_TEST_SECONDS}", *named],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    if not written.exists():
        return tuple(Verdict(test=test, how="never ran", why=process.stderr[-2000:]) for test in named)
    found = json.loads(written.read_text(encoding="utf-8"))
    return tuple(_verdict(test, found, process.stdout) for test in named)


def _verdict(test: str, found: list[dict[str, str]], output: str) -> Verdict:
    """Of a test with parameters the verdict that matters most."""
    own = [item for item in found if item["test"] == test or item["test"].startswith(f"{test}[")]
    for how in ("asserted", "broke", "skipped", "passed"):
        for item in own:
            if item["how"] == how:
                return Verdict(test=test, how=how, why=item["why"])
    return Verdict(test=test, how="never ran", why=output[-2000:])
