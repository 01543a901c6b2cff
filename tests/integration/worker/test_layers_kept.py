"""Layers as a worker's account has them: built once by whoever is first, whole or not there, listed and removed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from covalent.worker.__main__ import main
from covalent.worker.layers import Layers
from tests.integration.worker.conftest import eventually
from tests.wheels import slow, wheel

BUILD = """
import json, os, sys
from pathlib import Path
from covalent.worker.layers import Layers
layer = Layers(Path(sys.argv[1]), os.environ).build(sys.executable, tuple(sys.argv[2:]))
print(json.dumps([layer.key, layer.built_at]))
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the account's layers are."""
    monkeypatch.setenv("COVALENT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "layers"


def asked(tmp_path: Path, name: str) -> tuple[str, ...]:
    return ("--no-index", f"--find-links {tmp_path / 'shelf'}", name)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["env", *arguments]) == 0
    return capsys.readouterr().out


def test_many_processes_that_want_a_layer_at_once_build_it_once(directory: Path, tmp_path: Path) -> None:
    wheel(tmp_path / "shelf", "fruit", "1.0")
    command = [sys.executable, "-c", BUILD, str(directory), *asked(tmp_path, "fruit")]
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda _: subprocess.run(command, capture_output=True, check=True).stdout, range(4)))
    assert len(set(runs)) == 1


def test_a_build_that_is_killed_leaves_no_layer_and_the_next_one_is_whole(directory: Path, tmp_path: Path) -> None:
    began, wait = tmp_path / "began", tmp_path / "wait"
    slow(tmp_path / "shelf", "bread", "1.0", began=began, wait=wait)
    requirements = asked(tmp_path, "bread")
    with subprocess.Popen([sys.executable, "-c", BUILD, str(directory), *requirements], start_new_session=True) as one:
        eventually(began.exists)
        one.kill()  # its installer goes on, and writes where nobody will look
    wait.touch()
    try:
        layers = Layers(directory, os.environ)
        assert layers.find(sys.executable, requirements) is None
        layer = layers.build(sys.executable, requirements)
        assert layers.find(sys.executable, requirements) == layer
        subprocess.run([layer.python, "-P", "-c", "import bread"], check=True)
    finally:
        _end_group(one.pid)


def _end_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def test_layers_are_listed_and_shown(directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "list") == "there are no layers\n"
    wheel(tmp_path / "shelf", "fruit", "1.0")
    requirements = asked(tmp_path, "fruit")
    layer = Layers(directory, os.environ).build(sys.executable, requirements)
    (line,) = told(capsys, "list").splitlines()
    assert line.startswith(layer.key[:12])
    assert line.endswith(f"fruit  over {sys.executable}")
    shown = told(capsys, "show", layer.key[:6])
    assert f"key      {layer.key}\n" in shown
    assert "holds    fruit==1.0\n" in shown
    assert json.loads(told(capsys, "show", layer.key, "--json"))["resolved"] == ["fruit==1.0"]
    assert [item["key"] for item in json.loads(told(capsys, "list", "--json"))] == [layer.key]


def test_a_layer_that_no_worker_uses_can_be_removed(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("fruit", "bread"):
        wheel(tmp_path / "shelf", name, "1.0")
    used = Layers(directory, os.environ)
    kept = used.build(sys.executable, asked(tmp_path, "fruit"))
    subprocess.run([sys.executable, "-c", BUILD, str(directory), *asked(tmp_path, "bread")], check=True)
    assert told(capsys, "prune").startswith("removed 0 of them")  # both are young
    assert told(capsys, "prune", "--all", "--dry-run").splitlines()[1].startswith("would remove 1 of them")
    assert "1 in use by a worker: left alone" in told(capsys, "prune", "--all")
    assert [item["key"] for item in json.loads(told(capsys, "list", "--json"))] == [kept.key]
    assert used.find(sys.executable, asked(tmp_path, "bread")) is None
    assert used.build(sys.executable, asked(tmp_path, "bread")).resolved == ("bread==1.0",)


def test_what_a_killed_build_has_left_is_removed_unless_it_is_being_built(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began, wait = tmp_path / "began", tmp_path / "wait"
    slow(tmp_path / "shelf", "bread", "1.0", began=began, wait=wait)
    command = [sys.executable, "-c", BUILD, str(directory), *asked(tmp_path, "bread")]
    with subprocess.Popen(command, start_new_session=True) as one:
        eventually(began.exists)
        assert "interrupted" not in told(capsys, "prune", "--all")
        _end_group(one.pid)
    (left,) = directory.glob("*/*/pyvenv.cfg")
    assert "would remove what interrupted builds have left" in told(capsys, "prune", "--all", "--dry-run")
    assert left.exists()
    assert "\nremoved what interrupted builds have left" in told(capsys, "prune")
    assert not left.parent.exists()


def test_what_a_killed_build_has_left_beside_the_layer_is_removed_and_the_layer_stays(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel(tmp_path / "shelf", "bread", "1.0")
    layers = Layers(directory, os.environ)
    layer = layers.build(sys.executable, asked(tmp_path, "bread"))
    left = directory / layer.key / "0123456789abcdef"
    left.mkdir()
    (left / "pyvenv.cfg").write_text("home = /\n")
    (tmp_path / "link").symlink_to(directory)
    assert main(["env", "prune", "--directory", str(tmp_path / "link")]) == 0
    assert "removed what interrupted builds have left" in capsys.readouterr().out
    assert not left.exists()
    assert layers.find(sys.executable, asked(tmp_path, "bread")) == layer
    assert Path(layer.python).exists()


def test_a_key_that_names_no_layer_or_several_is_told(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not directory.exists()
    assert main(["env", "show", "abc"]) == 1
    assert capsys.readouterr().err == (
        "covalent-worker: no layer has a key that begins with 'abc'; see `covalent-worker env list`\n"
    )
