"""What is told of a mutation: that it was noticed, and if not, why not."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from tests.mutations import session
from tests.mutations.catalogue import ROOT, Mutation, StaleMutationError, git, mutations
from tests.mutations.trial import tried
from tests.mutations.verdicts import is_assertion

_STATES = "packages/covalent-server/src/covalent_server/core/states.py"
_GREEN = "tests/unit/core/test_decisions.py::test_a_lease_raises_the_attempt"
_STATUS = "tests/unit/core/test_decisions.py::test_every_state_can_be_reached_and_left_as_the_table_says"


def patch(directory: Path, line: str, instead: str, *red: str) -> Mutation:
    path = directory / "made.patch"
    path.write_text(
        f"Rule: r\nBreaks: b\n\n--- a/{_STATES}\n+++ b/{_STATES}\n@@ -1,2 +1,2 @@\n-{line}\n+{instead}\n \n",
        encoding="utf-8",
    )
    return Mutation(rule="r", breaks="b", red=red, path=path)


def first_line() -> str:
    return (ROOT / _STATES).read_text(encoding="utf-8").partition("\n")[0]


@pytest.mark.timeout(300)
def test_a_mutation_that_no_test_notices_is_told(tmp_path: Path) -> None:
    trial = tried(
        patch(tmp_path, first_line(), '"""Something else."""', _GREEN, "tests/unit/core/test_nothing.py::test_it")
    )
    assert not trial.noticed
    assert [verdict.how for verdict in trial.verdicts] == ["never ran", "never ran"]
    trial = tried(patch(tmp_path, first_line(), '"""Something else."""', _GREEN))
    assert [verdict.how for verdict in trial.verdicts] == ["passed"]
    (fault,) = session._faults(trial.mutation, trial)
    assert "the rule can be broken unseen" in fault


@pytest.mark.timeout(300)
def test_what_fails_because_a_module_cannot_be_imported_has_noticed_nothing(tmp_path: Path) -> None:
    trial = tried(patch(tmp_path, first_line(), "def nowhere(:", _GREEN))
    assert not trial.noticed
    (fault,) = session._faults(trial.mutation, trial)
    assert "was not run" in fault
    assert "SyntaxError" in fault


@pytest.mark.timeout(300)
def test_a_mutation_is_noticed_by_an_assertion_in_the_copy_alone() -> None:
    trial = tried(mutations()["the-ended-is-leased-again"])
    assert trial.noticed, trial.verdicts
    assert "COMPLETED: frozenset()," in (ROOT / _STATES).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("statement", "noticed"),
    [("INSERT INTO made VALUES (1)", True), ("INSERT INTO nowhere VALUES (1)", False)],
    ids=["a row that is there", "a table that is not"],
)
def test_a_refusal_of_the_databases_driver_has_noticed_also_in_a_group(statement: str, *, noticed: bool) -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE made (key INTEGER PRIMARY KEY)")
        database.execute("INSERT INTO made VALUES (1)")
        with pytest.raises(sqlite3.Error) as caught:
            database.execute(statement)
    # As when another module has raised it.
    error = caught.value.with_traceback(None)
    assert is_assertion(ExceptionGroup("of a TaskGroup", [error])) is noticed


def test_a_patch_that_does_not_fit_says_how_it_is_made_anew(tmp_path: Path) -> None:
    stale = patch(tmp_path, "what was there once", "what breaks it", _GREEN)
    with pytest.raises(StaleMutationError, match=r"made\.patch does not fit") as caught:
        stale.apply(ROOT, check=True)
    assert "nox -s mutations -- --refresh made" in str(caught.value)


def test_a_patch_is_made_anew_of_what_is_changed_and_not_staged(tmp_path: Path) -> None:
    module = tmp_path / "packages" / "module.py"
    module.parent.mkdir()
    module.write_text("one = 1\ntwo = 2\nthree = 3\n")
    path = tmp_path / "made.patch"
    path.write_text("Rule: r\nBreaks: b\nRed: t\n\n--- a/packages/module.py\nwhat does not fit\n")
    for arguments in (["init", "-q"], ["add", "packages"]):
        assert git(tmp_path, *arguments).returncode == 0
    assert session.refreshed(tmp_path, path) == 1
    module.write_text("one = 1\ntwo = 3\nthree = 3\n")
    assert session.refreshed(tmp_path, path) == 0
    assert module.read_text() == "one = 1\ntwo = 2\nthree = 3\n"
    assert path.read_text().startswith(
        "Rule: r\nBreaks: b\nRed: t\n\n--- a/packages/module.py\n+++ b/packages/module.py\n"
    )
    Mutation(rule="r", breaks="b", red=(), path=path).apply(tmp_path)
    assert module.read_text() == "one = 1\ntwo = 3\nthree = 3\n"
