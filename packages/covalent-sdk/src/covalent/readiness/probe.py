"""What an interpreter is and has, told by itself: run as a program by any Python 3, it prints that as JSON.

It is read and run by interpreters that have nothing of ours, so it needs only the standard library.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys

#: Packages' own finders, which find nothing that their directories do not show: of Python, setuptools and virtualenv.
_PLAIN_FINDERS = ("_frozen_importlib", "_frozen_importlib_external", "_distutils_hack", "_virtualenv")
#: Since which version importlib.metadata tells what an import name belongs to.
_TOLD_SINCE = (3, 10)


def told() -> dict[str, object]:
    """Plain JSON; of a Python that is too old for tasks only its version and implementation."""
    facts: dict[str, object] = {
        "version": list(sys.version_info[:3]),
        "implementation": platform.python_implementation(),
        "stamps": stamps([sys.executable, *sys.path]),
    }
    if sys.version_info >= _TOLD_SINCE:
        facts.update(_installed())
    return facts


def stamps(paths: list[str]) -> dict[str, int]:
    """When each file or directory was modified, in nanoseconds since the epoch; -1 for those that are not there."""
    found = {}
    for path in paths:
        try:
            found[path] = os.stat(path).st_mtime_ns  # noqa: PTH116 - a client asks before each dispatch
        except OSError:
            found[path] = -1
    return found


def _installed() -> dict[str, object]:
    import importlib.metadata  # noqa: PLC0415 - a client, which asks nothing here, does without
    import pkgutil  # noqa: PLC0415 - as above

    distributions: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        # A broken installation has no name or no version; the first of several is the one that is imported.
        name = distribution.metadata["Name"]
        if isinstance(name, str):
            distributions.setdefault(re.sub(r"[-_.]+", "-", name).lower(), str(distribution.version))
    owners = importlib.metadata.packages_distributions()
    names = {module.name for module in pkgutil.iter_modules()} | owners.keys() | set(sys.builtin_module_names)
    names |= {name for entry in sys.path for name in _namespaces(entry)}
    strange = False
    for finder in sys.meta_path:
        module = getattr(finder, "__module__", "")
        mapping = getattr(sys.modules.get(module), "MAPPING", None)  # what setuptools installs in editable form
        if isinstance(mapping, dict):
            names |= {str(name).partition(".")[0] for name in mapping}
        else:
            strange = strange or module not in _PLAIN_FINDERS
    if "_distutils_hack" in sys.modules:
        names.add("distutils")
    return {
        "distributions": distributions,
        "owners": {name: sorted(set(found)) for name, found in owners.items()},
        "names": sorted(names | sys.stdlib_module_names),
        "strange": strange,
    }


def _namespaces(entry: str) -> list[str]:
    """The directories that may be packages without an ``__init__.py``."""
    try:
        names = os.listdir(entry)  # noqa: PTH208 - as above
    except OSError:
        return []
    return [name for name in names if name.isidentifier() and os.path.isdir(os.path.join(entry, name))]  # noqa: PTH112, PTH118


def main() -> None:
    """Print it. The directory of this file is not where the interpreter looks for modules otherwise."""
    del sys.path[0]
    json.dump(told(), sys.stdout)


if __name__ == "__main__":
    main()
