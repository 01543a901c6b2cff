from __future__ import annotations

import importlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

import covalent as ct
from covalent import project
from covalent.errors import ProjectError
from covalent.project import Project
from covalent.references import importable
from covalent.transportable import Origins, TransportableObject
from covalent.wire.container import Header


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of the user's own modules, on sys.path."""
    directory = tmp_path / "home"
    directory.mkdir()
    before = set(sys.modules)
    monkeypatch.syspath_prepend(directory)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield directory
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) or name.startswith("space"):
            file = getattr(sys.modules[name], "__file__", None)
            if file is None or Path(file).is_relative_to(tmp_path):
                del sys.modules[name]


def written(home: Path, **sources: str) -> None:
    """Modules of the given names, dots as ``__``."""
    for name, source in sources.items():
        path = home.joinpath(*name.split("__"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".py").write_text(source)
    importlib.invalidate_caches()


def places(*roots: str) -> set[str]:
    return {str(place) for place in Project().files([Origins(modules=frozenset(roots))])}


def package(directory: Path, **files: str) -> None:
    directory.mkdir(parents=True)
    for name, source in {"__init__": "", **files}.items():
        (directory / f"{name}.py").write_text(source)


def test_imports_are_followed_wherever_they_stand(home: Path) -> None:
    written(
        home,
        first="import second\nimport os, json as j\nimport numpy\n",
        second="def f():\n    from third import g\n    return g\n",
        third="try:\n    import fourth.part as p\nexcept ImportError:\n    pass\n",
        unrelated="",
    )
    package(
        home / "fourth",
        part="from . import other\nfrom .other import x\nfrom ..fifth import y\n",
        other="import sixth\n",
    )
    written(home, sixth="import covalent\n")
    assert places("first") == {
        "first.py", "second.py", "third.py", "sixth.py", "fourth/__init__.py", "fourth/part.py", "fourth/other.py",
    }  # fmt: skip


def test_a_package_comes_whole_but_for_caches_and_what_is_hidden(home: Path) -> None:
    package(home / "pack" / "sub", deep="")
    (home / "pack" / "__init__.py").write_text("")
    (home / "pack" / "data.csv").write_text("1,2")
    (home / "pack" / ".hidden").write_text("")
    (home / "pack" / ".git").mkdir()
    (home / "pack" / ".git" / "config").write_text("")
    (home / "pack" / "__pycache__").mkdir()
    (home / "pack" / "__pycache__" / "x.pyc").write_text("")
    (home / "pack" / "loop").symlink_to(home / "pack")
    assert places("pack.sub.deep") == {"pack/__init__.py", "pack/data.csv", "pack/sub/__init__.py", "pack/sub/deep.py"}


def test_ignored_files_stay_behind(home: Path) -> None:
    package(home / "pack", a="", b="")
    (home / "pack" / "data").mkdir()
    (home / "pack" / "data" / "big.bin").write_text("")
    (home / "pack" / "notes.txt").write_text("")
    (home / "pack" / ".covalentignore").write_text("# what tasks do not need\n*.txt\ndata/\n")
    assert places("pack") == {"pack/__init__.py", "pack/a.py", "pack/b.py"}


def test_namespace_packages_bring_what_is_used_of_them(home: Path) -> None:
    (home / "space").mkdir()
    (home / "space" / "used.py").write_text("import space.inner.x\n")
    (home / "space" / "unused.py").write_text("")
    package(home / "space" / "inner", x="", y="")
    assert places("space.used") == {"space/used.py", "space/inner/__init__.py", "space/inner/x.py", "space/inner/y.py"}


def test_namespace_packages_in_one_another_are_found_without_being_imported(home: Path, tmp_path: Path) -> None:
    package(home / "spacious" / "beta" / "gamma", deep="import spacious.beta.delta\n")
    second = tmp_path / "second"
    package(second / "spacious" / "beta" / "delta")
    (home / "task.py").write_text("def f():\n    from spacious.beta.gamma import deep\n    return deep\n")
    sys.path.append(str(second))
    try:
        assert places("task") == {
            "task.py", "spacious/beta/gamma/__init__.py", "spacious/beta/gamma/deep.py",
            "spacious/beta/delta/__init__.py",
        }  # fmt: skip
        assert "spacious" not in sys.modules
        deep = importlib.import_module("spacious.beta.gamma.deep")
        assert importable(deep)
        del sys.modules["spacious"], sys.modules["spacious.beta"]
        assert importable(deep)
    finally:
        sys.path.remove(str(second))


def test_installed_namespace_packages_in_one_another_stay_behind(home: Path) -> None:
    site = home / "lib" / "site-packages"
    package(site / "spacelike" / "cloud" / "storage")
    written(home, mine="def f():\n    from spacelike.cloud import storage, nowhere\n    import spacelike.sky.blue\n")
    sys.path.append(str(site))
    try:
        assert places("mine") == {"mine.py"}
    finally:
        sys.path.remove(str(site))


def test_a_finder_that_fails_says_no(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful:
        def find_spec(self, name: str, *_: object) -> None:
            raise KeyError(name)

    written(home, mine="import somewhere.else_\nimport other\n", other="")
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Forgetful()])
    assert places("mine") == {"mine.py", "other.py"}


def test_installed_modules_the_standard_library_and_ours_stay_behind(home: Path) -> None:
    site = home / "lib" / "site-packages"
    site.mkdir(parents=True)
    (site / "installed_thing.py").write_text("import mine\n")
    written(home, mine="import installed_thing, unittest, numpy, covalent, covalent_server, sys, _thread\n")
    sys.path.append(str(site))
    try:
        assert places("mine", "installed_thing", "json", "numpy", "covalent", "__main__", "nowhere") == {"mine.py"}
    finally:
        sys.path.remove(str(site))


def test_sources_that_do_not_parse_are_shipped_as_they_are(home: Path) -> None:
    written(home, broken="import (\n", fine="import broken\n")
    assert places("fine") == {"fine.py", "broken.py"}


def test_functions_by_value_bring_the_modules_that_they_import(home: Path) -> None:
    written(home, helper="VALUE = 1\nclass Thing: pass\n", nested="", lazily="", seen="def g(): pass\n")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(  # noqa: S102 - a script in small
        "import helper\nfrom seen import g\n"
        "def f():\n"
        "    import lazily\n"
        "    def inner():\n"
        "        from nested import x\n"
        "    g()\n"
        "    return helper.VALUE\n",
        namespace,
    )
    found = Project().files([TransportableObject(namespace["f"]).origins])
    assert {str(place) for place in found} == {"helper.py", "lazily.py", "nested.py", "seen.py"}
    thing = TransportableObject([namespace["helper"].Thing()])
    assert {str(place) for place in Project().files([thing.origins])} == {"helper.py"}


def test_relative_imports_in_functions_by_value_are_followed(home: Path) -> None:
    package(
        home / "pack",
        a="def make():\n    def f():\n        from . import b\n        from .b import c\n    return f\n",
        b="",
    )
    written(home, other="")
    make = importlib.import_module("pack.a").make
    found = Project().files([TransportableObject(make()).origins])
    assert {str(place) for place in found} == {"pack/__init__.py", "pack/a.py", "pack/b.py"}


def test_modules_are_read_from_disk_at_every_dispatch(home: Path) -> None:
    written(home, helper="VALUE = 1\n")
    importlib.import_module("helper")
    origins = [Origins(modules=frozenset({"helper"}))]
    first = Project()
    before = project.pack(first.files(origins))
    written(home, helper="VALUE = 2\nimport added\n", added="")
    second = Project()
    after = project.pack(second.files(origins))
    assert before is not None
    assert after is not None
    assert before != after
    assert first.digest(origins) != second.digest(origins)
    assert set(second.files(origins)) > set(first.files(origins))


def test_equal_code_is_one_asset_wherever_it_lies(tmp_path: Path) -> None:
    assets = set()
    for name in ("one", "two"):
        directory = tmp_path / name
        directory.mkdir()
        (directory / "b.py").write_text("x = 1\n")
        (directory / "a.py").write_text("y = 2\n")
        os.utime(directory / "a.py", (1, 1 if name == "one" else 10**9))
        places = [PurePosixPath("a.py"), PurePosixPath("b.py")]
        files = {place: directory / place for place in (places if name == "one" else reversed(places))}
        asset = project.pack(files)
        assert asset is not None
        assets.add(asset.asset_id)
    assert len(assets) == 1


def test_a_named_module_comes_along_with_what_it_imports_though_no_code_does(home: Path) -> None:
    written(home, late="import below", below="", beside="")
    named = Project(named=frozenset({"late"}))
    assert {str(place) for place in named.files([])} == {"late.py", "below.py"}
    assert Project().files([]) == {}


def test_a_named_module_comes_along_though_it_is_installed_and_brings_its_package_but_not_other_packages(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = home / "site-packages"
    package(site / "pack", part="import other", rest="")
    package(site / "other")
    monkeypatch.syspath_prepend(site)
    assert Project().files([Origins(modules=frozenset({"pack.part"}))]) == {}
    named = Project(named=frozenset({"pack.part"})).files([])
    assert {str(place) for place in named} == {"pack/__init__.py", "pack/part.py", "pack/rest.py"}


def test_what_identifies_a_functions_code_knows_of_named_modules(home: Path) -> None:
    written(home, late="x = 1")
    before = Project(named=frozenset({"late"})).digest([])
    written(home, late="x = 2")
    after = Project(named=frozenset({"late"})).digest([])
    assert len({Project().digest([]), before, after}) == 3


def test_an_installed_module_with_compiled_code_is_refused_and_ones_own_is_sent(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = home / "site-packages"
    for directory in (site / "fast", home / "own"):
        package(directory, part="")
        (directory / "_core.cpython-311-x86_64-linux-gnu.so").touch()
    monkeypatch.syspath_prepend(site)
    for name in ("fast", "fast.part"):
        with pytest.raises(ProjectError, match=rf"names '{name}', which holds compiled code \(.*_core\..*install it"):
            Project(named=frozenset({name})).files([])
    assert len(Project(named=frozenset({"own"})).files([])) == 3
    (site / "fast" / ".covalentignore").write_text("*.so\n")
    assert len(Project(named=frozenset({"fast"})).files([])) == 2


@pytest.mark.parametrize("name", ["json", "sys", "no_such_module", "__main__"])
def test_a_named_module_that_cannot_be_sent_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(ProjectError, match=f"deps_module names '{name}', of which there is no file to send"):
        Project(named=frozenset({name})).files([])


def test_nothing_of_ones_own_is_no_asset() -> None:
    assert project.pack({}) is None
    assert Project().digest([Origins(modules=frozenset({"json"}))]) == ""


def test_too_much_code_is_refused_with_what_is_big(home: Path) -> None:
    package(home / "pack")
    with (home / "pack" / "model.bin").open("wb") as file:
        file.truncate(project.MAX_BYTES)
    (home / "pack" / "__init__.py").write_text("x = 1")
    with pytest.raises(ProjectError, match=r"16\.0 MiB.*model\.bin.*\.covalentignore"):
        project.pack(Project().files([Origins(modules=frozenset({"pack"}))]))


def test_too_many_files_are_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project.files, "MAX_FILES", 3)
    package(home / "pack", a="", b="", c="")
    with pytest.raises(ProjectError, match="more than 3 files"):
        places("pack")


def test_what_was_packed_is_unpacked(home: Path, tmp_path: Path) -> None:
    package(home / "pack", a="A = 1\n")
    (home / "pack" / "run.sh").write_text("#!/bin/sh\n")
    (home / "pack" / "run.sh").chmod(0o755)
    asset = project.pack(Project().files([Origins(modules=frozenset({"pack"}))]))
    assert asset is not None
    target = tmp_path / "cache" / "unpacked"
    project.extract(asset.serialize(), target)
    project.extract(asset.serialize(), target)
    assert (target / "pack" / "a.py").read_text() == "A = 1\n"
    assert os.access(target / "pack" / "run.sh", os.X_OK)
    assert not os.access(target / "pack" / "a.py", os.X_OK)
    assert [path.name for path in target.parent.iterdir()] == ["unpacked"]


@pytest.mark.skipif(os.name == "nt", reason="no such names there")
def test_names_that_only_windows_refuses_are_shipped(home: Path, tmp_path: Path) -> None:
    package(home / "pack")
    for name in ("2024-01-01T10:00.csv", "a\\b.txt", "größe.txt", "two\nlines"):
        (home / "pack" / name).write_text(name)
    asset = project.pack(Project().files([Origins(modules=frozenset({"pack"}))]))
    assert asset is not None
    project.extract(asset.serialize(), tmp_path / "unpacked")
    unpacked = {path.name: path.read_text() for path in (tmp_path / "unpacked" / "pack").iterdir()}
    assert unpacked == {name: name for name in ("2024-01-01T10:00.csv", "a\\b.txt", "größe.txt", "two\nlines")} | {
        "__init__.py": ""
    }


def test_a_name_that_has_no_unicode_is_refused_with_a_way_out_that_works(home: Path) -> None:
    package(home / "pack")
    name = os.fsdecode(b"caf\xe9")
    try:
        (home / "pack" / name).mkdir()
    except OSError:
        pytest.skip("this file system knows no such names")
    (home / "pack" / name / "menu.csv").write_text("")
    with pytest.raises(ProjectError, match=r"menu\.csv.*a line 'caf\?' in a file \.covalentignore") as caught:
        project.pack(Project().files([Origins(modules=frozenset({"pack"}))]))
    str(caught.value).encode()
    (home / "pack" / ".covalentignore").write_text("caf?\n")
    assert project.pack(Project().files([Origins(modules=frozenset({"pack"}))])) is not None


def archive(*names: str, compression: int = zipfile.ZIP_STORED, content: bytes = b"x") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as made:
        for name in names:
            made.writestr(name, content)
    return TransportableObject.packed(Header(codec="project"), [buffer.getvalue()]).serialize()


@pytest.mark.parametrize(
    "data",
    [
        archive("../outside"),
        archive("a/../../outside"),
        archive("/absolute"),
        archive("bomb", compression=zipfile.ZIP_DEFLATED, content=bytes(10**6)),
        archive("same", "same/below"),
        TransportableObject.packed(Header(codec="project"), [b"not a zip file"]).serialize(),
        TransportableObject((1, 2)).serialize(),
    ],
)
def test_hostile_archives_are_refused_and_leave_nothing(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(ProjectError):
        project.extract(data, tmp_path / "inner" / "unpacked")
    assert list((tmp_path / "inner").glob("*")) == []
    assert not (tmp_path / "outside").exists()


def test_a_script_ships_its_helpers_and_not_itself(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("import settings\ndef f(x):\n    return x + settings.AMOUNT\n")
    (tmp_path / "settings.py").write_text("AMOUNT = 5\n")
    (tmp_path / "script.py").write_text(
        "import json, helper, covalent as ct\n"
        "from covalent.hydration import dehydrate\n"
        "task = ct.electron(helper.f)\n"
        "@ct.electron\n"
        "def own(x):\n"
        "    return helper.f(x)\n"
        "@ct.lattice\n"
        "def workflow():\n"
        "    return own(task(1))\n"
        "if __name__ == '__main__':\n"
        "    workflow.build_graph()\n"
        "    package = dehydrate(workflow)\n"
        "    print(json.dumps({\n"
        "        'project': package.assets[package.manifest.project].to_dict(),\n"
        "        'codecs': [package.assets[node.function].header.codec for node in package.manifest.graph.nodes],\n"
        "    }))\n"
    )
    run = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, check=True)
    told = json.loads(run.stdout)
    assert told["codecs"] == ["reference", "pickle"]
    project.extract(TransportableObject.from_dict(told["project"]).serialize(), tmp_path / "unpacked")
    assert sorted(path.name for path in (tmp_path / "unpacked").iterdir()) == ["helper.py", "settings.py"]


def test_wrapped_functions_of_modules_travel_by_name(home: Path) -> None:
    written(home, tasks="import covalent as ct\n@ct.electron\ndef f(x):\n    return x + 1\n")
    task = importlib.import_module("tasks").f
    lattice = ct.lattice(lambda: task(1))
    lattice.build_graph()
    asset = lattice.transport_graph.assets[lattice.transport_graph.nodes[0].function]
    assert asset.header.codec == "reference"
    assert {str(place) for place in Project().files([asset.origins])} == {"tasks.py"}
