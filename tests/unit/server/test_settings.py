from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from covalent_server import settings
from covalent_server.db.engines import open_engine
from covalent_server.errors import SettingsError
from covalent_server.settings import Origin


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home"), "COVALENT_CONFIG_DIR": str(tmp_path / "config")}


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """An account that the system does not know."""

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "config" / "covalent.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return file


def test_without_anything_given_the_defaults_count(environ: dict[str, str], tmp_path: Path) -> None:
    known = settings.load({}, environ)
    assert (known.host, known.port) == ("127.0.0.1", 48008)
    assert known.config_dir == tmp_path / "config"
    assert known.database_url == f"sqlite:///{known.data_dir}/covalent.db"
    assert known.local_slots >= 1
    assert str(known.sources["port"]) == "default"


def test_a_flag_stands_above_the_environment_above_the_file_above_the_default(
    environ: dict[str, str], tmp_path: Path
) -> None:
    assert settings.load({}, environ).port == 48008
    file = write(tmp_path, "[server]\nport = 1\n")
    known = settings.load({}, environ)
    assert (known.port, known.sources["port"].origin, known.sources["port"].name) == (1, Origin.FILE, str(file))
    environ["COVALENT_SVC_PORT"] = "2"
    known = settings.load({}, environ)
    assert (known.port, str(known.sources["port"])) == (2, "environment COVALENT_SVC_PORT")
    known = settings.load({"port": "3"}, environ)
    assert (known.port, str(known.sources["port"])) == (3, "flag --port")


def test_a_flag_that_was_not_given_and_an_empty_variable_count_for_nothing(environ: dict[str, str]) -> None:
    assert settings.load({"port": None}, environ | {"COVALENT_SVC_PORT": ""}).port == 48008


def test_the_configuration_directory_of_a_flag_is_where_the_file_is_looked_for(
    environ: dict[str, str], tmp_path: Path
) -> None:
    write(tmp_path, "[server]\nport = 1\n")
    assert settings.load({"config_dir": str(tmp_path / "other")}, environ).port == 48008
    assert settings.load({"config_dir": str(tmp_path / "config")}, {"HOME": str(tmp_path)}).port == 1


def test_the_tables_of_scripts_are_left_alone(environ: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path, '[dispatcher]\nport = "anything"\n[mine]\ncolour = "red"\n')
    assert settings.load({}, environ).port == 48008


def test_paths_may_begin_with_the_home_directory_and_become_absolute(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert settings.load({"data_dir": "~/state"}, environ).data_dir == tmp_path / "state"
    assert settings.load({"data_dir": "state"}, environ).data_dir == tmp_path / "state"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "[server]\nprot = 1",
            "server.prot is no setting; there are: allow_network_filesystem, asset_grace,",
        ),
        ('[server]\nport = "many"', "server.port"),
        ("[server]\nport = 70000", "server.port"),
        ("[server]\nport = -1", "server.port"),
        ("[server]\nport = true", "server.port"),
        ("[server]\nport = 1.5", "server.port"),
        ("[server]\nlease_ttl = 0", "server.lease_ttl"),
        ("[server]\nlease_ttl = nan", "server.lease_ttl"),
        ("[server]\nlease_ttl = inf", "server.lease_ttl"),
        ("[server]\nlocal_slots = 0", "server.local_slots"),
        ("[server]\nlog_level = 'LOUD'", "DEBUG, INFO, WARNING, ERROR"),
        ("[server]\nallow_network_filesystem = 'perhaps'", "neither true nor false"),
        ("[server]\nurl_prefix = 'covalent'", "such as /covalent"),
        ("[server]\nurl_prefix = '/a\"><script>'", "such as /covalent"),
        ("[server]\ndatabase_url = 'covalent.db'", "sqlite:////path/to"),
        ("[server]\ndata_dir = 'state'", "write a whole path"),
        ("[server]\ndata_dir = ''", "server.data_dir"),
        ("[server]\nconfig_dir = '/etc'", "server.config_dir is no setting"),
        ("server = 1", "must be a table"),
        ("port = 1", "belongs below a line [server]"),
        ("port = ", "is not TOML"),
    ],
)
def test_a_fault_in_the_file_is_named_with_file_and_key(
    text: str, complaint: str, environ: dict[str, str], tmp_path: Path
) -> None:
    file = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        settings.load({}, environ)
    assert str(file) in str(caught.value)
    assert complaint in str(caught.value)


def test_a_file_that_is_not_text_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    file = write(tmp_path, "")
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="cannot be read") as caught:
        settings.load({}, environ)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("host", ["", "http://localhost", "localhost:5", "a b", "-a", "a..b", "[::1]", "1.2.3.4/8"])
def test_what_is_no_host_is_refused(host: str, environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="--host: "):
        settings.load({"host": host}, environ)


@pytest.mark.parametrize(
    ("host", "exposed"),
    [
        ("127.0.0.1", False),
        ("localhost", False),
        ("::1", False),
        ("0.0.0.0", True),  # noqa: S104
        ("::", True),
        ("192.168.1.4", True),
        ("example.org", True),
    ],
)
def test_an_address_tells_whether_other_machines_may_come(host: str, exposed: bool, environ: dict[str, str]) -> None:
    assert settings.load({"host": host}, environ).exposed is exposed


def test_several_values_stand_in_a_list_or_between_commas(environ: dict[str, str], tmp_path: Path) -> None:
    write(
        tmp_path, '[server]\nhost_names = ["A.example.org", "*.b"]\nlocal_interpreters = ["/a/python", "/b/python"]\n'
    )
    known = settings.load({}, environ)
    assert known.host_names == ("a.example.org", "*.b")
    assert known.interpreters == frozenset({"/a/python", "/b/python"})
    assert settings.load({"host_names": "c, d"}, environ).host_names == ("c", "d")
    for flags in ({"host_names": "a,,b"}, {"host_names": "a/b"}, {"local_interpreters": "python3"}):
        with pytest.raises(SettingsError, match=r"--host-names|--local-interpreters"):
            settings.load(flags, environ)


@pytest.mark.parametrize(("text", "value"), [("1", True), ("yes", True), ("Off", False), ("false", False)])
def test_a_switch_is_read_from_the_environment(text: str, value: bool, environ: dict[str, str]) -> None:
    environ["COVALENT_ALLOW_NETWORK_FILESYSTEM"] = text
    assert settings.load({}, environ).allow_network_filesystem is value


def test_a_wrong_variable_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"^COVALENT_LOCAL_SLOTS: "):
        settings.load({}, environ | {"COVALENT_LOCAL_SLOTS": "few"})


def test_a_databases_password_is_not_shown_when_settings_are_printed(environ: dict[str, str]) -> None:
    known = settings.load({"database_url": "postgresql://me:hush@host/db"}, environ)
    assert "hush" not in repr(known)


def test_every_field_of_the_settings_is_an_option() -> None:
    fields: Any = settings.Settings.__dataclass_fields__
    assert {option.name for option in settings.OPTIONS} == set(fields) - {"sources"}
    assert len({option.variable for option in settings.OPTIONS}) == len(settings.OPTIONS)


@pytest.mark.parametrize(
    "name", ["plain", "what?", "#1", "100%", "%3F?#%", "a b", "ü", "@:[x]", "?mode=memory", "a&b=c"]
)
def test_the_database_lies_in_the_data_directory_whatever_that_is_called(name: str, tmp_path: Path) -> None:
    data = tmp_path / name
    data.mkdir()
    url = settings.load({"data_dir": str(data)}, {"HOME": str(tmp_path)}).database_url
    engine = open_engine(url, writes=True)
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (c)")
        connection.commit()
    engine.dispose()
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]
    assert "covalent.db" in {path.name for path in data.iterdir()}


@pytest.mark.usefixtures("homeless")
def test_an_account_without_a_home_is_told_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="COVALENT_CONFIG_DIR and COVALENT_DATA_DIR"):
        settings.load({}, {})
    with pytest.raises(SettingsError, match=r"--data-dir: .*~/state"):
        settings.load({"config_dir": str(tmp_path), "data_dir": "~/state"}, {})
    given = {"COVALENT_CONFIG_DIR": str(tmp_path / "c"), "COVALENT_DATA_DIR": str(tmp_path / "d")}
    assert settings.load({}, given).data_dir == tmp_path / "d"
    if sys.platform == "linux":
        standard = {"XDG_CONFIG_HOME": str(tmp_path / "c"), "XDG_DATA_HOME": str(tmp_path / "d")}
        assert settings.load({}, standard).data_dir == tmp_path / "d" / "covalent"
