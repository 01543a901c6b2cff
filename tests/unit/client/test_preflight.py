"""A workflow is looked at before it is dispatched: what cannot run, what may not, and what is sent along."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import covalent as ct
from covalent.errors import ConfigError, PreflightError, PreflightWarning
from covalent.readiness import interpreters
from tests.unit.client.fake_server import FakeServer
from tests.unit.client.interpreters import OTHER, Environment

Report = Any


@pytest.fixture(autouse=True)
def cache(server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: ARG001 - it is there
    monkeypatch.setenv("COVALENT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(interpreters, "_known", {})
    return tmp_path / "cache"


@pytest.fixture
def there(tmp_path: Path) -> Environment:
    """Another environment of this Python."""
    return Environment(home=tmp_path / "there")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ModuleType]]:
    """Makes modules of the user's own, and imports the first."""
    home = tmp_path / "project"
    home.mkdir()
    monkeypatch.syspath_prepend(home)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    def made(**sources: str) -> ModuleType:
        for name, source in sources.items():
            (home / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        return importlib.import_module(next(iter(sources)))

    yield made
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(home)):
            del sys.modules[name]


def _by_value(x: int) -> Callable[[int], int]:
    def plain(y: int) -> int:
        return x + y

    return plain


def _workflow(function: Callable[..., Any], python: object = None, **options: Any) -> ct.Lattice[...]:
    place = ct.executor.LocalExecutor(python=str(python)) if python else None
    task: Any = ct.electron(function, executor=place, **options)

    @ct.lattice
    def workflow(x: object = 1) -> Any:
        return task(x)

    return workflow


def _looked(function: Callable[..., Any], environment: Environment, **options: Any) -> Report:
    return ct.preflight(_workflow(function, environment.made(), **options))()


def _only(findings: Any) -> Any:
    (finding,) = findings
    return finding


# -- the report


def test_a_workflow_that_can_run_is_reported_with_what_is_sent_along(module: Callable[..., ModuleType]) -> None:
    steps = module(steps="import other\n\n\ndef double(x):\n    return 2 * x\n", other="A = 1\n")
    report = ct.preflight(_workflow(steps.double))(3)
    assert (report.ok, report.problems, report.warnings) == (True, (), ())
    assert {item.name: item.size for item in report.shipped} == {"steps.py": 47, "other.py": 6}
    assert report.shipped_size == 53
    assert report.values_size > 0
    assert [(place.python, place.tasks) for place in report.places] == [(_own(), ("double",))]
    plain = json.loads(json.dumps(report.to_dict()))
    assert (plain["ok"], plain["shipped_size"]) == (True, 53)
    assert "can run: yes" in str(report) == repr(report)
    assert "53 B in 2 files" in str(report)
    assert "53 B in 2 files" in report._repr_html_()
    report.raise_for_problems()


def _own() -> str:
    from covalent.executors.local import own_interpreter

    return own_interpreter()


def test_nothing_is_dispatched_and_no_interpreter_is_asked_about_itself(server: FakeServer, cache: Path) -> None:
    ct.preflight(_workflow(_by_value(1)))()
    assert server.requests == []
    ct.dispatch(_workflow(_by_value(1)))()
    assert server.asked == ["POST /dispatches"]
    assert not (cache / "interpreters").exists()


def test_what_is_no_lattice_is_refused() -> None:
    with pytest.raises(TypeError, match=r"ct\.preflight takes a lattice, but got the function 'len'"):
        ct.preflight(len)  # type: ignore[arg-type] # what is shown


def test_an_exception_of_the_workflow_function_comes_out_unchanged() -> None:
    @ct.lattice
    def workflow() -> None:
        raise LookupError("in the body")

    with pytest.raises(LookupError, match="in the body"):
        ct.preflight(workflow)()


def test_what_keeps_a_workflow_from_being_packed_is_a_problem_like_others(
    module: Callable[..., ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = ct.preflight(_workflow(len, "no-such-python-anywhere"))()
    assert "no such program is on the PATH" in _only(report.problems).what
    steps = module(steps="def double(x):\n    return 2 * x\n")
    monkeypatch.setenv("COVALENT_MAX_PROJECT_BYTES", "10")
    report = ct.preflight(_workflow(steps.double))()
    assert ".covalentignore" in _only(report.problems).what
    assert "preflight.max_project_bytes" in _only(report.problems).what


# -- interpreters


def test_an_interpreter_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    problem = _only(ct.preflight(_workflow(len, tmp_path / "nowhere"))().problems)
    assert problem.what == f"the interpreter {tmp_path}/nowhere is not there"


@pytest.mark.parametrize("said", ["Hello", "{}", "[1]"])
def test_a_program_that_is_no_python_is_a_problem(there: Environment, said: str) -> None:
    problem = _only(ct.preflight(_workflow(len, there.made(said)))().problems)
    assert f"the interpreter {there.python} cannot be run: " in problem.what


def test_an_interpreter_that_does_not_answer_is_a_warning(there: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreters, "_SECONDS", 0.1)
    there.made()
    there.python.write_text("#!/bin/sh\nexec sleep 60\n")
    report = ct.preflight(_workflow(len, there.python))()
    assert report.ok
    assert _only(report.warnings).what == f"the interpreter {there.python} did not say within 0.1 seconds what it has"


def test_a_python_that_is_too_old_is_a_problem_with_both_versions(there: Environment) -> None:
    there.version = (3, 8, 2)
    problem = _only(_looked(len, there).problems)
    assert problem.what == f"{there.python} is Python 3.8.2, and tasks need 3.11 or later"
    assert (problem.package, problem.there) == ("python", "3.8.2")


def test_an_environment_without_the_sdk_is_a_problem_with_the_command_that_mends_it(there: Environment) -> None:
    there.distributions = {}
    problem = _only(_looked(len, there).problems)
    assert "lacks covalent-sdk and cloudpickle" in problem.what
    assert problem.remedy == f"{there.python} -m pip install covalent-sdk"


def test_code_on_another_minor_version_is_a_problem_with_the_ways_out(there: Environment) -> None:
    there.version = OTHER
    report = _looked(_by_value(1), there)
    problem = _only(report.problems)
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert problem.tasks == ("plain",)
    assert f"plain travels as its code, which only CPython {own} understands" in problem.what
    assert problem.what.endswith("is CPython 3.99")
    assert "move plain into a module beside the script and import it from there" in problem.remedy
    assert f"LocalExecutor(python='{own}')" in problem.remedy
    assert (problem.there, report.places[0].version) == ("3.99.1", "CPython 3.99.1")


def test_functions_of_modules_and_plain_values_go_to_another_minor_version(
    there: Environment, module: Callable[..., ModuleType]
) -> None:
    there.version = OTHER
    assert _looked(len, there).ok
    assert _looked(module(steps="def double(x):\n    return 2 * x\n").double, there).ok


def test_an_argument_that_is_code_is_a_problem_like_a_function(there: Environment) -> None:
    there.version = OTHER
    report = ct.preflight(_workflow(callable, there.made()))(_by_value(1))
    assert "plain travels as its code" in _only(report.problems).what


def test_what_says_itself_what_to_do_is_told_without_an_empty_line() -> None:
    report = ct.preflight(_workflow(len, "no-such-python"))()
    assert str(_only(report.problems)) == _only(report.problems).what
    assert _only(report.problems).what.startswith("LocalExecutor(python='no-such-python'): no such program")


def test_of_a_value_that_is_made_of_code_its_parts_are_to_be_moved(there: Environment) -> None:
    there.version = OTHER
    problem = _only(ct.preflight(_workflow(len, there.made()))([_by_value(1)]).problems)
    assert problem.what.startswith("a value of type list travels as its code")
    assert problem.remedy.startswith("move what it is made of into a module beside the script and import it from there")


def test_a_hook_that_is_code_is_a_problem_like_a_function(there: Environment) -> None:
    there.version = OTHER
    report = _looked(len, there, call_before=[ct.DepsCall(_by_value(1), [1])])
    assert _only(report.problems).tasks == ("len",)


def test_a_cloudpickle_that_is_older_than_the_one_here_is_a_problem_with_both_versions(there: Environment) -> None:
    there.distributions["cloudpickle"] = "1.2.0"
    problem = _only(_looked(_by_value(1), there).problems)
    assert (problem.package, problem.here, problem.there) == ("cloudpickle", version("cloudpickle"), "1.2.0")
    assert problem.remedy == f"{there.python} -m pip install 'cloudpickle>={version('cloudpickle')}'"


# -- packages


def test_a_package_that_a_module_imports_and_the_environment_lacks_is_a_problem_with_both_versions(
    there: Environment, module: Callable[..., ModuleType]
) -> None:
    steps = module(steps="import middle\n\n\ndef f(x):\n    return x\n", middle="from urllib3 import Timeout\n")
    problem = _only(_looked(steps.f, there).problems)
    here = version("urllib3")
    assert f"middle imports urllib3, which {there.python} (CPython " in problem.what
    assert problem.what.endswith(f"lacks; here it is urllib3 {here}")
    assert (problem.package, problem.here, problem.there) == ("urllib3", here, None)
    assert f"{there.python} -m pip install 'urllib3=={here}'" in problem.remedy
    assert f"deps_pip=['urllib3=={here}']" in problem.remedy
    there.distributions["urllib3"] = "1"
    os.utime(there.site, (1, 1))
    assert _looked(steps.f, there).ok


def test_an_installed_function_needs_its_package(there: Environment) -> None:
    import urllib3

    assert "urllib3" in _only(_looked(urllib3.disable_warnings, there).problems).what


def test_a_module_among_a_functions_globals_is_needed(there: Environment) -> None:
    import urllib3

    def count(x: object) -> Any:
        return urllib3.Timeout, x

    assert "count imports urllib3" in _only(_looked(count, there).problems).what


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    import urllib3\nexcept ImportError:\n    pass\n",
        "import sys\nif sys.platform != 'nothing':\n    import urllib3\n",
        "def g():\n    import urllib3\n",
    ],
)
def test_a_package_that_may_not_be_needed_is_a_warning(
    there: Environment, module: Callable[..., ModuleType], source: str
) -> None:
    report = _looked(module(steps=f"{source}\ndef f(x):\n    return x\n").f, there)
    assert report.ok
    assert "steps imports urllib3" in _only(report.warnings).what


def test_what_only_a_part_of_the_function_imports_is_a_warning(there: Environment) -> None:
    def f(x: int) -> int:
        import urllib3

        return x + len(urllib3.__name__)

    assert "f imports urllib3" in _only(_looked(f, there).warnings).what


def test_an_optional_package_that_is_nowhere_is_not_mentioned(
    there: Environment, module: Callable[..., ModuleType]
) -> None:
    source = "try:\n    import nowhere_to_be_found\nexcept ImportError:\n    pass\n\n\ndef f(x):\n    return x\n"
    assert _looked(module(steps=source).f, there).warnings == ()


def test_a_command_that_may_install_it_makes_a_missing_package_a_warning(
    there: Environment, module: Callable[..., ModuleType]
) -> None:
    steps = module(steps="import urllib3\n\n\ndef f(x):\n    return x\n")
    assert _looked(steps.f, there, deps_bash="pip install urllib3").ok


@pytest.mark.parametrize("lines", ["urllib3<99", "NoWhere-To.Be_Found>=1", "/some/wheel-1.0-py3-none-any.whl"])
def test_a_package_that_is_declared_or_may_come_with_one_that_is_not_known_here_counts_as_present(
    there: Environment, module: Callable[..., ModuleType], lines: str
) -> None:
    steps = module(steps="import urllib3\n\n\ndef f(x):\n    return x\n")
    report = _looked(steps.f, there, deps_pip=lines)
    assert (report.problems, report.warnings) == ((), ())
    assert report.places[0].requirements == (lines,)


def test_other_packages_that_are_declared_do_not_help(there: Environment, module: Callable[..., ModuleType]) -> None:
    steps = module(steps="import urllib3\n\n\ndef f(x):\n    return x\n")
    assert not _looked(steps.f, there, deps_pip=["cloudpickle"]).ok


def test_what_a_declared_package_needs_counts_as_present(there: Environment, module: Callable[..., ModuleType]) -> None:
    steps = module(steps="import networkx\n\n\ndef f(x):\n    return x\n")
    assert not _looked(steps.f, there, deps_pip=["urllib3"]).ok
    assert _looked(steps.f, there, deps_pip=["covalent-sdk"]).ok


def test_finders_of_modules_that_nobody_knows_make_a_missing_package_a_warning(
    there: Environment, module: Callable[..., ModuleType]
) -> None:
    there.strange = True
    report = _looked(module(steps="import urllib3\n\n\ndef f(x):\n    return x\n").f, there)
    assert report.ok
    assert len(report.warnings) == 1


def test_a_part_of_python_that_the_other_one_no_longer_has_is_told_so(
    there: Environment, module: Callable[..., ModuleType]
) -> None:
    there.without = frozenset({"cmd"})
    problem = _only(_looked(module(steps="import cmd\n\n\ndef f(x):\n    return x\n").f, there).problems)
    assert "steps imports cmd, which " in problem.what
    assert problem.what.endswith("has no longer")


def test_modules_that_are_named_are_sent_and_so_not_missing(
    there: Environment, module: Callable[..., ModuleType]
) -> None:
    steps = module(steps="import urllib3\n\n\ndef f(x):\n    return x\n")
    assert _looked(steps.f, there, deps_module="urllib3").ok


def test_a_function_that_imports_what_is_not_installed_here_is_warned_of() -> None:
    def f(x: int) -> int:
        import nowhere_to_be_found  # type: ignore[import-not-found]

        return x + len(nowhere_to_be_found.__name__)

    warning = _only(ct.preflight(_workflow(f))().warnings)
    assert warning.what == "f imports nowhere_to_be_found, which is not installed here"
    assert f"{sys.executable} -m pip install nowhere_to_be_found" in warning.remedy
    for present in ({"deps_bash": "pip install nowhere_to_be_found"}, {"deps_pip": "nowhere-to-be-found"}):
        assert ct.preflight(_workflow(f, **present))().warnings == ()
    assert len(ct.preflight(_workflow(f, deps_pip="urllib3"))().warnings) == 1


def test_what_is_to_be_installed_is_named_as_the_package_index_knows_it() -> None:
    def f(x: int) -> int:
        import fitz  # type: ignore[import-not-found]

        return x + len(fitz.__name__)

    warning = _only(ct.preflight(_workflow(f))().warnings)
    assert warning.what == "f imports fitz, which is not installed here"
    assert warning.remedy.endswith("-m pip install pymupdf    or, for these tasks alone: deps_pip=['pymupdf']")
    assert ct.preflight(_workflow(f, deps_pip="PyMuPDF"))().warnings == ()


def test_a_function_that_can_do_without_is_not_warned_of() -> None:
    def f(x: int) -> int:
        try:
            import nowhere_to_be_found
        except ImportError:
            return x
        return x + len(nowhere_to_be_found.__name__)

    assert ct.preflight(_workflow(f))().warnings == ()


# -- executors


def test_an_executor_that_the_server_does_not_have_is_a_warning(server: FakeServer) -> None:
    workflow = _workflow(len)
    workflow.executor = "abacus"
    warning = _only(ct.preflight(workflow)().warnings)
    assert "this server has no executor 'abacus', so these tasks will fail; it has: local" in warning.what
    server.executors = ("abacus", "local")
    assert ct.preflight(workflow)().warnings == ()


def test_an_executor_of_no_kind_is_a_warning_when_the_server_says_nothing(server: FakeServer) -> None:
    workflow = _workflow(len)
    server.executors = ()
    workflow.executor = "abacus"
    assert "no executor is known here by the name 'abacus'" in _only(ct.preflight(workflow)().warnings).what
    workflow.executor = "slurm"
    assert ct.preflight(workflow)().warnings == ()


# -- dispatching


def _doubtful() -> ct.Lattice[...]:
    workflow = _workflow(len)
    workflow.executor = "abacus"
    return workflow


def test_a_dispatch_that_cannot_run_is_refused_with_all_problems_and_nothing_is_sent(
    server: FakeServer, there: Environment
) -> None:
    there.version, there.distributions = OTHER, {}
    workflow = _workflow(_by_value(1), there.made())
    for start in (ct.dispatch(workflow), ct.dispatch_sync(workflow)):
        with pytest.raises(PreflightError) as told:
            start()
        assert "workflow cannot run as it is, so nothing was dispatched" in str(told.value)
        assert "- plain: plain travels as its code" in str(told.value)
        assert f"{there.python} -m pip install covalent-sdk" in str(told.value)
        assert len(told.value.problems) == 2
    with pytest.raises(PreflightError):
        asyncio.run(_awaited(ct.adispatch(workflow)))
    assert server.requests == []


async def _awaited(start: Callable[..., Any]) -> Any:
    return await start()


def test_warnings_are_about_the_line_that_dispatches() -> None:
    workflow = _doubtful()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ct.dispatch(workflow)()
        asyncio.run(_awaited(ct.adispatch(workflow)))
    assert [item.category for item in caught] == [PreflightWarning] * 2
    assert {item.filename for item in caught} == {__file__}
    assert caught[1].lineno == caught[0].lineno + 1


def test_who_does_not_want_to_be_told_is_not(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = _workflow(len, tmp_path / "nowhere")
    ct.dispatch(workflow, preflight=False)()
    for word in ("0", "false", "No"):
        monkeypatch.setenv("COVALENT_PREFLIGHT", word)
        ct.dispatch(workflow)()
    monkeypatch.delenv("COVALENT_PREFLIGHT")
    ct.set_config("preflight.enabled", False)  # noqa: FBT003 - as a user writes it
    ct.dispatch(workflow)()
    assert len(server.manifests) == 5


def test_a_switch_that_is_neither_on_nor_off_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVALENT_PREFLIGHT", "perhaps")
    with pytest.raises(ConfigError, match="'perhaps' is not true or false; correct COVALENT_PREFLIGHT or preflight"):
        ct.dispatch(_workflow(len))()
    monkeypatch.setenv("COVALENT_PREFLIGHT", "1")
    monkeypatch.setenv("COVALENT_MAX_PROJECT_BYTES", "much")
    with pytest.raises(ConfigError, match="'much' is not a number of bytes; correct COVALENT_MAX_PROJECT_BYTES or"):
        ct.dispatch(_workflow(len))()


def test_a_redispatch_looks_at_the_interpreters_of_what_it_does_not_open(
    server: FakeServer, there: Environment
) -> None:
    dispatch_id = ct.dispatch(_workflow(len, there.made()))()
    there.python.unlink()
    with pytest.raises(PreflightError, match=f"the interpreter {there.python} is not there"):
        ct.redispatch(dispatch_id)()
    assert ct.redispatch(dispatch_id, preflight=False)() in server.records


# -- asking interpreters


def test_an_interpreter_is_asked_once_until_something_is_installed_into_it(
    there: Environment, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = _workflow(len, there.made())
    ct.preflight(workflow)()
    ct.preflight(workflow)()
    monkeypatch.setattr(interpreters, "_known", {})  # as in another process
    ct.preflight(workflow)()
    assert there.asked == 1
    os.utime(there.site, (1, 1))
    there.made()
    ct.preflight(workflow)()
    assert there.asked == 2
    for path in (cache / "interpreters").iterdir():
        path.write_text("what another version wrote")
    monkeypatch.setattr(interpreters, "_known", {})
    ct.preflight(workflow)()
    assert there.asked == 3


def test_a_cache_that_cannot_be_written_is_done_without(
    there: Environment, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write_text("a file")
    workflow = _workflow(len, there.made())
    assert ct.preflight(workflow)().ok
    monkeypatch.setattr(interpreters, "_known", {})
    assert ct.preflight(workflow)().ok
    assert there.asked == 2


def test_this_interpreter_says_of_itself_what_it_is_and_has() -> None:
    known = interpreters.ask(_own())
    assert known.version == tuple(sys.version_info[:3])
    assert known.distributions["urllib3"] == version("urllib3")
    assert known.owners["urllib3"] == ("urllib3",)
    assert {"urllib3", "covalent", "cloudpickle", "json", "sys"} <= set(known.names)
    assert "probe" not in known.names
