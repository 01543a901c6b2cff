"""The refusal to unpickle: armed before anything else in every process of the server.

A pickle is a program that runs while it is read, so a server that never reads one cannot be made to run one.
:func:`arm` puts two things in the way, for the life of the process:

* **A finder in front of all others.** It answers ``import pickle`` and ``import _pickle`` with modules whose
  functions and classes refuse. Libraries import pickle for features that we do not use (aiohttp's cookie jar,
  SQLAlchemy's ``PickleType``, the handlers of ``logging``): importing and subclassing work as usual, only *doing* it
  raises. Modules that exist to unpickle, or to start processes that do, cannot be imported at all.
* **An audit hook**, which Python cannot take away again. It refuses ``pickle.find_class``, by which every hostile
  pickle finds its function, and each way to the real module around the finder: the C accelerator loaded from its
  file, ``pickle.py`` (or a copy of it) run from its source. It also refuses ``marshal.load`` and ``marshal.loads``,
  which read code objects, except from the import system, which reads ``.pyc`` files with them.

When something had loaded pickle earlier (a coverage tool, a ``sitecustomize``), those modules are emptied in place and
the status is ``late``: a function that was taken from them before keeps working up to the audit hook. The server
refuses to start in that state unless told otherwise.

The guard keeps our libraries and ourselves from opening what we were sent. It is no sandbox: code that already runs in
this process can reach memory by other ways. So this module imports the standard library alone, and importing it does
nothing.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec  # noqa: TID251  (to stand in the way of imports, not to make any)
from types import CodeType, ModuleType
from typing import Any, ClassVar, Final, Literal, NoReturn

GuardStatus = Literal["armed", "late", "off"]

#: Answered with modules that refuse.
_REPLACED: Final = frozenset({"pickle", "_pickle"})
#: Not importable: they unpickle, or start interpreters (processes or not) that are outside this guard and unpickle.
_FORBIDDEN: Final = frozenset(
    {
        "_interpreters",
        "_multiprocessing",
        "_xxsubinterpreters",
        "cloudpickle",
        "dill",
        "joblib",
        "jsonpickle",
        "multiprocess",
        "multiprocessing",
        "pickle5",
        "shelve",
        "zodbpickle",
    }
)
_FUNCTIONS: Final = ("load", "loads", "dump", "dumps", "_load", "_loads", "_dump", "_dumps")
_CLASSES: Final = ("Pickler", "Unpickler", "_Pickler", "_Unpickler", "PickleBuffer")
#: Python code from these files is the import system at work.
_IMPORT_SYSTEM: Final = ("<frozen importlib", "<frozen zipimport")

_status: GuardStatus = "off"
_refusals = 0


class UnpicklingRefusedError(RuntimeError):
    """Something tried to pickle or unpickle in a process of the server."""


class ForbiddenImportError(ImportError, UnpicklingRefusedError):
    """Something tried to import a module that exists to unpickle; who can do without it sees it as missing."""


def status() -> GuardStatus:
    """``armed``; ``late`` when something had loaded an unpickler before; ``off`` before :func:`arm`."""
    return _status


def refusals() -> int:
    """How often this process tried to pickle, unpickle or load an unpickler, and was refused; 0 is what is expected."""
    return _refusals


def arm() -> GuardStatus:
    """Refuse to unpickle from here on; a second call changes nothing."""
    global _status  # noqa: PLW0603  (one process, one guard)
    if _status == "off":
        loaded = sorted((_REPLACED | _FORBIDDEN) & sys.modules.keys())
        sys.addaudithook(_audit)
        sys.meta_path.insert(0, _Finder())
        for name in loaded:
            if name in _REPLACED:
                _empty(sys.modules[name])
        _status = "late" if loaded else "armed"
    return _status


def _refuse(*_arguments: object, **_named: object) -> NoReturn:
    _count()
    raise UnpicklingRefusedError("covalent-server neither pickles nor unpickles: what it stores stays closed")


def _count() -> None:
    """Remember a refusal: whoever was refused may keep silent about it."""
    global _refusals  # noqa: PLW0603  (one process, one guard)
    _refusals += 1


class _Refusing:
    """Stands where a pickler stood: it may be subclassed, as libraries do when imported, but never made."""

    dispatch: ClassVar[dict[Any, Any]] = {}
    load = loads = dump = dumps = find_class = persistent_load = staticmethod(_refuse)

    def __new__(cls, *_arguments: object, **_named: object) -> NoReturn:
        _refuse()


class _Finder:
    """The first of all finders: knows the replaced and the forbidden modules and leaves the rest to the others."""

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        known = name in _REPLACED or _root(name) in _FORBIDDEN
        return ModuleSpec(name, _Loader()) if known else None  # type: ignore[arg-type]  # a loader by its methods


class _Loader:
    """Makes the refusing modules, anew on ``importlib.reload``."""

    def create_module(self, spec: ModuleSpec) -> None:
        _check_import(spec.name, None)

    def exec_module(self, module: ModuleType) -> None:
        _fill(module)


def _fill(module: ModuleType) -> None:
    """Give a module the names that libraries expect of pickle."""
    errors: dict[str, type] = {"PickleError": type("PickleError", (Exception,), {})}
    for name in ("PicklingError", "UnpicklingError"):
        errors[name] = type(name, (errors["PickleError"],), {})
    names: dict[str, object] = {**errors, "HIGHEST_PROTOCOL": 5, "DEFAULT_PROTOCOL": 4}
    names |= dict.fromkeys(_FUNCTIONS, _refuse)
    names |= {name: type(name, (_Refusing,), {"__module__": module.__name__}) for name in _CLASSES}
    for name, value in names.items():
        setattr(module, name, value)


def _empty(module: ModuleType) -> None:
    """Take from a real pickle module what can be taken, for those who hold the module or its Python classes."""
    for value in list(vars(module).values()):
        if isinstance(value, type) and value.__module__ == "pickle" and "find_class" in vars(value):
            for method in ("load", "find_class"):
                setattr(value, method, _refuse)
    _fill(module)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    # Called for every audited event of the process: what does not concern us must leave at once.
    if event == "import":
        _check_import(arguments[0], arguments[1])
    elif event == "exec":
        _check_code(arguments[0])
    elif event == "pickle.find_class":
        _refuse()
    elif event in {"marshal.loads", "marshal.load"}:
        _check_reader(sys._getframe(1).f_code)  # noqa: SLF001  (who called is what this is about)


def _check_import(name: str, file: str | None) -> None:
    """Refuse a forbidden module, and a C accelerator that is loaded from its file, under whatever parent's name."""
    if _root(name) in _FORBIDDEN or (file is not None and name.rpartition(".")[2] in _REPLACED):
        raise ForbiddenImportError(f"covalent-server never imports {name}: it never unpickles", name=name)


def _check_code(code: object) -> None:
    """Refuse to run a module that defines an unpickler, wherever its source was found."""
    if isinstance(code, CodeType) and any(
        isinstance(constant, CodeType) and constant.co_name == "_Unpickler" for constant in code.co_consts
    ):
        _count()
        raise UnpicklingRefusedError(f"covalent-server never loads an unpickler: {code.co_filename}")


def _check_reader(caller: CodeType) -> None:
    """Refuse to read code objects to all but the import system, which reads ``.pyc`` files."""
    if not caller.co_filename.startswith(_IMPORT_SYSTEM):
        _count()
        raise UnpicklingRefusedError("covalent-server reads no code objects; only Python's import system may")


def _root(name: str) -> str:
    return name.partition(".")[0]
