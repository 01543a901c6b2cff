"""Users' notebooks: cells run one after the other in a real kernel, which is this interpreter's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from textwrap import dedent
from typing import Any

import nbformat
from nbclient import NotebookClient

from tests.acceptance.programs import Project
from tests.installation import PATIENCE

#: What is shown at a time: the same thing in several formats, by their MIME types.
Bundle = dict[str, str]


class _Client(NotebookClient):
    """A client that tells of everything that the kernel shows, also of what is replaced later."""

    watch: Callable[[Bundle], None]

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        if msg["msg_type"] in {"display_data", "update_display_data", "execute_result"}:
            self.watch(msg["content"]["data"])
        return super().process_message(msg, cell, cell_index)


class Notebook:
    """A notebook of a user, in which every cell was run."""

    def __init__(self, project: Project, cells: Mapping[str, str], *, watch: Callable[[Bundle], None]) -> None:
        """Run the cells in the project's directory; ``watch`` is called with all that is shown, when it is shown."""
        made = {name: nbformat.v4.new_code_cell(dedent(text)) for name, text in cells.items()}  # type: ignore[no-untyped-call]  # theirs
        client = _Client(
            nbformat.v4.new_notebook(cells=list(made.values())),  # type: ignore[no-untyped-call]  # theirs
            timeout=int(PATIENCE),
            kernel_name="python3",
            resources={"metadata": {"path": str(project.directory)}},
        )
        client.watch = watch
        client.execute(env=project.installation.environ)
        self._cells = dict(zip(made, client.nb.cells, strict=True))

    def outputs(self, cell: str) -> list[Bundle]:
        """What stands below a cell in the end; text that was printed is of the type ``stream``."""
        return [output.get("data") or {"stream": output["text"]} for output in self._cells[cell].outputs]
