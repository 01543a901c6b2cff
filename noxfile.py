"""The checks of the repository, each in an environment of its own that is installed from ``uv.lock``.

``nox -l`` lists them, ``nox -s lint`` runs one, ``nox -s tests-3.11 -- tests/unit -k wire`` passes words to pytest.
``make test`` runs those that are marked with a star.
"""

from __future__ import annotations

import os
import shutil
import ssl
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT))

from tests.components import PYTHONS, required  # noqa: E402  (found through the line above)

nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = required()
nox.options.download_python = "never"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "arch", "tests", "acceptance", "sdk_alone", "wheels", "page", "docs", "demo"]

#: The version that runs the checks; the tests run on the others too.
BASE = f"{sys.version_info.major}.{sys.version_info.minor}"
OTHERS = [component for component in PYTHONS if component.version != BASE]
PACKAGES = ("covalent-sdk", "covalent-server")
CHECKED = ("tests/unit", "tests/integration", "tests/conformance", "docs", "README.md")
#: What a version between the oldest and the newest is asked: where functions are traced, pickled and run.
CHECKED_BETWEEN = ("tests/unit", "tests/conformance", "tests/integration/worker")
BETWEEN = [component.version for component in PYTHONS[1:-1] if component.version != BASE]
#: Most of these tests wait for processes: several files at a time, each as a whole.
SIDE_BY_SIDE = ("-n", "auto", "--maxprocesses", "4", "--dist", "loadfile")


def show_interpreters() -> None:
    """Make the other interpreters visible to nox and uv under their plain names."""
    shown = ROOT / ".make" / "pythons"
    shutil.rmtree(shown, ignore_errors=True)
    shown.mkdir(parents=True)
    for component in OTHERS:
        if found := component.find():
            (shown / component.name).symlink_to(found)
    os.environ["PATH"] = f"{shown}{os.pathsep}{os.environ['PATH']}"


def trust_what_the_machine_trusts() -> None:
    """Let uv and npm accept the certificates that pip accepts, those of a company's proxy too, where there are any."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile or paths.capath:
        os.environ.setdefault("UV_SYSTEM_CERTS", "true")
    if paths.cafile:
        os.environ.setdefault("NODE_EXTRA_CA_CERTS", paths.cafile)


show_interpreters()
trust_what_the_machine_trusts()
# The tests start thousands of interpreters, and each would compile every module anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def sync(session: nox.Session, *groups: str) -> None:
    """Install both packages, editable, and groups of tools, exactly as locked."""
    session.run_install(
        *("uv", "sync", "--frozen", "--quiet", "--no-default-groups", "--python", session.virtualenv.location),
        *(word for group in groups for word in ("--group", group)),
        env={"UV_PROJECT_ENVIRONMENT": session.virtualenv.location},
        external=True,
    )


def build(session: nox.Session, *packages: str) -> list[Path]:
    """Build wheels with the locked build backend, into the session's own directory."""
    sync(session, "build")
    wheels = Path(session.create_tmp()) / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    for package in packages:
        session.run(
            *("python", "-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels)),
            str(ROOT / "packages" / package),
            silent=True,
        )
    return sorted(wheels.iterdir())


def install_wheels(session: nox.Session, wheels: list[Path], package: str) -> Path:
    """Make an environment that has these wheels and the locked dependencies of one package; its interpreter."""
    home = Path(session.create_tmp()) / "installed"
    shutil.rmtree(home, ignore_errors=True)
    pins = home.with_suffix(".txt")
    session.run(
        *("uv", "export", "--frozen", "--quiet", "--no-default-groups", "--no-emit-workspace"),
        *("--package", package, "--output-file", str(pins)),
        external=True,
        silent=True,
    )
    session.run("uv", "venv", "--quiet", "--python", session.virtualenv.location, str(home), external=True)
    python = home / "bin" / "python"
    into = ("uv", "pip", "install", "--quiet", "--python", str(python))
    session.run(*into, "--require-hashes", "--requirement", str(pins), external=True)
    session.run(*into, "--no-deps", *map(str, wheels), external=True)
    return python


def places_of_the_bench(session: nox.Session) -> tuple[str, ...]:
    """Where the bench finds both wheels, and where it keeps what it makes."""
    wheels = build(session, *PACKAGES)[0].parent
    return ("--wheels", str(wheels), "--directory", str(wheels.with_name("bench")))


@nox.session(python=BASE)
def lint(session: nox.Session) -> None:
    """Style, formatting, and that every change comes with a fragment that towncrier understands."""
    session.run("uv", "lock", "--check", "--quiet", external=True)
    sync(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("towncrier", "build", "--draft", "--version", "next", silent=True)


@nox.session(python=BASE)
def types(session: nox.Session) -> None:
    """Static types, strictly."""
    sync(session, "lint", "test", "types")
    session.run("mypy", *session.posargs)


@nox.session(python=BASE)
def arch(session: nox.Session) -> None:
    """The contracts of the house, and that each of them fires."""
    sync(session, "lint", "test")
    session.run("lint-imports", "--no-cache", "--no-logo")
    session.run("pytest", *(session.posargs or ["tests/architecture"]))


@nox.session(python=[BASE, *(component.version for component in OTHERS)])
def tests(session: nox.Session) -> None:
    """Unit, integration and conformance tests, and the examples in the documentation.

    Those on PostgreSQL run on one Python, and so do migrations that are killed after any of their statements: what is
    asked of a database is the same from each. What works on the oldest version
    and on the newest works on those between them, but for what is in the bytes of functions: there only that is tested.
    """
    sync(session, "test")
    chosen = () if session.python == BASE else ("-k", "not postgresql and not migrations_killed")
    checked = CHECKED_BETWEEN if session.python in BETWEEN else CHECKED
    session.run("pytest", *(session.posargs or [*SIDE_BY_SIDE, *chosen, *checked]))


@nox.session(python=BASE)
def acceptance(session: nox.Session) -> None:
    """Whole programs, as a user runs them: servers, workers, crashes, hostile payloads."""
    sync(session, "test")
    session.run("pytest", *(session.posargs or ["tests/acceptance", "-m", "not demo"]))


@nox.session(python=BASE)
def sdk_alone(session: nox.Session) -> None:
    """The SDK's wheel, by itself with its dependencies, imports, traces, and runs a task in a runner."""
    wheels = build(session, "covalent-sdk")
    python = install_wheels(session, wheels, "covalent-sdk")
    session.run(str(python), "-I", ".ci/sdk_alone.py", external=True)


@nox.session(python=BASE)
def wheels(session: nox.Session) -> None:
    """What users install: both wheels, looked into, then installed together and started."""
    built = build(session, *PACKAGES)
    session.run("python", ".ci/wheels.py", *map(str, built))
    python = install_wheels(session, built, "covalent-server")
    session.run(str(python.parent / "covalent"), "--version", external=True)


@nox.session(python=BASE)
def page(session: nox.Session) -> None:
    """The web page: its types and tests, that its build is the committed one, and all of it in a browser.

    ``-- --write`` keeps a new build instead; other words go to pytest.
    """
    sync(session, "test", "page")
    if session.posargs == ["--write"]:
        session.run("python", ".ci/page.py", "--write")
        return
    session.run("python", ".ci/page.py")
    session.run("pytest", *(session.posargs or ["tests/ui"]))


@nox.session(python=BASE, default=False)
def screenshots(session: nox.Session) -> None:
    """Take the pictures of the web page in docs/how-to/page; words after ``--`` name some pages."""
    sync(session, "test", "page")
    session.run("python", "-m", "tests.ui.screenshots", *session.posargs)


@nox.session(python=BASE)
def docs(session: nox.Session) -> None:
    """The documentation; a warning is an error."""
    sync(session, "docs")
    session.run("sphinx-build", "--fail-on-warning", "--keep-going", "--quiet", "docs", "docs/_build/html")


@nox.session(python=BASE)
def demo(session: nox.Session) -> None:
    """The main job on real data, run to its end as ``make demo`` does, and interrupted."""
    sync(session, "test")
    session.run("pytest", *(session.posargs or ["tests/acceptance", "-m", "demo"]))


@nox.session(python=BASE, default=False)
def bench(session: nox.Session) -> None:
    """Measure the workloads of docs/benchmarks.md; words after ``--`` go to the bench: ``--quick``, ``--resume``."""
    session.run("python", "-m", "benchmarks.run", *places_of_the_bench(session), *session.posargs)


@nox.session(python=BASE, default=False)
def profile(session: nox.Session) -> None:
    """Measure where the microseconds of a task go; ``-- --keep`` writes docs/explanation/performance.md anew."""
    session.run("python", "-m", "benchmarks.costs", *places_of_the_bench(session), *session.posargs)


@nox.session(python=BASE, default=False)
def properties(session: nox.Session) -> None:
    """Thousands of lattices and of nodes' lives, by chance; words after ``--``: ``--programs 5000``, ``--seed 7``."""
    sync(session, "test")
    for campaign in ("tests.random_lattices.campaign", "tests.lifecycles.campaign"):
        session.run("python", "-m", campaign, *session.posargs)


@nox.session(python=BASE, default=False)
def chaos(session: nox.Session) -> None:
    """Kill a thousand servers, workers and runners; words after ``--``: ``--kills 200``, ``--database postgresql``."""
    sync(session, "test")
    session.run("python", "-m", "tests.chaos.campaign", *session.posargs)


@nox.session(python=BASE, default=False)
def mutations(session: nox.Session) -> None:
    """Every rule, broken in a copy: the tests that it names turn red; words after ``--`` go to it: ``--sample 5``."""
    sync(session, "lint", "test")
    session.run("python", "-m", "tests.mutations.session", *session.posargs)
