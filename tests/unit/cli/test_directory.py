from __future__ import annotations

import stat
from pathlib import Path

import pytest

from covalent_server.cli import directory
from covalent_server.errors import DataDirectoryError, NetworkFilesystemError, UnwritableDirectoryError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_missing_directory_is_made_for_this_account_alone(tmp_path: Path) -> None:
    place = directory.prepare(tmp_path / "a" / "b", allow_network=False)
    assert mode(place.path) == 0o700
    assert mode(place.log.parent) == 0o700


def test_an_empty_directory_is_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.mkdir(mode=0o755)
    directory.prepare(path, allow_network=False)
    assert mode(path) == 0o700


def test_a_directory_that_a_server_used_is_closed_to_others(tmp_path: Path) -> None:
    place = directory.prepare(tmp_path / "data", allow_network=False)
    place.lock.touch()
    place.path.chmod(0o755)
    directory.prepare(place.path, allow_network=False)
    assert mode(place.path) == 0o700


def test_an_open_directory_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "shared"
    path.mkdir(mode=0o755)
    (path / "thesis.tex").touch()
    with pytest.raises(DataDirectoryError, match="holds other things"):
        directory.prepare(path, allow_network=False)
    assert mode(path) == 0o755
    assert [file.name for file in path.iterdir()] == ["thesis.tex"]


def test_a_path_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnwritableDirectoryError, match="--data-dir or COVALENT_DATA_DIR"):
        directory.prepare(tmp_path / "file" / "data", allow_network=False)


def test_a_network_file_system_is_refused_before_anything_is_made_there(tmp_path: Path) -> None:
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text("22 1 0:40 / / rw - nfs4 server:/ rw\n")
    path = tmp_path / "data"
    with pytest.raises(NetworkFilesystemError, match=r"nfs4.*data_dir in covalent.toml"):
        directory.prepare(path, allow_network=False, mountinfo=mountinfo)
    assert not path.exists()
    assert directory.prepare(path, allow_network=True, mountinfo=mountinfo).path == path
