"""Where settings come from, how the file is edited, and how a server's address and token are found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from covalent.config import config_path, get_config, reload_config, server_token, server_url, set_config
from covalent.errors import ConfigError


@pytest.fixture(autouse=True)
def config_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("COVALENT_SERVER_URL", "COVALENT_DISPATCHER_ADDR", "COVALENT_SVC_PORT", "COVALENT_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COVALENT_CONFIG_DIR", str(tmp_path / "config"))
    return tmp_path / "config"


def _write(text: str) -> None:
    config_path().parent.mkdir(parents=True, exist_ok=True)
    config_path().write_text(text, encoding="utf-8")


def test_without_a_file_the_defaults_hold() -> None:
    assert get_config("dispatcher.address") == "localhost"
    assert get_config("dispatcher.port") == 48008
    assert get_config() == {
        "dispatcher": {"address": "localhost", "port": 48008, "ca_file": ""},
        "preflight": {"enabled": True, "max_project_bytes": 16 * 2**20},
    }


def test_several_keys_give_a_dict_and_a_list_of_one_gives_its_value() -> None:
    assert get_config(["dispatcher.address", "dispatcher.port"]) == {
        "dispatcher.address": "localhost",
        "dispatcher.port": 48008,
    }
    assert get_config(["dispatcher.port"]) == 48008
    assert get_config([]) == {}


def test_a_section_is_a_key_too() -> None:
    assert get_config("dispatcher") == {"address": "localhost", "port": 48008, "ca_file": ""}


@pytest.mark.parametrize("key", ["nowhere", "dispatcher.colour", "dispatcher.port.number", ""])
def test_an_unknown_key_raises_key_error_and_names_those_there_are(key: str) -> None:
    with pytest.raises(KeyError, match=r"dispatcher\.address, dispatcher\.ca_file, dispatcher\.port"):
        get_config(key)


def test_the_file_stands_above_the_defaults_and_the_environment_above_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _write('[dispatcher]\nport = 1234\naddress = "far"\n')
    monkeypatch.setenv("COVALENT_SVC_PORT", "4321")
    assert get_config(["dispatcher.address", "dispatcher.port"]) == {
        "dispatcher.address": "far",
        "dispatcher.port": 4321,
    }


def test_a_port_given_to_the_server_in_the_same_file_is_where_scripts_look_for_it() -> None:
    _write("[server]\nport = 5000\n")
    assert get_config("dispatcher.port") == 5000
    set_config("dispatcher.port", 6000)
    assert get_config("dispatcher.port") == 6000


def test_changing_what_was_given_changes_no_setting() -> None:
    _write("[executors.slurm]\noptions = [1]\n")
    get_config("dispatcher")["port"] = 1
    get_config("executors.slurm.options").append(2)
    assert get_config("dispatcher.port") == 48008
    assert get_config("executors.slurm.options") == [1]


def test_an_edited_file_is_seen_after_a_reload() -> None:
    assert get_config("dispatcher.port") == 48008
    _write("[dispatcher]\nport = 1\n")
    reload_config()
    assert get_config("dispatcher.port") == 1


@pytest.mark.parametrize(
    "value",
    [7, -1.5, True, 'quoted "text"\n\x7f', [1, [2]], {"a b": {"c": "d"}}, "ü€"],
)
def test_a_value_that_was_set_is_read_back(value: Any) -> None:
    set_config("executors.slurm.some", value)
    reload_config()
    assert get_config("executors.slurm.some") == value


def test_setting_a_key_leaves_the_rest_of_the_file_as_it_was() -> None:
    text = "# mine\nname = 'x'\n\n[dispatcher] # where\nport = 1 # one\naddress = 'far'\n\n[other]\nport = 2\n"
    _write(text)
    set_config({"dispatcher.port": 3, "top": True})
    assert config_path().read_text(encoding="utf-8") == "top = true\n" + text.replace("port = 1 # one", "port = 3")


def test_a_layout_that_one_line_cannot_change_is_left_to_its_author() -> None:
    _write("dispatcher = {port = 1}\n")
    with pytest.raises(ConfigError, match="by hand"):
        set_config("dispatcher.port", 2)
    with pytest.raises(ConfigError, match="is a value, not a section"):
        set_config("dispatcher.port.low", 2)
    assert config_path().read_text(encoding="utf-8") == "dispatcher = {port = 1}\n"


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("dispatchr.port", r"did you mean 'dispatcher\.port'\?"),
        ("dispatcher.prot", r"there are: dispatcher\.address, dispatcher\.port"),
        ("sever", "did you mean 'server'"),
    ],
)
def test_a_key_that_nothing_reads_is_refused_and_nothing_is_written(key: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        set_config(key, 1)
    assert not config_path().exists()


def test_a_value_that_toml_cannot_hold_raises_type_error_and_writes_nothing() -> None:
    with pytest.raises(TypeError, match="not NoneType"):
        set_config("dispatcher.port", None)
    assert not config_path().exists()


def test_a_file_that_is_not_toml_is_named() -> None:
    _write("[dispatcher\n")
    with pytest.raises(ConfigError, match=r"covalent\.toml is not TOML"):
        get_config("dispatcher.port")


def test_importing_reads_and_writes_no_file(config_dir: Path) -> None:
    _write("not toml")
    code = "import covalent.config, covalent.client, covalent.result"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert [path.name for path in config_dir.iterdir()] == ["covalent.toml"]


@pytest.mark.parametrize(
    ("given", "url"),
    [
        (None, "http://localhost:48008"),
        ("localhost:1234", "http://localhost:1234"),
        ("far", "http://far:48008"),
        ("http://far:99/", "http://far:99"),
        ("https://far", "https://far:443"),
        ("https://far/covalent/", "https://far:443/covalent"),
        ("[::1]:5", "http://[::1]:5"),
    ],
)
def test_an_address_may_be_given_in_full_or_in_part(given: str | None, url: str) -> None:
    assert server_url(given) == url


@pytest.mark.parametrize("given", ["ftp://far", "http://", "far:port", "far:70000"])
def test_what_is_no_address_is_refused_with_an_example(given: str) -> None:
    with pytest.raises(ConfigError, match="write http://localhost:48008"):
        server_url(given)


def test_the_environment_names_the_server_whole_or_by_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVALENT_DISPATCHER_ADDR", "http://far")
    monkeypatch.setenv("COVALENT_SVC_PORT", "7")
    assert server_url() == "http://far:7"
    monkeypatch.setenv("COVALENT_SERVER_URL", "https://farther:8")
    assert server_url() == "https://farther:8"
    assert server_url("near:9") == "http://near:9"


@pytest.mark.parametrize("port", ["none", "0", "70000", "²"])
def test_a_port_that_is_none_is_refused_naming_the_variable(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVALENT_SVC_PORT", port)
    with pytest.raises(ConfigError, match="correct COVALENT_SVC_PORT"):
        server_url()


def test_the_token_is_the_environments_or_the_file_of_that_server(
    config_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server_token("http://localhost:48008") is None
    (config_dir / "tokens").mkdir(parents=True)
    (config_dir / "tokens" / "localhost_48008").write_text("secret\n", encoding="ascii")
    assert server_token("http://127.0.0.1:48008") == "secret"
    assert server_token("http://localhost:48009") is None
    monkeypatch.setenv("COVALENT_API_TOKEN", "other")
    assert server_token("http://localhost:48008") == "other"


def test_a_token_file_that_cannot_be_read_is_named(config_dir: Path) -> None:
    (config_dir / "tokens" / "localhost_48008").mkdir(parents=True)
    with pytest.raises(ConfigError, match="localhost_48008 cannot be read"):
        server_token("http://localhost:48008")


def test_an_account_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert server_url() == "http://localhost:48008"
    for name in ("COVALENT_CONFIG_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="COVALENT_CONFIG_DIR"):
        server_url()
    assert server_url("http://far:1") == "http://far:1"


def test_a_section_that_is_a_value_is_no_address() -> None:
    _write("dispatcher = 1\n")
    with pytest.raises(KeyError, match=r"'dispatcher\.address' is not set"):
        server_url()
