"""Files on their way through a worker: those that tasks give, and what is temporary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from covalent.wire import INLINE_ASSET_BYTES
from covalent.wire.work import Outcome
from tests.integration.worker.conftest import Workers, eventually
from tests.integration.worker.fake_server import FakeServer

pytestmark = pytest.mark.usefixtures("worker")


def leftovers(workers: Workers) -> list[Path]:
    """What is left of tasks' temporary files."""
    return list(workers.directory.glob("workers/*/runners/*/temporary"))


def test_a_file_goes_from_one_task_to_the_next(fake: FakeServer, workers: Workers) -> None:
    size = 3 * INLINE_ASSET_BYTES

    def write(size: int) -> Any:
        from pathlib import Path

        import covalent as ct

        Path("large").write_bytes(b"x" * size)
        return ct.File("large")

    def read(file: Any) -> list[Any]:
        return [file.path.stat().st_size, str(file.path)]

    output = fake.outcome(fake.submit(write, size)).output
    assert output is not None
    found, path = fake.value(fake.submit(read, {"node": 0}, outputs={"0": output}))
    assert found == size
    assert not Path(path).exists()
    assert leftovers(workers) == []


@pytest.mark.parametrize("unique", [False, True])
def test_an_executor_leaves_files_where_they_are_unless_they_go(fake: FakeServer, tmp_path: Path, unique: bool) -> None:
    def write() -> Any:
        from pathlib import Path

        import covalent as ct

        Path("a").write_text("1")
        return ct.File("a")

    executor = {"workdir": str(tmp_path / "w"), "create_unique_workdir": unique, "store_files": False}
    file = fake.value(fake.submit(write, executor=executor))
    assert repr(file) == ("<File a, 1 bytes>" if unique else f"File('{tmp_path}/w/a')")
    assert file.read_text() == "1"


def test_a_file_that_is_not_there_fails_the_task_and_says_so(fake: FakeServer) -> None:
    def forget() -> Any:
        import covalent as ct

        return ct.File("missing")

    end = fake.outcome(fake.submit(forget))
    assert end.outcome is Outcome.FAILED
    assert end.error is not None
    assert "File('missing') is to be stored, but there is no " in end.error
    assert "Traceback" not in end.error


def test_a_transfer_in_which_the_runner_is_killed_leaves_nothing_under_the_name(
    fake: FakeServer, tmp_path: Path
) -> None:
    def bring(path: str) -> None:
        import os
        import signal

        import covalent as ct
        from covalent.fs import performing

        class Torn(ct.fs_strategies.FileTransferStrategy):
            def download(self, from_file: Any, to_file: Any) -> None:
                to_file.path.write_text(f"half of {from_file}")
                os.kill(os.getpid(), signal.SIGKILL)

            upload = cp = download

        performing.before([ct.fs.TransferFromRemote("x://a", path, strategy=Torn())])

    (tmp_path / "whole").write_text("whole")
    for name in ("new", "whole"):
        task = fake.submit(lambda: None, before=[{"function": bring, "args": (str(tmp_path / name),)}])
        assert fake.outcome(task).outcome is Outcome.DIED
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "whole").read_text() == "whole"


def test_what_is_temporary_goes_also_with_a_runner_that_is_killed(fake: FakeServer, workers: Workers) -> None:
    def die() -> None:
        import os
        import signal

        from covalent import context

        (context.temporary() / "a").touch()
        os.kill(os.getpid(), signal.SIGKILL)

    assert fake.outcome(fake.submit(die)).outcome is Outcome.DIED
    eventually(lambda: leftovers(workers) == [])
