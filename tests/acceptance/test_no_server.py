"""Scripts that reach no server, or one that does not let them in: a sentence that says what to do."""

from __future__ import annotations

import socket

import pytest

from tests.acceptance.programs import Project


@pytest.fixture
def small_project(project: Project) -> Project:
    project.workflow(
        """
        @ct.electron
        def one():
            return 1


        @ct.lattice
        def workflow():
            return one()
        """
    )
    return project


def test_a_script_without_a_server_says_how_to_start_one(small_project: Project) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody answers there
        taken.bind(("127.0.0.1", 0))
        url = f"http://localhost:{taken.getsockname()[1]}"
        done = small_project.attempt(COVALENT_SERVER_URL=url)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("covalent.errors.ServerUnreachableError: ")
    assert f"no server answers at {url}" in last
    assert "Connection refused" in last
    assert "covalent start" in last


@pytest.mark.parametrize("token", ["not-the-one", "x" * 43], ids=["short", "of the right length"])
def test_a_script_with_a_wrong_token_says_where_it_was_looked_for(small_project: Project, token: str) -> None:
    done = small_project.attempt(COVALENT_API_TOKEN=token)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("covalent.errors.AuthenticationError: ")
    assert "did not accept the token" in last
    assert "COVALENT_API_TOKEN" in last
    assert "`covalent start` on the server's account writes that file" in last
    assert "python -m covalent login" in last
    assert token not in done.stderr


def test_a_script_without_a_token_says_which_file_would_hold_it(small_project: Project) -> None:
    elsewhere = small_project.directory / "other-configuration"
    done = small_project.attempt(COVALENT_CONFIG_DIR=str(elsewhere))
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "asks for a token and there is none" in last
    assert "`covalent start` on the server's account writes that file" in last
    assert "python -m covalent login" in last
    assert str(elsewhere / "tokens") in last


def test_nothing_was_stored_by_scripts_that_were_not_let_in(small_project: Project) -> None:
    before = small_project.installation.request("GET", "/api/v1/dispatches").plain
    small_project.attempt(COVALENT_API_TOKEN="not-the-one")  # noqa: S106  (it opens nothing)
    assert small_project.installation.request("GET", "/api/v1/dispatches").plain == before
