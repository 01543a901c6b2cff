"""How packages are asked for: what is taken, what is made of it, and what is said of a slip."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import covalent as ct
from covalent import requirements
from covalent.errors import WireError
from covalent.hydration import dehydrate
from covalent.wire.manifest import Metadata
from tests.unit.sdk.evaluation import built

HERE = Path("/here")


def parsed(*lines: str) -> tuple[str, ...]:
    return requirements.parsed(lines, "DepsPip", HERE)


@pytest.mark.parametrize(
    "line",
    [
        "pandas",
        "pandas==2.2.3",
        "pandas >= 2.2, < 3",
        "pandas(>=2.2)",
        "pandas~=2.2,!=2.2.1,",
        "typing_extensions===4.0+local",
        "jax[cuda12, minimum]==0.4.*",
        "tomli>=2 ; python_version < '3.11'",
        'numpy;sys_platform=="linux"',
        "a --hash=sha256:00 --hash=sha256:11",
        "pip @ https://example.org/pip-1.0.zip#sha1=00",
        "pkg @ git+ssh://git@example.org/pkg.git@main ; python_version >= '3.12'",
        "git+https://example.org/pkg.git#egg=pkg",
        "https://example.org/pkg-1.0-py3-none-any.whl",
        "--index-url https://example.org/simple",
        "--extra-index-url https://user:${TOKEN}@example.org/simple",
        "--no-index",
        "--pre",
        "--no-binary :all:",
        "--find-links https://example.org/links",
        "--editable git+https://example.org/pkg.git",
    ],
)
def test_what_a_requirements_file_may_hold_is_taken_as_it_is(line: str) -> None:
    assert parsed(line) == (line,)


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("./pkg", "/here/pkg"),
        ("../pkg[plots]", "/here/../pkg[plots]"),
        (".[test]", "/here[test]"),
        ("/there/pkg ; python_version > '3'", "/there/pkg ; python_version > '3'"),
        ("wheels/pkg-1.0-py3-none-any.whl", "/here/wheels/pkg-1.0-py3-none-any.whl"),
        ("pkg-1.0-py3-none-any.whl", "/here/pkg-1.0-py3-none-any.whl"),
        ("-e ./pkg", "--editable /here/pkg"),
        ("-e.", "--editable /here"),
        ("-r more.txt", "--requirement /here/more.txt"),
        ("-rmore.txt", "--requirement /here/more.txt"),
        ("--requirement=more.txt", "--requirement /here/more.txt"),
        ("-c limits.txt", "--constraint /here/limits.txt"),
        ("-f wheels", "--find-links /here/wheels"),
        ("-i https://example.org/simple", "--index-url https://example.org/simple"),
        ("  pandas==2  # the newest", "pandas==2"),
        ("pkg @ git+https://example.org/p#egg=pkg", "pkg @ git+https://example.org/p#egg=pkg"),
    ],
)
def test_short_options_are_written_out_and_paths_made_absolute(line: str, made: str) -> None:
    assert parsed(line) == (made,)


def test_comments_and_empty_lines_go_and_lines_that_go_on_are_one() -> None:
    text = "# what we plot with\nmatplotlib \\\n  >=3.9  # not before\n\npandas\n"
    assert parsed(text, "numpy") == ("matplotlib    >=3.9", "pandas", "numpy")


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("pip install pandas numpy", r"name the packages alone, without the command: \['pandas', 'numpy'\]"),
        ("python3 -m pip install -U pandas", r"without the command: \['pandas'\]"),
        ("uv pip install pandas", r"without the command: \['pandas'\]"),
        ("conda install pandas", "without the command"),
        ("pandas=2.2", 'write "pandas==2.2"'),
        ("pandas = 2.2", 'write "pandas==2.2"'),
        ("pandas=>2.2", 'write "pandas>=2.2"'),
        ("pandas 2.2", 'write "pandas==2.2"'),
        ("pandas numpy", r"a list with one text for each package: \['pandas', 'numpy'\]"),
        ("pandas, numpy>=2", r"a list with one text for each package: \['pandas', 'numpy>=2'\]"),
        ("pandas==", "write the name of a package, with a version if that matters"),
        ("==2.2", "write the name of a package"),
        ("pandas[plots", "write the name of a package"),
        ("requirements.txt", "is the name of a file, not of a package; write reqs_path='requirements.txt'"),
        ("--user", "the option --user is none of a requirements file"),
        ("-U pandas", "the option -U is none of a requirements file"),
        ("--no-index pandas", "the option --no-index is none of a requirements file"),
        ("-r", "the option --requirement names nothing"),
        ("pandas\xa0>=2", "holds a space of another kind than the plain one; write it anew"),
        ("-i https://me:hush@example.org/simple", "holds a password, .* in its place"),
        ("git+https://hush@example.org/p.git", "holds a password"),
    ],
)
def test_a_slip_is_told_with_what_to_write(line: str, advice: str) -> None:
    with pytest.raises(ValueError, match=advice) as caught:
        ct.DepsPip([line])
    assert str(caught.value).startswith("DepsPip: ")
    assert "hush" not in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_refused_or_taken_as_what_is_taken_again_as_it_is(text: str) -> None:
    try:
        once = parsed(text)
    except ValueError:
        return
    assert parsed(*once) == once


@pytest.mark.parametrize("wrong", [3, [3], ["pandas", None], "", [" "], {"pandas"}])
def test_what_is_no_text_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="DepsPip takes a requirement or a list of them, each a text"):
        ct.DepsPip(wrong)
    with pytest.raises(TypeError, match=r"DepsPip\(reqs_path=...\) takes the path"):
        ct.DepsPip(reqs_path=3)  # type: ignore[arg-type] # what is shown


# -- files


def write(directory: Path, **files: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / f"{name}.txt").write_text(text)
    return directory / f"{next(iter(files))}.txt"


def test_a_file_is_read_when_it_is_asked_for_and_those_that_it_names_with_it(tmp_path: Path) -> None:
    inner = write(tmp_path / "inner", deep="deep\n./beside\n", limits="numpy<3\n")
    outer = write(tmp_path, requirements="pandas\n-r inner/deep.txt\n-c inner/limits.txt\n")
    deps = ct.DepsPip(["first"], reqs_path=outer)
    *lines, limits = deps.requirements
    assert lines == ["first", "pandas", "deep", str(tmp_path / "inner" / "beside")]
    # Another content is another line, so that what was built with it is not taken for this.
    assert limits.startswith(f"--constraint {inner.with_name('limits.txt')} # ")
    inner.with_name("limits.txt").write_text("numpy<2\n")
    inner.write_text("other\n")
    assert deps.requirements[2] == "other"
    assert deps.requirements[3] != limits


def test_relative_paths_are_those_of_where_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, requirements="pandas\n")
    monkeypatch.chdir(tmp_path)
    deps = ct.DepsPip("./pkg", "requirements.txt")
    monkeypatch.chdir("/")
    assert deps.requirements == (f"{tmp_path}/pkg", "pandas")
    assert deps.reqs_path == str(tmp_path / "requirements.txt")


def test_what_is_wrong_with_a_file_names_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"the requirements file .*absent\.txt cannot be read: No such file"):
        _ = ct.DepsPip(reqs_path=tmp_path / "absent.txt").requirements
    with pytest.raises(FileNotFoundError, match="cannot be read: Is a directory"):
        _ = ct.DepsPip(reqs_path=tmp_path).requirements
    path = write(tmp_path, bad="pandas\nnumpy=2\n")
    with pytest.raises(ValueError, match=r'/bad\.txt: .numpy=2. is no requirement; write "numpy==2"'):
        _ = ct.DepsPip(reqs_path=path).requirements
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"bad\.txt is no text in UTF-8"):
        _ = ct.DepsPip(reqs_path=path).requirements
    path = write(tmp_path, ring="-r round.txt\n", round="-r ring.txt\n")
    with pytest.raises(ValueError, match=r"ring\.txt names itself with -r"):
        _ = ct.DepsPip(reqs_path=path).requirements


def test_a_missing_file_is_told_before_anything_is_dispatched(tmp_path: Path) -> None:
    task = ct.electron(len, deps_pip=ct.DepsPip(reqs_path=tmp_path / "absent.txt"))
    with pytest.raises(FileNotFoundError, match="absent"):
        ct.lattice(lambda: task([])).build_graph()


# -- the object


def test_it_round_trips_by_json_with_what_is_in_its_files(tmp_path: Path) -> None:
    deps = ct.DepsPip(["pandas"], reqs_path=write(tmp_path, more="numpy\n"))
    plain = json.loads(json.dumps(deps.to_dict()))
    assert plain == {"type": "DepsPip", "attributes": {"packages": ["pandas", "numpy"], "reqs_path": ""}}
    assert ct.DepsPip.from_dict(plain) == ct.DepsPip(["pandas", "numpy"])
    wrong: Any
    for wrong in ({}, {"attributes": {"packages": ["a=1"]}}, {"attributes": []}):
        with pytest.raises(WireError, match="not the JSON form of a DepsPip"):
            ct.DepsPip.from_dict(wrong)


def test_it_is_pickled_with_what_is_in_its_files_and_copied_without_looking(tmp_path: Path) -> None:
    path = write(tmp_path, more="numpy\n")
    deps = ct.DepsPip("pandas", reqs_path=path)
    data = ct.TransportableObject(deps)
    path.unlink()
    assert data.get_deserialized().requirements == ("pandas", "numpy")
    assert copy.deepcopy([deps]) == [copy.copy(deps)] == [deps]


def test_it_is_what_it_asks_for() -> None:
    deps = ct.DepsPip(["pandas", "numpy"])
    assert deps == ct.DepsPip(("pandas", "numpy  # more"))
    assert hash(deps) == hash(ct.DepsPip("pandas\nnumpy"))
    assert deps != ct.DepsPip(["numpy", "pandas"])
    assert deps != "pandas"
    assert repr(deps) == "DepsPip(['pandas', 'numpy'])"
    assert repr(ct.DepsPip(reqs_path="/r.txt")) == "DepsPip([], reqs_path='/r.txt')"


# -- what becomes of it


def metadata_of(workflow: Any) -> dict[str, Metadata]:
    return {node.name: node.metadata for node in built(workflow).transport_graph.nodes}


def packages(workflow: Any) -> dict[str, Sequence[str]]:
    found = metadata_of(workflow)
    return {name: item.hooks.deps.pip if item.hooks.deps else () for name, item in found.items()}


@ct.electron
def plain(x: Any = 1) -> Any:
    return x


@ct.electron(deps_pip="pandas")
def own(x: Any = 1) -> Any:
    return x


@ct.electron(deps_pip=[])
def none(x: Any = 1) -> Any:
    return x


def test_an_electrons_packages_are_its_own_else_its_lattices_and_no_other_key_goes_along() -> None:
    workflow = ct.lattice(lambda: (plain(), own(), none()), deps_pip="numpy", deps_bash="true")
    assert packages(workflow) == {"plain": ("numpy",), "own": ("pandas",), "none": (), "collect": ("numpy",)}
    found = metadata_of(workflow)
    assert [item.hooks.deps.bash for item in found.values() if item.hooks.deps] == [("true",)] * 3 + [()]


def test_operators_and_what_runs_the_function_again_have_the_lattices_packages() -> None:
    workflow = ct.lattice(lambda: [plain(1) + 1], deps_pip="numpy", postprocess="replay")
    assert packages(workflow) == {"plain": ("numpy",), "add": ("numpy",), "replay": ("numpy",)}
    left = ct.lattice(lambda: [plain(1)], deps_pip="numpy", workflow_executor="client")
    assert packages(left) == {"plain": ("numpy",), "collect": ()}


def test_a_sublattice_is_built_where_its_packages_are() -> None:
    inner = ct.lattice(lambda x: [plain(x)], deps_pip="scipy")
    bare = ct.lattice(lambda x: [plain(x)])
    workflow = ct.lattice(lambda: ct.electron(inner)(1), deps_pip="numpy")
    assert packages(workflow) == {"<lambda>": ("scipy",)}
    assert packages(ct.lattice(lambda: ct.electron(bare)(1), deps_pip="numpy")) == {"<lambda>": ("numpy",)}
    assert packages(ct.lattice(lambda: ct.electron(inner, deps_pip="sympy")(1), deps_pip="numpy")) == {
        "<lambda>": ("sympy",)
    }


def test_workers_that_cannot_build_layers_are_not_asked() -> None:
    assert dehydrate(built(ct.lattice(lambda: own(2)))).manifest.requires == ("pip-layers",)
    both = ct.electron(len, deps_pip="numpy", deps_bash="true")
    assert dehydrate(built(ct.lattice(lambda: both([])))).manifest.requires == ("bash-hooks", "pip-layers")


def test_the_same_function_with_other_packages_is_another() -> None:
    def identity(**options: Any) -> str:
        task = ct.electron(lambda x: x, **options)
        (node,) = dehydrate(built(ct.lattice(lambda: task(1)))).manifest.graph.nodes
        return node.function_id

    ids = [identity(), identity(deps_pip="numpy"), identity(deps_pip="numpy<3"), identity(deps_pip=[])]
    assert ids[0] == ids[3]
    assert len(set(ids)) == 3
    assert identity(deps_pip="numpy") == ids[1]


# -- without an installer


@pytest.mark.parametrize(
    "line",
    [
        "pytest",
        "pytest>=1,<1000",
        "pytest!=1.0",
        "PyTest ~= 8.0",
        "pytest ; python_version < '3'",
        "no-such-thing ; python_version < '3'",
        "/some/where",
        "pytest==8.0rc1",
    ],
)
def test_what_is_here_or_cannot_be_told_is_not_missed(line: str) -> None:
    from importlib import metadata

    line = line.replace("8.0", ".".join(metadata.version("pytest").split(".")[:2])) if "~=" in line else line
    assert requirements.unmet([line]) == []


@pytest.mark.parametrize("line", ["no-such-thing", "pytest<1", "pytest==0.1", "pytest~=1.0", "pytest[x]>1000"])
def test_what_is_not_here_is_missed(line: str) -> None:
    assert requirements.unmet([line]) == [line]


def test_a_run_in_process_has_the_packages_that_are_here_and_says_which_are_not() -> None:
    task = ct.electron(lambda x: x, deps_pip=["no-such-thing==1", "pytest"])
    with pytest.warns(RuntimeWarning, match="which lacks no-such-thing==1 of deps_pip; install them here"):
        assert ct.testing.run(ct.lattice(lambda: task(1)))() == 1
