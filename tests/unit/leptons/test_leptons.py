"""Leptons by themselves: what commands are given and give, and every slip in declaring one."""

from __future__ import annotations

import copy
import ctypes
from pathlib import Path
from typing import Any

import pytest

import covalent as ct
from covalent.errors import LeptonError


def test_positional_arguments_are_the_commands_and_keywords_fill_places_quoted(tmp_path: Path) -> None:
    command = 'out="$1|$2|"{third}; other=${out%%|*}; braces=$(echo "a b" | awk \'{print $2}\')'
    lepton = ct.Lepton("bash", command=command, named_outputs=["out", "other", "braces"])
    hostile = "$(touch hacked); 'quoted' \"twice\" `x`"
    assert lepton(hostile, tmp_path, third=hostile) == (f"{hostile}|{tmp_path}|{hostile}", hostile, "b")


@pytest.mark.parametrize(
    "value", ["{b}", ";touch hacked;", "$(touch hacked)", "`touch hacked`", "'; touch hacked; '", '"']
)
def test_nothing_in_a_value_is_run_whatever_else_is_filled(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lepton = ct.Lepton("bash", command="x={a}{b}; y={a}", named_outputs={"x": str, "y": str})
    assert lepton(a=value, b=";touch hacked;") == (f"{value};touch hacked;", value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ['echo "a {word}"', "echo 'a {word}'", 'echo "$(cat {word})"'])
def test_a_place_in_quotes_is_refused(command: str) -> None:
    with pytest.raises(ValueError, match=r"\{word\} stands in quotes, which it does not need"):
        ct.Lepton("bash", command=command)(word="$(touch hacked)")


@pytest.mark.parametrize(
    "command",
    [
        "# don't\nx={größe}",
        "y=$'it\\'s'; x={größe}",
        "x={größe} # don't",
        "y=${#x}'#'; x={größe}",
        "x=$(cat <<END; echo ''\n{größe}\nEND\n)",
        "x=$(cat <<-END >/dev/null\n\tdon't\n\tEND\necho {größe})",
        "x=$(cat <<'END' >/dev/null\n{print} don't\nEND\necho {größe})",
        "cat <<ONE <<TWO\n'\nONE\n'\nTWO\nx={größe}",
        "y=$((1<<2))\nx={größe}",
        "read -r y <<<word\nx={größe}",
    ],
)
def test_places_are_filled_as_bash_reads_what_is_before_them(command: str) -> None:
    hostile = "$(exit 1) 'single' \"twice\" `exit 1` \\ END"
    assert ct.Lepton("bash", command=command, named_outputs={"x": str})(größe=hostile) == hostile


def test_a_place_where_bash_fills_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\{word\} stands in a here-document whose word is quoted"):
        ct.Lepton("bash", command="cat <<'END'\n{word}\nEND")(word="x")


@pytest.mark.parametrize(
    ("command", "outputs", "value"),
    [
        ("a=1; b=2.5; c=1e3; d=word; e='007x'", ["a", "b", "c", "d", "e"], (1, 2.5, 1000.0, "word", "007x")),
        ("a=1", {"a": str}, "1"),
        ("a=1", {"a": float}, 1.0),
        ("a=true", {"a": bool}, True),
        ("a=", "a", ""),
        ("a=$'two\\nlines'", "a", "two\nlines"),
        ("printf 'a=9\\n'; a=3", "a", 3),
        ("true", None, None),
    ],
)
def test_named_outputs_are_read_as_they_look_or_as_it_is_said(command: str, outputs: Any, value: Any) -> None:
    assert ct.Lepton("bash", command=command, named_outputs=outputs)() == value


def test_large_outputs_are_read_whole() -> None:
    assert (
        len(ct.Lepton("shell", command="a=$(head -c 1000000 /dev/zero | tr '\\0' x)", named_outputs=["a"])()) == 10**6
    )


@pytest.mark.parametrize(
    ("command", "outputs", "words"),
    [
        ("exit 3", ["a"], "the command of bash, which ran in .*, ended with exit status 3; what it printed is in"),
        ("kill -9 $$", None, "was ended by signal 9"),
        ("false", ["a"], "ended with exit status 1"),
        ("b=1", ["a"], "is to give the shell variable a, which is not set at its end"),
        ("exit 0", ["a"], "the shell variable a, which was not reached: the command left by exit at its end"),
        ("a=many", {"a": int}, "the shell variable a of bash is to be read as int, which 'many' is not"),
        ("a=2", {"a": bool}, "is to be read as bool, which '2' is not"),
    ],
)
def test_a_command_that_fails_says_how(command: str, outputs: Any, words: str) -> None:
    with pytest.raises(LeptonError, match=words):
        ct.Lepton("bash", command=command, named_outputs=outputs)()


def test_a_command_that_fails_tells_where_it_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LeptonError, match=f"^the command of bash, which ran in {tmp_path}, ended with exit status 1; "):
        ct.Lepton("bash", command="cat text.txt")()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"language": "fortran"}, "a Lepton's language is 'bash', 'C' or 'python', not 'fortran'"),
        ({"language": "bash"}, "a Lepton of bash needs its command"),
        ({"language": "bash", "command": "x", "library_name": "y"}, "is a command: it takes no library_name"),
        ({"language": "C", "command": "x"}, "a Lepton of C is a function: it takes no command"),
        ({"language": "C", "library_name": "x"}, "a Lepton of C needs library_name and function_name"),
        ({"language": "python", "argtypes": [("c_int", 0)], "library_name": "math", "function_name": "sqrt"},
         "a Lepton of python is a function of Python: it takes no argtypes"),
        ({"language": "bash", "command": "x", "named_outputs": ["a b"]}, "names of shell variables .* not 'a b'"),
        ({"language": "bash", "command": "x", "named_outputs": {"a": list}}, "is read as int, float, str or bool"),
        ({"language": "C", "library_name": "x", "function_name": "f", "argtypes": [ctypes.c_int]}, "are pairs such as"),
        ({"language": "C", "library_name": "x", "function_name": "f", "argtypes": [("int", 0)]}, "no simple type of"),
        ({"language": "C", "library_name": "x", "function_name": "f", "argtypes": [(ctypes.c_int, 7)]},
         "is Lepton.INPUT, OUTPUT or INPUT_OUTPUT, not 7"),
        ({"language": "C", "library_name": "x", "function_name": "f", "argtypes": [(ctypes.c_int, ct.Lepton.OUTPUT)]},
         r"is an output, so it is a pointer: POINTER\(c_int\)"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused_when_it_is_declared(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ct.Lepton(**given)


def test_keywords_that_it_does_not_take_are_told() -> None:
    with pytest.raises(TypeError, match=r"ct\.Lepton\(\) got an unexpected keyword argument 'retrys'"):
        ct.Lepton("bash", command="true", retrys=2)  # type: ignore[call-arg] # what is shown


def test_what_a_command_cannot_be_given_is_told() -> None:
    lepton = ct.Lepton("bash", command="echo {word}", display_name="echo")
    with pytest.raises(TypeError, match=r"a command takes texts, numbers and paths, but echo was given \[1\]"):
        lepton([1])
    with pytest.raises(TypeError, match=r"the command of echo has no \{words\} that could be filled"):
        lepton(words="x")
    with pytest.raises(TypeError, match="the function of task returns the text of a command, not 3"):
        ct.leptons.bash(display_name="task")(lambda: 3)()  # type: ignore[arg-type, return-value] # what is shown
    with pytest.raises(TypeError, match="takes a function that returns a command"):
        ct.leptons.bash("echo")  # type: ignore[call-overload] # as above


def test_a_function_writes_the_command_with_and_without_arguments() -> None:
    @ct.leptons.bash
    def silent(word: str) -> str:
        return f"test {word} = x"

    @ct.leptons.bash(named_outputs=["n"], display_name="count", retries=1)
    def counted(n: int) -> str:
        """Count."""
        return f"n=$(({n} + 1))"

    assert silent("x") is None
    assert counted(1) == 2
    assert counted.__doc__ == "Count."
    workflow = ct.lattice(lambda: [silent("x"), counted(1)])
    workflow.build_graph()
    names = [(node.name, node.metadata.retries) for node in workflow.transport_graph.nodes]
    assert names == [("silent", None), ("count", 1), ("collect", None)]


def test_a_lepton_is_an_electron_and_can_be_copied() -> None:
    lepton = ct.Lepton("bash", command="n=$(( $1 * 2 ))", named_outputs=["n"], display_name="double", timeout=5)
    other = copy.deepcopy(lepton)
    other.executor = "local"
    assert (lepton.executor, other(4)) == (None, 8)
    assert ct.TransportableObject(lepton.function).get_deserialized()(2) == 4
    workflow = ct.lattice(lambda n: lepton(lepton(n)) + 1)
    workflow.build_graph(1)
    assert [node.name for node in workflow.transport_graph.nodes] == ["double", "double", "add"]
    assert ct.testing.run(workflow)(3) == 13


def test_a_sequence_in_the_place_of_an_output_is_room_for_as_many_elements() -> None:
    octets = ctypes.POINTER(ctypes.c_ubyte)
    swab = ct.Lepton(
        "C",
        library_name="libc.so.6",
        function_name="swab",
        argtypes=[(octets, ct.Lepton.INPUT), (octets, ct.Lepton.OUTPUT), (ctypes.c_ssize_t, ct.Lepton.INPUT)],
    )
    assert swab([1, 2, 3, 4], [0] * 4, 4) == [2, 1, 4, 3]
    assert swab([1, 2], range(2), 2) == [2, 1]


def test_functions_of_python_go_by_name() -> None:
    assert ct.Lepton("python", library_name="math", function_name="hypot")(3, 4) == 5.0
    with pytest.raises(ct.errors.TransportError, match="is not there"):
        ct.Lepton("python", library_name="math", function_name="no_such")


def test_a_secret_fills_a_place_and_is_no_argument(secrets_directory: Path) -> None:
    (secrets_directory / "key").touch(mode=0o600)
    (secrets_directory / "key").write_text("a long word")
    lepton = ct.Lepton("bash", command="found={key}", named_outputs={"found": str})
    assert lepton(key=ct.Secret("key")) == "a long word"
    with pytest.raises(TypeError, match="which everybody on the machine can see; give it by a keyword"):
        lepton(ct.Secret("key"))
