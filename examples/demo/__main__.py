"""``make demo``: a workflow that needs pandas and scikit-learn, through a server that has neither.

It needs Python 3.11 with pip and venv: no root, and no network but pip's.

Exit code 0 only if every claim that is printed was seen to hold.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import processes
from environments import DemoError, build
from server import DemoServer, free_port

HERE: Final = Path(__file__).resolve().parent
WORKFLOW: Final = HERE.parent / "breast_cancer" / "workflow.py"
SETTINGS: Final = 12
#: How long the workflow may take, in seconds.
PATIENCE: Final = 240.0
#: A pickle that runs code when it is read: it makes a file.
HOSTILE: Final = "cbuiltins\nopen\n(V{path}\nVw\ntR."


@dataclass
class Story:
    """What was told so far, and which claims did not hold."""

    began: float = field(default_factory=time.monotonic)
    broken: list[str] = field(default_factory=list)

    def tell(self, text: str = "", *, indent: int = 0) -> None:
        """One step or a piece of output, with the time that has passed."""
        for line in text.splitlines() or [""]:
            print(f"{time.monotonic() - self.began:6.1f} s  {' ' * indent}{line}".rstrip(), flush=True)

    def claim(self, text: str, *, holds: bool) -> None:
        """Something that must be so."""
        self.tell(f"[{'ok' if holds else 'FAILED'}] {text}")
        if not holds:
            self.broken.append(text)


def main() -> int:
    """Build, start, dispatch, look, prove, stop."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument(
        "--directory", type=Path, default=HERE.parents[1] / ".make" / "demo", help="everything goes below it"
    )
    directory = parser.parse_args().directory.resolve()
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    story = Story()
    try:
        run(story, directory)
    except (DemoError, OSError, subprocess.SubprocessError) as error:
        story.claim(f"{error}", holds=False)
    except KeyboardInterrupt:
        story.claim("interrupted", holds=False)
    story.tell()
    story.tell("All of it held." if not story.broken else f"{len(story.broken)} of it did not hold, see FAILED above.")
    return 1 if story.broken else 0


def run(story: Story, directory: Path) -> None:
    """The demonstration; what it starts is stopped however it ends."""
    environments = directory / "environments"
    shutil.rmtree(directory / "state", ignore_errors=True)
    (directory / "state").mkdir(parents=True)
    with stopping(story, environments):
        story.tell("Making two environments, of covalent-server, and of covalent-sdk with pandas and scikit-learn")
        server_python, client_python = build(environments, lambda text: story.tell(text, indent=2))
        server = DemoServer(python=server_python, state=directory / "state", port=free_port())
        with serving(story, server):
            dispatch_id = compute(story, server, client_python)
            record = describe(story, server, dispatch_id)
            prove(story, server, record["result"]["digest"])


@contextlib.contextmanager
def serving(story: Story, server: DemoServer) -> Iterator[None]:
    """A server that runs while the block does."""
    story.tell(f"Starting the server on port {server.port}")
    try:
        story.tell(server.command("start"), indent=2)
        yield
    finally:
        story.tell("Stopping the server and its workers")
        story.tell(server.command("stop"), indent=2)


@contextlib.contextmanager
def stopping(story: Story, environments: Path) -> Iterator[None]:
    """Nothing that was started outlives the block."""
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        left = processes.wait_until_gone(environments, seconds=15)
        for pid, command in left.items():
            story.tell(f"still there: {pid} {command}", indent=2)
        processes.end(environments)
        story.claim("nothing that the demonstration started is left running", holds=not left)


def compute(story: Story, server: DemoServer, client_python: Path) -> str:
    """Run the workflow's script in the client's environment, telling how it goes; the dispatch's id."""
    story.tell(f"Dispatching {WORKFLOW.relative_to(HERE.parents[1])} from the client's environment")
    command = [str(client_python), str(WORKFLOW)]
    with subprocess.Popen(
        command, env=server.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as client:
        try:
            output = client.stdout
            first = output.readline().split() if output else []
            if first[:1] != ["dispatched"]:
                raise DemoError(f"the workflow's script did not dispatch anything; it printed {' '.join(first)!r}")
            follow(story, server, first[1])
            printed, _ = client.communicate(timeout=PATIENCE)
        finally:
            client.kill()
    story.claim("the client opened the result:", holds=client.returncode == 0 and "the winner: RandomForest" in printed)
    story.tell(printed, indent=4)
    return first[1]


def follow(story: Story, server: DemoServer, dispatch_id: str) -> None:
    """Tell how many tasks are done, whenever that changes, until the dispatch has ended."""
    deadline = time.monotonic() + PATIENCE
    told = ""
    while True:
        record = server.get_json(f"/dispatches/{dispatch_id}")
        counts = record["node_counts"]
        text = f"{counts.get('COMPLETED', 0)} of {sum(counts.values())} tasks done"
        if text != told:
            story.tell(text, indent=2)
            told = text
        if record.get("ended_at") is not None:
            return
        if time.monotonic() > deadline:
            raise DemoError(f"the workflow has not ended after {PATIENCE:.0f} seconds; it is {record['status']}")
        time.sleep(0.25)


def describe(story: Story, server: DemoServer, dispatch_id: str) -> dict[str, Any]:
    """Tell what the server knows of the result, over plain HTTP and in text and JSON: nothing is opened for it."""
    record: dict[str, Any] = server.get_json(f"/dispatches/{dispatch_id}")
    nodes = server.get_json(f"/dispatches/{dispatch_id}/nodes")["nodes"]
    scores = [node["output"]["json"] for node in nodes if node["node_name"] == "score" and node.get("output")]
    story.claim(f"the server says that the dispatch is {record['status']}", holds=record["status"] == "COMPLETED")
    if not record.get("result"):
        raise DemoError(f"the workflow gave no result: {record.get('error')}")
    result = record["result"]
    story.tell(f"The server describes the result as {result['type_name']}, {result['size']} bytes, in text:")
    story.tell(result["object_string"], indent=4)
    story.tell("and the twelve scores in JSON:")
    story.tell("\n".join(map(str, scores)), indent=4)
    complete = [text for text in scores if text and json.loads(text).keys() == {"accuracy", "recall", "auc"}]
    story.claim(f"{SETTINGS} forests were trained and scored, each in its own task", holds=len(complete) == SETTINGS)
    return record


def prove(story: Story, server: DemoServer, digest: str) -> None:
    """Show that the server's environment cannot know the workflow's types, and that its process opens no pickle."""
    for module in ("pandas", "sklearn"):
        imported = server.run_python("-c", f"import {module}")
        story.claim(
            f"the server's environment cannot import {module}: {imported.reason}",
            holds=imported.code != 0 and "ModuleNotFoundError" in imported.reason,
        )
    status = server.status()
    story.claim(
        f"the guard of the server, process {status['pid']}, is {status['guard']}", holds=status["guard"] == "armed"
    )
    canary = server.state / "canary"
    hostile, asset = server.state / "hostile.pickle", server.state / "result.asset"
    hostile.write_text(HOSTILE.format(path=canary), encoding="ascii")
    asset.write_bytes(server.get(f"/assets/{digest}"))
    for path, name in ((asset, "the workflow's result"), (hostile, "a hostile pickle")):
        opened = server.run_python(str(HERE / "refusal.py"), "guarded", str(path))
        story.claim(
            f"the server's interpreter, guarded, does not open {name}: {opened.reason}",
            holds=opened.code != 0 and "UnpicklingRefusedError" in opened.reason and not canary.exists(),
        )
    server.run_python(str(HERE / "refusal.py"), "unguarded", str(hostile))
    story.claim("without the guard the hostile pickle does what it wants", holds=canary.exists())


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
