"""Running a task: what runs around it and in which order, how it may end, how often it is tried."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.programs import Project

_HOOKS = """
def say(word):
    print(word)


def give(value):
    return value


def fails(word):
    raise LookupError(word)


@ct.electron(
    deps_bash=["echo bash 1; export LOST=lost", "echo bash 2 $LOST", "echo to stderr >&2"],
    call_before=[
        ct.DepsCall(say, ["before 1"]),
        ct.DepsCall(give, [1], retval_keyword="several"),
        ct.DepsCall(give, kwargs={"value": "one"}, retval_keyword="single"),
        ct.DepsCall(give, [2], retval_keyword="several"),
        ct.DepsCall(say, ["before 2"]),
    ],
    call_after=[ct.DepsCall(say, ["after 1"]), lambda: print("after 2")],
)
def ordered(x, *, several, single):
    print("function")
    return [x, (several, single)]


@ct.electron(deps_bash="echo printed; exit 3", call_before=[ct.DepsCall(say, ["before"])])
def bash_fails():
    print("function")


@ct.electron(call_before=[ct.DepsCall(fails, ["in before"])], call_after=[ct.DepsCall(say, ["after"])])
def before_fails():
    print("function")


@ct.electron(call_after=[ct.DepsCall(say, ["after"])])
def function_fails():
    raise LookupError("in function")


@ct.electron(call_after=[ct.DepsCall(say, ["after 1"]), ct.DepsCall(fails, ["in after"])])
def after_fails():
    print("function")


@ct.electron
def add(a, b):
    return a + b


@ct.lattice
def well():
    x, (several, single) = ordered(0)
    e = ordered(5)
    return [x, several, single, e[0], e[1][0][1], add(e[0], x)]


@ct.lattice
def badly():
    bash_fails(), before_fails(), function_fails(), after_fails()


ends = {"well": ct.dispatch(well)(), "badly": ct.dispatch(badly)()}
for name, dispatch_id in ends.items():
    result = ct.get_result(dispatch_id, wait=True)
    facts[name] = {
        "value": result.result,
        "nodes": [
            [node[key] for key in ("node_name", "status", "error", "stdout", "stderr")]
            for node in result.get_all_node_results()
        ],
    }
"""


@pytest.fixture(scope="module")
def hooks(user: Project) -> dict[str, Any]:
    return user.facts(_HOOKS, "hooks.py")


def test_hooks_run_in_order_and_never_again_for_unpacking_and_indexing(hooks: dict[str, Any]) -> None:
    order = "bash 1\nbash 2\nbefore 1\nbefore 2\nfunction\nafter 1\nafter 2\n"
    assert hooks["well"]["nodes"] == [
        ["ordered", "COMPLETED", None, order, "to stderr\n"],
        ["ordered", "COMPLETED", None, order, "to stderr\n"],
        ["add", "COMPLETED", None, "", ""],
        ["collect", "COMPLETED", None, "", ""],
    ]


def test_what_calls_before_return_is_handed_over_by_keyword_repeated_as_a_list(hooks: dict[str, Any]) -> None:
    assert hooks["well"]["value"] == [0, [1, 2], "one", 5, 2, 5]


def test_a_failing_hook_fails_its_task_and_what_follows_does_not_run(hooks: dict[str, Any]) -> None:
    nodes = {name: (status, error, stdout) for name, status, error, stdout, _ in hooks["badly"]["nodes"]}
    assert {status for status, _, _ in nodes.values()} == {"FAILED"}
    assert {name: stdout for name, (_, _, stdout) in nodes.items()} == {
        "bash_fails": "printed\n",
        "before_fails": "",
        "function_fails": "",
        "after_fails": "function\nafter 1\n",
    }
    assert (
        "the command 'echo printed; exit 3' of deps_bash of bash_fails ended with exit status 3"
        in nodes["bash_fails"][1]
    )
    for where, name in (("before", "before_fails"), ("after", "after_fails")):
        error = nodes[name][1]
        assert (
            "in fails\n    raise LookupError(word)\nLookupError: 'in " in error or f"LookupError: in {where}" in error
        )
        assert f"in call_{where} of {name}" in error


_ENDS = """
import ctypes
import os
import signal
import sys
import threading

import plain


@ct.electron
def exits():
    sys.exit("enough")


@ct.electron
def exits_at_once():
    print("printed before")
    sys.stdout.flush()
    os._exit(4)


@ct.electron
def crashes():
    ctypes.string_at(0)


@ct.electron
def is_killed():
    os.kill(os.getpid(), signal.SIGKILL)


@ct.electron
def gives_a_lock():
    return threading.Lock()


@ct.electron
def raises():
    print("to stdout")
    print("to stderr", file=sys.stderr)
    plain.fail(0)


@ct.electron
def well():
    return 1


@ct.lattice
def workflow():
    exits(), exits_at_once(), crashes(), is_killed(), gives_a_lock(), raises()
    return well()


result = ct.dispatch_sync(workflow)()
facts["status"], facts["error"] = result.status, result.error
facts["nodes"] = {
    node["node_name"]: [node[key] for key in ("status", "error", "stdout", "stderr")]
    for node in result.get_all_node_results()
}
"""

#: What the error of each says.
_REASONS = {
    "exits": "sys.exit('enough')",
    "exits_at_once": "exit code 4",
    "crashes": "SIGSEGV",
    "is_killed": "SIGKILL",
    "gives_a_lock": "cannot be pickled",
    "raises": "ZeroDivisionError: division by zero",
}


@pytest.fixture(scope="module")
def ends(user: Project) -> dict[str, Any]:
    user.write("plain.py", "def fail(number):\n    return 1 / number\n")
    return user.facts(_ENDS, "ends.py")


@pytest.mark.parametrize("name", _REASONS)
def test_whatever_ends_a_task_ends_it_alone_and_is_told(ends: dict[str, Any], name: str) -> None:
    assert ends["nodes"][name][0] == "FAILED"
    assert _REASONS[name] in ends["nodes"][name][1]
    assert ends["nodes"]["well"][0] == "COMPLETED"


def test_the_dispatch_tells_of_several_failures_and_how_many_more_there_are(ends: dict[str, Any]) -> None:
    told = [name for name in _REASONS if f"{name}(" in ends["error"]]
    assert (ends["status"], len(told)) == ("FAILED", 5)
    assert ends["error"].endswith("… and 1 more failed task")


def test_the_traceback_is_the_users_own_and_stands_in_stderr_and_error(ends: dict[str, Any]) -> None:
    _, error, stdout, stderr = ends["nodes"]["raises"]
    assert (stdout, stderr.splitlines()[0]) == ("to stdout\n", "to stderr")
    assert "in fail\n    return 1 / number" in error
    assert "/covalent/" not in error
    assert error in stderr
    assert ends["nodes"]["exits_at_once"][2] == "printed before\n"


_TRIES = """
import os
import subprocess
import time


@ct.electron
def tried(path, wanted):
    with open(path, "a+") as file:
        file.write(f"{time.time()}\\n")
        file.seek(0)
        count = len(file.readlines())
    if count < wanted:
        raise LookupError(f"attempt {count}")
    return count


@ct.electron(retries=1)
def crashes_once(path):
    if not os.path.exists(path):
        open(path, "x").close()
        os._exit(1)
    return "after the crash"


@ct.electron(timeout=0.5, retries=1)
def never_ends(path):
    with open(path, "a") as file:
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        file.write(f"{os.getpid()} {child.pid}\\n")
    time.sleep(600)


@ct.electron(timeout=60)
def ends_in_time():
    return "in time"


@ct.lattice
def workflow(directory):
    at = lambda name: os.path.join(directory, name)
    electron = ct.electron
    times = electron(tried.electron_object.function, retries=3, retry_delay=0.2)(at("times"), 3)
    exhausted = electron(tried.electron_object.function, retries=1)(at("exhausted"), 5)
    once = tried(at("once"), 2)
    never_ends(at("pids"))
    return [crashes_once(at("crash")), times, ends_in_time()]


began = time.time()
result = ct.dispatch_sync(workflow)(os.getcwd())
facts["seconds"] = time.time() - began
facts["status"] = result.status
facts["nodes"] = [
    [node["node_name"], node["status"], node["error"], node["output"] and node["output"].get_deserialized()]
    for node in result.get_all_node_results()
]
with open("times") as file:
    facts["times"] = [float(line) for line in file]
facts["counts"] = {name: len(open(name).readlines()) for name in ("exhausted", "once", "pids")}


def lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


facts["left"] = [pid for pid in open("pids").read().split() if lives(pid)]
"""


@pytest.fixture(scope="module")
def tries(user: Project) -> dict[str, Any]:
    return user.facts(_TRIES, "tries.py")


def test_failed_attempts_are_followed_by_others_after_a_time_that_doubles(tries: dict[str, Any]) -> None:
    assert tries["nodes"][0] == ["tried", "COMPLETED", None, 3]
    first, second, third = tries["times"]
    assert second - first >= 0.2
    assert third - second >= 0.4


def test_when_no_attempt_is_left_the_last_ones_error_is_told(tries: dict[str, Any]) -> None:
    (_, exhausted, error, _), (_, once, error_of_once, _) = tries["nodes"][1:3]
    assert (exhausted, once) == ("FAILED", "FAILED")
    assert "attempt 2" in error
    assert "attempt 1" in error_of_once
    assert (tries["counts"]["exhausted"], tries["counts"]["once"]) == (2, 1)


def test_a_crash_counts_as_a_failed_attempt(tries: dict[str, Any]) -> None:
    assert ["crashes_once", "COMPLETED", None, "after the crash"] in tries["nodes"]


def test_an_attempt_that_takes_too_long_is_stopped_with_all_that_it_started(tries: dict[str, Any]) -> None:
    name, status, error, _ = tries["nodes"][3]
    assert (name, status) == ("never_ends", "FAILED")
    assert "0.5 seconds" in error
    assert tries["counts"]["pids"] == 2
    assert tries["left"] == []
    assert tries["nodes"][5] == ["ends_in_time", "COMPLETED", None, "in time"]


_CACHED = """
import os


@ct.electron(cache=True)
def counted(path, x):
    with open(path, "a") as file:
        file.write("ran\\n")
    return {"x": x}


@ct.electron
def uncached(path):
    with open(path, "a") as file:
        file.write("ran\\n")


@ct.lattice
def workflow(path, x):
    return [counted(path, x), uncached(path + " uncached")]


def count():
    with open("runs") as file:
        return len(file.readlines())


path = os.path.abspath("runs")
first = ct.dispatch_sync(workflow)(path, 1)
facts["first"] = [first.result[0], count()]
second = ct.dispatch_sync(workflow)(path, 1)
facts["same"] = [second.result[0], count()]
facts["other input"] = [ct.dispatch_sync(workflow)(path, 2).result[0], count()]
node = second.get_node_result(0)
facts["times"] = node["start_time"] == node["end_time"]


@ct.electron(cache=True)
def counted(path, x):
    with open(path, "a") as file:
        file.write("ran\\n")
    return {"other": x}


facts["other function"] = [ct.dispatch_sync(workflow)(path, 1).result[0], count()]


def with_seed(seed):
    call = ct.DepsCall(int, [seed], retval_keyword="seed")
    return ct.dispatch_sync(ct.lattice(lambda: ct.electron(lambda *, seed: seed, cache=True, call_before=call)()))()


seeded = [with_seed(seed) for seed in (7, 7, 8)]
nodes = [result.get_node_result(0) for result in seeded]
facts["seeds"] = [result.result for result in seeded]
facts["seeds kept"] = [node["start_time"] == node["end_time"] for node in nodes]


@ct.electron(cache=True)
@ct.lattice
def sublattice(path):
    return uncached(path)


for _ in range(2):
    kept = ct.dispatch_sync(ct.lattice(lambda: sublattice(path + " sublattice")))()
facts["sublattice"] = [kept.status, len(open("runs sublattice").readlines())]
facts["uncached"] = len(open("runs uncached").readlines())
"""


def test_a_cached_task_runs_once_for_each_function_and_input(user: Project) -> None:
    found = user.facts(_CACHED, "cached.py")
    assert found["first"] == [{"x": 1}, 1]
    assert found["same"] == [{"x": 1}, 1]
    assert found["times"] is True
    assert found["other input"] == [{"x": 2}, 2]
    assert found["other function"] == [{"other": 1}, 3]
    assert found["uncached"] == 4
    assert (found["seeds"], found["seeds kept"]) == ([7, 7, 8], [False, True, False])
    assert found["sublattice"] == ["COMPLETED", 1]


def test_a_module_that_no_import_names_is_sent_when_it_is_asked_for(user: Project) -> None:
    user.write("late.py", "ANSWER = 42\n")
    found = user.facts(
        """
        import importlib

        late = importlib.import_module("late")


        def answer(name):
            return importlib.import_module(name).ANSWER


        for name, modules in {"none": None, "name": "late", "module": [late], "deps": ct.DepsModule("late")}.items():
            asked = ct.electron(answer, deps_module=modules)
            result = ct.dispatch_sync(ct.lattice(lambda: asked("late")))()
            facts[name] = [result.result, result.error]
        """,
        "modules.py",
    )
    assert found["name"] == found["module"] == found["deps"] == [42, None]
    assert "No module named 'late'" in found["none"][1]
