"""What users write: an executor as metadata, a name with attributes. It starts nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from covalent.executors import DeclaredExecutor


@dataclass(repr=False)
class ProcessExecutor(DeclaredExecutor):
    """Runs tasks in workers that are processes of the machine on which the provisioner runs."""

    short_name: ClassVar[str] = "process"

    #: The interpreter of the workers and of their tasks; covalent-sdk has to be installed there.
    python_path: str | None = None
    #: By how much they step back behind other processes, as `nice` has it.
    niceness: int | None = field(default=None, kw_only=True)
    #: Seconds without a task after which a worker goes.
    max_idle: float | None = field(default=None, kw_only=True)
