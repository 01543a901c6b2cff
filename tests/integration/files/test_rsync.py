"""Files from and to a machine that a real ssh server lets in."""

from __future__ import annotations

from pathlib import Path

import pytest

import covalent as ct
from covalent.errors import FileTransferError
from tests.file_servers import Machine

Rsync = ct.fs_strategies.Rsync


@pytest.fixture
def rsync(machine: Machine) -> ct.fs_strategies.Rsync:
    """The strategy that is let in."""
    return Rsync(private_key_path=machine.key, known_hosts=machine.known_hosts)


@pytest.fixture
def far(tmp_path: Path) -> Path:
    """A directory on the other machine, of a name that a shell would split."""
    directory = tmp_path / "far away; $HOME"
    directory.mkdir()
    return directory


def test_a_file_is_fetched_and_sent(machine: Machine, rsync: ct.fs_strategies.Rsync, far: Path, tmp_path: Path) -> None:
    (far / "a").write_text("1")
    address = f"{machine.url}{far}".replace(" ", "%20")
    rsync.download(ct.fs.File(f"{address}/a"), ct.fs.File(tmp_path / "b"))
    assert (tmp_path / "b").read_text() == "1"
    rsync.upload(ct.fs.File(tmp_path / "b"), ct.fs.File(f"{address}/c"))
    assert (far / "c").read_text() == "1"


def test_what_is_in_a_folder_is_fetched_and_sent(
    machine: Machine, rsync: ct.fs_strategies.Rsync, far: Path, tmp_path: Path
) -> None:
    (far / "deep").mkdir()
    (far / "deep" / "a").write_text("1")
    address = f"{machine.url}{far}".replace(" ", "%20")
    (tmp_path / "near").mkdir()
    rsync.download(ct.fs.Folder(address), ct.fs.Folder(tmp_path / "near"))
    assert (tmp_path / "near" / "deep" / "a").read_text() == "1"
    rsync.upload(ct.fs.Folder(tmp_path / "near"), ct.fs.Folder(f"{address}/copy"))
    assert (far / "copy" / "deep" / "a").read_text() == "1"


def test_a_path_is_on_the_machine_that_the_strategy_names(machine: Machine, far: Path) -> None:
    (far / "a").write_text("1")
    strategy = Rsync(machine.user, "127.0.0.1", machine.key, port=machine.port, known_hosts=machine.known_hosts)
    far_end = str(far / "a")

    @ct.electron(
        files=[
            ct.fs.TransferFromRemote(far_end, strategy=strategy),
            ct.fs.TransferToRemote(f"file://{far}/b".replace(" ", "%20"), strategy=strategy),
        ]
    )
    def work(files: list[tuple[str, str]]) -> str:
        (_, read), (write, _) = files
        Path(write).write_text(Path(read).read_text() + "2")
        return read

    @ct.lattice
    def workflow() -> str:
        return work()  # type: ignore[call-arg] # files come by themselves

    assert Path(ct.testing.run(workflow)()).name == "a"
    assert (far / "b").read_text() == "12"


def test_rsync_copies_on_one_machine_too(far: Path, tmp_path: Path, machine: Machine) -> None:  # noqa: ARG001 - it says whether there is rsync
    (far / "a").write_text("1")
    Rsync().cp(ct.fs.File(far / "a"), ct.fs.File(tmp_path / "b"))
    assert (tmp_path / "b").read_text() == "1"


def test_a_host_that_is_not_known_is_refused(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    stranger = Rsync(private_key_path=machine.key, known_hosts=tmp_path / "empty")
    with pytest.raises(FileTransferError, match=r"log in there once by hand, or name a file with its key"):
        stranger.download(ct.fs.File(f"{machine.url}/a"), ct.fs.File(tmp_path / "b"))


def test_who_is_not_let_in_is_told(machine: Machine, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("no key")
    stranger = Rsync(private_key_path=key, known_hosts=machine.known_hosts)
    with pytest.raises(FileTransferError, match=r"check the user, and on \S+ the key: Rsync\(user=…, private_key_path"):
        stranger.download(ct.fs.File(f"{machine.url}/a"), ct.fs.File(tmp_path / "b"))


def test_what_is_not_there_is_told(machine: Machine, rsync: ct.fs_strategies.Rsync, far: Path, tmp_path: Path) -> None:
    address = f"{machine.url}{far}".replace(" ", "%20")
    with pytest.raises(FileTransferError, match=r"exit status 23; check the path"):
        rsync.download(ct.fs.File(f"{address}/nothing"), ct.fs.File(tmp_path / "b"))


def test_a_folder_that_was_called_a_file_is_told(
    machine: Machine, rsync: ct.fs_strategies.Rsync, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()

    @ct.electron(files=ct.fs.TransferFromRemote(f"{machine.url}{tmp_path}/folder", "copy", strategy=rsync))
    def work() -> None:
        pass

    @ct.lattice
    def workflow() -> None:
        work()

    with pytest.raises(FileTransferError, match=r"/folder is a folder; write ct.fs.Folder"):
        ct.testing.run(workflow)()
    assert not (tmp_path / "copy").exists()


def test_a_machine_without_rsync_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileTransferError, match=r"there is no rsync on \S+, where the task runs; install there"):
        Rsync().download(ct.fs.File("ssh://host/a"), ct.fs.File(tmp_path / "b"))
