"""What a runner inherits."""

from __future__ import annotations

from covalent.worker.environment import RUNNER_VARIABLE, runner_environment


def test_secrets_and_what_steers_another_interpreter_are_left_out() -> None:
    given = {
        "COVALENT_API_TOKEN": "s",
        "COVALENT_WORKER_TOKEN": "s",
        "COVALENT_DATABASE_URL": "s",
        "COVALENT_EXTRA_HEADERS": "s",
        "PYTHONHOME": "/other",
        "COVALENT_CONFIG_DIR": "/c",
        "PATH": "/bin",
    }
    assert runner_environment(given, marker="m", processors=1).keys() & given.keys() == {"COVALENT_CONFIG_DIR", "PATH"}


def test_thread_counts_fit_the_slot_unless_they_were_chosen() -> None:
    made = runner_environment({"MKL_NUM_THREADS": "7"}, marker="m", processors=3)
    assert made["OMP_NUM_THREADS"] == "3"
    assert made["MKL_NUM_THREADS"] == "7"
    assert made[RUNNER_VARIABLE] == "m"
