"""What scripts may rely on, pinned: every public name with its parameters, and the methods that scripts call.

``python -m tests.unit.sdk.test_public_surface`` prints it anew. Whoever changes the file says in a changelog fragment
what that means to users.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import covalent as ct

PINNED = Path(__file__).with_name("public_surface.txt")
NAMES: list[str] = vars(ct)["__all__"]
#: What scripts and libraries use of what they hold, in the order of the documentation.
MEMBERS: dict[str, tuple[str, ...]] = {
    "DepsBash": ("commands", "to_dict", "from_dict"),
    "DepsCall": ("func", "args", "kwargs", "retval_keyword", "to_dict", "from_dict"),
    "DepsModule": ("module_name", "to_dict", "from_dict"),
    "DepsPip": ("packages", "reqs_path", "requirements", "to_dict", "from_dict"),
    "File": ("filepath", "path", "name", "scheme", "is_remote", "read_bytes", "read_text", "save"),
    "Folder": ("filepath", "path", "name", "scheme", "is_remote", "save"),
    "Lattice": (
        "workflow_function", "metadata", "executor", "build_graph", "transport_graph", "draw", "serialize_to_json",
        "deserialize_from_json", "dispatch", "dispatch_sync", "__call__",
    ),
    "Lepton": ("executor", "metadata", "map", "__call__"),
    "Result": (
        "dispatch_id", "root_dispatch_id", "status", "result", "encoded_result", "object_string", "json", "error",
        "inputs", "start_time", "end_time", "lattice", "get_node_result", "get_all_node_results",
        "get_all_node_outputs", "why", "post_process", "raise_for_status", "save", "load",
    ),
    "Secret": ("get", "to_dict", "from_dict"),
    "TransportGraph": ("serialize_to_json", "deserialize_from_json", "get_node_value"),
    "TransportableObject": (
        "get_deserialized", "to_dict", "from_dict", "serialize", "deserialize", "serialize_to_json",
        "deserialize_from_json", "make_transportable", "deserialize_list", "deserialize_dict", "object_string", "json",
        "header", "attrs", "python_version",
    ),
}  # fmt: skip
#: Attributes that their objects get when they are made.
OF_OBJECTS = {"commands", "packages", "reqs_path", "retval_keyword", "module_name", "transport_graph"}


def parameters(function: Any) -> str:
    """How it may be called; its types are for type checkers, which have tests of their own."""
    signature = inspect.signature(function)
    bare = [item.replace(annotation=inspect.Parameter.empty) for item in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def described(name: str, thing: Any) -> Iterator[str]:
    """The lines of one public name."""
    if isinstance(thing, ModuleType):
        yield f"{name}:"
        for inner in getattr(thing, "__all__", sorted(vars(thing))):
            if not inner.startswith("_") and getattr(getattr(thing, inner), "__module__", "").startswith("covalent"):
                yield from (f"    {line}" for line in described(inner, getattr(thing, inner)))
    elif isinstance(thing, type) and issubclass(thing, Exception):
        yield f"{name}({', '.join(base.__name__ for base in thing.__bases__)})"
    elif hasattr(thing, "__members__"):
        yield f"{name}: {', '.join(thing.__members__)}"
    elif isinstance(thing, type):
        yield f"{name}{parameters(thing)}"
        for member in MEMBERS.get(name, ()):
            found = None if member in OF_OBJECTS else inspect.getattr_static(thing, member)
            called = callable(getattr(thing, member, None))
            yield f"    {member}{parameters(getattr(thing, member)) if called else ''}"
            assert called or found is None or isinstance(found, property) or hasattr(found, "__set_name__")
    else:
        yield f"{name}{parameters(thing)}"


def surface() -> str:
    """All of it, a line for each thing that can be called or looked at."""
    return "".join(f"{line}\n" for name in NAMES for line in described(name, getattr(ct, name)))


def test_the_public_surface_is_as_it_is_pinned() -> None:
    assert surface().splitlines() == PINNED.read_text(encoding="utf-8").splitlines()


def test_every_public_name_is_pinned() -> None:
    lines = PINNED.read_text(encoding="utf-8").splitlines()
    tops = [line for line in lines if not line.startswith(" ")]
    assert [line[: len(name)] for line, name in zip(tops, NAMES, strict=True)] == NAMES


def test_every_class_that_is_public_says_what_of_it_is() -> None:
    classes = [name for name in NAMES if isinstance(getattr(ct, name), type)]
    assert {*MEMBERS, "Status", "status"} == set(classes)


if __name__ == "__main__":
    print(surface(), end="")
