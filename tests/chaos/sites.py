"""Where a crash matters: the places in the sources at which something becomes durable, is sent or is acknowledged.

A *site* is a call that is found in the source by its form: a commit, a rename, a sync to the disk, a message that is
sent, the start of a process, an answer to a request. The same rules find the sites for the tests, which want each to
be reached, and rewrite them in the processes that are to be killed there, so that the two cannot differ.
"""

from __future__ import annotations

import ast
import gc
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

#: By this name a rewritten module reaches what kills its process; :mod:`tests.chaos.inside` puts it into ``builtins``.
GATE: Final = "__covalent_chaos__"
#: Of ``os``: what changes a file's place or brings it to the disk, and writing to a descriptor.
_OF_OS: Final = frozenset({"fsync", "replace", "rename", "link", "write"})
_BEGIN: Final = frozenset({"begin", "begin_transaction"})


def found(source: str, module: str) -> list[str]:
    """The sites of a module, in the order of its lines."""
    return rewritten(source, module)[1]


def rewritten(source: str, module: str) -> tuple[ast.Module, list[str]]:
    """A module whose sites pass the gate, and their names: ``module:function.call``."""
    tree = _parsed(source)
    rewriting = _Rewriting(module)
    tree = ast.fix_missing_locations(rewriting.visit(tree))
    return tree, rewriting.names


def answered(source: str, module: str) -> Iterator[str]:
    """The sites at which requests that change something are answered, from a module's table of routes."""
    for node in ast.walk(_parsed(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Route":
            words = {word.arg: word.value for word in node.keywords}
            method, handler = words["method"], words["handler"]
            if isinstance(method, ast.Constant) and method.value != "GET" and isinstance(handler, ast.Name):
                yield f"{module}:{handler.id}.answer"


def _parsed(source: str) -> ast.Module:
    """A module's tree. What is collected meanwhile may parse something, too, which Python 3.11 takes for an error."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        if collects:
            gc.enable()


class _Rewriting(ast.NodeTransformer):
    """Leads every site of a module through the gate."""

    def __init__(self, module: str) -> None:
        self.names: list[str] = []
        self._module = module
        self._function: list[str] = []
        self._seen: Counter[str] = Counter()

    def _within(self, node: ast.AST) -> ast.AST:
        self._function.append(node.name)  # type: ignore[attr-defined]  # functions and classes have one
        self.generic_visit(node)
        self._function.pop()
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _within  # noqa: N815  (the names are ast's)

    def visit_withitem(self, node: ast.withitem) -> ast.AST:
        """A transaction: the commit is at its end."""
        self.generic_visit(node)
        if isinstance(node.context_expr, ast.Call) and _attribute(node.context_expr) in _BEGIN:
            node.context_expr = self._gated("transaction", "commit", node.context_expr)
        return node

    def visit_Await(self, node: ast.Await) -> ast.AST:
        """A write that is awaited: its commit lies in between."""
        self.generic_visit(node)
        if isinstance(node.value, ast.Call) and _is_shared_write(node.value):
            node.value = self._gated("awaited", "write", _made_when_called(node.value))
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Any other call."""
        self.generic_visit(node)
        kind = _kind(node)
        return node if kind is None else self._gated("around", kind, _made_when_called(node))

    def _gated(self, way: str, kind: str, what: ast.expr) -> ast.Call:
        name = f"{self._module}:{'.'.join([*self._function, kind])}"
        self._seen[name] += 1
        if self._seen[name] > 1:
            name += f".{self._seen[name]}"
        self.names.append(name)
        gate = ast.Attribute(value=ast.Name(id=GATE, ctx=ast.Load()), attr=way, ctx=ast.Load())
        return ast.copy_location(ast.Call(func=gate, args=[ast.Constant(name), what], keywords=[]), what)


def _made_when_called(call: ast.Call) -> ast.expr:
    """The call, put off until the gate makes it."""
    if any(isinstance(node, (ast.Await, ast.Yield, ast.YieldFrom)) for node in ast.walk(call)):
        raise ValueError(f"line {call.lineno}: a site that awaits inside; give what it awaits a name above it")
    nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    return ast.copy_location(ast.Lambda(args=nothing, body=call), call)


def _attribute(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _receiver(call: ast.Call) -> str:
    """What the method is called on, as it is written."""
    return ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""


def _is_shared_write(call: ast.Call) -> bool:
    return _attribute(call) in {"write", "written"} and _receiver(call).rpartition(".")[2].lstrip("_") == "shared"


def _kind(call: ast.Call) -> str | None:
    """What a call does that a crash before or after it matters to; None for all the others."""
    attribute, receiver = _attribute(call), _receiver(call)
    for kind, is_one in _KINDS.items():
        if is_one(attribute, receiver, call):
            return kind
    return None


_KINDS: Final[dict[str, Callable[[str, str, ast.Call], bool]]] = {
    # A commit by any other name: of a connection itself.
    "commit": lambda attribute, _, __: attribute == "commit",
    # Waiting for the writer in a thread.
    "write": lambda attribute, receiver, _: attribute == "result" and ".submit(" in receiver,
    # Path.replace takes one argument, str.replace two, and that of a date or a record none but named ones.
    "rename": lambda attribute, receiver, call: (
        attribute in {"replace", "rename"} and receiver != "os" and len(call.args) == 1 and not call.keywords
    ),
    "system": lambda attribute, receiver, _: receiver == "os" and attribute in _OF_OS,
    "send": lambda attribute, receiver, _: (
        attribute in {"sendall", "urlopen"} or (attribute == "send" and receiver.endswith("socket"))
    ),
    # Buffered files: what was written is with the system now, or gone from it.
    "flush": lambda attribute, receiver, _: attribute == "flush" and receiver.endswith("file"),
    "truncate": lambda attribute, receiver, _: attribute == "truncate" and receiver.endswith("file"),
    "start": lambda attribute, _, __: attribute == "Popen",
}
