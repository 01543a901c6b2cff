"""Where an asset came from, and what that means for who needs it and cannot have it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The dispatch, and mostly the task of it, that an asset came with."""

    dispatch_id: str
    #: What is run again to run that dispatch again: a sublattice's is made by another one.
    root_id: str
    node: int | None = None
    name: str = ""
    #: Whether the task made it; otherwise it was sent with the workflow.
    made: bool = False

    def __str__(self) -> str:
        """What it is, and how to have it once more."""
        task = "" if self.node is None else f"task {self.node} ({self.name}) of "
        if self.made:
            return (
                f"it is the output of {task}dispatch {self.dispatch_id}: "
                f"run that again with ct.redispatch('{self.root_id}')()"
            )
        return (
            f"it came with {task}dispatch {self.dispatch_id}: dispatch that workflow from its script again, "
            "which sends what is missing"
        )
