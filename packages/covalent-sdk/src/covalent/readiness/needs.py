"""What packages code needs: followed through the user's own modules, which come along, to those that do not."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from covalent.errors import ProjectError
from covalent.project.files import read
from covalent.project.finding import Module, certain_imports, code_imports, imports, locate, optional_imports
from covalent.readiness.usual import GIVEN
from covalent.transportable import TransportableObject


class Weight(IntEnum):
    """How much depends on an import."""

    #: It stands in a ``try``: the code may go on without.
    OPTIONAL = 0
    #: It stands where the code may not come to.
    POSSIBLE = 1
    #: Nothing runs without.
    CERTAIN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A package that code imports."""

    #: The import name.
    name: str
    #: What imports it.
    by: str
    weight: Weight


#: A module's name, what imports it, and how much depends on that.
_Import = tuple[str, str, Weight]


@dataclass(slots=True)
class Finder:
    """Finds needs; what it has found out about modules counts for one look."""

    _modules: dict[str, Module | None] = field(default_factory=dict)

    def needs(self, asset: TransportableObject) -> dict[str, Need]:
        """What opening and running an asset needs, by import name."""
        found: dict[str, Need] = {}
        reached: dict[str, Weight] = {}
        waiting = self._roots(asset)
        while waiting:
            name, by, weight = waiting.pop()
            top = name.partition(".")[0]
            if top in GIVEN or reached.get(name, -1) >= weight:
                continue
            reached[name] = weight
            module = self._module(name)
            if module is not None:
                waiting.append((name.rpartition(".")[0] or name, by, weight))
                waiting += _imported(module, name, weight)
            # Else, if what is above it is the user's own, it is no module but something in one.
            elif self._module(top) is None and (top not in found or found[top].weight < weight):
                found[top] = Need(name=top, by=by, weight=weight)
        return found

    @staticmethod
    def _roots(asset: TransportableObject) -> list[_Import]:
        called = asset.attrs.get("name") or asset.header.type_name
        payload = bytes(asset.parts()[0])
        # A class that writes itself in other words is met, and then not named.
        weights = (Weight.OPTIONAL, Weight.CERTAIN)
        named = [(name, called, weights[name.encode() in payload]) for name in asset.origins.modules]
        return named + [
            (imported.name, called, Weight.OPTIONAL if imported.guarded else Weight.POSSIBLE)
            for code, package in asset.origins.codes
            for imported in code_imports(code, package)
        ]

    def _module(self, name: str) -> Module | None:
        if name not in self._modules:
            self._modules[name] = locate(name)
        return self._modules[name]


def _imported(module: Module, name: str, weight: Weight) -> list[_Import]:
    if module.source is None:
        return []
    try:
        source = read(module.source)
    except ProjectError:  # it is told when the module is to be shipped
        return []
    certain = certain_imports(source, module.package)
    optional = optional_imports(source, module.package) - certain
    weights = dict.fromkeys(certain, Weight.CERTAIN) | dict.fromkeys(optional, Weight.OPTIONAL)
    return [
        (other, name, min(weight, weights.get(other, Weight.POSSIBLE))) for other in imports(source, module.package)
    ]
