"""Files from and to what fsspec opens: a store that speaks as Amazon's S3 does, and fsspec's own memory."""

from __future__ import annotations

import sys
from pathlib import Path

import fsspec
import pytest

import covalent as ct
from covalent.errors import FileTransferError

Fsspec = ct.fs_strategies.Fsspec


@pytest.fixture
def s3(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ct.fs_strategies.S3:
    """The strategy for the store, with credentials in a file."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "keys").write_text("[lab]\naws_access_key_id = key\naws_secret_access_key = secret\n")
    return ct.fs_strategies.S3(tmp_path / "keys", "lab", "us-east-1", endpoint_url=store)


def test_a_file_goes_to_a_bucket_and_comes_from_it(s3: ct.fs_strategies.S3, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    s3.upload(ct.fs.File(tmp_path / "a"), ct.fs.File("s3://bucket/one/a"))
    s3.download(ct.fs.File("s3://bucket/one/a"), ct.fs.File(tmp_path / "b"))
    assert (tmp_path / "b").read_text() == "1"


def test_what_is_in_a_folder_goes_to_a_bucket_and_comes_from_it(s3: ct.fs_strategies.S3, tmp_path: Path) -> None:
    (tmp_path / "from" / "deep").mkdir(parents=True)
    (tmp_path / "from" / "deep" / "a").write_text("1")
    (tmp_path / "from" / "b").write_text("2")
    (tmp_path / "to").mkdir()
    s3.upload(ct.fs.Folder(tmp_path / "from"), ct.fs.Folder("s3://bucket/two"))
    s3.download(ct.fs.Folder("s3://bucket/two/"), ct.fs.Folder(tmp_path / "to"))
    assert (tmp_path / "to" / "deep" / "a").read_text() == "1"
    assert (tmp_path / "to" / "b").read_text() == "2"


def test_a_large_file_goes_in_parts(s3: ct.fs_strategies.S3, tmp_path: Path) -> None:
    content = bytes(range(256)) * (48 << 12)
    (tmp_path / "a").write_bytes(content)
    s3.upload(ct.fs.File(tmp_path / "a"), ct.fs.File("s3://bucket/three"))
    s3.download(ct.fs.File("s3://bucket/three"), ct.fs.File(tmp_path / "b"))
    assert (tmp_path / "b").read_bytes() == content


@pytest.mark.parametrize("address", ["s3://bucket/nothing", "s3://nowhere/a"])
def test_what_is_not_there_is_told(s3: ct.fs_strategies.S3, tmp_path: Path, address: str) -> None:
    with pytest.raises(FileTransferError, match=rf"^{address}: nothing is there, check the address"):
        s3.download(ct.fs.File(address), ct.fs.File(tmp_path / "b"))


def test_a_task_reads_from_one_place_and_writes_to_another(s3: ct.fs_strategies.S3, tmp_path: Path) -> None:
    with fsspec.open("memory://in/a", "w") as file:
        file.write("1")

    @ct.electron(
        files=[ct.fs.TransferFromRemote("memory://in/a"), ct.fs.TransferToRemote("s3://bucket/four", strategy=s3)]
    )
    def work(files: list[tuple[str, str]]) -> None:
        (_, read), (write, _) = files
        Path(write).write_text(Path(read).read_text() + "2")

    @ct.lattice
    def workflow() -> None:
        work()  # type: ignore[call-arg] # files come by themselves

    ct.testing.run(workflow)()
    s3.download(ct.fs.File("s3://bucket/four"), ct.fs.File(tmp_path / "b"))
    assert (tmp_path / "b").read_text() == "12"


def test_folders_of_any_place_come_as_they_are(tmp_path: Path) -> None:
    for name in ("deep/a", "b"):
        with fsspec.open(f"memory://folder/{name}", "w") as file:
            file.write(name)
    Fsspec().download(ct.fs.Folder("memory://folder"), ct.fs.Folder(tmp_path))
    assert (tmp_path / "deep" / "a").read_text() == "deep/a"
    Fsspec().upload(ct.fs.Folder(tmp_path), ct.fs.Folder("memory://copy"))
    with fsspec.open("memory://copy/b") as file:
        assert file.read() == b"b"


def test_without_the_extra_it_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)  # as if it were not installed
    with pytest.raises(FileTransferError, match=r"opened by \S+; install there: 'covalent-sdk\[fsspec\]'"):
        Fsspec().download(ct.fs.File("memory://a"), ct.fs.File(tmp_path / "b"))


def test_a_store_whose_package_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileTransferError, match=r"^gs://b/a cannot be opened by \S+ \(.*gcsfs"):
        ct.fs_strategies.GCloud("key.json").download(ct.fs.File("gs://b/a"), ct.fs.File(tmp_path / "b"))


def test_an_address_that_nobody_knows_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileTransferError, match=r"^htp://h/a: fsspec knows no htp://; check the address"):
        Fsspec().download(ct.fs.File("htp://h/a"), ct.fs.File(tmp_path / "b"))
