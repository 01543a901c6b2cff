"""Tasks that crash, leave, print without end or return what cannot travel: each shows it, and nobody else does."""

from __future__ import annotations

import pytest

from tests.acceptance.programs import Project, Told
from tests.installation import Installation

_SCRIPT = """
import ctypes
import os
import resource
import signal
import sys
import threading


@ct.electron
def good(index):
    return index


@ct.electron
def segfaults():
    ctypes.string_at(0)


@ct.electron
def leaves_by_os_exit():
    os._exit(7)


@ct.electron
def leaves_by_sys_exit():
    sys.exit(3)


@ct.electron
def returns_a_lock():
    return threading.Lock()


@ct.electron
def returns_locks_deep_inside():
    return {"locks": [(number, threading.Lock()) for number in range(3)]}


@ct.electron
def yields_locks():
    return (threading.Lock() for _ in range(3))


@ct.electron
def prints_a_megabyte():
    for number in range(16384):
        print(f"{number:063d}")


@ct.electron
def is_killed_as_the_out_of_memory_killer_would():
    os.kill(os.getpid(), signal.SIGKILL)


@ct.electron
def allocates_up_to_its_own_address_space_limit():
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), hard))
    hoard = []
    try:
        while True:
            hoard.append(bytearray(8 << 20))
    finally:
        hoard.clear()
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@ct.electron
def follows_a_bad_one(value):
    return value


@ct.lattice
def workflow():
    bad = [
        segfaults(),
        leaves_by_os_exit(),
        leaves_by_sys_exit(),
        returns_a_lock(),
        returns_locks_deep_inside(),
        yields_locks(),
        is_killed_as_the_out_of_memory_killer_would(),
        allocates_up_to_its_own_address_space_limit(),
    ]
    for index in range(6):
        good(index)
    follows_a_bad_one(bad[0])
    return prints_a_megabyte()
"""

#: What the error of each says.
_REASONS = {
    "segfaults": "signal 11 (SIGSEGV)",
    "leaves_by_os_exit": "exit code 7",
    "leaves_by_sys_exit": "the task called sys.exit(3)",
    "returns_a_lock": "_thread.lock, cannot be pickled",
    "returns_locks_deep_inside": "of type builtins.dict, cannot be pickled",
    "yields_locks": "cannot be pickled",
    "is_killed_as_the_out_of_memory_killer_would": "signal 9 (SIGKILL): probably",
    "allocates_up_to_its_own_address_space_limit": "MemoryError",
}


@pytest.fixture(scope="module")
def bad_project(tmp_path_factory: pytest.TempPathFactory, shared_installation: Installation) -> Project:
    project = Project(tmp_path_factory.mktemp("ill-behaved"), shared_installation)
    project.workflow(_SCRIPT)
    return project


@pytest.fixture(scope="module")
def ran(bad_project: Project) -> Told:
    """One dispatch of them all, with well-behaved tasks between them."""
    return bad_project.run()


@pytest.mark.parametrize("name", _REASONS)
def test_a_bad_end_is_told_by_its_task(bad_project: Project, ran: Told, name: str) -> None:
    node = bad_project.nodes(ran)[name]
    assert (node["status"], node["attempt"]) == ("FAILED", 1)
    assert _REASONS[name] in node["error"]


def test_only_the_ill_behaved_fail_and_only_what_needs_them_never_starts(bad_project: Project, ran: Told) -> None:
    nodes = bad_project.installation.request("GET", f"/api/v1/dispatches/{ran.dispatch_id}/nodes").plain["nodes"]
    ended = {(node["node_name"], node["status"]) for node in nodes}
    assert ran.status == "FAILED"
    assert ended == {(name, "FAILED") for name in _REASONS} | {
        ("good", "COMPLETED"),
        ("prints_a_megabyte", "COMPLETED"),
        ("follows_a_bad_one", "NEW_OBJECT"),
    }
    assert [node["output"]["json"] for node in nodes if node["node_name"] == "good"] == list("012345")


def test_a_crash_in_compiled_code_shows_in_stderr_where_in_python_it_was(bad_project: Project, ran: Told) -> None:
    assert b"in segfaults" in bad_project.printed(ran, "segfaults", "stderr")


def test_a_printed_megabyte_is_kept_to_the_byte(bad_project: Project, ran: Told) -> None:
    expected = b"".join(b"%063d\n" % number for number in range(16384))
    assert len(expected) == 1 << 20
    assert bad_project.printed(ran, "prints_a_megabyte") == expected
