"""What ``files=`` declares, and the transfers between directories that come of it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

import covalent as ct
from covalent.errors import ArgumentsError, FileTransferError, GraphError
from covalent.fs_strategies.choice import fitting

HTTP = ct.fs_strategies.HTTP
Fsspec = ct.fs_strategies.Fsspec
Rsync = ct.fs_strategies.Rsync
S3 = ct.fs_strategies.S3
Shutil = ct.fs_strategies.Shutil


def alone(electron: Any) -> Any:
    """The value of a workflow of one task."""

    @ct.lattice
    def workflow() -> Any:
        return electron()

    return ct.testing.run(workflow)()


def task(*transfers: ct.fs.FileTransfer, does: Any = None) -> Any:
    """The value of a workflow of one task, which does something with its files, by default nothing but to tell them."""

    def work(files: Any) -> Any:
        return does(files) if does else files

    return alone(ct.electron(work, files=transfers))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, in which tasks run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


# -- declarations


def _electron(files: Any) -> Any:
    return ct.electron(print, files=files)


def _lattice(files: Any) -> Any:
    return ct.lattice(print, files=files)


def test_a_transfer_knows_its_ends_and_its_order() -> None:
    fetched = ct.fs.TransferFromRemote("https://example.org/a.csv?signature=secret", "a.csv")
    assert fetched.from_file.is_remote
    assert not fetched.to_file.is_remote
    assert fetched.order is ct.fs.Order.BEFORE
    assert fetched.from_file.scheme == "https"
    assert fetched.from_file.name == "a.csv"
    sent = ct.fs.TransferToRemote("https://example.org/a.csv")
    assert sent.to_file.is_remote
    assert sent.order is ct.fs.Order.AFTER
    assert sent.from_file.filepath is None
    assert ct.fs.FileTransfer("a", "b").order is ct.fs.Order.BEFORE
    assert ct.fs.FileTransfer("a", "b", order="after").order is ct.fs.Order.AFTER  # type: ignore[arg-type] # text will do


def test_what_is_shown_of_a_transfer_has_no_signature() -> None:
    fetched = ct.fs.TransferFromRemote("https://example.org/a.csv?signature=secret", strategy=HTTP({"X-Key": "secret"}))
    electron: Any = ct.electron(lambda: 1, files=fetched)
    shown = electron.electron_object.metadata["files"]
    assert shown == [
        {
            "type": "FileTransfer",
            "attributes": {
                "from_file": "https://example.org/a.csv?…",
                "to_file": None,
                "is_dir": False,
                "order": "before",
                "strategy": "HTTP",
            },
        }
    ]
    assert "secret" not in repr(fetched)
    assert ct.electron(lambda: 1).electron_object.metadata["files"] is None


def test_the_strategy_follows_from_the_addresses() -> None:
    for address, strategy in (
        ("a", Shutil),
        ("file:///a", Shutil),
        ("HTTP://h/a", HTTP),
        ("ssh://h/a", Rsync),
        ("s3://b/a", Fsspec),
    ):
        assert type(fitting(ct.fs.File(address), ct.fs.File("b"))) is strategy
        assert type(fitting(ct.fs.File("b"), ct.fs.File(address))) is strategy


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (lambda: ct.fs_strategies.Blob("me", "hidden", "us"), r"Blob\(client_secret=\.\.\.\)"),
        (lambda: Fsspec(account_key="hidden"), r"Fsspec\(account_key=\.\.\.\)"),
    ],
)
def test_who_hands_over_a_secret_is_told_where_it_is_going_to_be(make: Any, shown: str) -> None:
    with pytest.warns(UserWarning, match=rf"{shown} is stored with the workflow, .* in the environment") as caught:
        made = make()
    assert caught[0].filename == __file__
    assert "hidden" not in repr(made)


def test_stores_are_opened_with_what_was_said_and_no_more() -> None:
    assert S3("~/keys", endpoint_url="http://h").options == {
        "profile": None,
        "endpoint_url": "http://h",
        "client_kwargs": None,
    }
    assert ct.fs_strategies.GCloud("key.json", "lab").options == {"token": "key.json", "project": "lab"}
    assert ct.fs_strategies.Blob(account_name="lab").options["account_name"] == "lab"
    assert ct.fs.File("abfs://container@account.dfs.core.windows.net/a").is_remote


def test_paths_are_written_in_many_ways(here: Path) -> None:
    for given in ("a b", str(here / "a b"), f"file://{here}/a%20b", f"file://localhost{here}/a%20b", Path("a b")):
        assert ct.fs.File(given).path == here / "a b"
        assert os.fspath(ct.fs.File(given)) == str(here / "a b")
        assert ct.fs.File(given).name == "a b"
    assert ct.fs.File("~/a").path == here / "home" / "a"
    assert repr(ct.fs.Folder("a")) == "Folder('a')"
    assert repr(ct.fs.File()) == "File()"


def test_an_address_has_no_local_path() -> None:
    with pytest.raises(ValueError, match=r"File\('https://h/a'\) has no local path; a transfer in files="):
        ct.fs.File("https://h/a").path  # noqa: B018 - what is shown


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ct.fs.File(""), "File takes a path or an address, not ''"),
        (lambda: ct.fs.File("file://host/a"), "a path has three slashes, file:///host/a, and another machine"),
        (lambda: ct.fs.File("https://me:word@h/a"), "the address https://h/a came with a user's name or password"),
        (lambda: ct.fs.File("s3://key@h/a"), "give them to the strategy or to the environment of the worker"),
        (lambda: ct.fs.FileTransfer(None, "a"), "takes from_file: there is nothing in a temporary file yet"),
        (lambda: ct.fs.TransferToRemote(None), "takes to_file: a temporary file would be removed at once"),  # type: ignore[arg-type]
        (lambda: ct.fs.FileTransfer(ct.fs.Folder("a"), ct.fs.File("b")), "make both a ct.fs.Folder, or none"),
        (lambda: ct.fs.FileTransfer("a", "b", order="soon"), "order is ct.fs.Order.BEFORE or ct.fs.Order.AFTER"),  # type: ignore[arg-type]
        (lambda: ct.fs.FileTransfer(3, "b"), "from_file takes a path, an address, a ct.fs.File or a ct.fs.Folder"),  # type: ignore[arg-type]
        (lambda: ct.fs.FileTransfer("a", "b", strategy=Shutil), "strategy takes an object such as ct.fs_strategies"),  # type: ignore[arg-type]
        (lambda: ct.fs.FileTransfer("http://h/a", "ftp://h/b"), "has two remote ends; fetch the file with one"),
        (lambda: ct.fs.FileTransfer(ct.fs.Folder("http://h/a"), "b"), "HTTP transfers files, not folders such as http"),
        (lambda: ct.fs.FileTransfer("ftp://h/a", "b", strategy=HTTP()), "HTTP takes addresses that begin with http"),
        (lambda: ct.fs.FileTransfer("ftp://h/a", "b", strategy=Shutil()), "Shutil copies between directories of one"),
        (lambda: ct.fs.TransferFromRemote("/a", strategy=Rsync()), "rsync does not know where /a is: write ssh://host"),
        (lambda: ct.fs.TransferFromRemote("s3://h/a", strategy=Rsync(host="h")), "does not know where s3://h/a is"),
        (lambda: ct.fs.TransferFromRemote("/a", strategy=Rsync(host="-oX=y")), "-oX=y:/a is no user, host and path"),
        (lambda: ct.fs.TransferFromRemote("ssh://-o@h/a"), "-o@h:/a is no user, host and path for rsync"),
        (lambda: ct.fs.TransferFromRemote("ssh://h"), "is no user, host and path for rsync"),
        (lambda: ct.fs.FileTransfer("ssh://h/a", "ssh://h/b", strategy=Rsync()), "rsync cannot copy from ssh://h/a to"),
        (lambda: ct.fs.FileTransfer("s3://b/a", "s3://b/c", strategy=S3()), "S3 copies between a path and an address"),
        (
            lambda: ct.fs.TransferFromRemote("gs://b/a", strategy=S3()),
            "S3 takes addresses that begin with s3:// or s3a",
        ),
        (lambda: _electron("a.csv"), r"files takes transfers such as ct.fs.TransferFromRemote\('a.csv'"),
        (lambda: _electron([3]), r"files takes ct.fs.FileTransfer\(...\)s, not 3"),
        (lambda: _lattice(["a"]), "takes no files: give them to the electrons that read or write them"),
        (lambda: ct.DepsCall(print, retval_keyword="files"), "kept for the paths that files=.* hands over"),
    ],
)
def test_a_mistake_is_told_when_it_is_made(make: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        make()


def test_no_files_are_as_good_as_none_said() -> None:
    nothing: Any
    for nothing in (None, (), []):
        assert _electron(nothing).electron_object.options.files is None
        assert _lattice(nothing).__name__ == "print"


# -- what the function is told


def test_a_function_is_told_in_a_list_of_pairs_also_what_comes_after(here: Path) -> None:
    (here / "a").write_text("1")
    told = task(ct.fs.FileTransfer("a", "b"), ct.fs.TransferToRemote(str(here / "d"), "b"))
    assert told == [(str(here / "a"), str(here / "b")), (str(here / "b"), str(here / "d"))]
    assert (here / "d").read_text() == "1"


def test_a_function_that_does_not_take_files_is_not_told(here: Path) -> None:
    (here / "a").write_text("1")

    @ct.electron(files=ct.fs.FileTransfer("a", "b"))
    def silent() -> str:
        return Path("b").read_text()

    @ct.electron(files=ct.fs.FileTransfer("a", "b"))
    def all_ears(**more: Any) -> list[str]:
        return sorted(more)

    assert ct.testing.run(ct.lattice(lambda: [silent(), all_ears()]))() == ["1", ["files"]]


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        (["a"], {}, r"which an argument by position has taken; give the others by keyword, or make 'files' the last"),
        ([], {"files": "a"}, r"files=\[...\] of the electron hands over 'files': leave it out"),
    ],
)
def test_files_are_not_to_be_given_twice(args: list[str], kwargs: dict[str, str], message: str) -> None:
    @ct.electron(files=ct.fs.FileTransfer("a", "b"))
    def work(files: Any) -> Any:
        return files

    with pytest.raises(ArgumentsError, match=message):
        ct.lattice(lambda: work(*args, **kwargs)).build_graph()


def test_a_sublattice_is_told_its_files_and_has_none_after_it(here: Path) -> None:
    (here / "a").write_text("1")
    length = ct.electron(len)

    @ct.lattice
    def inner(files: Any) -> Any:
        return length(Path(files[0][1]).read_text())

    assert alone(ct.electron(inner, files=ct.fs.TransferFromRemote("a"))) == 1
    with pytest.raises(GraphError, match=r"the sublattice inner has transfers after it, .* give those transfers"):
        alone(ct.electron(inner, files=ct.fs.TransferToRemote("b")))


def test_the_files_come_before_other_calls_and_go_after_them(here: Path) -> None:
    (here / "a").write_text("1")

    def look() -> str:
        return Path("b").read_text()

    def finish() -> None:
        Path("c").write_text("finished")

    @ct.electron(
        files=[ct.fs.FileTransfer("a", "b"), ct.fs.FileTransfer("c", "d", ct.fs.Order.AFTER)],
        call_before=ct.DepsCall(look, retval_keyword="seen"),
        call_after=finish,
    )
    def work(seen: str) -> str:
        return seen

    assert alone(work) == "1"
    assert (here / "d").read_text() == "finished"


def test_a_plain_call_is_the_plain_function() -> None:
    @ct.electron(files=ct.fs.TransferFromRemote("https://nowhere.invalid/a"))
    def work(files: Any = None) -> Any:
        return files

    assert work() is None


# -- where files go


def test_a_missing_end_is_a_temporary_file_of_the_same_name_and_goes_with_the_task(here: Path) -> None:
    (here / "in.csv").write_text("1")
    (here / "many").mkdir()

    def work(files: Any) -> Any:
        (_, path), (result, _), (folder, _) = files
        Path(result).write_text(Path(path).read_text() + "2")
        Path(folder, "inside").write_text("3")
        return path, result, folder

    paths = task(
        ct.fs.TransferFromRemote("in.csv"),
        ct.fs.TransferToRemote("out.csv"),
        ct.fs.TransferToRemote(ct.fs.Folder("many")),
        does=work,
    )
    assert [Path(path).name for path in paths] == ["in.csv", "out.csv", "many"]
    assert not any(os.path.exists(path) for path in paths)  # noqa: PTH110 - they are text
    assert (here / "out.csv").read_text() == "12"
    assert (here / "many" / "inside").read_text() == "3"


def test_a_folder_is_merged_into_one_that_is_there(here: Path) -> None:
    for place in ("one/deep/a", "two/deep/b", "two/deep/a"):
        (here / place).parent.mkdir(parents=True, exist_ok=True)
        (here / place).write_text(place)
    (here / "one" / "link").symlink_to("deep")
    task(ct.fs.FileTransfer(ct.fs.Folder("one"), "two"), ct.fs.FileTransfer("one", ct.fs.Folder("three/new")))
    assert (here / "two/deep/a").read_text() == "one/deep/a"
    assert (here / "two/deep/b").read_text() == "two/deep/b"
    assert (here / "two/link").is_symlink()
    assert (here / "two/link/a").read_text() == "one/deep/a"
    assert (here / "three/new/deep/a").read_text() == "one/deep/a"
    assert not list(here.glob("**/.covalent-*"))


def test_relative_paths_start_where_the_task_began(here: Path) -> None:
    def work(_: Any) -> None:
        Path("sub").mkdir()
        Path("result").write_text("1")
        os.chdir("sub")

    task(ct.fs.FileTransfer("result", "copy", ct.fs.Order.AFTER), does=work)
    assert (here / "copy").read_text() == "1"


def test_what_is_remote_in_name_only_is_a_path_like_others(here: Path) -> None:
    (here / "a").write_text("1")
    told = task(ct.fs.TransferFromRemote("a", "b"), ct.fs.TransferToRemote("sub/c", "b"))
    assert told == [(str(here / "a"), str(here / "b")), (str(here / "b"), str(here / "sub" / "c"))]
    assert (here / "sub" / "c").read_text() == "1"
    with pytest.raises(
        FileTransferError, match=r"there is no .*/missing on the machine that the task runs on; .*: give the whole path"
    ):
        task(ct.fs.TransferFromRemote("missing"))


def test_a_task_that_has_not_written_what_is_to_go_out_is_told_where_to(here: Path) -> None:
    with pytest.raises(
        FileTransferError, match=r"the task has not written /.*/out: its parameter files tells the path"
    ):
        task(ct.fs.TransferToRemote(str(here / "out")))


def test_nothing_goes_out_of_a_task_that_failed(here: Path) -> None:
    def work(files: Any) -> None:
        Path(files[0][0]).write_text("half")
        raise LookupError

    with pytest.raises(LookupError):
        task(ct.fs.TransferToRemote("out"), does=work)
    assert list(here.iterdir()) == []


# -- strategies of one's own


class Torn(ct.fs_strategies.FileTransferStrategy):
    """One that is interrupted."""

    def download(self, from_file: Any, to_file: Any) -> None:
        to_file.path.write_text("half")
        message = f"lost {from_file.filepath}"
        raise ConnectionError(message)

    upload = cp = download


class Idle(Torn):
    """One that does nothing."""

    def download(self, from_file: Any, to_file: Any) -> None:
        pass


class Late(Torn):
    """One that was written for an earlier Covalent: it returns what is to be called."""

    def download(self, from_file: Any, to_file: Any) -> Any:
        return lambda: to_file.path.write_text(from_file.filepath)


def test_an_interrupted_transfer_leaves_what_was_there(here: Path) -> None:
    (here / "b").write_text("whole")
    with pytest.raises(ConnectionError, match="lost x://a") as caught:
        task(ct.fs.TransferFromRemote("x://a", "b", strategy=Torn()))
    assert (here / "b").read_text() == "whole"
    assert [path.name for path in here.iterdir()] == ["b"]
    assert "in transfer 1 of 1, before the task, from x://a to " in "".join(caught.value.__notes__)


def test_a_strategy_that_writes_nothing_is_found_out(here: Path) -> None:
    with pytest.raises(FileTransferError, match=re.escape("the strategy Idle() gave no error, and wrote nothing")):
        task(ct.fs.TransferFromRemote("x://a", "b", strategy=Idle()))
    assert list(here.iterdir()) == []


def test_a_strategy_may_return_what_is_to_be_called(here: Path) -> None:
    task(ct.fs.TransferFromRemote("x://a", "b", strategy=Late()))
    assert (here / "b").read_text() == "x://a"


@pytest.mark.parametrize(
    ("transfer", "message"),
    [
        (ct.fs.FileTransfer("missing", "b"), "there is no .*/missing on the machine that the task runs on"),
        (ct.fs.FileTransfer("folder", "b"), "/folder is a folder; write ct.fs.Folder"),
        (ct.fs.FileTransfer(ct.fs.Folder("file"), "b"), "/file is a file; write ct.fs.File"),
        (ct.fs.FileTransfer("file", "folder"), "/folder is a folder; name the file in it: .*/folder/file"),
        (ct.fs.FileTransfer("http://a", "http://b", strategy=HTTP()), "HTTP cannot copy from http://a to http://b"),
    ],
)
def test_a_transfer_that_cannot_be_made_says_why(here: Path, transfer: Any, message: str) -> None:
    (here / "folder").mkdir()
    (here / "file").write_text("1")
    with pytest.raises(FileTransferError, match=message):
        task(transfer)
