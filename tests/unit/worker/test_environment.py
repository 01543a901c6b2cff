"""What a runner inherits."""

from __future__ import annotations

import pytest

from covalent.context import RUNNER_VARIABLE
from covalent.errors import WorkerError
from covalent.wire.manifest import Variable
from covalent.worker.environment import check_variables, early, runner_environment, with_server


def test_secrets_and_what_steers_another_interpreter_are_left_out() -> None:
    given = {
        "COVALENT_API_TOKEN": "s",
        "COVALENT_TOKEN": "s",
        "COVALENT_DATABASE_URL": "s",
        "COVALENT_EXTRA_HEADERS": "s",
        "PYTHONHOME": "/other",
        "COVALENT_CONFIG_DIR": "/c",
        "PATH": "/bin",
    }
    assert runner_environment(given, marker="m", processors=1).keys() & given.keys() == {"COVALENT_CONFIG_DIR", "PATH"}


def test_tasks_speak_to_the_server_that_their_worker_works_for() -> None:
    given = {"COVALENT_SERVER_URL": "http://other:1", "PATH": "/bin"}
    made = runner_environment(with_server(given, "http://here:2"), marker="m", processors=1)
    assert made["COVALENT_SERVER_URL"] == "http://here:2"
    assert given["COVALENT_SERVER_URL"] == "http://other:1"


def test_thread_counts_fit_the_slot_unless_they_were_chosen() -> None:
    made = runner_environment({"MKL_NUM_THREADS": "7"}, marker="m", processors=3)
    assert made["OMP_NUM_THREADS"] == "3"
    assert made["MKL_NUM_THREADS"] == "7"
    assert made[RUNNER_VARIABLE] == "m"


def test_a_secret_is_no_variable_of_the_process_before_its_task() -> None:
    env: dict[str, Variable] = {"OMP_NUM_THREADS": "2", "MKL_KEY": {"secret": "key"}}
    check_variables(env)
    assert early(env) == (("OMP_NUM_THREADS", "2"),)


def test_the_programs_of_an_environment_are_found_before_others() -> None:
    made = runner_environment({"PATH": "/bin"}, marker="m", processors=1, programs=["/layer/bin", "/below/bin"])
    assert made["PATH"] == "/layer/bin:/below/bin:/bin"


def test_a_task_may_set_what_does_not_steer_the_process_that_runs_it() -> None:
    check_variables({"OMP_NUM_THREADS": "2", "DATA": "", "MY_LD_PATH": "x", "pythonic": "y"})


@pytest.mark.parametrize("name", ["LD_PRELOAD", "PYTHONPATH", "PYTHONHOME", "COVALENT_API_TOKEN", "LD_"])
def test_a_variable_that_steers_the_process_is_refused_by_name(name: str) -> None:
    with pytest.raises(WorkerError, match=f"'{name}' of its env is refused.* LD_, PYTHON or COVALENT_ .*leave it out"):
        check_variables({"FINE": "1", name: "x"})


@pytest.mark.parametrize(("name", "value"), [("", "x"), ("A=B", "x"), ("A\0B", "x"), ("A", "x\0y")])
def test_a_variable_that_no_process_can_have_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(WorkerError, match="of its env cannot be set") as caught:
        check_variables({name: value})
    assert repr(name) in str(caught.value)
