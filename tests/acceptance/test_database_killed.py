"""PostgreSQL is killed and restarted while a workflow runs: nothing is lost, and nothing runs or is recorded twice."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.fan_out import FanOut
from tests.acceptance.programs import Project
from tests.installation import Installation, wait_until
from tests.postgres import PASSWORD, Cluster


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[Cluster]:
    """One that may be killed, and is to be started again."""
    with Cluster() as made:
        yield made


def kill_a_session(cluster: Cluster, name: str, chance: random.Random) -> None:
    """PostgreSQL ends all other sessions, too, and recovers as after a crash."""
    victims = wait_until(lambda: cluster.backends(name), "the server to have sessions")
    os.kill(chance.choice(victims), signal.SIGKILL)


def restart(cluster: Cluster) -> None:
    """What was not committed is gone, as after a crash of the machine."""
    cluster.stop(signal.SIGQUIT)
    cluster.start()


@pytest.mark.parametrize("victims", ["sessions", "database", "database and server"])
def test_killed_at_random_moments_it_loses_nothing_and_repeats_nothing(
    own_cluster: Cluster, tmp_path: Path, victims: str
) -> None:
    chance = random.Random(3)  # noqa: S311  (no secret)
    count, kills = 120, 3
    with own_cluster.database() as name:
        installation = Installation(tmp_path / "installation", database_url=own_cluster.url(name))
        # Nothing has to wait until a lease is over: who held it is known to be gone.
        installation.environ["COVALENT_LEASE_TTL"] = "3600"
        fan_out = FanOut(Project(tmp_path / "project", installation), count=count, free=count)
        with installation, fan_out.start() as program:
            dispatch_id = program.dispatch_id()
            for moment in sorted(chance.sample(range(1, count - 10), kills)):
                wait_until(lambda moment=moment: len(fan_out.journal.begun()) >= moment, f"task {moment} to begin")
                if victims == "sessions":
                    kill_a_session(own_cluster, name, chance)
                elif victims == "database":
                    restart(own_cluster)
                else:
                    installation.kill()
                    restart(own_cluster)
                    installation.start()
            told = program.told()
            assert (told.status, told.value) == ("COMPLETED", fan_out.value)
            # The worker lived, so that even what was not recorded ran only once.
            assert fan_out.journal.begun() == dict.fromkeys(range(count), 1)
            assert fan_out.recorded(dispatch_id) == set(range(count))
            assert fan_out.books.faults(dispatch_id, fan_out.journal) == []
            if victims != "database and server":
                assert "the database is back" in installation.log()
            assert PASSWORD not in installation.log()
