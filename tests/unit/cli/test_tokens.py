from __future__ import annotations

import base64
import logging
import os
import stat
from pathlib import Path

import pytest

from covalent.wire import places
from covalent_server.cli import tokens
from covalent_server.errors import TokenFileError

URL = "http://localhost:1234"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return places.token_path(tmp_path, URL)


def test_a_new_token_has_256_bits_and_is_stored_for_this_account_alone(path: Path, tmp_path: Path) -> None:
    token = tokens.ensure_token(tmp_path, URL)
    assert len(base64.urlsafe_b64decode(token + "=")) * 8 == 256
    assert path.read_text().strip() == token == tokens.read_token(tmp_path, URL)
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_stored_token_is_kept(tmp_path: Path) -> None:
    assert tokens.ensure_token(tmp_path, URL) == tokens.ensure_token(tmp_path, URL)


def test_two_servers_have_two_tokens(tmp_path: Path) -> None:
    assert tokens.ensure_token(tmp_path, URL) != tokens.ensure_token(tmp_path, "http://localhost:4321")


@pytest.mark.parametrize("loopback", ["http://localhost:1234", "http://127.0.0.1:1234"])
def test_this_machine_has_one_token_under_all_its_names(loopback: str, tmp_path: Path) -> None:
    assert tokens.ensure_token(tmp_path, URL) == tokens.ensure_token(tmp_path, loopback)


@pytest.mark.parametrize("open_mode", [0o644, 0o660, 0o604])
def test_a_token_that_others_could_read_is_replaced_with_a_warning(
    open_mode: int, path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    leaked = tokens.ensure_token(tmp_path, URL)
    path.chmod(open_mode)
    with caplog.at_level(logging.WARNING):
        assert tokens.ensure_token(tmp_path, URL) != leaked
    assert mode(path) == 0o600
    assert "open to other accounts" in caplog.text
    assert leaked not in caplog.text


def test_a_directory_open_to_others_is_closed(path: Path, tmp_path: Path) -> None:
    tokens.ensure_token(tmp_path, URL)
    path.parent.chmod(0o755)
    tokens.ensure_token(tmp_path, URL)
    assert mode(path.parent) == 0o700


@pytest.mark.parametrize("text", ["", "\n", "short", "a b" * 20, "x" * 5000])
def test_what_is_no_token_is_replaced(text: str, path: Path, tmp_path: Path) -> None:
    tokens.ensure_token(tmp_path, URL)
    path.write_text(text)
    assert tokens.ensure_token(tmp_path, URL) != text
    assert len(path.read_text().strip()) == 43


def test_a_link_in_the_tokens_place_is_refused(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TokenFileError):
        tokens.ensure_token(tmp_path, URL)
    assert not (tmp_path / "elsewhere").exists()


def test_a_configuration_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TokenFileError, match="COVALENT_CONFIG_DIR"):
        tokens.ensure_token(tmp_path / "file", URL)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another account")
def test_another_accounts_token_is_refused(path: Path, tmp_path: Path) -> None:
    tokens.ensure_token(tmp_path, URL)
    os.chown(path, 12345, 12345)
    with pytest.raises(TokenFileError, match="belongs to another account"):
        tokens.ensure_token(tmp_path, URL)
