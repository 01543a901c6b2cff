"""``kill -9`` while sublattices are built, fail, are tried again and end: none is lost, and none comes twice."""

from __future__ import annotations

import os
import random
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.acceptance.books import Books
from tests.acceptance.programs import Project
from tests.installation import Installation, wait_until

_PARTS = 6
_TASKS = 8
_KILLS = 5


@pytest.mark.parametrize("victims", [("server",), ("server", "worker")], ids=["server", "server or worker"])
def test_killed_at_random_moments_sublattices_and_retries_come_to_their_end(
    tmp_path: Path, victims: tuple[str, ...]
) -> None:
    chance = random.Random(2)  # noqa: S311  (no secret)
    installation = Installation(tmp_path / "installation")
    # Nothing has to wait until a lease is over: who held it is known to be gone.
    installation.environ["COVALENT_LEASE_TTL"] = "3600"
    project = Project(tmp_path / "project", installation)
    project.workflow(
        """
        import pathlib


        @ct.electron(retries=1, retry_delay=0.05)
        def once_in_vain(part, index):
            first = pathlib.Path(f"{part}-{index}")
            if not first.exists():
                first.touch()
                raise ValueError("the first attempt")
            return part * 100 + index


        @ct.electron
        def total(numbers):
            return sum(numbers)


        @ct.electron
        @ct.lattice
        def part(number, tasks):
            return total([once_in_vain(number, index) for index in range(tasks)])


        @ct.electron
        @ct.lattice
        def half(numbers, tasks):
            return total([part(number, tasks) for number in numbers])


        @ct.lattice
        def workflow(parts, tasks):
            return total([half(range(0, parts, 2), tasks), half(range(1, parts, 2), tasks)])
        """
    )

    books = Books(installation.data)

    def happened() -> int:
        (row,) = books.rows("select count(*) from event")
        return int(row[0])

    with installation, project.start(_PARTS, _TASKS) as program:
        program.dispatch_id()
        # A task leaves five events behind, with its failure; a dispatch two more than its own task.
        most = _PARTS * _TASKS * 5
        for moment in sorted(chance.sample(range(5, most - 20), _KILLS)):
            wait_until(lambda moment=moment: happened() >= moment, f"event {moment}")
            if chance.choice(victims) == "server":
                installation.kill()
                installation.start()
            else:
                for pid in books.workers():
                    with suppress(ProcessLookupError):  # it was killed before, and the server has yet to notice
                        os.kill(pid, signal.SIGKILL)
        told = program.told()
        assert (told.status, told.value) == (
            "COMPLETED",
            sum(part * 100 + index for part in range(_PARTS) for index in range(_TASKS)),
        )
        children = books.rows("select parent, status from dispatch where parent is not null")
        assert len({row["parent"] for row in children}) == len(children) == _PARTS + 2
        assert {row["status"] for row in children} == {"COMPLETED"}
        assert [row[0] for row in books.rows("select distinct state from node")] == ["COMPLETED"]
        (counts,) = books.rows("select distinct unfinished, failed, cancelled, complete from dispatch")
        assert tuple(counts) == (0, 0, 0, 1)
