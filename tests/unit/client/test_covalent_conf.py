"""What is taken over from the configuration that an earlier Covalent wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from covalent import config
from covalent.config import get_config, reload_config, server_url, set_config
from covalent.errors import ConfigError

#: As those Covalents wrote it by themselves, with two lines of its user's.
WRITTEN = """
[sdk]
config_file = "/home/me/.config/covalent/covalent.conf"
log_dir = "/home/me/.cache/covalent"
log_level = "warning"
no_cluster = "true"

[dispatcher]
address = "{address}"
port = {port}
cache_dir = "/home/me/.cache/covalent"
results_dir = "/home/me/.local/share/covalent/data"

[executors.local]
log_stdout = "stdout.log"
log_stderr = "stderr.log"
cache_dir = "/home/me/.cache/covalent"
workdir = "/home/me/.cache/covalent/workdir"
create_unique_workdir = true

[executors.slurm]
username = "me"
address = "login.cluster.org"
remote_workdir = "/scratch/me"
workdir = "/chosen"

[executors.slurm.options]
nodes = 1
"""


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        "COVALENT_SERVER_URL", "COVALENT_DISPATCHER_ADDR", "COVALENT_SVC_PORT", "COVALENT_CONFIG_DIR",
        "XDG_CONFIG_HOME", "XDG_CACHE_HOME",
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("COVALENT_CONFIG_DIR", str(tmp_path / "ours"))
    return tmp_path / "ours"


def write(directory: Path, *, address: str = "localhost", port: int = 48008, name: str = "covalent.conf") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(WRITTEN.format(address=address, port=port))
    reload_config()
    return path


def test_executors_keep_their_tables_without_what_their_server_wrote_for_itself(directory: Path) -> None:
    write(directory)
    assert get_config("executors.local") == {"create_unique_workdir": True}
    assert get_config("executors.slurm") == {
        "username": "me", "address": "login.cluster.org", "remote_workdir": "/scratch/me", "workdir": "/chosen",
        "options": {"nodes": 1},
    }  # fmt: skip


def test_a_server_elsewhere_is_found_and_one_that_listened_everywhere_is_here(directory: Path) -> None:
    write(directory, address="cluster.org", port=5000)
    assert server_url() == "http://cluster.org:5000"
    write(directory, address="0.0.0.0", port=48008)  # noqa: S104 - a text
    assert server_url() == "http://localhost:48008"


def test_old_scripts_find_what_they_ask_for(directory: Path) -> None:
    write(directory)
    assert get_config("sdk.log_level") == "warning"
    assert get_config(["dispatcher.results_dir", "dispatcher.port"]) == {
        "dispatcher.results_dir": "/home/me/.local/share/covalent/data",
        "dispatcher.port": 48008,
    }


def test_ours_stands_above_theirs_and_the_port_of_our_server_too(directory: Path) -> None:
    path = write(directory, address="cluster.org", port=48008)
    (directory / "covalent.toml").write_text("[server]\nport = 5555\n[executors.slurm]\naddress = 'other'\n")
    reload_config()
    assert server_url() == "http://cluster.org:5555"
    assert get_config(["executors.slurm.address", "executors.slurm.username"]) == {
        "executors.slurm.address": "other",
        "executors.slurm.username": "me",
    }
    before = path.read_text()
    set_config("dispatcher.address", "here")
    assert server_url() == "http://here:5555"
    assert path.read_text() == before
    assert "slurm" in (directory / "covalent.toml").read_text()
    assert "remote_workdir" not in (directory / "covalent.toml").read_text()


def test_it_is_found_where_earlier_covalents_kept_it_on_every_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COVALENT_CONFIG_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / ".config" / "covalent", address="home.org")
    assert get_config("dispatcher.address") == "home.org"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    write(tmp_path / "xdg" / "covalent", address="xdg.org")
    assert get_config("dispatcher.address") == "xdg.org"
    monkeypatch.setenv("COVALENT_CONFIG_DIR", str(tmp_path / "nothing"))
    assert get_config("dispatcher.address") == "localhost"


def test_a_file_that_cannot_be_read_so_is_named(directory: Path) -> None:
    path = write(directory)
    path.write_text("address: here\n")
    reload_config()
    with pytest.raises(ConfigError, match=rf"{path}, the configuration of an earlier Covalent, is not TOML: "):
        get_config()


def test_tables_that_are_none_are_left_alone(directory: Path) -> None:
    path = write(directory)
    path.write_text("dispatcher = 3\nexecutors = 4\n")
    reload_config()
    assert config.get_config("executors") == 4
