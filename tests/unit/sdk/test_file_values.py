"""``ct.File`` and ``ct.Folder`` as values: what a task gives, what the next one takes, what is stored."""

from __future__ import annotations

import contextlib
import copy
import io
import os
import shutil
import tarfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

import covalent as ct
from covalent import context, transportable
from covalent.errors import FileTransferError
from covalent.fs import contents
from covalent.transportable import TransportableObject
from covalent.worker.runner import writing
from tests.unit.sdk.test_files import alone


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, in which tasks run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def given(value: Any, *, stores: bool = True, directory: str | None = None) -> TransportableObject:
    """A value as a task's output."""
    with context.giving(stores=stores, directory=directory):
        return TransportableObject(value)


def taken(value: Any, **how: Any) -> Any:
    """A value as the next task has it."""
    return given(value, **how).get_deserialized()


def tree(folder: Path) -> None:
    """A folder with some things in it."""
    (folder / "deep" / "empty").mkdir(parents=True)
    (folder / "deep" / "a").write_text("1")
    (folder / "run").write_text("2")
    (folder / "run").chmod(0o755)
    (folder / "deep" / "link").symlink_to("../run")


# -- files that are stored


def test_the_class_is_one_for_transfers_and_for_values() -> None:
    assert ct.File is ct.fs.File
    assert ct.Folder is ct.fs.Folder


def test_a_file_is_what_is_in_it_even_when_the_file_is_gone(here: Path) -> None:
    (here / "a.txt").write_text("hällo")
    file = taken(ct.File("a.txt"))
    (here / "a.txt").unlink()
    assert type(file) is ct.File
    assert (file.name, str(file), repr(file)) == ("a.txt", "a.txt", "<File a.txt, 6 bytes>")
    assert not file.is_remote
    assert file.read_text() == "hällo"
    assert file.path.name == "a.txt"
    assert file.path == file.path
    assert file.filepath == os.fspath(file) == str(file.path)
    with open(file, encoding="utf-8") as opened:  # noqa: PTH123 - a file can be opened by itself
        assert opened.read() == "hällo"


def test_files_lie_anywhere_in_a_value(here: Path) -> None:
    for name in ("a", "b"):
        (here / name).write_text(name)
    value = taken({"files": [ct.File("a"), (ct.File("b"), 3)]})
    assert value["files"][0].read_bytes() == b"a"
    assert value["files"][1][0].read_bytes() == b"b"


def test_an_empty_file_is_one(here: Path) -> None:
    (here / "a").touch()
    assert taken(ct.File("a")).read_bytes() == b""


def test_a_folder_has_all_that_was_in_it(here: Path) -> None:
    tree(here / "f")
    folder = taken(ct.Folder("f"))
    assert folder.name == "f"
    assert (folder.path / "deep" / "a").read_text() == "1"
    assert (folder.path / "deep" / "empty").is_dir()
    assert (folder.path / "deep" / "link").read_text() == "2"
    assert (folder.path / "run").stat().st_mode & 0o111
    assert not (folder.path / "deep" / "a").stat().st_mode & 0o111
    with pytest.raises(IsADirectoryError, match="is a folder; its files are below its path"):
        folder.read_bytes()


def test_equal_contents_are_equal_values(here: Path) -> None:
    for place in ("one", "two"):
        tree(here / place / "f")
        os.utime(here / place / "f" / "run", (0, 0 if place == "one" else 1))
        (here / place / "a").write_text("1")
    for kind, name in ((ct.File, "a"), (ct.Folder, "f")):
        first, second = (given(kind(here / place / name)).value_id for place in ("one", "two"))
        assert first == second
    (here / "two" / "a").write_text("2")
    assert given(ct.File("one/a")).value_id != given(ct.File("two/a")).value_id


def test_a_file_that_is_handed_on_is_the_same_value_and_is_not_copied(here: Path) -> None:
    (here / "a").write_text("1")
    first = given(ct.File("a"))
    file = first.get_deserialized()
    assert given(file).value_id == first.value_id
    assert file._copy is None


def test_what_was_changed_in_a_copy_is_handed_on(here: Path) -> None:
    (here / "a").write_text("1")
    tree(here / "f")
    file, folder = taken([ct.File("a"), ct.Folder("f")])
    file.path.write_text("2")
    (folder.path / "new").write_text("3")
    assert file.read_text() == "2"
    assert taken(file).read_text() == "2"
    assert (taken(folder).path / "new").read_text() == "3"


def test_a_file_is_saved_where_one_likes(here: Path) -> None:
    (here / "a").write_text("1")
    tree(here / "f")
    file, folder = taken([ct.File("a"), ct.Folder("f")])
    (here / "to").mkdir()
    assert file.save("new/b") == here / "new" / "b"
    assert file.save("to") == here / "to" / "a"
    file.path.write_text("2")
    assert file.save("to").read_text() == "2"  # over the one that is there
    assert (folder.save("to") / "deep" / "a").read_text() == "1"
    assert (folder.save("g") / "run").read_text() == "2"
    assert ct.File("a").save("c").read_text() == "1"
    assert not list(here.glob("**/.covalent-*"))
    (here / "x" / "a").mkdir(parents=True)
    for value, place in ((folder, "to"), (file, "x")):
        with pytest.raises(FileExistsError, match="is there already; remove it, or save to another path"):
            value.save(place)


def test_copies_of_a_file_are_the_file(here: Path) -> None:
    (here / "a").write_text("1")
    file = taken(ct.File("a"))
    assert copy.copy(file) is copy.deepcopy(file) is file
    made, arguments = file.__reduce_ex__(4)  # for pickles that have nothing beside them
    assert made(*arguments).read_text() == "1"


# -- files that stay where they are


def test_an_executor_may_leave_files_where_they_are(here: Path) -> None:
    (here / "a").write_text("1")
    file = taken(ct.File("a"), stores=False)
    assert file.filepath == str(here / "a")
    assert repr(file) == f"File('{here}/a')"
    (here / "a").write_text("2")
    assert file.read_text() == "2"


def test_what_would_be_gone_is_stored_all_the_same(here: Path) -> None:
    (here / "own").mkdir()
    (here / "own" / "a").write_text("1")
    for file in (ct.File("own/a"), ct.File("own/a", store=False)):
        assert repr(taken(file, stores=False, directory=str(here / "own"))) == "<File a, 1 bytes>"
    assert taken(ct.Folder("own"), stores=False, directory=str(here / "own")).name == "own"
    with context.entered(context.Context(temporary=str(here / "temporary"))):
        (context.temporary() / "b").write_text("1")
        file = taken(ct.File(context.temporary() / "b"), stores=False)
        assert file.read_text() == "1"
    assert not (here / "temporary").exists()


def test_a_file_may_say_itself_whether_it_is_stored(here: Path) -> None:
    (here / "a").write_text("1")
    assert repr(taken(ct.File("a", store=True), stores=False)) == "<File a, 1 bytes>"
    assert taken(ct.File("a", store=False)).filepath == str(here / "a")


def test_an_address_is_never_stored() -> None:
    file = taken(ct.File("https://h/a", store=True))
    assert (file.filepath, file.is_remote) == ("https://h/a", True)
    assert taken(ct.File("/far", is_remote=True)).is_remote


def test_an_argument_travels_as_its_path_unless_it_is_to_be_stored(here: Path) -> None:
    (here / "a").write_text("1")
    assert TransportableObject(ct.File("a")).get_deserialized().filepath == "a"
    assert TransportableObject(ct.File("a", store=True)).get_deserialized().read_text() == "1"


# -- mistakes


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (ct.File("missing"), r"^File\('missing'\) is to be stored, but there is no .*/missing; write it before"),
        (ct.Folder("missing"), r"^Folder\('missing'\) is to be stored, but there is no .*/missing; write it before"),
        (ct.File("folder"), r"/folder is a folder; write ct.Folder\('folder'\)"),
        (ct.Folder("file"), r"/file is a file; write ct.File\('file'\)"),
        (ct.Folder("pipes"), "/pipes/p is neither a file nor a folder; remove it before the folder is stored"),
        (ct.Folder("links"), "/links/l leads out of the folder, to ../file; copy there what it leads to"),
        (ct.Folder("roots"), "/roots/l leads out of the folder, to /; copy there what it leads to"),
    ],
)
def test_what_cannot_be_stored_says_why(here: Path, value: ct.File, message: str) -> None:
    for name in ("folder", "pipes", "links", "roots"):
        (here / name).mkdir()
    (here / "file").touch()
    os.mkfifo(here / "pipes" / "p")
    (here / "links" / "l").symlink_to("../file")
    (here / "roots" / "l").symlink_to("/")
    with pytest.raises(FileTransferError, match=message):
        given(value)
    with pytest.raises(FileTransferError, match=message), context.giving(stores=True):
        writing.value([value], here)


@pytest.mark.parametrize(
    ("name", "kind"), [("../evil", tarfile.REGTYPE), ("/evil", tarfile.REGTYPE), ("l", tarfile.SYMTYPE)]
)
def test_nothing_of_a_hostile_archive_gets_outside(here: Path, name: str, kind: bytes) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, "../../outside"
        archive.addfile(entry)
    with contextlib.suppress(tarfile.FilterError):  # a path from the root is taken as one from the folder
        contents.write_folder(memoryview(file.getvalue()), here / "folder")
    assert not (here / "evil").exists()
    assert not Path("/evil").exists()
    assert not (here / "folder" / "l").is_symlink()


# -- size


def test_a_large_file_is_never_in_memory(here: Path) -> None:
    size = 64 << 20
    with (here / "large").open("wb") as file:
        file.truncate(size)
    (here / "cache").mkdir()
    tracemalloc.start()
    with context.giving(stores=True):
        written = writing.value({"a": ct.File("large")}, here / "cache")
    assert written.output is not None
    asset = TransportableObject.from_file(written.files[written.output])
    value = transportable.load(asset.chunks()[0], zero_copy=True)
    assert value["a"].path.stat().st_size == size
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < size / 16


# -- whole workflows


def test_tasks_give_each_other_files(here: Path) -> None:
    @ct.electron
    def write(text: str) -> ct.File:
        Path(f"{text}.txt").write_text(text)
        return ct.File(f"{text}.txt")

    @ct.electron
    def join(files: list[ct.File]) -> ct.Folder:
        Path("all").mkdir()
        for file in files:
            file.save("all")
        return ct.Folder("all")

    @ct.lattice
    def workflow() -> Any:
        return join([write("a"), write("b")])

    for run in (workflow, ct.testing.run(workflow)):
        assert sorted(path.name for path in run().path.iterdir()) == ["a.txt", "b.txt"]
        shutil.rmtree(here / "all")


def test_the_executor_is_asked(here: Path) -> None:
    def write() -> ct.File:
        Path("a").write_text("1")
        return ct.File("a")

    for stores, shown in ((None, "<File a, 1 bytes>"), (True, "<File a, 1 bytes>"), (False, f"File('{here}/a')")):
        assert repr(alone(ct.electron(write, executor=ct.executor.LocalExecutor(store_files=stores)))) == shown
