"""A kind of import-linter contract: what may be imported is listed, everything else is a violation.

import-linter's own ``forbidden`` lists what may not be imported, so it says nothing about a module that nobody has
thought of yet. For the wire, the pure core, the migrations and the narrow door between the server and the SDK the
list of what *is* allowed is the short one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class ImportsOnlyContract(Contract):
    """The source modules import directly only from themselves and from what is allowed.

    - ``source_modules``: the modules bound by the contract, with everything inside them
    - ``allowed_modules``: what they may import, with everything inside it
    - ``standard_library``: true to allow all of it (default: only what is listed)
    - ``among``: only imports of these packages are judged (default: all imports)
    """

    type_name = "imports_only"

    # The base class puts the configured values in place of these descriptions.
    source_modules: Any = fields.ListField(subfield=fields.StringField())
    allowed_modules: Any = fields.ListField(subfield=fields.StringField())
    standard_library: Any = fields.BooleanField(required=False, default=False)
    among: Any = fields.ListField(subfield=fields.StringField(), required=False, default=[])

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002 (the base class says so)
        """Find the imports that are not allowed; a source module that does not exist is an error, not a pass."""
        missing = [module for module in self.source_modules if module not in graph.modules]
        if missing:
            message = f"{', '.join(missing)} does not exist; correct source_modules of the contract {self.name!r}"
            raise ValueError(message)
        standard = sys.stdlib_module_names if self.standard_library else frozenset()
        permitted = (*self.source_modules, *self.allowed_modules, *standard)
        broken = []
        for importer in sorted(module for module in graph.modules if _inside(module, self.source_modules)):
            for imported in sorted(graph.find_modules_directly_imported_by(importer)):
                if _inside(imported, permitted) or (self.among and not _inside(imported, self.among)):
                    continue
                details = graph.get_import_details(importer=importer, imported=imported)
                broken.append((importer, imported, [detail["line_number"] for detail in details]))
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print one line for each import that is not allowed."""
        for importer, imported, lines in check.metadata["broken"]:
            output.print_error(f"{importer} may not import {imported} (l. {', '.join(map(str, lines))})", bold=False)
        output.new_line()


def _inside(module: str, packages: Iterable[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)
