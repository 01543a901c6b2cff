"""What starts a workflow by itself: ``@ct.lattice(triggers=ct.triggers.CronTrigger("0 9 * * 1-5", "Europe/Berlin"))``.

A lattice that carries triggers is registered when it is dispatched, and not run: the first firing starts it, and each
other starts another dispatch with the same graph and inputs. Triggers live in the server: they outlive the process
that made them, and restarts.
"""

from __future__ import annotations

from covalent.triggers.directory import DirTrigger
from covalent.triggers.times import CronTrigger, TimeTrigger

__all__ = ["CronTrigger", "DirTrigger", "TimeTrigger"]
