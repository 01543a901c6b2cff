"""Finding a provisioner by the name of its executor, among what is installed in this very environment."""

from __future__ import annotations

import importlib.metadata
from typing import Final

from covalent.errors import ProvisioningError
from covalent.provisioning.interface import Provisioner

GROUP: Final = "covalent.provisioners"


def names() -> list[str]:
    """The executors for which there is a provisioner here."""
    return sorted({entry.name for entry in importlib.metadata.entry_points(group=GROUP)})


def load(name: str) -> Provisioner:
    """The provisioner of an executor; raises ProvisioningError when there is none, or none that works."""
    found = list(importlib.metadata.entry_points(group=GROUP, name=name))
    if not found:
        there = ", ".join(names()) or "none"
        raise ProvisioningError(
            f"no package in this environment has a provisioner for the executor {name!r}; there are: {there}. "
            "Install the package that has it, in the environment that this command runs in"
        )
    try:
        made = found[0].load()()
    except ProvisioningError:
        raise
    except Exception as error:  # a plugin's own code runs here
        raise ProvisioningError(
            f"the provisioner of the executor {name!r}, {found[0].value}, cannot be loaded: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not isinstance(made, Provisioner):
        raise ProvisioningError(f"{found[0].value} is no covalent.provisioning.Provisioner; derive it from that class")
    return made
