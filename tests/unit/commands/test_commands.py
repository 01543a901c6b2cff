"""``python -m covalent``: what each command asks, prints and ends with."""

from __future__ import annotations

import io
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import covalent as ct
from covalent.commands import output
from covalent.status import Status
from covalent.transportable import TransportableObject
from covalent.wire.records import AssetDescription, NodeRecord
from tests.unit.client.fake_server import TOKEN, FakeServer, a_record
from tests.unit.commands.conftest import Said

Ask = Callable[..., Said]
ESCAPE = "\x1b[31m"


class Refuses:
    """A value that cannot be opened; whoever tries is noticed."""

    def __reduce__(self) -> Any:
        return _refuse, ()


def _refuse() -> None:
    raise LookupError("opened")


@pytest.fixture(autouse=True)
def _two_dispatches(server: FakeServer) -> None:
    server.records["first"] = replace(
        a_record("first"), name=f"sweep{ESCAPE}", node_counts={"RUNNING": 1, "NEW_OBJECT": 2}
    )
    server.records["second"] = replace(a_record("second"), name="other", tags=("monday",))
    server.nodes["first"] = [
        NodeRecord(
            node_id=0,
            node_name="square",
            kind="task",
            status=Status.COMPLETED,
            started_at=1.0,
            ended_at=2.5,
            output=AssetDescription(digest="0" * 64, size=3, object_string=f"nine{ESCAPE}\nmore"),
        ),
        NodeRecord(node_id=1, node_name="fail", kind="task", status=Status.FAILED, error=f"Tb\nError: {ESCAPE}x\n"),
        NodeRecord(node_id=2, node_name="sub", kind="sublattice", status=Status.DISPATCHING, child="child-id"),
        NodeRecord(node_id=3, node_name="new", kind="task", status=Status.DISPATCHING, preparing_since=1.0),
    ]


# -- show


def test_dispatches_are_listed_newest_first(ask: Ask) -> None:
    said = ask("show")
    heading, newest, oldest = said.out.splitlines()
    assert heading.split() == ["dispatch", "name", "status", "made", "tasks"]
    assert newest.startswith("second")
    assert oldest.startswith(r"first     sweep\x1b[31m  RUNNING")
    assert oldest.endswith("2 NEW_OBJECT, 1 RUNNING")
    assert said.code == 0


def test_they_are_found_by_what_is_known_of_them(ask: Ask, server: FakeServer) -> None:
    said = ask("show", "--name", "other", "--tag", "monday", "--status", "running", "--limit", "3", "--json")
    assert [found["dispatch_id"] for found in said.plain["dispatches"]] == ["second"]
    assert server.asked == ["GET /dispatches?name=other&tag=monday&status=RUNNING&limit=3"]


def test_none_at_all_is_said(ask: Ask) -> None:
    assert ask("show", "--name", "unheard of").out == "there are no such dispatches\n"


def test_one_dispatch_is_shown_with_its_tasks(ask: Ask) -> None:
    said = ask("show", "first")
    assert said.code == 0
    assert "dispatch id: first\n" in said.out
    tasks = [line.split(maxsplit=3) for line in said.out.splitlines()[-4:]]
    assert tasks == [
        ["0", "square", "COMPLETED", r"1.5      nine\x1b[31m…"],
        ["1", "fail", "FAILED", r"Error: \x1b[31mx"],
        ["2", "sub", "DISPATCHING", "dispatch child-id"],
        ["3", "new", "DISPATCHING", f"environment being built since {output.moment(1.0)}"],
    ]
    assert "\x1b" not in said.out


def test_as_json_everything_that_is_known_is_there(ask: Ask) -> None:
    plain = ask("show", "first", "--json").plain
    assert plain["dispatch"]["name"] == f"sweep{ESCAPE}"
    assert [node["node_name"] for node in plain["nodes"]] == ["square", "fail", "sub", "new"]
    assert plain["schema_version"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--status", "DONE"], "'DONE' is no status; there are: NEW_OBJECT"),
        (["--limit", "0"], "'0' is not a number from 1 to 1000"),
        (["--limit", "many"], "'many' is not a number"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_can(
    ask: Ask, server: FakeServer, arguments: list[str], message: str
) -> None:
    said = ask("show", *arguments)
    assert said.code == 2
    assert message in said.err
    assert server.asked == []


# -- why


def test_each_task_that_does_not_run_has_its_reason(ask: Ask, server: FakeServer) -> None:
    said = ask("why", "first")
    assert said.code == 0
    assert said.out.splitlines()[0] == "square(0): all are busy; wait"
    plain = ask("why", "first", "1", "--json").plain
    assert [(item["node_id"], item["code"]) for item in plain["nodes"]] == [(1, "busy")]
    server.nodes["first"] = []
    assert ask("why", "first").out == "every task has ended\n"


def test_why_of_what_is_not_there_is_told(ask: Ask) -> None:
    assert ask("why", "unheard of").code == 22
    assert "has no node 17" in ask("why", "first", "17").err
    said = ask("why", "first", "square")
    assert (said.code, "'square' is no number of a task" in said.err) == (2, True)


# -- result


@pytest.fixture
def value(server: FakeServer) -> bytes:
    data = TransportableObject({"answer": 42}).serialize()
    server.finish("first", data)
    return data


@pytest.mark.usefixtures("value")
def test_a_value_is_printed_as_it_was_described_and_its_bytes_stay_where_they_are(ask: Ask, server: FakeServer) -> None:
    said = ask("result", "first")
    assert (said.code, said.out) == (0, "claimed\n")
    assert server.asked == ["GET /dispatches/first"]
    plain = ask("result", "first", "--json").plain
    assert plain == {
        "schema_version": 1, "dispatch_id": "first", "status": "COMPLETED", "object_string": "claimed", "json": "1"
    }  # fmt: skip


@pytest.mark.usefixtures("value")
def test_a_value_is_opened_when_that_is_asked_for(ask: Ask) -> None:
    assert ask("result", "first", "--open").out == "{'answer': 42}\n"
    assert ask("result", "first", "--open", "--json").plain["opened"] == "{'answer': 42}"


def test_a_values_bytes_go_to_a_file_unopened(ask: Ask, server: FakeServer, tmp_path: Path) -> None:
    data = TransportableObject(Refuses()).serialize()
    server.finish("first", data)
    file = tmp_path / "value"
    said = ask("result", "first", "--output", str(file))
    assert said.code == 0
    assert str(file) in said.out
    assert file.read_bytes() == data


def test_a_value_that_cannot_be_opened_is_an_error_and_no_traceback(ask: Ask, server: FakeServer) -> None:
    server.finish("first", TransportableObject(Refuses()).serialize())
    assert ask("result", "first").code == 0
    said = ask("result", "first", "--open")
    assert (said.code, said.out) == (17, "")
    assert said.err == "covalent: the value cannot be opened here: LookupError: opened\n"


def test_a_failure_is_told_on_standard_error(ask: Ask, server: FakeServer) -> None:
    server.finish("first", error=f"fail(1): Traceback\n{ESCAPE}ValueError")
    said = ask("result", "first")
    assert (said.code, said.out) == (23, "")
    assert said.err == "covalent: the dispatch first is FAILED: fail(1): Traceback\n\\x1b[31mValueError\n"
    plain = ask("result", "first", "--json").plain
    assert (plain["status"], plain["error"]["exit_code"]) == ("FAILED", 23)


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (Status.RUNNING, 24, "--wait"),
        (Status.PENDING_POSTPROCESSING, 23, "post_process()"),
        (Status.CANCELLED, 23, "no value"),
    ],
)
def test_without_a_value_the_reason_is_told(
    ask: Ask, server: FakeServer, status: Status, code: int, advice: str
) -> None:
    server.records["first"] = a_record("first", status)
    said = ask("result", "first")
    assert said.code == code
    assert advice in said.err


@pytest.mark.usefixtures("value")
def test_waiting_asks_the_server_to_hold_its_answer_back(ask: Ask, server: FakeServer) -> None:
    assert ask("result", "first", "--wait").out == "claimed\n"
    assert server.asked[0].startswith("GET /dispatches/first?wait=")


# -- cancel


def test_a_dispatch_is_cancelled(ask: Ask, server: FakeServer) -> None:
    said = ask("cancel", "first")
    assert (said.code, said.out) == (0, "Cancelled the dispatch first.\n")
    assert server.records["first"].status is Status.CANCELLED


def test_single_tasks_are_cancelled(ask: Ask, server: FakeServer) -> None:
    assert ask("cancel", "first", "2", "0", "--json").plain["nodes"] == [2, 0]
    assert [node.status for node in server.nodes["first"]] == ["CANCELLED", "FAILED", "CANCELLED", "DISPATCHING"]


def test_a_task_is_given_by_its_number(ask: Ask, server: FakeServer) -> None:
    said = ask("cancel", "first", "square")
    assert said.code == 2
    assert "'square' is no number of a task" in said.err
    assert server.asked == []


def test_what_was_forgotten_is_named_and_what_may_be_left_out_is_not(ask: Ask) -> None:
    assert "arguments are required: DISPATCH\n" in ask("cancel").err


# -- login


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of any token."""
    monkeypatch.delenv("COVALENT_API_TOKEN")


def give(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


@pytest.mark.usefixtures("nobody")
def test_a_token_from_standard_input_is_kept_for_this_account_alone(
    ask: Ask, server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(monkeypatch, f"{TOKEN}\n")
    said = ask("login")
    assert said.code == 0, said.err
    (file,) = (tmp_path / "config" / "tokens").iterdir()
    assert str(file) in said.out
    assert TOKEN not in said.out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [found.dispatch_id for found in ct.dispatches()] == ["second", "first"]
    assert server.asked[0] == "GET /server"


@pytest.mark.usefixtures("nobody")
def test_a_token_comes_from_a_file_for_a_server_that_is_named(
    ask: Ask, server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COVALENT_SERVER_URL")
    file = tmp_path / "token"
    file.write_text(f"  {TOKEN}\n")
    said = ask("login", "--server", server.url, "--token-file", str(file), "--json")
    assert said.code == 0, said.err
    assert said.plain["url"] == server.url
    assert (
        f"export COVALENT_SERVER_URL={server.url}"
        in ask("login", "--server", server.url, "--token-file", str(file)).out
    )
    assert ask("show", "--server", server.url).code == 0


@pytest.mark.usefixtures("nobody")
def test_a_token_that_the_server_refuses_is_not_kept(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, "wrong")
    said = ask("login")
    assert said.code == 21
    assert "does not accept this token, so it was not kept" in said.err
    assert not (tmp_path / "config").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no token was given"),
        ("  \n", "no token was given"),
        ("two words", "no token"),
        ("a\nb", "no token"),
        ("tökén", "no token"),
    ],
)
def test_what_is_no_token_is_sent_to_nobody(
    ask: Ask, server: FakeServer, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    give(monkeypatch, text)
    said = ask("login")
    assert said.code == 17
    assert message in said.err
    assert server.asked == []


def test_a_token_is_no_argument(ask: Ask, server: FakeServer) -> None:
    assert ask("login", TOKEN).code == 2
    assert ask("login", "--token", TOKEN).code == 2
    assert server.asked == []


def test_a_variable_that_stands_above_the_file_is_mentioned(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, TOKEN)
    assert "COVALENT_API_TOKEN is set and stands above it" in ask("login").out


def test_a_missing_token_file_is_told(ask: Ask, tmp_path: Path) -> None:
    said = ask("login", "--token-file", str(tmp_path / "missing"))
    assert said.code == 17
    assert "missing" in said.err


# -- errors


@pytest.mark.parametrize("arguments", [["show", "no"], ["result", "no"], ["cancel", "no"]])
def test_an_unknown_dispatch_is_told(ask: Ask, arguments: list[str]) -> None:
    said = ask(*arguments)
    assert (said.code, said.out) == (22, "")
    assert said.err.startswith("covalent: ")
    assert ask(*arguments, "--json").plain["error"]["exit_code"] == 22


@pytest.mark.parametrize("arguments", [["show"], ["result", "first"], ["cancel", "first"]])
def test_a_token_that_is_refused_is_told(ask: Ask, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setenv("COVALENT_API_TOKEN", "wrong")
    said = ask(*arguments)
    assert said.code == 21
    assert "did not accept the token" in said.err


def test_a_server_that_is_not_there_is_told(ask: Ask, server: FakeServer) -> None:
    server.stop()
    said = ask("show")
    assert said.code == 20
    assert "covalent start" in said.err


def test_a_setting_that_cannot_be_used_is_told(ask: Ask) -> None:
    said = ask("show", "--server", "http://localhost:none")
    assert said.code == 17
    assert "is not a server's address" in said.err


def test_without_a_command_the_help_is_shown(ask: Ask) -> None:
    said = ask()
    assert said.code == 0
    assert "covalent start" in said.out


def test_a_command_of_the_server_is_pointed_to(ask: Ask) -> None:
    said = ask("start")
    assert said.code == 2
    assert "covalent start" in said.err
