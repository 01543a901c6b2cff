"""The recipe of a worker's container and the manifest of a pool, as far as they can be tried without containers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from covalent.worker import options
from tests.acceptance.interpreters import ROOT, environment
from tests.components import PYTHONS, lacking

FOLDER = ROOT / "docker" / "executor"
#: What a recipe may be made of, and what each is followed by here.
KNOWN = {"ARG", "FROM", "RUN", "COPY", "USER", "WORKDIR", "STOPSIGNAL", "ENTRYPOINT"}


def instructions() -> list[tuple[str, str]]:
    """The instructions of the recipe with what follows each."""
    lines = (FOLDER / "Dockerfile").read_text(encoding="utf-8").splitlines()
    told = [line.partition(" ") for line in lines if line.strip() and not line.startswith("#")]
    return [(name, rest) for name, _, rest in told]


def follows(name: str) -> str:
    """What follows the only instruction of that name."""
    (found,) = [rest for other, rest in instructions() if other == name]
    return found


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    read = yaml.safe_load((FOLDER / "pool.yaml").read_text(encoding="utf-8"))
    assert isinstance(read, dict)
    return read


def test_the_recipe_is_made_of_what_is_known() -> None:
    names = [name for name, _ in instructions()]
    assert set(names) <= KNOWN
    assert names[:2] == ["ARG", "FROM"]
    assert follows("ARG").removeprefix("PYTHON=") in {python.version for python in PYTHONS}


def test_what_the_recipe_copies_is_there() -> None:
    source, _ = follows("COPY").split()
    assert (ROOT / source / "pyproject.toml").is_file()


def test_tasks_do_not_run_as_root() -> None:
    names = [name for name, _ in instructions()]
    assert int(follows("USER")) > 0
    assert names.index("USER") > max(index for index, name in enumerate(names) if name == "RUN")


def test_its_steps_make_a_worker_out_of_the_sdk_alone(tmp_path: Path) -> None:
    python = environment(sys.executable, tmp_path / "environment", sdk=False)
    subprocess.run([python, "-m", "ensurepip"], check=True, capture_output=True)
    source, target = follows("COPY").split()
    (step,) = [rest for name, rest in instructions() if name == "RUN" and "pip" in rest]
    command = [python if word == "python" else word.replace(target, str(ROOT / source)) for word in step.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lacking(f"pip cannot install the SDK: an index of packages is needed\n{done.stderr}")
    entry = json.loads(follows("ENTRYPOINT"))
    helped = subprocess.run(
        [Path(python).with_name(entry[0]), *entry[1:], "--help"], capture_output=True, text=True, check=True
    )
    assert "--pool NAME" in helped.stdout
    server = subprocess.run([python, "-c", "import covalent_server"], capture_output=True, check=False)
    assert server.returncode == 1


def test_a_worker_of_the_manifest_is_told_what_it_understands(manifest: dict[str, Any]) -> None:
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    entry = json.loads(follows("ENTRYPOINT"))
    parsed = options.parser().parse_args([*entry[1:], *container["args"]])
    assert (parsed.pool, parsed.slots) == ("gpu", 1)
    mounted = {Path(mount["mountPath"]) for mount in container["volumeMounts"]}
    assert {parsed.token_file.parent, parsed.ca_file.parent, parsed.directory} <= mounted
    given = {item["name"]: item["value"] for item in container["env"]}
    assert Path(given["COVALENT_CACHE_DIR"]) in mounted


def test_the_parts_of_the_manifest_belong_together(manifest: dict[str, Any]) -> None:
    assert (manifest["apiVersion"], manifest["kind"]) == ("apps/v1", "Deployment")
    template = manifest["spec"]["template"]
    assert manifest["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    pod = template["spec"]
    assert pod["securityContext"]["runAsUser"] == int(follows("USER"))
    assert pod["securityContext"]["runAsNonRoot"] is True
    (container,) = pod["containers"]
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    (secret,) = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
    assert secret["defaultMode"] & 0o007 == 0
