"""Write workflows as ordinary Python functions and run them durably on any machine: ``import covalent as ct``.

The public names are loaded when they are first used, so that importing costs nothing; what they are for editors and
type checkers stands in ``__init__.pyi``.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType

#: Where each public name lives; without an attribute it is the module itself.
_PUBLIC = {
    "DepsBash": ("covalent.deps", "DepsBash"),
    "DepsCall": ("covalent.deps", "DepsCall"),
    "DepsModule": ("covalent.deps", "DepsModule"),
    "DepsPip": ("covalent.deps", "DepsPip"),
    "File": ("covalent.fs", "File"),
    "Folder": ("covalent.fs", "Folder"),
    "Lattice": ("covalent.lattice", "Lattice"),
    "Lepton": ("covalent.leptons", "Lepton"),
    "Result": ("covalent.result", "Result"),
    "Secret": ("covalent.secret", "Secret"),
    "Status": ("covalent.status", "Status"),
    "TransportGraph": ("covalent.graph", "TransportGraph"),
    "TransportableObject": ("covalent.transportable", "TransportableObject"),
    "acancel": ("covalent.client.asynchronous", "acancel"),
    "adispatch": ("covalent.client.asynchronous", "adispatch"),
    "aget_result": ("covalent.client.asynchronous", "aget_result"),
    "cancel": ("covalent.client.cancelling", "cancel"),
    "covalent_start": ("covalent.server_command", "covalent_start"),
    "covalent_stop": ("covalent.server_command", "covalent_stop"),
    "dispatch": ("covalent.client.dispatching", "dispatch"),
    "dispatch_sync": ("covalent.client.dispatching", "dispatch_sync"),
    "dispatches": ("covalent.client.listing", "dispatches"),
    "electron": ("covalent.electron", "electron"),
    "errors": ("covalent.errors", ""),
    "executor": ("covalent.executor", ""),
    "fs": ("covalent.fs", ""),
    "fs_strategies": ("covalent.fs_strategies", ""),
    "get_config": ("covalent.config", "get_config"),
    "get_context": ("covalent.context", "get_context"),
    "get_result": ("covalent.client.waiting", "get_result"),
    "is_covalent_running": ("covalent.server_command", "is_covalent_running"),
    "lattice": ("covalent.lattice", "lattice"),
    "leptons": ("covalent.leptons", ""),
    "preflight": ("covalent.client.preflighting", "preflight"),
    "redispatch": ("covalent.client.redispatching", "redispatch"),
    "reload_config": ("covalent.config", "reload_config"),
    "set_config": ("covalent.config", "set_config"),
    "status": ("covalent.status", "Status"),
    "stop_triggers": ("covalent.client.triggering", "stop_triggers"),
    "testing": ("covalent.testing", ""),
    "triggers": ("covalent.triggers", ""),
    "wait": ("covalent.electron", "wait"),
}
__all__ = sorted(_PUBLIC)  # noqa: PLE0605 - the table above is the one list of names
_INSTALLED = ("site-packages", "dist-packages")


class _Package(ModuleType):
    """This package, whose public names win over modules of its own that are called the same."""

    def __getattr__(self, name: str) -> object:
        if name == "__version__":
            import importlib.metadata  # noqa: PLC0415 - slow, and rarely asked for

            return importlib.metadata.version("covalent-sdk")
        if name not in _PUBLIC:
            raise AttributeError(f"module 'covalent' has no attribute {name!r}")
        import importlib  # noqa: PLC0415 - not needed by who only imports a module of ours

        module_name, attribute = _PUBLIC[name]
        module = importlib.import_module(module_name)
        value = getattr(module, attribute) if attribute else module
        self.__dict__[name] = value
        return value

    def __setattr__(self, name: str, value: object) -> None:
        # The import system binds each module to its package: covalent.electron would hide ct.electron.
        if isinstance(value, ModuleType) and name in _PUBLIC and _PUBLIC[name][1]:
            value = getattr(sys.modules[_PUBLIC[name][0]], _PUBLIC[name][1])
        super().__setattr__(name, value)

    def __reduce__(self) -> tuple[object, ...]:
        return __import__, (self.__name__,)

    def __dir__(self) -> list[str]:
        # Not what this module imports, nor which of our modules happen to be loaded.
        return sorted({*_PUBLIC, "__version__", *(name for name in self.__dict__ if name.startswith("__"))})


def _refuse_the_old_distribution() -> None:
    """Raise ConflictingDistributionError when the distribution ``covalent`` shares a directory with us.

    It owns the same package, so that what is imported is a mixture of both. File names are looked at and nothing
    else: asking importlib.metadata would take longer than all the rest of the import.
    """
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib is not loaded yet
    # An editable installation leaves our package elsewhere; then every directory of installed packages counts.
    directories = [home] if home.endswith(_INSTALLED) else [path for path in sys.path if path.endswith(_INSTALLED)]
    for directory in directories:
        try:
            names = os.listdir(directory)  # noqa: PTH208 - as above
        except OSError:
            continue
        for name in names:
            if name.startswith("covalent") and _is_old(name):
                from covalent.errors import ConflictingDistributionError  # noqa: PLC0415 - this once only

                raise ConflictingDistributionError(
                    f"the old distribution 'covalent' ({os.path.join(directory, name)}) is installed "  # noqa: PTH118
                    "beside covalent-sdk, and both own the package 'covalent'. Run:\n"
                    f"    {sys.executable} -m pip uninstall -y covalent\n"
                    f"    {sys.executable} -m pip install --force-reinstall covalent-sdk"
                )


def _is_old(name: str) -> bool:
    distribution, _, kind = name.rpartition(".")
    project, _, version = distribution.partition("-")
    installed = kind in {"dist-info", "egg-info", "egg-link"}
    return installed and project == "covalent" and (not version or version[0].isdigit())


_refuse_the_old_distribution()
sys.modules[__name__].__class__ = _Package
