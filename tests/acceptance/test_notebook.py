"""A workflow that lives in a notebook: seen, dispatched, waited for and looked at in a real kernel."""

from __future__ import annotations

import os
from xml.etree import ElementTree as ET

from tests.acceptance.notebooks import Bundle, Notebook
from tests.acceptance.programs import Project

CELLS = {
    "import": "import os; import covalent as ct",
    "define": """
        @ct.electron
        def receive(pipe):
            with open(pipe) as file:
                return int(file.read())


        @ct.electron
        def add(left, right):
            return left + right


        @ct.lattice
        def workflow(pipe):
            "Adds <two> numbers."
            return add(receive(pipe), 2)


        workflow
        """,
    "draw": "workflow.draw('nowhere')",
    "wait": "result = ct.dispatch_sync(workflow)(os.path.abspath('pipe'))",
    "value": "result.result",
    "result": "result",
    "node": "result.get_node_result(0)",
    "stored": "result.encoded_result",
    "object": "ct.TransportableObject('<script>')",
}


def test_a_notebook_shows_graph_progress_and_results(project: Project) -> None:
    pipe = project.directory / "pipe"  # which the task reads, and the test writes when it has seen the progress
    os.mkfifo(pipe)
    live: list[str] = []

    def watch(bundle: Bundle) -> None:
        if "<progress" in bundle.get("text/html", ""):
            live.append(bundle["text/plain"])
            if len(live) == 1:
                pipe.write_text("40")

    notebook = Notebook(project, CELLS, watch=watch)

    (lattice,) = notebook.outputs("define")
    assert "Adds &lt;two&gt; numbers." in lattice["text/html"]
    assert lattice["text/plain"] == "<Lattice workflow>"

    (drawing,) = notebook.outputs("draw")
    texts = [element.text for element in ET.fromstring(drawing["image/svg+xml"]).iter()]  # noqa: S314  ours
    assert {"receive", "task 0", "add", "task 1 → result", "left"} <= set(texts)

    (progress,) = notebook.outputs("wait")
    assert progress["text/plain"].startswith("workflow COMPLETED: 2/2 done, 0 running, 0:")
    assert "<progress" not in progress["text/html"]
    assert live[0].startswith("workflow 0/2 done, ")

    (value,) = notebook.outputs("value")
    assert value["text/plain"] == "42"
    for cell, words in {
        "result": ("COMPLETED", "2 COMPLETED", "42"),
        "node": ("receive(0)", "COMPLETED", "40"),
        "stored": ("int", "42", project.installation.url),
        "object": ("str", "&lt;script&gt;"),
    }.items():
        (shown,) = notebook.outputs(cell)
        assert shown.keys() == {"text/html", "text/plain"}
        assert all(word in shown["text/html"] for word in words), shown
        assert "<script>" not in shown["text/html"]
