"""``covalent backup`` of a server that runs, ``covalent restore`` of what it wrote, and of what was damaged since."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from covalent_server import errors
from covalent_server.cli import exits
from tests import builders
from tests.installation import Installation
from tests.integration.web.test_assets import put

DAMAGED = exits.CODES[errors.DamagedDataError]
SMALL = builders.asset("small")
LARGE = [builders.asset(letter * 100_000) for letter in "ab"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("server")) as installation:
        for data in (SMALL, *LARGE):
            assert put(installation, data).status == 204
        yield installation


@pytest.fixture(scope="module")
def made(server: Installation) -> Path:
    """A good backup."""
    path = server.root / "good.tar"
    server.command("backup", str(path))
    return path


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Installation]:
    """Another server, that has not been started and whose data directory is not there."""
    installation = Installation(tmp_path / "other")
    yield installation
    if installation.pid:
        installation.stop()


def refused(installation: Installation, kind: type[errors.CovalentServerError], *arguments: str) -> str:
    run = installation.command(*arguments, check=False)
    assert run.returncode == exits.CODES[kind], run.stdout + run.stderr
    assert "Traceback" not in run.stderr
    return run.stderr


def file_of(installation: Installation, data: bytes) -> Path:
    digest = builders.digest(data)
    return installation.data / "assets" / digest[:2] / digest[2:]


def facts(installation: Installation) -> dict[str, str]:
    with contextlib.closing(sqlite3.connect(installation.data / "covalent.db")) as database:
        return dict(database.execute("SELECT name, value FROM setting"))


def names(path: Path) -> list[str]:
    with tarfile.open(path) as tar:
        return tar.getnames()


def listed(path: Path) -> list[dict[str, Any]]:
    """The list of contents of a backup."""
    with tarfile.open(path) as tar:
        file = tar.extractfile("manifest.jsonl")
        assert file is not None
        return [json.loads(line) for line in file]


def test_a_backup_of_a_running_server_is_restored_and_served(made: Path, other: Installation) -> None:
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert len(names(made)) == 4
    other.command("restore", str(made), "--verify")
    assert other.command("db", "check", "--deep").returncode == 0
    other.start()
    for data in (SMALL, *LARGE):
        answer = other.request("GET", f"/api/v1/assets/{builders.digest(data)}")
        assert answer.body == data
    assert sorted(path.name for path in other.data.iterdir() if path.name.startswith(".")) == []


def test_tar_and_the_list_of_contents_say_the_same(made: Path, tmp_path: Path) -> None:
    heading, *entries = listed(made)
    assert heading["files"] == len(entries) == 3
    assert heading["bytes"] == sum(entry["size"] for entry in entries)
    assert heading["lost"] == 0
    with tarfile.open(made) as tar:
        tar.extractall(tmp_path, filter="data")
    for entry in entries:
        data = (tmp_path / entry["path"]).read_bytes()
        assert (len(data), builders.digest(data)) == (entry["size"], entry["sha256"])


def test_a_copy_is_another_server_and_knows_no_workers(made: Path, other: Installation, server: Installation) -> None:
    with contextlib.closing(sqlite3.connect(server.data / "covalent.db")) as database, database:
        database.execute("INSERT INTO pool VALUES (77, 'local', 'x', 'y')")
        database.execute(
            "INSERT INTO worker (id, pool, host, pid, features, started_at) VALUES ('w', 77, 'host', 1, '[]', 1.0)"
        )
        database.execute("INSERT INTO token (digest, owner, scope, created_at) VALUES ('t', 'local', 'worker', 1.0)")
    again = made.with_name("with-a-worker.tar")
    server.command("backup", str(again))
    other.command("restore", str(again))
    assert not {"instance", "fencing_key"} & facts(other).keys()
    with contextlib.closing(sqlite3.connect(other.data / "covalent.db")) as database:
        assert database.execute("SELECT count(*) FROM worker WHERE ended_at IS NULL").fetchone() == (0,)
        assert database.execute("SELECT scope FROM token WHERE revoked_at IS NULL").fetchall() == [("user",)]
    other.start()
    ours, theirs = facts(other), facts(server)
    assert ours["instance"] != theirs["instance"]
    assert ours["fencing_key"] != theirs["fencing_key"]


def test_a_backup_is_never_written_over_another_and_leaves_nothing_beside_it(server: Installation, made: Path) -> None:
    before = made.read_bytes()
    assert "is there already" in refused(server, errors.BackupError, "backup", str(made))
    assert made.read_bytes() == before
    assert not [path for path in made.parent.iterdir() if path.name.startswith(".good")]


def test_what_a_killed_backup_left_is_removed_by_the_next_one(server: Installation) -> None:
    left = server.root / ".next.tar.0123.partial"
    left.mkdir()
    (left / "backup").write_bytes(b"half of it")
    (server.root / ".another.tar.0123.partial").mkdir()
    server.command("backup", str(server.root / "next.tar"))
    assert not left.exists()
    assert (server.root / ".another.tar.0123.partial").is_dir()


def test_a_place_that_cannot_be_written_is_told(server: Installation) -> None:
    said = refused(server, errors.BackupError, "backup", str(server.root / "nowhere" / "backup.tar"))
    assert "No such file or directory" in said


def test_without_a_database_there_is_nothing_to_back_up(other: Installation) -> None:
    assert "--data-dir" in refused(other, errors.DataDirectoryError, "backup", "backup.tar")
    assert not other.data.exists()


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_another_database_has_tools_of_its_own(server: Installation, made: Path, command: str) -> None:
    path = made.with_name("postgresql.tar") if command == "backup" else made
    said = refused(server, errors.BackupError, command, str(path), "--database-url", "postgresql://localhost/covalent")
    assert ("pg_dump" if command == "backup" else "pg_restore") in said
    assert str(server.data / "assets") in said


def test_nothing_is_restored_over_what_is_there(server: Installation, made: Path, other: Installation) -> None:
    assert "is not empty" in refused(server, errors.DataDirectoryError, "restore", str(made))
    other.data.mkdir(mode=0o700)
    (other.data / "mine").touch()
    assert "(mine)" in refused(other, errors.DataDirectoryError, "restore", str(made))
    assert [path.name for path in other.data.iterdir()] == ["mine"]


def test_a_restoration_that_was_killed_between_assets_and_database_is_run_again(
    made: Path, other: Installation
) -> None:
    other.command("restore", str(made))
    unfinished = other.data / ".restoring"
    unfinished.mkdir(mode=0o700)
    (other.data / "covalent.db").rename(unfinished / "covalent.db")
    file_of(other, LARGE[0]).write_bytes(b"of another backup, perhaps")
    other.command("restore", str(made), "--verify")
    assert not unfinished.exists()
    assert file_of(other, LARGE[0]).read_bytes() == LARGE[0]


def test_assets_that_no_restoration_left_are_not_touched(made: Path, other: Installation) -> None:
    (other.data / ".restoring" / "assets").mkdir(mode=0o700, parents=True)
    (other.data / "assets").mkdir()
    assert "(assets)" in refused(other, errors.DataDirectoryError, "restore", str(made))
    assert (other.data / "assets").is_dir()


def test_a_file_that_is_not_there_is_told(other: Installation) -> None:
    assert "there is no file" in refused(other, errors.BackupError, "restore", "nowhere.tar")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2000])


def altered(text: bytes) -> Callable[[Path], None]:
    """Damage one byte of a backup, at the last place where a text is."""

    def harm(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[data.rindex(text)] ^= 1
        path.write_bytes(data)

    return harm


@pytest.mark.parametrize("verify", [(), ("--verify",)], ids=["", "verify"])
@pytest.mark.parametrize(
    ("harm", "word"),
    [
        (cut, "cut short"),
        (lambda path: path.write_bytes(b""), "no backup"),
        (altered(b"a" * 1000), "the file assets/"),
        (altered(b"small"), "the file covalent.db in it is damaged"),
        (altered(b'"sha256"'), "list of contents"),
        (altered(b"manifest.jsonl"), "damaged, or no backup"),
    ],
    ids=["cut short", "empty", "an asset", "the database", "the list", "a name"],
)
def test_a_damaged_backup_is_refused_by_name_and_leaves_nothing(
    made: Path, other: Installation, harm: Callable[[Path], None], word: str, verify: tuple[str, ...]
) -> None:
    damaged = other.root / "damaged.tar"
    damaged.write_bytes(made.read_bytes())
    harm(damaged)
    said = refused(other, errors.DamagedDataError, "restore", str(damaged), *verify)
    assert word in said
    assert "take another backup" in said
    assert sorted(path.name for path in other.data.iterdir()) == ["lock", "logs"]
    other.command("restore", str(made), *verify)


@pytest.mark.usefixtures("made")
def test_a_backup_of_a_newer_version_is_refused(server: Installation, other: Installation) -> None:
    copy = Installation(other.root / "copy")
    copy.command("restore", str(server.root / "good.tar"))
    with contextlib.closing(sqlite3.connect(copy.data / "covalent.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'from-the-future'")
    assert "pip install -U" in refused(copy, errors.NewerDataError, "backup", "newer.tar")


@pytest.mark.usefixtures("made")
def test_lost_assets_are_named_and_a_backup_is_made_without_them(other: Installation, server: Installation) -> None:
    original = Installation(other.root / "original")
    original.command("restore", str(server.root / "good.tar"))
    file_of(original, LARGE[0]).unlink()
    path = file_of(original, LARGE[1])
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with contextlib.closing(sqlite3.connect(original.data / "covalent.db")) as database, database:
        database.execute("UPDATE asset SET data = x'00' WHERE digest = ?", (builders.digest(SMALL),))
    backup = other.root / "backup.tar"
    run = original.command("backup", str(backup), "--json", check=False)
    assert run.returncode == DAMAGED
    lost = json.loads(run.stdout)["lost"]
    assert sorted(text.split()[2] for text in lost) == sorted(map(builders.digest, (SMALL, *LARGE)))
    assert {text.partition(" is ")[2].partition(";")[0].partition(":")[0] for text in lost} == {"gone", "damaged"}
    assert names(backup) == ["covalent.db", "manifest.jsonl"]
    assert sorted(entry["sha256"] for entry in listed(backup)[1:] if "fault" in entry) == sorted(
        map(builders.digest, (SMALL, *LARGE))
    )
    said = refused(other, errors.DamagedDataError, "restore", str(backup), "--verify")
    assert all(builders.digest(data) in said for data in (SMALL, *LARGE))
    assert sorted(path.name for path in other.data.iterdir()) == ["lock", "logs"]
    run = other.command("restore", str(backup), check=False)
    assert run.returncode == DAMAGED
    assert all(builders.digest(data) in run.stdout for data in (SMALL, *LARGE))
    other.start()
    answer = other.request("GET", f"/api/v1/assets/{builders.digest(LARGE[0])}")
    assert answer.plain["code"] == "asset-lost"
