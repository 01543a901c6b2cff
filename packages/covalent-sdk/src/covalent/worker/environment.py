"""The environment variables of a runner: the worker's, without its secrets and what would steer the wrong Python.

And those of a single task, which may not change what runs it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from covalent.context import RUNNER_VARIABLE
from covalent.errors import WorkerError
from covalent.wire.manifest import REFUSED_VARIABLES, Variable

_SECRET_WORDS: Final = ("TOKEN", "DATABASE_URL", "EXTRA_HEADERS")
#: These belong to the interpreter that the worker itself runs in.
_INTERPRETERS_OWN: Final = ("PYTHONHOME", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__")
VISIBLE_GPUS: Final = "CUDA_VISIBLE_DEVICES"
#: What libraries look at once, when they are loaded: a process that has loaded them does not see another value.
_EARLY: Final = ("CUDA_", "HIP_", "ROCR_", "OMP_", "KMP_", "GOMP_", "MKL_", "OPENBLAS_", "BLIS_", "NUMEXPR_", "XLA_")
_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def with_server(environ: Mapping[str, str], url: str, ca_file: Path | None = None) -> dict[str, str]:
    """The worker's variables when its tasks, should they speak to a server, speak to the one that it works for."""
    trusted = {} if ca_file is None else {"COVALENT_CA_FILE": str(ca_file)}
    return {**environ, "COVALENT_SERVER_URL": url, **trusted}


def runner_environment(
    environ: Mapping[str, str],
    *,
    marker: str,
    processors: int,
    programs: Sequence[str] = (),
    gpus: Sequence[str] = (),
    variables: Iterable[tuple[str, str]] = (),
) -> dict[str, str]:
    """Variables for a runner that may use ``processors`` of the machine's; thread counts that are set are kept.

    ``programs`` are the directories of its environment in which programs lie: they are found first. ``gpus`` are its
    own, if it has any; ``variables`` are those of its tasks that come too late otherwise.
    """
    kept = without_secrets(environ)
    if programs:
        kept["PATH"] = os.pathsep.join([*programs, kept.get("PATH", os.defpath)])
    for name in _THREADS:
        kept.setdefault(name, str(max(1, processors)))
    if gpus:
        kept[VISIBLE_GPUS] = ",".join(gpus)
    kept.update(variables)
    kept[RUNNER_VARIABLE] = marker
    return kept


def early(variables: Mapping[str, Variable]) -> tuple[tuple[str, str], ...]:
    """Those of a task's variables that must be there before its process starts, none of which is a secret."""
    texts = ((name, value) for name, value in variables.items() if isinstance(value, str))
    return tuple(sorted(item for item in texts if item[0].startswith(_EARLY)))


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables for what others wrote and another interpreter runs."""
    return {name: value for name, value in environ.items() if not _is_secret(name) and name not in _INTERPRETERS_OWN}


def check_variables(variables: Mapping[str, Variable]) -> None:
    """Raise WorkerError unless a task may have these variables."""
    for name, value in variables.items():
        if name.startswith(REFUSED_VARIABLES):
            raise WorkerError(
                f"the environment variable {name!r} of its env is refused: names that begin with "
                f"{', '.join(REFUSED_VARIABLES[:-1])} or {REFUSED_VARIABLES[-1]} steer what runs the task; leave it out"
            )
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise WorkerError(
                f"the environment variable {name!r} of its env cannot be set: a name has at least one letter and no "
                "'=', and neither name nor value may hold a NUL"
            )


def _is_secret(name: str) -> bool:
    return name.startswith("COVALENT_") and any(word in name for word in _SECRET_WORDS)
