"""The reason for this project: workflows whose packages conflict, with each other and with the server, all at once.

One server, lean and fixed. Three users in environments that could not be one, and a fourth whose electrons have
packages that could not be in one environment. Every task tells what it ran with, and nobody's environment changes.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.acceptance.interpreters import ROOT, by_uv, uv
from tests.acceptance.programs import Project, Told
from tests.components import PYTHONS, found
from tests.installation import Installation

OLDEST, *_, NEWEST = PYTHONS
PINNED: Final = ("sqlalchemy", "networkx", "numpy")

#: What tells where it runs. It is a module of each user's own, beside the script.
_HERE: Final = """
import os
import sys
import time


def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.02)
    return os.path.basename(path)


def where(*names):
    modules = {name: __import__(name).__version__ for name in names}
    return {"python": "%d.%d" % sys.version_info[:2], "prefix": sys.prefix, **modules}
"""

#: Each works with these versions of its packages and not with those of the others.
_OLD: Final = """
import networkx as nx
import numpy as np
import sqlalchemy as sa


def tree(size):
    return nx.random_tree(size, seed=1)  # until networkx 3.4


def degrees(graph):
    return np.array([degree for _, degree in graph.degree], dtype=np.float_)  # until numpy 2


def total(values):
    table = sa.Table("numbers", metadata := sa.MetaData(), sa.Column("value", sa.Float))
    engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
    metadata.create_all(engine)
    engine.execute(table.insert(), [{"value": float(value)} for value in values])  # until SQLAlchemy 2
    return engine.execute(sa.select([sa.func.sum(table.c.value)])).fetchone()
"""
_MIDDLE: Final = """
import networkx as nx
import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column  # from SQLAlchemy 2


class Base(DeclarativeBase):
    pass


class Number(Base):
    __tablename__ = "numbers"
    key: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[float]


def tree(size):
    return nx.random_tree(size, seed=1)


def degrees(graph):
    return np.astype(np.array([degree for _, degree in graph.degree]), np.float64)  # from numpy 2.1


def total(values):
    engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Number(value=float(value)) for value in values])
        return session.execute(sa.select(sa.func.sum(Number.value))).one()
"""
_NEW: Final = (
    _MIDDLE.replace("nx.random_tree(", "nx.random_labeled_tree(")
    + """

import copy

assert copy.replace  # from Python 3.13
"""
)

#: One script for all: a sublattice, hooks, a value that is put together, and objects that only their packages can open.
_STUDY: Final = """
import here
import science

BEGIN = {begin!r}
NAMES = ("sqlalchemy", "networkx", "numpy")


def say():
    print("after, with", here.where("numpy")["numpy"])


@ct.electron(
    deps_bash="echo commands",
    call_before=[ct.DepsCall(here.wait_for, [BEGIN], retval_keyword="seen")],
    call_after=say,
)
def grow(size, *, seen):
    return science.tree(size)


@ct.electron
def degrees(graph):
    return science.degrees(graph)


@ct.electron
def add_up(values):
    return science.total(values)


@ct.electron
def where():
    return here.where(*NAMES)


@ct.electron
@ct.lattice
def twice(graph, times):
    values = degrees(graph)
    for _ in range(len(graph) and times):
        values = values + degrees(graph)
    return dict(sum=add_up(values)[0], task=where(), built=here.where(*NAMES))


@ct.lattice(postprocess="replay")
def workflow(size):
    graph = grow(size)
    return dict(inner=twice(graph, 1), sum=add_up(degrees(graph))[0], task=where(), built=here.where(*NAMES))
"""

#: Steps that no single environment could have.
_LAYERED: Final = """
import here

ROWS = [dict(kind="a", value=1.5), dict(kind="b", value=2.0), dict(kind="a", value=4.5)]


@ct.electron(
    deps_pip=["pandas<2.3", "numpy<2"], call_before=[ct.DepsCall(here.wait_for, [{begin!r}], retval_keyword="seen")]
)
def read(rows, *, seen):
    import pandas as pd

    frame = pd.DataFrame(rows)
    return dict(means=frame.groupby("kind")["value"].mean().to_dict(), here=here.where("pandas", "numpy"))


@ct.electron(deps_pip=["pandas>=2.3,<3", "numpy>=2,<2.3"])
def analyse(told):
    import pandas as pd

    series = pd.Series(told["means"]).astype(pd.StringDtype(na_value=float("nan")))  # from pandas 2.3
    means = {{name: float(value) for name, value in series.items()}}
    return dict(means=means, here=here.where("pandas", "numpy"))


@ct.electron(deps_pip=["sqlalchemy<2"])
def store(told):
    import sqlalchemy as sa

    engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
    engine.execute("create table means (kind text, value float)")  # until SQLAlchemy 2
    for row in told["means"].items():
        engine.execute("insert into means values (?, ?)", row)
    total = engine.execute("select sum(value) from means").scalar()
    return dict(total=total, here=here.where("sqlalchemy", "networkx"))


@ct.electron
def base():
    import importlib.util

    return dict(pandas=importlib.util.find_spec("pandas") is not None, here=here.where("sqlalchemy", "networkx"))


@ct.lattice
def workflow(rows):
    old = read(rows)
    new = analyse(old)
    return [old, new, store(new), base()]
"""


_INSTALLED: Final = """
import importlib.metadata, json

print(json.dumps({item.name.lower(): item.version for item in importlib.metadata.distributions()}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody whose environment nobody else could work in."""

    python: str
    versions: Mapping[str, str]
    science: str

    def requirements(self) -> list[str]:
        return [f"{name}=={version}" for name, version in self.versions.items()]


def versions(*numbers: str) -> dict[str, str]:
    return dict(zip(PINNED, numbers, strict=True))


USERS: Final = {
    "old": User(python=OLDEST.version, versions=versions("1.4.54", "3.0", "1.26.4"), science=_OLD),
    "middle": User(python=OLDEST.version, versions=versions("2.0.30", "3.2.1", "2.1.3"), science=_MIDDLE),
    "new": User(python=NEWEST.version, versions=versions("2.0.36", "3.4.2", "2.2.1"), science=_NEW),
}
#: The base of those electrons that have packages of their own. Its Python is the oldest, which numpy 1 has wheels for.
BASE: Final = {"sqlalchemy": "2.0.41", "networkx": "3.3"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the four gave, and all environments before and after."""

    homes: Mapping[str, Path]
    told: Mapping[str, Told]
    projects: Mapping[str, Project]
    before: Mapping[str, Mapping[str, str]]
    after: Mapping[str, Mapping[str, str]]


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The server's, exactly as it is locked, and the four of the users; all from the wheels."""
    root = tmp_path_factory.mktemp("environments")
    pythons = {component.version: found(component) for component in (OLDEST, NEWEST)}
    wheels = root / "wheels"
    for package in ("covalent-sdk", "covalent-server"):
        uv("build", "--wheel", "--out-dir", str(wheels), str(ROOT / "packages" / package))
    (sdk,), (server,) = wheels.glob("covalent_sdk-*.whl"), wheels.glob("covalent_server-*.whl")
    locked = uv("export", "--frozen", "--no-default-groups", "--no-emit-workspace", "--no-hashes", "--no-header",
                "--no-annotate", "--package", "covalent-server")  # fmt: skip
    (root / "locked.txt").write_text(locked)
    by_uv(sys.executable, root / "server", "--constraint", root / "locked.txt", sdk, server)
    for name, user in USERS.items():
        by_uv(pythons[user.python], root / name, sdk, *user.requirements())
    by_uv(pythons[OLDEST.version], root / "layered", sdk, *(f"{name}=={version}" for name, version in BASE.items()))
    return {name: root / name for name in ("server", *USERS, "layered")}


@pytest.fixture(scope="module")
def outcome(environments: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """All four at once, each from its own environment."""
    root = tmp_path_factory.mktemp("at_once")
    before = {name: listed(home) for name, home in environments.items()}
    installation = Installation(root / "server", str(environments["server"] / "bin" / "python"))
    assert "PYTHONDONTWRITEBYTECODE" not in installation.environ
    begin = root / "begin"
    with installation, ExitStack() as running:
        projects, programs = {}, {}
        for name, home in environments.items():
            if name != "server":
                project = Project(root / name, installation, str(home / "bin" / "python"))
                project.write("here.py", _HERE)
                if name in USERS:
                    project.write("science.py", USERS[name].science)
                project.workflow((_STUDY if name in USERS else _LAYERED).format(begin=str(begin)))
                projects[name] = project
        for name, project in projects.items():
            arguments = [6] if name in USERS else [[{"kind": "a", "value": 1.5}, {"kind": "b", "value": 2.0}]]
            programs[name] = running.enter_context(project.start(*arguments))
        for program in programs.values():
            program.dispatch_id()
        begin.touch()  # until here no first task has ended, so that all four are under way together
        told = {name: program.told() for name, program in programs.items()}
        after = {name: listed(home) for name, home in environments.items()}
        yield Outcome(homes=environments, told=told, projects=projects, before=before, after=after)


def listed(home: Path) -> dict[str, str]:
    """The files of an environment with what is in them, but for what Python compiles."""
    files = (path for path in home.rglob("*") if "__pycache__" not in path.parts and not path.is_dir())
    return {str(path.relative_to(home)): _content(path) for path in files}


def _content(path: Path) -> str:
    if path.is_symlink():
        return str(path.readlink())
    with path.open("rb") as file:
        return f"{path.stat().st_size} {hashlib.file_digest(file, 'sha256').hexdigest()}"


def installed(home: Path) -> dict[str, str]:
    """What is installed in an environment, version by name."""
    done = subprocess.run([home / "bin" / "python", "-I", "-c", _INSTALLED], capture_output=True, check=True)
    by_name: dict[str, str] = json.loads(done.stdout)
    return by_name


def test_the_server_is_lean_and_has_other_versions_than_everybody(environments: dict[str, Path]) -> None:
    server = installed(environments["server"])
    assert not server.keys() & {"numpy", "pandas", "pip"}
    for name in ("sqlalchemy", "networkx"):
        theirs = [user.versions[name] for user in USERS.values()] + [BASE[name]]
        assert len({server[name], *theirs}) == len(theirs) + 1


@pytest.mark.parametrize("name", USERS)
def test_each_workflow_runs_with_its_users_packages_in_all_its_parts(outcome: Outcome, name: str) -> None:
    told, user = outcome.told[name], USERS[name]
    there = {"python": user.python, "prefix": str(outcome.homes[name]), **user.versions}
    assert told.status == "COMPLETED", told.error
    # A tree of six nodes has five edges, so its degrees add up to ten; the sublattice counts them twice.
    assert told.value == {
        "inner": {"sum": 20.0, "task": there, "built": there},
        "sum": 10.0,
        "task": there,
        "built": there,
    }


@pytest.mark.parametrize("name", USERS)
def test_hooks_run_with_them_too(outcome: Outcome, name: str) -> None:
    printed = outcome.projects[name].printed(outcome.told[name], "grow")
    assert printed.decode() == f"commands\nafter, with {USERS[name].versions['numpy']}\n"


def test_values_flow_through_electrons_whose_packages_conflict(outcome: Outcome) -> None:
    told = outcome.told["layered"]
    assert told.status == "COMPLETED", told.error
    old, new, stored, base = told.value
    assert old["means"] == new["means"] == {"a": 1.5, "b": 2.0}
    assert stored["total"] == 3.5
    assert base["pandas"] is False

    places = [part["here"] for part in told.value]
    assert [place["python"] for place in places] == [OLDEST.version] * 4
    assert len({place["prefix"] for place in places}) == 4
    assert places[3] == {"python": OLDEST.version, "prefix": str(outcome.homes["layered"]), **BASE}
    assert old["here"]["pandas"].startswith("2.2.")
    assert old["here"]["numpy"].startswith("1.26.")
    assert new["here"]["pandas"].startswith("2.3.")
    assert new["here"]["numpy"].startswith("2.2.")
    assert stored["here"]["sqlalchemy"].startswith("1.4.")
    assert stored["here"]["networkx"] == BASE["networkx"]


def test_nodes_tell_what_was_installed_for_them(outcome: Outcome) -> None:
    told = outcome.told["layered"]
    nodes = outcome.projects["layered"].nodes(told)
    old, new, stored, _ = told.value
    for name, part in (("read", old), ("analyse", new), ("store", stored)):
        resolved = dict(item.lower().split("==") for item in nodes[name]["environment"]["resolved"])
        ran_with = {package: part["here"][package] for package in (*PINNED, "pandas") if package in part["here"]}
        assert {package: resolved.get(package, BASE.get(package)) for package in ran_with} == ran_with
    assert not nodes["base"].get("environment")


def test_nothing_was_installed_into_any_environment(outcome: Outcome) -> None:
    assert outcome.before.keys() == {"server", "old", "middle", "new", "layered"}
    for name, files in outcome.before.items():
        assert len(files) > 100
        assert outcome.after[name] == files
