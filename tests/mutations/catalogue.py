"""What breaks the rules: a patch each, below lines that say the rule, what is broken, and what is to turn red::

Rule: grouped-counts
Breaks: A child's counter falls by one, however many of its parents complete together.
Red: tests/integration/engine/test_dispatches.py::test_two_parents_that_complete_in_one_report_release_their_child
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PATCHES: Final = Path(__file__).with_name("patches")
#: Lines of context: few, so that a change nearby leaves a patch as it is.
CONTEXT: Final = 1


class StaleMutationError(Exception):
    """A mutation does not fit the tree any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One way to break a rule."""

    path: Path
    rule: str
    breaks: str
    #: The tests that are to turn red, each of them.
    red: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is called."""
        return self.path.stem

    def apply(self, root: Path, *, check: bool = False) -> None:
        """Break the rule in a copy of the tree; with ``check`` only see whether that is possible."""
        run = git(root, "apply", *(["--check"] if check else []), str(self.path))
        if run.returncode:
            raise StaleMutationError(
                f"{self.path.name} does not fit the tree any more: {run.stderr.strip()}\n"
                f"It broke this: {self.breaks}\n"
                "Stage your own work (git add), break the rule by hand in packages/, then: "
                f"nox -s mutations -- --refresh {self.name}"
            )


def git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Git in a tree, or in a copy that is no repository; never in a repository around it."""
    return subprocess.run(
        ["git", *arguments],  # noqa: S607 - the one on the path, as everywhere
        cwd=root,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(root.parent)},
        capture_output=True,
        text=True,
        check=False,
    )


def mutations() -> dict[str, Mutation]:
    """All mutations, by name."""
    return {path.stem: _read(path) for path in sorted(PATCHES.glob("*.patch"))}


def head(text: str) -> str:
    """What stands above a patch's diff."""
    return text.partition("--- a/")[0].partition("diff --git ")[0]


def _read(path: Path) -> Mutation:
    fields: dict[str, list[str]] = {"Rule": [], "Breaks": [], "Red": []}
    for line in filter(None, head(path.read_text(encoding="utf-8")).splitlines()):
        name, _, value = line.partition(": ")
        fields[name].append(value)
    (rule,), (breaks,) = fields["Rule"], fields["Breaks"]
    return Mutation(path=path, rule=rule, breaks=breaks, red=tuple(fields["Red"]))
