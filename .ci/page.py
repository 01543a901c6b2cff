"""Look after the web page: its types and tests, and that the build that is committed is what its source gives.

Usage: ``python .ci/page.py``, or ``python .ci/page.py --write`` to put the build where it is committed. It runs the
``npm`` that is on the path, and installs exactly what ``package-lock.json`` says, without running anything of it.
"""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "packages" / "covalent-server" / "ui"
BUILT = ROOT / "packages" / "covalent-server" / "src" / "covalent_server" / "web" / "static"
#: All scripts together, compressed, in bytes.
BUDGET = 90_000


def npm(*words: str) -> None:
    """Run npm in the source's directory; what fails ends the program."""
    command = shutil.which("npm")
    if command is None:
        sys.exit("npm is missing; install Node 20.19 or newer, or run: nox -s page")
    subprocess.run([command, *words], cwd=SOURCE, check=True)


def files(directory: Path) -> dict[str, bytes]:
    """Every file below a directory, by its name there."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def differences(committed: dict[str, bytes], made: dict[str, bytes]) -> list[str]:
    """What is not the same, in sentences."""
    missing = [f"{name} is not committed" for name in sorted(made.keys() - committed.keys())]
    left = [f"{name} is committed, and nothing gives it" for name in sorted(committed.keys() - made.keys())]
    other = [
        f"{name} is committed with other contents" for name in made if made[name] != committed.get(name, made[name])
    ]
    return [*missing, *left, *other]


def weight(made: dict[str, bytes]) -> int:
    """How many bytes of script a browser fetches."""
    return sum(len(gzip.compress(content, 9)) for name, content in made.items() if name.endswith(".js"))


def main(arguments: list[str]) -> int:
    """Build and compare, or build and keep; exit code 1 when something is wrong."""
    npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    npm("run", "--silent", "types")
    npm("run", "--silent", "test")
    with tempfile.TemporaryDirectory() as directory:
        npm("exec", "--offline", "--", "vite", "build", "--outDir", directory, "--emptyOutDir", "--logLevel", "warn")
        made = files(Path(directory))
    if "--write" in arguments:
        shutil.rmtree(BUILT, ignore_errors=True)
        for name, content in made.items():
            (BUILT / name).parent.mkdir(parents=True, exist_ok=True)
            (BUILT / name).write_bytes(content)
    wrong = differences(files(BUILT), made)
    if wrong:
        wrong.append("build the page anew and commit it: python .ci/page.py --write")
    if weight(made) > BUDGET:
        wrong.append(f"the scripts are {weight(made)} bytes compressed, more than {BUDGET}")
    print("\n".join(wrong) or f"the page is what its source gives: {len(made)} files, {weight(made)} bytes of script")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
