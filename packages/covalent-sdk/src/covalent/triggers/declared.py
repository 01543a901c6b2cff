"""What all triggers have: their JSON, and how one is attached to a dispatch that is there."""

from __future__ import annotations

import copy
import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from covalent.connection import connect
from covalent.errors import CovalentError, WireError
from covalent.http import persistently
from covalent.transportable import TransportableObject
from covalent.wire import triggers as wire
from covalent.wire.triggers import Registration


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A trigger, ready to be sent."""

    record: wire.Trigger
    #: What it names.
    assets: tuple[TransportableObject, ...] = ()


class Trigger(ABC):
    """When a workflow is started. Attributes may be set after construction; they are checked when it is sent."""

    #: By name, for what was written as JSON.
    kinds: ClassVar[dict[str, type[Trigger]]] = {}

    #: The dispatch that :meth:`register` attaches it to.
    lattice_dispatch_id: str | None
    #: The server's address, None for the configured one. Either name will do: there is one server.
    dispatcher_addr: str | None
    triggers_server_addr: str | None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        Trigger.kinds[cls.__name__] = cls

    def __post_init__(self) -> None:
        self.check()

    @abstractmethod
    def check(self) -> None:
        """Raise TypeError or ValueError, naming the argument, for what cannot work."""

    @abstractmethod
    def prepared(self) -> Prepared:
        """What is sent of it."""

    def register(self) -> str:
        """Attach it to the dispatch ``lattice_dispatch_id``, which each firing repeats; returns the trigger's id.

        A dispatch that was registered and never started is started by the first firing.
        """
        if not isinstance(self.lattice_dispatch_id, str):
            raise TypeError(
                f"{type(self).__name__}.register() attaches a trigger to a dispatch: give its id as "
                "lattice_dispatch_id=..., or give the trigger to the lattice, @ct.lattice(triggers=...)"
            )
        import uuid  # noqa: PLC0415 - few scripts register a trigger by themselves

        ready = self.prepared()
        registration = Registration(
            trigger_id=str(uuid.uuid4()), dispatch_id=self.lattice_dispatch_id, trigger=ready.record
        )
        server = connect(self.triggers_server_addr or self.dispatcher_addr)
        try:
            for asset in ready.assets:
                persistently(functools.partial(server.put_asset, asset.asset_id, asset.chunks(), asset.size))
            persistently(lambda: server.post("/triggers", registration))  # its id makes it safe to repeat
        except (CovalentError, KeyboardInterrupt) as error:
            raise error.with_traceback(None) from None  # what lies between is ours, and no help to anybody
        return registration.trigger_id

    def to_dict(self) -> dict[str, Any]:
        """``{"type", "attributes"}``, plain JSON."""
        return {"type": type(self).__name__, "attributes": copy.deepcopy(vars(self))}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """From what :meth:`to_dict` gave. A directory need not be there before the trigger is used."""
        made = from_dict(plain)
        if not isinstance(made, cls):
            raise WireError(f"the JSON form of a {type(made).__name__}, not of a {cls.__name__}")
        return made


def from_dict(plain: Mapping[str, Any]) -> Trigger:
    """A trigger of whatever kind, from what its :meth:`Trigger.to_dict` gave."""
    try:
        kind, attributes = Trigger.kinds[plain["type"]], dict(plain["attributes"])
    except (KeyError, TypeError) as error:
        raise WireError(f"not the JSON form of a trigger: {error!r}") from None
    made = kind.__new__(kind)
    vars(made).update(attributes)
    return made


def checked(given: Trigger | Sequence[Trigger] | None) -> tuple[Trigger, ...]:
    """The triggers that a user gave to a lattice."""
    several = (given,) if isinstance(given, Trigger) else given or ()
    if not isinstance(several, (list, tuple)) or not all(isinstance(item, Trigger) for item in several):
        raise TypeError(
            f"triggers takes a trigger such as ct.triggers.TimeTrigger(60), or a list of them, not {given!r}"
        )
    return tuple(several)
