"""Leptons: electrons whose functions are written in another language than Python."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Unpack, overload

from covalent.electron import Electron, electron
from covalent.leptons import library, shell
from covalent.options import Keywords
from covalent.references import resolve

if TYPE_CHECKING:
    from covalent.electron import ElectronFunction

P = ParamSpec("P")
_PYTHON: Final = frozenset({"python", "Python"})
_C: Final = frozenset({"C", "c"})
_SHELL: Final = frozenset({"bash", "shell"})
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_READ_AS: Final = (int, float, str, bool)
#: How ctypes names the type of a pointer.
_POINTER: Final = "LP_"
Outputs = str | Sequence[str] | Mapping[str, type] | None


class Lepton(Electron[..., Any]):
    """A task in another language. It is called as an electron is: inside a lattice a task, outside at once.

    ``language`` is ``"bash"`` (or ``"shell"``) for a ``command``, ``"C"`` for ``function_name`` of the shared library
    ``library_name`` with ``argtypes``, ``"python"`` for ``function_name`` of the module ``library_name``.

    A command's positional arguments are ``$1``, ``$2`` …; a keyword fills ``{keyword}`` in it.
    ``named_outputs`` are shell variables whose values it gives when it has ended: names, or names with ``int``,
    ``float``, ``str`` or ``bool``; without a type what is written as a number is one.

    ``argtypes`` are pairs of a type of :mod:`ctypes`, or its name, and ``Lepton.INPUT``, ``OUTPUT`` or
    ``INPUT_OUTPUT``; outputs are pointers, and their values, in this order, are what the lepton gives. An output that
    the function writes several elements of is given a sequence of that length.

    The other keywords are those of ``ct.electron``. Raises ValueError for what contradicts the language.

    >>> count = ct.Lepton("bash", command="words=$(printf 'a b' | wc -w)", named_outputs=["words"])
    >>> count()
    2
    """

    INPUT: Final = library.INPUT
    OUTPUT: Final = library.OUTPUT
    INPUT_OUTPUT: Final = library.INPUT_OUTPUT

    def __init__(
        self,
        language: str = "python",
        *,
        library_name: str | os.PathLike[str] = "",
        function_name: str = "",
        argtypes: Sequence[tuple[Any, int]] | None = None,
        command: str = "",
        named_outputs: Outputs = None,
        display_name: str = "",
        **options: Unpack[Keywords],
    ) -> None:
        unknown = sorted(options.keys() - Keywords.__annotations__.keys())
        if unknown:
            raise TypeError(f"ct.Lepton() got an unexpected keyword argument {unknown[0]!r}")
        self.language = language
        self.library_name = os.fspath(library_name)
        self.function_name = function_name
        self.command = command
        name = display_name or function_name or "bash"
        if language in _SHELL:
            self._refuse("a command", library_name=library_name, function_name=function_name, argtypes=argtypes)
            if not command.strip():
                raise ValueError("a Lepton of bash needs its command: Lepton('bash', command='...')")
            function: Callable[..., Any] = shell.Shell(command, outputs_of(named_outputs), name)
        elif language in _C or language in _PYTHON:
            self._refuse("a function", command=command, named_outputs=named_outputs)
            if not self.library_name or not function_name:
                raise ValueError(
                    f"a Lepton of {language} needs library_name and function_name: "
                    f"Lepton({language!r}, library_name='...', function_name='...')"
                )
            function = self._function(argtypes)
        else:
            raise ValueError(f"a Lepton's language is 'bash', 'C' or 'python', not {language!r}")
        super().__init__(function, **options)
        self.name = name

    def _function(self, argtypes: Sequence[tuple[Any, int]] | None) -> Callable[..., Any]:
        if self.language in _C:
            arguments = tuple(_argument(item) for item in argtypes or ())
            return library.Function(self.library_name, self.function_name, arguments)
        self._refuse("a function of Python", argtypes=argtypes)
        function: Callable[..., Any] = resolve(f"{self.library_name}:{self.function_name}")
        return function

    def _refuse(self, what: str, **others: object) -> None:
        given = sorted(name for name, value in others.items() if value)
        if given:
            raise ValueError(f"a Lepton of {self.language} is {what}: it takes no {', '.join(given)}")

    def __repr__(self) -> str:
        return f"<Lepton {self.name} ({self.language})>"


@overload
def bash(func: Callable[P, str]) -> ElectronFunction[P, Any]: ...


@overload
def bash(
    func: None = None, *, named_outputs: Outputs = ..., display_name: str = ..., **options: Unpack[Keywords]
) -> Callable[[Callable[P, str]], ElectronFunction[P, Any]]: ...


def bash(
    func: Callable[P, str] | None = None,
    *,
    named_outputs: Outputs = None,
    display_name: str = "",
    **options: Unpack[Keywords],
) -> Any:
    """Make a task of a function that returns a shell command; with or without arguments, as ``ct.electron``.

    The function runs in the task, with real values; quote those that are no plain words with ``shlex.quote``. What the
    task gives is said by ``named_outputs``, as for :class:`Lepton`.

    >>> @ct.leptons.bash(named_outputs=["size"])
    ... def measure(path):
    ...     return f"size=$(stat -c %s {shlex.quote(path)})"
    """

    def decorate(function: Callable[P, str]) -> Any:
        if not callable(function):
            raise TypeError(f"ct.leptons.bash takes a function that returns a command, not {function!r}")
        name = display_name or str(getattr(function, "__name__", "bash"))
        made: Any = electron(shell.Written(function, outputs_of(named_outputs), name), **options)
        made.electron_object.name = made.__name__ = name
        made.__doc__ = function.__doc__
        return made

    return decorate if func is None else decorate(func)


def outputs_of(named_outputs: Outputs) -> Mapping[str, type | None]:
    """Shell variables with what they are read as; raises ValueError for what is no name, or no type."""
    if named_outputs is None:
        return {}
    names = [named_outputs] if isinstance(named_outputs, str) else named_outputs
    outputs = dict(names) if isinstance(names, Mapping) else dict.fromkeys(names)
    for name, kind in outputs.items():
        if not _NAME.fullmatch(str(name)):
            raise ValueError(f"named_outputs are names of shell variables such as 'energy', not {name!r}")
        if kind is not None and kind not in _READ_AS:
            raise ValueError(f"named_outputs: {name} is read as int, float, str or bool, not as {kind!r}")
    return outputs


def _argument(given: Any) -> library.Argument:
    try:
        kind, direction = given
    except (TypeError, ValueError):
        raise ValueError(f"argtypes are pairs such as (c_double, Lepton.INPUT), not {given!r}") from None
    name = kind if isinstance(kind, str) else str(getattr(kind, "__name__", kind))
    is_pointer = name.startswith((_POINTER, "POINTER("))
    plain = name.removeprefix(_POINTER).removeprefix("POINTER(").removesuffix(")")
    if not _is_simple(plain):
        raise ValueError(f"argtypes: {name} is no simple type of ctypes such as c_double, nor a pointer to one")
    if direction not in (library.INPUT, library.OUTPUT, library.INPUT_OUTPUT):
        raise ValueError(f"argtypes: {name} is Lepton.INPUT, OUTPUT or INPUT_OUTPUT, not {direction!r}")
    if direction != library.INPUT and not is_pointer:
        raise ValueError(f"argtypes: {name} is an output, so it is a pointer: POINTER({name})")
    return library.Argument(plain, is_pointer, direction)


def _is_simple(name: str) -> bool:
    import ctypes  # noqa: PLC0415 - few workflows call C

    return hasattr(getattr(ctypes, name, None), "_type_")
