"""Lines of shell that find the interpreter of a worker, on a machine that is not looked at before."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, Final

#: Where conda and its like keep environments when nobody says where.
_CONDA_HOMES: Final = (
    *("$MAMBA_ROOT_PREFIX", "$CONDA_PREFIX", "$HOME/miniconda3", "$HOME/miniforge3", "$HOME/mambaforge"),
    *("$HOME/anaconda3", "$HOME/micromamba", "$HOME/.conda", "/opt/conda"),
)


def lines(attributes: Mapping[str, Any]) -> str:
    """Lines that set ``python``: by path, of a conda environment by its name or directory, or the one of the PATH."""
    path, env = attributes.get("python_path") or attributes.get("python3_path"), attributes.get("conda_env")
    if path:
        return f"python={at_home(str(path))}"
    if not env:
        return "python=python3"
    if "/" in str(env):
        return f"python={at_home(str(env))}/bin/python"
    homes = " ".join(f'"{home}"' for home in _CONDA_HOMES)
    name = shlex.quote(str(env))
    missing = shlex.quote(f"there is no conda environment {env!r} where conda usually keeps them; give its directory")
    return (
        f'for home in {homes}; do python="$home"/envs/{name}/bin/python; [ -x "$python" ] && break; done\n'
        f'[ -x "$python" ] || {{ echo {missing}; exit 69; }}'
    )


def at_home(path: str) -> str:
    """A path for a shell, which knows the home directory of its account."""
    return f'"$HOME"/{shlex.quote(path[2:])}' if path.startswith("~/") else shlex.quote(path)
