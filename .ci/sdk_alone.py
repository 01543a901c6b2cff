"""The SDK by itself: run by an interpreter that has covalent-sdk, what it depends on, and nothing else.

It imports without loading its dependencies, traces a workflow, draws it, runs one of its tasks in a runner process, and
all of it in this process; asked for a server, it says what to install.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import select
import sys
import tempfile
from pathlib import Path
from typing import Any

import covalent as ct

EXPECTED = {"cloudpickle", "covalent-sdk", "networkx", "urllib3"}
LOADED_LATER = {"cloudpickle", "networkx", "urllib3"}
PATIENCE = 30.0


@ct.electron
def square(x: int) -> int:
    """A task."""
    return x * x


@ct.lattice
def squares(n: int) -> Any:
    """A workflow: ``n`` tasks."""
    return [square(i) for i in range(n)]


def check_environment() -> None:
    """Nothing is here but the SDK and its three dependencies, and importing the SDK has loaded none of those."""
    installed = {distribution.metadata["Name"].lower() for distribution in importlib.metadata.distributions()}
    assert installed == EXPECTED, installed
    assert importlib.util.find_spec("covalent_server") is None
    assert not LOADED_LATER & set(sys.modules)


def run_a_task(directory: Path) -> None:
    """Trace the workflow, then run its last task as a worker would."""
    # Imported here because the check before has to see what `import covalent` loads by itself.
    from covalent.hydration import dehydrate
    from covalent.transportable import TransportableObject
    from covalent.wire.work import Lease, LeaseKey, Outcome
    from covalent.worker.home import Home
    from covalent.worker.ledger import Held
    from covalent.worker.messages import Bind, Task
    from covalent.worker.process import Job, Runner, RunnerKey

    squares.build_graph(4)
    assert squares.draw().svg.count(">square<") == 4
    package = dehydrate(squares)
    node = next(node for node in reversed(package.manifest.graph.nodes) if node.name == "square")
    lease = Lease(
        key=LeaseKey(node=node.id, attempt=1, token="one"),  # noqa: S106  (names the attempt, opens nothing)
        dispatch_id="alone",
        node_id=node.id,
        name=node.name,
        owner="alone",
        function=node.function,
    )
    key = RunnerKey("alone", sys.executable, None, str(directory))
    bind = Bind(directory=str(directory), cache=str(directory), checkpoints=str(directory))
    task = Task(function=node.function, args=node.args, kwargs=node.kwargs, inline=tuple(package.assets))
    blobs = [b"".join(bytes(chunk) for chunk in asset.chunks()) for asset in package.assets.values()]
    runner = Runner(sys.executable, Home(directory, "alone"), os.environ, 1)
    try:
        runner.bind(key, bind)
        runner.send(Job(held=Held(lease=lease), key=key, bind=bind, task=task, blobs=blobs), 0.0)
        done: list[Any] = []
        while not done:
            runner.channel.flush()
            readable, _, _ = select.select([runner.channel], [], [], PATIENCE)
            assert readable, runner.startup_error()
            done = list(runner.receive())
        [(_, reply, [output])] = done
        assert reply.outcome is Outcome.COMPLETED, reply.error
        assert TransportableObject.from_buffer(output).get_deserialized() == 9
    finally:
        runner.end()


def test_a_workflow() -> None:
    """Run the workflow in this process, which needs nothing more, and ask for a server, which does."""
    assert ct.testing.run(squares)(4) == [0, 1, 4, 9]
    said = ""
    try:
        ct.testing.server().__enter__()
    except ct.errors.ServerCommandError as error:
        said = str(error)
    assert "pip install covalent-server" in said, said


if __name__ == "__main__":
    check_environment()
    test_a_workflow()
    with tempfile.TemporaryDirectory() as name:
        run_a_task(Path(name))
    print("covalent-sdk alone imports, traces, draws, runs a task in a runner and a workflow in process")
