"""Every page, by what it is called in the pictures of it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.ui.workflows import Dispatched


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A page: its address, and a heading that is there when it is."""

    address: str
    heading: str = ""


def places(found: Dispatched) -> dict[str, Place]:
    """The places that somebody who is signed in can go to."""
    study = f"/dispatches/{found.study}"
    tabs = ("graph", "tasks", "timeline", "logs", "values", "code", "events")
    return {
        "home": Place(address="/", heading="Home"),
        "dispatches": Place(address="/dispatches", heading="Dispatches"),
        **{f"dispatch-{tab}": Place(address=f"{study}/{tab}", heading="equation_of_state") for tab in tabs},
        "dispatch-task": Place(address=f"{study}/graph/{found.failed_task}", heading="relax"),
        "dispatch-large": Place(address=f"/dispatches/{found.sweep}", heading="monte_carlo"),
        "dispatch-running": Place(address=f"/dispatches/{found.running}", heading="at_the_gate"),
        "workers": Place(address="/workers", heading="Workers"),
        "triggers": Place(address="/triggers", heading="Triggers"),
        "settings": Place(address="/settings", heading="Settings"),
        "not-found": Place(address="/no-such-page"),
    }
