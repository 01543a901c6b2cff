"""Layers over an environment: what they hold, what stays below them, and when another one is built."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from covalent.worker.building import Builders
from covalent.worker.installed import stamps
from covalent.worker.layers import Layer, LayerError, Layers
from tests.integration.worker.conftest import eventually, is_alive
from tests.wheels import project, slow, wheel


class Parent:
    """A virtual environment with what is put into it, and a shelf of distributions for layers over it."""

    def __init__(self, directory: Path) -> None:
        base = getattr(sys, "_base_executable", sys.executable)
        subprocess.run([base, "-m", "venv", "--without-pip", str(directory / "parent")], check=True)
        self.python = str(directory / "parent" / "bin" / "python")
        (self.site,) = (directory / "parent").glob("lib/python*/site-packages")
        self.shelf = directory / "shelf"
        for version in ("1.0", "1.5", "2.0"):
            wheel(self.shelf, "fruit", version)
        self.put("fruit", "1.0")

    def put(self, name: str, version: str) -> None:
        """Install a package, in place of the version that is there."""
        for path in self.site.glob(f"{name}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        with zipfile.ZipFile(self.shelf / f"{name}-{version}-py3-none-any.whl") as archive:
            archive.extractall(self.site)

    def asks(self, *requirements: str) -> tuple[str, ...]:
        return ("--no-index", f"--find-links {self.shelf}", *requirements)

    def files(self) -> set[str]:
        return {str(path) for path in self.site.parent.rglob("*") if "__pycache__" not in path.parts}


@pytest.fixture
def parent(tmp_path: Path) -> Parent:
    return Parent(tmp_path)


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    return Layers(tmp_path / "layers", os.environ)


def imported(layer: Layer, code: str) -> str:
    done = subprocess.run([layer.python, "-P", "-c", f"import {code}"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_layer_has_what_was_asked_for_and_all_that_lies_below_it(parent: Parent, layers: Layers) -> None:
    before = parent.files()
    wheel(parent.shelf, "basket", "1.0", requires=["fruit"])
    layer = layers.build(parent.python, parent.asks("basket"))
    assert "basket==1.0" in layer.resolved
    assert imported(layer, "basket, fruit; print(basket.__version__, fruit.__version__)") == "1.0 1.0"
    assert (layer.warning, parent.files()) == ("", before)
    assert layer.seconds > 0


def test_to_import_from_a_layer_for_the_first_time_does_not_look_like_an_installation(
    parent: Parent, layers: Layers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    layer = layers.build(parent.python, parent.asks("fruit==2.0"))
    sites = [str(path) for path in Path(layer.python).parent.parent.glob("lib/python*/site-packages")]
    before = stamps(sites)
    assert Path(imported(layer, "fruit; print(fruit.__cached__)")).exists()
    assert stamps(sites) == before


def test_what_is_named_wins_over_what_lies_below_without_a_warning(parent: Parent, layers: Layers) -> None:
    layer = layers.build(parent.python, parent.asks("Fruit>=2"))
    assert (layer.resolved, layer.warning) == (("fruit==2.0",), "")
    assert imported(layer, "fruit; print(fruit.__version__)") == "2.0"


def test_what_has_to_be_another_version_than_below_is_told(parent: Parent, layers: Layers) -> None:
    wheel(parent.shelf, "cake", "1.0", requires=["fruit>=2"])
    layer = layers.build(parent.python, parent.asks("cake"))
    assert layer.resolved == ("cake==1.0", "fruit==2.0")
    assert layer.warning == f"deps_pip brings fruit 2.0 instead of 1.0 of {parent.python}"


def test_a_package_in_editable_form_is_seen_through_the_layer(parent: Parent, layers: Layers, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "mine.py").write_text("WHO = 'me'\n")
    (parent.site / "__editable__.mine-1.0.pth").write_text(f"{tmp_path / 'source'}\n")
    layer = layers.build(parent.python, parent.asks("fruit==1.5"))
    assert imported(layer, "mine; print(mine.WHO)") == "me"


def test_a_process_in_a_layer_is_replaced_when_what_lies_below_changes(parent: Parent, layers: Layers) -> None:
    layer = layers.build(sys.executable, parent.asks("fruit==2.0"))
    looked_at = imported(layer, "covalent.worker.installed as here; print(*here.site_directories(), sep='\\n')")
    assert sysconfig.get_path("purelib") in looked_at.splitlines()


def test_a_layer_is_found_until_the_environment_below_it_changes(
    parent: Parent, layers: Layers, tmp_path: Path
) -> None:
    asked = parent.asks("fruit==2.0")
    assert layers.find(parent.python, asked) is None
    layer = layers.build(parent.python, asked)
    assert (
        layers.find(parent.python, asked) == layer == Layers(tmp_path / "layers", os.environ).find(parent.python, asked)
    )
    assert layers.find(parent.python, parent.asks("fruit==1.5")) is None
    assert Layers(tmp_path / "layers", {**os.environ, "PIP_PRE": "1"}).find(parent.python, asked) is None
    parent.put("fruit", "1.5")
    assert layers.find(parent.python, asked) is None
    assert layers.build(parent.python, asked).key != layer.key


def test_what_is_written_beside_an_editable_project_changes_nothing(
    parent: Parent, layers: Layers, tmp_path: Path
) -> None:
    (tmp_path / "source").mkdir()
    (parent.site / "__editable__.mine-1.0.pth").write_text(f"{tmp_path / 'source'}\n")
    asked = parent.asks("fruit==2.0")
    layer = layers.build(parent.python, asked)
    (tmp_path / "source" / "results.csv").touch()
    assert layers.find(parent.python, asked) == layer


def test_a_build_that_writes_into_its_project_is_done_when_it_is_done(parent: Parent, tmp_path: Path) -> None:
    (tmp_path / "registry").mkdir()
    builders = Builders(tmp_path / "layers", os.environ, tmp_path / "registry")
    asked = ("--no-index", str(project(tmp_path / "cellar", "cellar")))
    assert builders.build(parent.python, asked).resolved == ("cellar==1.0",)
    assert len(list((tmp_path / "layers").glob("*/layer.json"))) == 1
    # With what the first build has written it is another project, but the second one writes the same again.
    layer = builders.build(parent.python, asked)
    assert builders.find(parent.python, asked) == layer == builders.build(parent.python, asked)


def test_a_build_that_does_not_end_is_stopped_with_all_that_it_has_started(parent: Parent, tmp_path: Path) -> None:
    (tmp_path / "registry").mkdir()
    source, begun = project(tmp_path / "cellar", "cellar"), tmp_path / "begun"
    backend = source / "backend.py"
    waits = f"import os, time\nopen({str(begun)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    backend.write_text(waits + backend.read_text())
    builders = Builders(tmp_path / "layers", os.environ, tmp_path / "registry", longest=5.0)
    with pytest.raises(LayerError, match="it took more than 5 seconds and was stopped; see that"):
        builders.build(parent.python, ("--no-index", str(source)))
    assert not begun.exists() or not is_alive(int(begun.read_text()))
    assert builders.processes() == set()


def test_a_build_that_is_killed_once_is_begun_again(parent: Parent, tmp_path: Path) -> None:
    (tmp_path / "registry").mkdir()
    began, wait = tmp_path / "began", tmp_path / "wait"
    slow(parent.shelf, "bread", "1.0", began=began, wait=wait)
    builders = Builders(tmp_path / "layers", os.environ, tmp_path / "registry")
    with ThreadPoolExecutor() as pool:
        building = pool.submit(builders.build, parent.python, parent.asks("bread"))
        eventually(began.exists)
        (builder,) = builders.processes()
        os.kill(builder, signal.SIGKILL)
        wait.touch()
        assert building.result().resolved == ("bread==1.0",)


def test_a_layer_that_is_wanted_twice_at_once_is_built_once(parent: Parent, tmp_path: Path) -> None:
    asked, built = parent.asks("fruit==2.0"), []
    threads = [
        threading.Thread(
            target=lambda: built.append(Layers(tmp_path / "layers", os.environ).build(parent.python, asked))
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 3
    assert len(set(built)) == 1  # each build would have taken another time


def test_what_an_interrupted_build_left_is_no_layer(parent: Parent, layers: Layers, tmp_path: Path) -> None:
    asked = parent.asks("fruit==2.0")
    layer = layers.build(parent.python, asked)
    place = tmp_path / "layers" / layer.key
    (place / "layer.json").unlink()
    shutil.rmtree(Path(layer.python).parent)
    assert layers.find(parent.python, asked) is None
    again = layers.build(parent.python, asked)
    assert (again.key, again.resolved) == (layer.key, layer.resolved)


def test_what_cannot_be_built_says_why_in_the_words_of_who_tried(
    parent: Parent, layers: Layers, tmp_path: Path
) -> None:
    with pytest.raises(LayerError, match="no-such-package"):
        layers.build(parent.python, parent.asks("no-such-package"))
    assert layers.find(parent.python, parent.asks("no-such-package")) is None
    assert not list((tmp_path / "layers").glob("*/*/pyvenv.cfg"))
    with pytest.raises(LayerError, match=r"laid over /nowhere/python, which does not start: .*No such file"):
        layers.build("/nowhere/python", parent.asks("fruit"))
    assert layers.find("/nowhere/python", parent.asks("fruit")) is None
    with pytest.raises(LayerError, match=r"^/nowhere/project cannot be installed"):
        layers.build(parent.python, ("--editable /nowhere/project",))
    (tmp_path / "file").touch()
    with pytest.raises(LayerError, match=r"the directory of layers .* cannot be written"):
        Layers(tmp_path / "file" / "layers", os.environ).build(parent.python, parent.asks("fruit"))
