"""Asking for results: who waits is told at once, and a server that comes back is found again."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import covalent as ct
from covalent.client.waiting import get_result, wait_until_ended
from covalent.connection import connect
from covalent.errors import AuthenticationError, MissingLatticeRecordError, ServerError, ServerUnreachableError
from covalent.http import NOT_CONNECTED, Answer, Server, persistently
from covalent.status import Status
from covalent.transportable import TransportableObject
from covalent.wire.codec import to_json
from covalent.wire.records import DispatchRecord
from tests.unit.client.fake_server import TOKEN, FakeServer, a_record


@pytest.fixture(autouse=True)
def _a_running_dispatch(server: FakeServer) -> None:
    server.records["it"] = a_record("it")


def test_without_waiting_the_answer_is_how_it_stands(server: FakeServer) -> None:
    result = get_result("it")
    assert result.status == "RUNNING"
    assert result.result is None
    assert server.asked == ["GET /dispatches/it"]


def test_who_waits_is_answered_by_one_request_that_is_held_back(server: FakeServer) -> None:
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(get_result, "it", wait=True)
        server.wait_until_somebody_waits()
        server.finish("it", TransportableObject(41).serialize())
        assert waiting.result(timeout=30).result == 41
    assert [asked.partition("?")[0] for asked in server.asked][:-1] == ["GET /dispatches/it"]


def test_a_value_that_came_along_is_not_fetched(server: FakeServer) -> None:
    server.along = TransportableObject(41).serialize()
    server.finish("it", server.along)
    assert get_result("it", wait=True).result == 41
    assert server.asked == ["GET /dispatches/it?wait=30.0"]


def test_what_came_along_and_is_not_the_value_is_not_taken_for_it(server: FakeServer) -> None:
    server.along = TransportableObject("another").serialize()
    server.finish("it", TransportableObject(41).serialize())
    assert get_result("it", wait=True).result == 41


def test_waiting_survives_a_restart_of_the_server(server: FakeServer) -> None:
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(get_result, "it", wait=True)
        server.wait_until_somebody_waits()
        server.stop()
        server.start()
        server.wait_until_somebody_waits()
        server.finish("it", TransportableObject("after").serialize())
        assert waiting.result(timeout=30).result == "after"


def test_a_value_is_fetched_through_a_restart_of_the_server(server: FakeServer) -> None:
    server.finish("it", TransportableObject(41).serialize())
    result = get_result("it")
    connect().close()
    server.stop()
    with ThreadPoolExecutor() as threads:
        fetching = threads.submit(lambda: result.result)
        server.start()
        assert fetching.result(timeout=30) == 41


def test_status_only_is_a_dict_of_id_and_status() -> None:
    assert get_result("it", status_only=True) == {"id": "it", "status": Status.RUNNING}


def test_where_old_scripts_kept_results_is_accepted_with_what_to_write() -> None:
    with pytest.warns(DeprecationWarning, match=r"leave it out, and write result\.save\(path\)"):
        assert get_result("it", results_dir="./results").status == "RUNNING"


def test_what_old_scripts_say_about_downloads_is_accepted() -> None:
    result = get_result("it", workflow_output=False, intermediate_outputs=False, sublattice_results=False)
    assert result.dispatch_id == "it"


@pytest.mark.parametrize("dispatch_id", ["other", "", "../it", "it?wait=1", "ü"])
@pytest.mark.parametrize("wait", [True, False])
def test_an_unknown_id_is_said_to_be_unknown(dispatch_id: str, *, wait: bool) -> None:
    with pytest.raises(MissingLatticeRecordError):
        get_result(dispatch_id, wait=wait)


def test_an_id_that_is_no_text_is_a_type_error() -> None:
    no_id: Any = None
    with pytest.raises(TypeError, match="not NoneType"):
        get_result(no_id)


def test_a_wrong_token_says_where_it_was_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVALENT_API_TOKEN", "wrong")
    with pytest.raises(AuthenticationError, match="COVALENT_API_TOKEN"):
        get_result("it")


def test_a_missing_token_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COVALENT_API_TOKEN")
    with pytest.raises(AuthenticationError, match="covalent start"):
        get_result("it", wait=True)


@pytest.mark.parametrize("wait", [True, False])
def test_without_a_server_the_error_says_how_to_start_one(server: FakeServer, *, wait: bool) -> None:
    server.stop()
    connect().close()
    with pytest.raises(ServerUnreachableError, match="covalent start"):
        get_result("it", wait=wait)


class _Away:
    """A server that is away until a time, and that time."""

    def __init__(self, error: ServerError, until: float) -> None:
        self.error = error
        self.until = until
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def ask(self) -> str:
        if self.now < self.until:
            raise self.error
        return "answer"

    def asked(self, *, reached: bool = False) -> str:
        return persistently(self.ask, reached=reached, clock=lambda: self.now, sleep=self.sleep)


_NOT_CONNECTED = ServerUnreachableError("away", code=NOT_CONNECTED)


def test_a_server_that_never_answered_is_given_up_soon() -> None:
    away = _Away(_NOT_CONNECTED, 10.0)
    with pytest.raises(ServerUnreachableError):
        away.asked()
    assert away.now < 2


@pytest.mark.parametrize(
    ("error", "reached"),
    [
        (_NOT_CONNECTED, True),
        (ServerUnreachableError("the connection was cut", code="no-answer"), False),
        (ServerError("about to stop", status=503), False),
    ],
)
def test_a_server_that_was_there_is_waited_for(error: ServerError, *, reached: bool) -> None:
    assert _Away(error, 45.0).asked(reached=reached) == "answer"
    with pytest.raises(type(error)):
        _Away(error, 600.0).asked(reached=reached)


class _Leaves(Server):
    """A server that never answers; asking it, and waiting, takes as long as it says."""

    def __init__(self, error: BaseException) -> None:
        super().__init__("http://localhost:1", None)
        self.error = error
        self.now = 0.0

    def get_framed(self, *_args: object, **_kwargs: object) -> Any:
        raise self.error

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def waited_for(self) -> DispatchRecord:
        return wait_until_ended(self, "it", reached=True, clock=lambda: self.now, sleep=self.sleep).record


@pytest.mark.parametrize("error", [_NOT_CONNECTED, ServerError("about to stop", status=503)])
def test_who_waits_in_vain_learns_that_the_server_is_away_and_how_to_ask_again(
    error: ServerError, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ServerUnreachableError, match=str(error)) as raised:
        _Leaves(error).waited_for()
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith(f"covalent: {error}; asking for 5")
    assert re.search(r"it was asked for (5\d|60) seconds\. The dispatch it is kept", str(raised.value))
    assert str(raised.value).endswith("ct.get_result('it', wait=True)")


class _Restarted(Server):
    """A server that is killed every few seconds: it answers at once, and never lives to give a held-back answer."""

    def __init__(self, ends_at: float) -> None:
        super().__init__("http://localhost:1", None)
        self.now = 0.0
        self.ends_at = ends_at

    def get_framed(self, *_args: object, **given: Any) -> Any:
        over = self.now >= self.ends_at
        if given["params"]["wait"] and not over:
            self.now += 5.0
            raise ServerUnreachableError("the connection was cut", code="no-answer")
        return Answer(plain=to_json(replace(a_record("it"), status=Status.COMPLETED) if over else a_record("it")))

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_server_that_answers_now_and_then_is_never_given_up() -> None:
    server = _Restarted(ends_at=600.0)
    found = wait_until_ended(server, "it", clock=lambda: server.now, sleep=server.sleep)
    assert found.record.status is Status.COMPLETED
    assert server.now >= 600.0


def test_a_short_absence_is_not_worth_a_word() -> None:
    said: list[ServerError] = []
    away = _Away(_NOT_CONNECTED, 1.0)
    persistently(
        away.ask, reached=True, notice=lambda error, _: said.append(error), clock=lambda: away.now, sleep=away.sleep
    )
    assert said == []


def test_who_interrupts_the_waiting_is_told_that_the_dispatch_goes_on() -> None:
    with pytest.raises(KeyboardInterrupt) as raised:
        _Leaves(KeyboardInterrupt()).waited_for()
    (note,) = raised.value.__notes__
    assert "the dispatch it goes on" in note
    assert "ct.get_result('it', wait=True)" in note


def test_errors_of_the_connection_come_without_its_frames() -> None:
    with pytest.raises(MissingLatticeRecordError) as raised:
        get_result("other")
    assert [frame.name for frame in raised.traceback][1:] == ["get_result"]
    assert raised.value.__suppress_context__


def test_a_lattice_or_function_for_an_id_is_asked_whether_its_call_was_forgotten() -> None:
    no_id: Any = ct.dispatch(ct.lattice(len))
    with pytest.raises(TypeError, match=r"not function; did you forget the call: ct\.dispatch\(workflow\)\(\.\.\.\)"):
        get_result(no_id)


def test_a_server_elsewhere_cannot_be_started_here(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    server.stop()
    with pytest.raises(ServerUnreachableError, match="check the address") as raised:
        Server(f"http://127.0.0.2:{server.port}", TOKEN).get("/server")
    assert "covalent start" not in str(raised.value)


def test_encryption_that_fails_is_told_whole(server: FakeServer) -> None:
    with pytest.raises(ServerUnreachableError, match=r"no encrypted connection to https://.* \(.*\[SSL.*speaks https"):
        Server(server.url.replace("http:", "https:"), TOKEN).get("/server")


@pytest.mark.parametrize("status", [401, 404, 500])
def test_another_program_at_the_address_is_told_apart_and_not_quoted(status: int) -> None:
    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(status)  # with a page of HTML

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
            """Nothing: a test's output is its own."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as http:
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        with pytest.raises(ServerError, match=rf"is not a Covalent server \(it answered {status}\)") as raised:
            Server(f"http://127.0.0.1:{http.server_address[1]}", TOKEN).get("/server")
        http.shutdown()
    assert "<" not in str(raised.value)


@pytest.mark.parametrize("answered", [False, True])
def test_a_connection_remembers_whether_its_server_was_ever_there(server: FakeServer, *, answered: bool) -> None:
    connection = Server(server.url, TOKEN)
    if answered:
        connection.get("/dispatches/it")
        connection.close()
    server.stop()
    with pytest.raises(ServerUnreachableError, match="Connection refused") as raised:
        connection.get("/dispatches/it")
    assert (raised.value.code == NOT_CONNECTED) is not answered


def test_a_refusal_is_not_asked_again() -> None:
    away = _Away(ServerError("too large", status=413), 1.0)
    with pytest.raises(ServerError, match="too large"):
        away.asked()
    assert away.now == 0
