"""Layers over every kind of parent, by every installer: the same promises hold for all of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from covalent.worker.layers import Layer, LayerError, Layers
from covalent.worker.layers.construction import program_directories
from covalent.worker.layers.installers import Installer, Pip, Uv
from tests.wheels import project, wheel

BASE: Final = Path(sys.executable).resolve()
PYTHON: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"


def _uv() -> str:
    found = shutil.which("uv", path=os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)]))
    assert found is not None, "the tests are run by nox with uv, which is to be on the path"
    return found


def _run(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _plain(directory: Path) -> Path:
    """An interpreter outside of all virtual environments: a copy, since packages are put into it."""
    prefix = Path(_run(BASE, "-c", "import sys; print(sys.base_prefix)").strip())
    (directory / "bin").mkdir(parents=True)
    library = prefix / "lib" / PYTHON
    shutil.copytree(
        library, directory / "lib" / PYTHON, symlinks=True, ignore=shutil.ignore_patterns("site-packages", "test")
    )
    (directory / "lib" / PYTHON / "site-packages").mkdir()
    for name in prefix.glob("lib/libpython*"):
        (directory / "lib" / name.name).symlink_to(name)
    shutil.copy2(BASE, directory / "bin" / PYTHON)
    (directory / "bin" / "python").symlink_to(PYTHON)
    return directory / "bin" / "python"


def _conda_like(directory: Path) -> Path:
    """A prefix with an interpreter of its own and the directory in which conda keeps its records; not made by conda."""
    python = _plain(directory)
    (directory / "conda-meta").mkdir()
    (directory / "conda-meta" / "history").touch()
    return python


def _venv(directory: Path) -> Path:
    _run(BASE, "-m", "venv", "--without-pip", directory)
    return directory / "bin" / "python"


def _venv_over_others(directory: Path) -> Path:
    _run(BASE, "-m", "venv", "--without-pip", "--system-site-packages", directory)
    return directory / "bin" / "python"


def _venv_with_pip(directory: Path) -> Path:
    _run(BASE, "-m", "venv", directory)
    return directory / "bin" / "python"


def _made_by_uv(directory: Path) -> Path:
    _run(_uv(), "venv", "--quiet", "--no-project", "--python", BASE, directory)
    return directory / "bin" / "python"


def _made_by_virtualenv(directory: Path) -> Path:
    _run(sys.executable, "-m", "virtualenv", "--quiet", "--no-download", "--python", BASE, directory)
    return directory / "bin" / "python"


PARENTS: Final[Mapping[str, Callable[[Path], Path]]] = {
    "plain": _plain,
    "conda-like": _conda_like,
    "venv": _venv,
    "venv over others": _venv_over_others,
    "venv with pip": _venv_with_pip,
    "uv": _made_by_uv,
    "virtualenv": _made_by_virtualenv,
}
INSTALLERS: Final[Mapping[str, Callable[[Mapping[str, str]], Installer]]] = {
    "uv": lambda environ: Uv(_uv(), environ),
    "pip": Pip,
}


@dataclass(frozen=True)
class Parent:
    """An environment that tasks run in, with packages that are not its layers' business."""

    python: str
    root: Path
    wheels: Path

    def site(self) -> Path:
        """Where its packages are."""
        return next(self.root.glob("lib/python*/site-packages"))

    def files(self) -> dict[str, tuple[int, int]]:
        """Everything in it with size and time, but for compiled code."""
        return {
            str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
            for path in sorted(self.root.rglob("*"))
            if "__pycache__" not in path.parts and not path.is_dir()
        }


@pytest.fixture(scope="module", params=PARENTS)
def parent(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Parent:
    root = tmp_path_factory.mktemp("parent") / "environment"
    wheels = tmp_path_factory.mktemp("wheels")
    python = PARENTS[request.param](root)
    for version in ("1.0", "2.0"):
        wheel(wheels, "base_library", version)
        _tool(wheels, version)
    wheel(wheels, "modern", "1.0", requires=["base_library>=2"])
    wheel(wheels, "torn", "1.0", requires=["base_library>=2", "base_library<2"])
    wheel(wheels, "additional", "1.0", requires=["base_library", "own_project"])
    made = Parent(str(python), root, wheels)
    _install_by_hand(made, "base_library", "1.0")
    _install_editable(made, tmp_path_factory.mktemp("project"))
    return made


def index(directory: Path) -> tuple[str, ...]:
    """The lines of a requirements file by which packages come from a directory, and from nowhere else."""
    return ("--no-index", f"--find-links {directory}")


def _tool(wheels: Path, version: str) -> None:
    """A package with a program."""
    source = f"__version__ = {version!r}\n\n\ndef main():\n    print('tool', __version__)\n"
    entries = "[console_scripts]\na-tool = tool:main\n"
    files = {"tool.py": source, f"tool-{version}.dist-info/entry_points.txt": entries}
    wheel(wheels, "tool", version, files=files, requires=["base_library"])


def _install_by_hand(parent: Parent, name: str, version: str) -> None:
    shutil.unpack_archive(parent.wheels / f"{name}-{version}-py3-none-any.whl", parent.site(), "zip")


def _install_editable(parent: Parent, project: Path) -> None:
    """What an installer writes for a project that is used where it lies."""
    (project / "own_project.py").write_text("WHERE = __file__\n")
    (parent.site() / "_own_project.pth").write_text(f"{project}\n")
    info = parent.site() / "own_project-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-project\nVersion: 0.1\n")
    (info / "RECORD").write_text("")
    (info / "direct_url.json").write_text(f'{{"url": "file://{project}", "dir_info": {{"editable": true}}}}')


@pytest.fixture(params=INSTALLERS)
def layers(request: pytest.FixtureRequest, tmp_path: Path) -> Layers:
    environ = {**os.environ, "UV_CACHE_DIR": str(tmp_path / "uv"), "PIP_CACHE_DIR": str(tmp_path / "pip")}
    return Layers(tmp_path / "layers", environ, installer=INSTALLERS[request.param])


@pytest.fixture
def unchanged(parent: Parent) -> Iterator[None]:
    before = parent.files()
    yield
    assert parent.files() == before


def _tell(layer: Layer, expression: str) -> str:
    return _run(layer.python, "-P", "-c", f"import base_library; print({expression})").strip()


@pytest.mark.usefixtures("unchanged")
class TestOverEachParent:
    def test_what_is_asked_for_is_found_before_what_the_parent_has(self, parent: Parent, layers: Layers) -> None:
        layer = layers.build(parent.python, (*index(parent.wheels), "base_library>=2"))
        assert layer.resolved == ("base_library==2.0",)
        assert layer.warning == ""
        assert _tell(layer, "base_library.__version__") == "2.0"
        assert _run(parent.python, "-P", "-c", "import base_library; print(base_library.__version__)").strip() == "1.0"

    def test_two_versions_stand_side_by_side(self, parent: Parent, layers: Layers) -> None:
        old, new = (layers.build(parent.python, (*index(parent.wheels), f"tool=={version}")) for version in "12")
        assert old.key != new.key
        assert [_tell(layer, "__import__('tool').__version__") for layer in (old, new)] == ["1.0", "2.0"]

    def test_only_what_the_parent_lacks_is_installed(self, parent: Parent, layers: Layers) -> None:
        layer = layers.build(parent.python, (*index(parent.wheels), "tool"))
        assert layer.resolved == ("tool==2.0",)
        assert _tell(layer, "base_library.__version__") == "1.0"

    def test_what_is_there_already_is_taken_without_an_index(self, parent: Parent, layers: Layers) -> None:
        layer = layers.build(parent.python, ("--no-index", "base_library", "own-project"))
        assert layer.resolved == ()

    def test_the_parents_editable_projects_are_seen_and_satisfy(self, parent: Parent, layers: Layers) -> None:
        layer = layers.build(parent.python, (*index(parent.wheels), "additional"))
        assert layer.resolved == ("additional==1.0",)
        assert _tell(layer, "__import__('own_project').WHERE").endswith("/own_project.py")

    def test_what_does_not_fit_to_the_parent_is_resolved_without_it_and_says_so(
        self, parent: Parent, layers: Layers
    ) -> None:
        layer = layers.build(parent.python, (*index(parent.wheels), "modern"))
        assert layer.resolved == ("base_library==2.0", "modern==1.0")
        assert layer.warning == f"deps_pip brings base_library 2.0 instead of 1.0 of {parent.python}"

    def test_what_nothing_satisfies_fails_in_the_installers_own_words(self, parent: Parent, layers: Layers) -> None:
        with pytest.raises(LayerError, match="torn") as failure:
            layers.build(parent.python, (*index(parent.wheels), "torn"))
        assert "base_library" in str(failure.value).replace("base-library", "base_library")
        assert "name versions that exist and fit together in deps_pip" in str(failure.value)
        assert list(layers.kept()) == []

    def test_what_cannot_be_built_from_its_source_is_told_with_what_has_a_wheel(
        self, parent: Parent, layers: Layers, tmp_path: Path
    ) -> None:
        broken = project(tmp_path / "broken", "broken")
        (broken / "backend.py").write_text("raise ImportError('distutils is gone')\n")
        with pytest.raises(LayerError, match="distutils is gone") as failure:
            layers.build(parent.python, ("--no-index", str(broken)))
        python = sys.version.partition(" ")[0]
        assert f"no wheel for Python {python}: name a version that has one, or run the task" in str(failure.value)

    def test_a_variable_that_is_not_set_is_told(self, parent: Parent, layers: Layers) -> None:
        line = "tool @ file:///${NOWHERE_SET}/tool-1.0-py3-none-any.whl"
        with pytest.raises(LayerError, match="cannot be installed") as failure:
            layers.build(parent.python, (line,))
        assert str(failure.value).endswith(
            "\nset NOWHERE_SET where covalent start is run: what installs packages has no such variable"
        )

    def test_what_cannot_be_fetched_is_not_taken_for_what_cannot_be_built(
        self, parent: Parent, layers: Layers, tmp_path: Path
    ) -> None:
        with pytest.raises(LayerError, match="cannot be installed") as failure:
            layers.build(parent.python, (f"tool @ git+file://{tmp_path}/nowhere",))
        assert "building from source has failed" not in str(failure.value)

    def test_a_path_with_nothing_at_it_is_told(self, parent: Parent, layers: Layers, tmp_path: Path) -> None:
        with pytest.raises(LayerError, match="cannot be installed") as failure:
            layers.build(parent.python, ("--no-index", f"{tmp_path}/nothing[extra]"))
        assert f"\nthere is no {tmp_path}/nothing on the worker's machine; relative paths begin" in str(failure.value)

    def test_its_programs_run_and_come_before_the_parents(self, parent: Parent, layers: Layers) -> None:
        layer = layers.build(parent.python, (*index(parent.wheels), "tool==1"))
        directories = program_directories(layer.python)
        assert directories[0] == str(Path(layer.python).parent)
        assert _run(shutil.which("a-tool", path=os.pathsep.join(directories)) or "").strip() == "tool 1.0"

    def test_a_second_use_starts_no_process(self, parent: Parent, layers: Layers, tmp_path: Path) -> None:
        requirements = (*index(parent.wheels), "tool")
        assert layers.find(parent.python, requirements) is None
        layer = layers.build(parent.python, requirements)
        unable = Layers(tmp_path / "layers", layers_environ(layers), installer=_no_installer)
        assert unable.find(parent.python, requirements) == layer
        assert unable.build(parent.python, requirements) == layer


def layers_environ(layers: Layers) -> Mapping[str, str]:
    """The variables that a layer's key was made with."""
    return layers._environ


def _no_installer(_: Mapping[str, str]) -> Installer:
    raise AssertionError("nothing is to be installed")


def test_what_is_installed_into_the_parent_makes_another_layer(tmp_path: Path) -> None:
    parent = Parent(str(_venv(tmp_path / "environment")), tmp_path / "environment", tmp_path / "wheels")
    for version in ("1.0", "2.0"):
        wheel(parent.wheels, "base_library", version)
    wheel(parent.wheels, "tool", "1.0")
    layers = Layers(tmp_path / "layers", os.environ, installer=INSTALLERS["uv"])
    requirements = (*index(parent.wheels), "tool")
    before = layers.build(parent.python, requirements)
    _install_by_hand(parent, "base_library", "1.0")
    assert layers.find(parent.python, requirements) is None
    after = layers.build(parent.python, requirements)
    assert after.key != before.key
    assert _tell(after, "base_library.__version__") == "1.0"


@pytest.mark.parametrize("line", ["{}", "cellar @ file://{}"])
def test_a_directory_is_installed_anew_when_a_file_of_it_changes(layers: Layers, tmp_path: Path, line: str) -> None:
    python = str(_venv(tmp_path / "environment"))
    place = project(tmp_path / "cellar", "cellar")
    told = []
    for wine in ("red", "white", "sparkling"):
        (place / "cellar.py").write_text(f"WINE = {wine!r}\n")
        layer = layers.build(python, ("--no-index", line.format(place)))
        told.append(_run(layer.python, "-P", "-c", "import cellar; print(cellar.WINE)").strip())
    assert told == ["red", "white", "sparkling"]


@pytest.mark.parametrize(
    "settings", ["target = {parent}/lib", "prefix = {parent}", "root = {parent}", "user = true", "dry-run = true"]
)
def test_pips_settings_do_not_choose_where_a_layer_is_installed(tmp_path: Path, settings: str) -> None:
    parent = Parent(str(_venv(tmp_path / "environment")), tmp_path / "environment", tmp_path / "wheels")
    wheel(parent.wheels, "base_library", "1.0")
    before = parent.files()
    environ = {**os.environ, "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
    (tmp_path / "pip.conf").write_text(f"[install]\n{settings.format(parent=parent.root)}\n")
    layers = Layers(tmp_path / "layers", environ, installer=INSTALLERS["pip"])
    layer = layers.build(parent.python, (*index(parent.wheels), "base_library"))
    assert layer.resolved == ("base_library==1.0",)
    assert _tell(layer, "base_library.__version__") == "1.0"
    assert parent.files() == before


@pytest.mark.parametrize("name", ["target", "prefix"])
def test_uv_is_not_started_when_its_settings_choose_where_it_installs(tmp_path: Path, name: str) -> None:
    parent = Parent(str(_venv(tmp_path / "environment")), tmp_path / "environment", tmp_path / "wheels")
    wheel(parent.wheels, "base_library", "1.0")
    before = parent.files()
    settings = tmp_path / "uv" / "uv.toml"
    settings.parent.mkdir()
    settings.write_text(f"[pip]\n{name} = {str(parent.root)!r}\n")
    for environ in ({"XDG_CONFIG_HOME": str(tmp_path)}, {"UV_CONFIG_FILE": str(settings)}):
        layers = Layers(tmp_path / "layers", os.environ | environ, installer=INSTALLERS["uv"])
        with pytest.raises(LayerError, match=rf"uv\.toml has uv install to another place .* pip\.{name}; leave that"):
            layers.build(parent.python, (*index(parent.wheels), "base_library"))
    assert parent.files() == before


def test_uv_takes_no_settings_from_a_directory_above_the_layers(tmp_path: Path) -> None:
    parent = Parent(str(_venv(tmp_path / "environment")), tmp_path / "environment", tmp_path / "wheels")
    wheel(parent.wheels, "base_library", "1.0")
    (tmp_path / "uv.toml").write_text(f"[pip]\nprefix = {str(parent.root)!r}\n")
    layers = Layers(tmp_path / "layers", os.environ, installer=INSTALLERS["uv"])
    layer = layers.build(parent.python, (*index(parent.wheels), "base_library"))
    assert layer.resolved == ("base_library==1.0",)


def test_a_layer_can_lie_over_a_layer(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheel(wheels, "base_library", "1.0")
    wheel(wheels, "tool", "1.0")
    layers = Layers(tmp_path / "layers", os.environ, installer=INSTALLERS["uv"])
    below = layers.build(str(_venv(tmp_path / "environment")), (*index(wheels), "base_library"))
    above = layers.build(below.python, (*index(wheels), "tool", "base_library"))
    assert above.resolved == ("tool==1.0",)
    assert _tell(above, "base_library.__version__, __import__('tool').__version__") == "1.0 1.0"
    assert program_directories(above.python)[:2] == [str(Path(layer.python).parent) for layer in (above, below)]


def test_an_interpreter_that_does_not_start_is_told(tmp_path: Path) -> None:
    layers = Layers(tmp_path / "layers", os.environ)
    with pytest.raises(LayerError, match=r"no packages can be laid over /no/python, which does not start"):
        layers.build("/no/python", ("tool",))
    broken = tmp_path / "python"
    broken.write_text(
        textwrap.dedent("""\
        #!/bin/sh
        echo it is broken >&2
        exit 3
        """)
    )
    broken.chmod(0o700)
    with pytest.raises(LayerError, match=r"does not start: it is broken"):
        layers.build(str(broken), ("tool",))
