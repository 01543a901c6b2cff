from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import covalent as ct
from covalent.errors import ConflictingDistributionError

SOURCE = Path(ct.__file__).parent


def printed(program: str, *paths: Path) -> Any:
    """What a program, with these directories as its whole import path, prints as JSON."""
    search = f"import sys, json; sys.path[:0] = {[str(path) for path in paths]!r}\n"
    run = subprocess.run([sys.executable, "-S", "-c", search + program], capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


IMPORT = """
try:
    import covalent
except ImportError as error:
    print(json.dumps([type(error).__name__, str(error)]))
else:
    print("[]")
"""


@pytest.mark.parametrize(
    "name", ["covalent-0.232.0.dist-info", "covalent.egg-info", "covalent-0.232.0-py3.11.egg-info", "covalent.egg-link"]
)
@pytest.mark.parametrize("directory", ["site-packages", "dist-packages"])
def test_the_old_distribution_beside_ours_is_refused_with_what_mends_it(
    tmp_path: Path, directory: str, name: str
) -> None:
    site = tmp_path / directory
    (site / name).mkdir(parents=True)
    (site / "covalent").symlink_to(SOURCE)
    for paths in ([site], [SOURCE.parent, site]):  # installed, and editable
        kind, message = printed(IMPORT, *paths)
        assert kind == ConflictingDistributionError.__name__
        assert f"{sys.executable} -m pip uninstall -y covalent\n" in message
        assert f"{sys.executable} -m pip install --force-reinstall covalent-sdk" in message


def test_other_distributions_beside_ours_are_fine(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    for name in (
        "covalent_sdk-1.0.0.dist-info", "covalent_server-1.0.0.dist-info", "covalent_slurm_plugin-1.0.dist-info",
        "covalent-slurm-plugin.egg-link", "covalent.py", "covalents-1.0.dist-info", "covalent-1.0.txt",
    ):  # fmt: skip
        (site / name).mkdir(parents=True)
    (site / "covalent").symlink_to(SOURCE)
    assert printed(IMPORT, site) == []
    assert printed(IMPORT, SOURCE.parent, site, tmp_path / "missing" / "site-packages") == []


def test_every_public_name_is_there_and_in_what_editors_read() -> None:
    stub = (SOURCE / "__init__.pyi").read_text()
    for name in ct.__all__:  # type: ignore[attr-defined] # the table of __init__.py, which the stub replaces
        assert getattr(ct, name) is not None
        assert f" {name}\n" in stub or f"\n{name} =" in stub
        assert name in dir(ct)
    assert ct.status.COMPLETED == "COMPLETED"
    assert ct.executor.LocalExecutor().short_name == "local"
    assert ct.__version__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ct.nothing  # type: ignore[attr-defined] # noqa: B018 - what is shown


def test_dir_shows_what_is_public_and_nothing_else() -> None:
    names = vars(ct)["__all__"]
    assert [name for name in dir(ct) if not name.startswith("__")] == names


@pytest.mark.parametrize(("arguments", "status"), [([], 0), (["start"], 2)])
def test_run_as_a_program_the_package_says_where_the_commands_are(arguments: list[str], status: int) -> None:
    run = subprocess.run([sys.executable, "-m", "covalent", *arguments], capture_output=True, text=True, check=False)
    assert run.returncode == status
    assert "covalent start" in (run.stderr if arguments else run.stdout)


@pytest.mark.parametrize("first", ["covalent.electron", "covalent.lattice", "covalent.status", "covalent.client"])
def test_public_names_win_over_modules_of_the_same_name(first: str) -> None:
    program = (
        f"import {first}\nimport covalent as ct\nfrom covalent import electron, lattice\n"
        "print(json.dumps([type(ct.electron).__name__, type(ct.lattice).__name__, ct.status.FAILED, "
        "electron is ct.electron, lattice is ct.lattice]))"
    )
    paths = [Path(path) for path in sys.path if path]
    assert printed(program, *paths) == ["function", "function", "FAILED", True, True]


def test_libraries_find_names_where_earlier_covalents_had_them() -> None:
    program = (
        "from covalent._workflow.lattice import Lattice\n"
        "from covalent._workflow.electron import Electron\n"
        "from covalent.executor import LocalExecutor, SlurmExecutor\n"
        "import covalent as ct\n"
        "print(json.dumps([Lattice is ct.Lattice, isinstance(ct.electron(len).electron_object, Electron), "
        "LocalExecutor is ct.executor.LocalExecutor, type(ct.electron).__name__, type(ct.lattice).__name__]))"
    )
    paths = [Path(path) for path in sys.path if path]
    assert printed(program, *paths) == [True, True, True, "function", "function"]
