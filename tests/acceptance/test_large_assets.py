"""What is far larger than it ought to cost of memory: streamed through the server and through workers."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from covalent.wire import container
from covalent.wire.codec import dumps
from tests.acceptance.books import Books
from tests.acceptance.programs import Project
from tests.installation import PATIENCE, Installation

MEBIBYTE = 1024 * 1024
SIZE = 300 * MEBIBYTE
#: What a process may take more at its peak than before: a third of what passes through it.
MOST = SIZE // 3


def peak(pid: int) -> int:
    """The most memory that a process has had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def content() -> Iterator[bytes]:
    """An asset of SIZE bytes and its header, piece by piece; no two pieces are the same."""
    header = container.Header(codec="json", type_name="t", sizes=(SIZE,))
    text = dumps(header)
    begun = b"CVA1" + len(text).to_bytes(4, "big") + text
    yield begun + bytes(-len(begun) % container.ALIGNMENT)
    for number in range(SIZE // MEBIBYTE):
        yield number.to_bytes(16, "big") * (MEBIBYTE // 16)


@pytest.fixture(params=[False, True], ids=["as it comes", "compressed"])
def compresses(request: pytest.FixtureRequest) -> bool:
    """Whether the server keeps compressed what shrinks."""
    return bool(request.param)


@pytest.fixture
def keeping(tmp_path: Path, *, compresses: bool) -> Iterator[Installation]:
    """A server that does so, or not."""
    installation = Installation(tmp_path / "keeping")
    installation.environ["COVALENT_COMPRESS_ASSETS"] = str(compresses)
    with installation:
        yield installation


def test_a_large_asset_is_streamed_both_ways(keeping: Installation, *, compresses: bool) -> None:
    sha, length = hashlib.sha256(), 0
    for piece in content():
        sha.update(piece)
        length += len(piece)
    path = f"/api/v1/assets/{sha.hexdigest()}"
    before = peak(keeping.pid)
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(keeping.url).port or 0, timeout=PATIENCE)
    headers = {"Authorization": f"Bearer {keeping.token}", "Content-Type": "application/octet-stream"}
    for _ in range(2):  # the second one is stored in the place of the first
        connection.request("PUT", path, content(), headers | {"Content-Length": str(length)})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (204, b"")
    connection.request("GET", path, headers=headers)
    answer, received = connection.getresponse(), hashlib.sha256()
    while piece := answer.read(MEBIBYTE):
        received.update(piece)
    connection.close()
    assert received.hexdigest() == sha.hexdigest()
    assert peak(keeping.pid) - before < MOST
    stored = [file for file in (keeping.data / "assets").rglob("*") if file.is_file()]
    sizes = [file.stat().st_size for file in stored]
    assert sizes == [length] if not compresses else len(sizes) == 1 and sizes[0] < length / 100


SCRIPT = """

@ct.electron
def grow(size):
    return b"x" * size


@ct.electron
def measure(grown):
    return len(grown)


@ct.lattice
def workflow(size):
    return measure(grow(size))
"""


AGAIN = """
@ct.electron
def measure(grown):
    return len(grown) + 1


again = ct.redispatch(DISPATCH, replace_electrons={"measure": measure}, reuse_previous_results=True)()
facts["value"] = ct.get_result(again, wait=True).result
"""


@pytest.mark.timeout(300)
def test_a_large_value_takes_no_memory_of_the_server_and_of_workers_supervisors(
    installation: Installation, own_project: Project
) -> None:
    own_project.workflow(SCRIPT)
    assert own_project.run(1000).value == 1000
    supervisors = Books(installation.data).workers()
    before = {pid: peak(pid) for pid in (installation.pid, *supervisors)}
    told = own_project.run(SIZE)
    assert told.value == SIZE
    # Without what the worker has kept of it, the next task's input is brought to it again.
    kept = [file for file in (installation.data / "workers").rglob("*") if _is_large(file)]
    assert kept
    for file in kept:
        file.unlink()
    again = own_project.facts(AGAIN.replace("DISPATCH", repr(told.dispatch_id)), name="again.py")
    assert again["value"] == SIZE + 1
    assert any(_is_large(file) for file in (installation.data / "workers").rglob("*"))
    assert Books(installation.data).workers() == supervisors
    assert {pid: peak(pid) - before[pid] < MOST for pid in before} == dict.fromkeys(before, True)


def _is_large(file: Path) -> bool:
    return file.is_file() and file.stat().st_size >= SIZE
