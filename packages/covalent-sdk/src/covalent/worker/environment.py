"""The environment variables of a runner: the worker's, without its secrets and what would steer the wrong Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Marks a runner and, by inheritance, everything that its tasks start.
RUNNER_VARIABLE: Final = "COVALENT_RUNNER"
_SECRET_WORDS: Final = ("TOKEN", "DATABASE_URL", "EXTRA_HEADERS")
#: These belong to the interpreter that the worker itself runs in.
_INTERPRETERS_OWN: Final = ("PYTHONHOME", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__")
_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def runner_environment(environ: Mapping[str, str], *, marker: str, processors: int) -> dict[str, str]:
    """Variables for a runner that may use ``processors`` of the machine's; thread counts that are set are kept."""
    kept = {name: value for name, value in environ.items() if not _is_secret(name) and name not in _INTERPRETERS_OWN}
    for name in _THREADS:
        kept.setdefault(name, str(max(1, processors)))
    kept[RUNNER_VARIABLE] = marker
    return kept


def _is_secret(name: str) -> bool:
    return name.startswith("COVALENT_") and any(word in name for word in _SECRET_WORDS)
