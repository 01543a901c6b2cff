"""A plugin for pytest that writes down how each test ended, and whether what failed was an assertion.

A test that fails because a module cannot be imported has not noticed that a rule is broken. What counts is an
assertion, something waited for in vain, an error that a line of the tests themselves raised (as when too few leases are
unpacked), and a refusal, by us or by the database, of what the test holds to be allowed. SQLite's driver is asked past
SQLAlchemy on the hot path, and then refuses in its own words.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import Phase, settings
from sqlalchemy.exc import SQLAlchemyError

from covalent.errors import CovalentError

_TESTS: Final = Path(__file__).resolve().parents[1]
#: What pytest-timeout says: a machine that is slow has noticed nothing.
_TIMED_OUT: Final = "Timeout (>"
_PROFILE: Final = "mutations"
_FOUND: Final = pytest.StashKey[list[dict[str, str]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where to write to."""
    parser.addoption("--verdicts", type=Path, required=True)


def pytest_configure(config: pytest.Config) -> None:
    """A counterexample is enough: it need not be the smallest."""
    config.stash[_FOUND] = []
    settings.register_profile(_PROFILE, phases=(Phase.explicit, Phase.generate), database=None)
    settings.load_profile(_PROFILE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep how the test's own part ended, or that it never came to that."""
    report = yield
    if call.when == "call" or report.outcome != "passed":
        why = "" if call.excinfo is None else call.excinfo.exconly()
        item.config.stash[_FOUND].append({"test": item.nodeid, "how": _how(call, report), "why": why[:2000]})
    return report


def _how(call: pytest.CallInfo[Any], report: pytest.TestReport) -> str:
    if report.outcome != "failed" or call.excinfo is None:
        return report.outcome
    return "asserted" if call.when == "call" and is_assertion(call.excinfo.value) else "broke"


def pytest_unconfigure(config: pytest.Config) -> None:
    """Write it down."""
    config.getoption("--verdicts").write_text(json.dumps(config.stash[_FOUND]), encoding="utf-8")


def is_assertion(error: BaseException) -> bool:
    """Whether a test failed for what it looks at."""
    if isinstance(error, BaseExceptionGroup):
        return any(is_assertion(item) for item in error.exceptions)
    if isinstance(error, pytest.fail.Exception):
        return not str(error).startswith(_TIMED_OUT)
    waited = (AssertionError, TimeoutError, subprocess.TimeoutExpired)
    if isinstance(error, (*waited, CovalentError, SQLAlchemyError, sqlite3.IntegrityError)):
        return True
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and Path(trace.tb_frame.f_code.co_filename).is_relative_to(_TESTS)
