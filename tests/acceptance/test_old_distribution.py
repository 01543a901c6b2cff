"""The old ``covalent`` distribution beside ours: a clear refusal, and the commands in it mend the environment."""

from __future__ import annotations

import re
import subprocess
import venv
import zipfile
from pathlib import Path

import covalent

OURS = Path(covalent.__file__).parent


def wheel(directory: Path, name: str, version: str, files: dict[str, str]) -> Path:
    """A wheel made by hand: pip asks for no more than this."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: by-hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    path = directory / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in (files | {f"{info}/RECORD": record}).items():
            archive.writestr(member, text)
    return path


def run(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, "-I", *arguments], capture_output=True, text=True, check=False)


def pip(python: Path, *arguments: str) -> None:
    done = run(python, "-m", "pip", "--disable-pip-version-check", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_old_distribution_is_refused_with_the_commands_that_mend_it(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True, symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    sources = {
        f"covalent/{path.relative_to(OURS).as_posix()}": path.read_text(encoding="utf-8") for path in OURS.rglob("*.py")
    }
    ours = wheel(tmp_path, "covalent-sdk", "1.0.0", sources)
    old = wheel(tmp_path, "covalent", "0.240.0", {"covalent/__init__.py": "", "covalent/_shared_files/__init__.py": ""})
    offline = ("install", "--no-index", "--no-deps", "--find-links", str(tmp_path))
    pip(python, *offline, str(old))
    pip(python, *offline, str(ours))
    refused = run(python, "-c", "import covalent")
    assert refused.returncode != 0
    assert "ConflictingDistributionError" in refused.stderr
    commands = re.findall(r"pip ((?:un)?install [^\n;]*?)(?=$|\n|;| and | then )", refused.stderr, flags=re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["uninstall", "install"]
    uninstall, install = (command.rstrip(".`'\" ").split() for command in commands)
    pip(python, *uninstall, *([] if "-y" in uninstall else ["-y"]))
    pip(python, *offline, *install[1:])
    mended = run(python, "-c", "import covalent; print(covalent.electron)")
    assert mended.returncode == 0, mended.stderr
