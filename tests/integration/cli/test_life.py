"""A server's life as its user sees it: started, asked, restarted, stopped, killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from covalent.wire import places
from covalent_server import errors
from covalent_server.cli import exits, lock
from tests.integration.cli.conftest import House


def code(kind: type[errors.CovalentServerError]) -> int:
    return exits.CODES[kind]


def get(url: str, token: str) -> Any:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})  # noqa: S310  (our server)
    with urllib.request.urlopen(request) as answer:  # noqa: S310  (our server)
        return json.load(answer)


def kill(house: House, pid: int) -> None:
    release = lock.Release(house.data / "lock")
    os.kill(pid, signal.SIGKILL)
    assert release.wait(30)


def test_start_returns_when_the_server_answers_and_its_token_is_where_the_sdk_looks(house: House) -> None:
    started = house.json("start")
    token_file = places.token_path(house.config, started["url"])
    assert started["token_file"] == str(token_file)
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    info = get(started["url"] + "/api/v1/server", token_file.read_text().strip())
    assert (info["pid"], info["guard"], info["url"]) == (started["pid"], "armed", started["url"])


def test_start_says_where_the_server_is_and_how_clients_find_it(house: House) -> None:
    said = house.run("start").stdout
    status = house.json("status")
    assert f"running at {status['url']} (pid {status['pid']})" in said
    assert f"export COVALENT_SERVER_URL={status['url']}" in said
    assert str(places.token_path(house.config, status["url"])) in said


def test_clients_that_find_the_server_by_themselves_are_told_nothing(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    house.config.mkdir()
    (house.config / "covalent.toml").write_text(f"[server]\nport = {port}\n")
    first = house.run("start", COVALENT_SVC_PORT="")
    assert f":{port} (pid" in first.stdout, first.stderr
    assert "export" not in first.stdout
    (house.config / "covalent.toml").write_text(f"[server]\nport = {port}\n[dispatcher]\nport = 1\n")
    assert f"export COVALENT_SERVER_URL=http://localhost:{port}" in house.run("restart", COVALENT_SVC_PORT="").stdout
    assert "export" not in house.run("restart", COVALENT_SVC_PORT=str(port)).stdout
    assert "export" in house.run("restart", COVALENT_SVC_PORT=str(port), COVALENT_DISPATCHER_ADDR="far").stdout


def test_nothing_that_a_server_makes_is_open_to_others_wherever_it_lies(house: House) -> None:
    data = house.root / "data? 100%#1"
    before = os.umask(0o022)
    try:
        database = house.root / "elsewhere.db"
        for more in ({}, {"COVALENT_DATABASE_URL": f"sqlite:///{database}"}):
            house.json("start", "--data-dir", str(data), **more)
            house.json("stop", "--data-dir", str(data))
    finally:
        os.umask(before)
    files = [path for path in [database, *data.rglob("*")] if path.is_file()]
    assert data / "covalent.db" in files
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert sorted(path.name for path in house.root.iterdir()) == ["config", data.name, database.name]


def test_status_tells_pid_url_and_guard_of_a_server_that_answers(house: House) -> None:
    started = house.json("start")
    status = house.json("status")
    assert (status["state"], status["answering"], status["guard"]) == ("running", True, "armed")
    assert {name: status[name] for name in ("pid", "url")} == {name: started[name] for name in ("pid", "url")}
    text = house.run("status").stdout
    assert all(word in text for word in (str(started["pid"]), started["url"], "armed"))


def test_a_stopped_server_leaves_neither_process_nor_record(house: House) -> None:
    pid = house.json("start")["pid"]
    stopped = house.json("stop")
    assert (stopped["pid"], stopped["by"]) == (pid, "asked")
    assert lock.holder(house.data / "lock") is None
    assert not (house.data / "server.json").exists()
    assert house.run("status").returncode == code(errors.NotRunningError)


def test_stopping_what_does_not_run_is_no_error(house: House) -> None:
    assert house.json("stop")["by"] == ""
    assert "No server was running" in house.run("stop").stdout


def test_a_second_start_says_that_a_server_is_running(house: House) -> None:
    started = house.json("start")
    for arguments in (["start"], ["start", "--foreground"]):
        run = house.run(*arguments)
        assert run.returncode == code(errors.AlreadyRunningError)
        assert "running" in run.stderr
        assert "Traceback" not in run.stderr
    assert f"{started['url']} (pid {started['pid']})" in house.run("start").stderr
    assert house.json("status")["pid"] == started["pid"]


def test_a_killed_server_is_told_from_a_stopped_one_and_started_again(house: House) -> None:
    first = house.json("start")
    kill(house, first["pid"])
    assert (house.data / "server.json").exists()
    run = house.run("status")
    assert run.returncode == code(errors.NotRunningError)
    assert f"(pid {first['pid']}) ended without stopping" in run.stdout
    assert house.json("start")["pid"] != first["pid"]
    assert house.json("status")["answering"] is True


def test_a_stale_record_that_names_a_living_process_does_that_process_no_harm(house: House) -> None:
    first = house.json("start")
    kill(house, first["pid"])
    record = json.loads((house.data / "server.json").read_text())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        for name in ("server.json", "lock"):
            text = json.dumps(record | {"pid": bystander.pid}) if name == "server.json" else f"{bystander.pid} 1\n"
            (house.data / name).write_text(text)
        assert house.json("stop")["by"] == ""
        assert bystander.poll() is None
        assert house.run("status").returncode == code(errors.NotRunningError)
        bystander.communicate()
    assert bystander.returncode != -signal.SIGTERM


def test_a_restarted_server_keeps_its_address_and_its_flags(house: House) -> None:
    first = house.json("start", "--local-slots", "1", "--log-level", "DEBUG", COVALENT_LEASE_TTL="7")
    again = house.json("restart", "--log-level", "WARNING")
    assert again["url"] == first["url"]
    assert again["pid"] != first["pid"]
    record = json.loads((house.data / "server.json").read_text())
    assert (record["flags"]["local_slots"], record["flags"]["log_level"]) == ("1", "WARNING")
    assert record["environment"]["COVALENT_LEASE_TTL"] == "7"


def test_a_restart_without_a_server_starts_one(house: House) -> None:
    assert house.json("restart")["state"] == "running"


def test_a_server_that_hangs_is_reported_and_killed_in_the_end(house: House) -> None:
    pid = house.json("start")["pid"]
    os.kill(pid, signal.SIGSTOP)
    run = house.run("status", "--json")
    assert run.returncode == code(errors.NotAnsweringError)
    assert json.loads(run.stdout)["answering"] is False
    stopped = house.json("stop", "--timeout", "0")
    assert (stopped["pid"], stopped["by"]) == (pid, "SIGKILL")
    assert not (house.data / "server.json").exists()


def test_a_server_whose_token_is_gone_is_stopped_by_a_signal(house: House) -> None:
    started = house.json("start")
    Path(started["token_file"]).unlink()
    assert house.json("stop")["by"] == "SIGTERM"


def test_a_server_in_the_foreground_says_when_it_is_ready_and_ends_on_an_interrupt(house: House) -> None:
    server = house.attach("start", "--foreground")
    assert server.stdout is not None
    assert server.stdout.readline().startswith("Covalent is running at http://")
    server.send_signal(signal.SIGINT)
    _, log = server.communicate(timeout=60)
    assert server.returncode == exits.OK
    assert "stopping signal=SIGINT" in log
    assert "Traceback" not in log
    assert not (house.data / "server.json").exists()


def test_what_is_in_the_directory_of_the_start_lends_the_server_no_modules(house: House) -> None:
    for name in ("aiohttp", "sqlalchemy", "covalent"):
        (house.root / f"{name}.py").write_text("raise SystemExit('hijacked')")
    assert house.json("start")["state"] == "running"


def test_the_data_directory_and_what_is_in_it_belong_to_this_account_alone(house: House) -> None:
    house.json("start")
    assert stat.S_IMODE(house.data.stat().st_mode) == 0o700
    assert stat.S_IMODE((house.data / "server.json").stat().st_mode) == 0o600


def test_logs_show_what_the_server_wrote(house: House) -> None:
    url = house.json("start")["url"]
    text = house.run("logs").stdout
    assert "ready guard=armed instance=" in text
    assert f"url={url}" in text
    lines = house.json("logs", "-n", "1")["lines"]
    assert lines == text.splitlines()[-1:]


def test_followed_logs_go_on_with_the_next_server(house: House) -> None:
    house.json("start")
    follower = house.attach("logs", "--follow", "--json", "-n", "0")
    assert follower.stdout is not None
    house.json("restart")
    lines: list[str] = []
    while not any(" ready " in line for line in lines):
        lines.append(json.loads(follower.stdout.readline())["line"])
    assert lines[-1].count("url=") == 1
