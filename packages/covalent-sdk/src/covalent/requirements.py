"""The packages that a task needs, as lines of a requirements file: checked, and each made to stand for itself.

What is looked at is how a line is written, so that a slip is told where it was made and not by an installer on another
machine. Which packages there are, and whether they go together, is for the installer to say.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

_NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_EXTRAS: Final = rf"(?:\s*\[\s*(?:{_NAME}(?:\s*,\s*{_NAME})*)?\s*\])?"
_CLAUSE: Final = r"(?:===|~=|==|!=|<=|>=|<|>)\s*[A-Za-z0-9_.*+!-]+"
_CLAUSES: Final = rf"{_CLAUSE}(?:\s*,\s*{_CLAUSE})*\s*,?"
_REQUIREMENT: Final = re.compile(rf"(?P<name>{_NAME}){_EXTRAS}\s*(?:\(\s*{_CLAUSES}\s*\)|{_CLAUSES})?\s*(?:;\s*\S.*)?")
#: What may follow a name in a requirement: extras, versions, an address, a marker.
_NAMED: Final = re.compile(rf"\s*(?P<name>{_NAME})\s*(?:$|[\[(<>=!~;@#\s])")
_NAMED_PLACE: Final = re.compile(rf"{_NAME}{_EXTRAS}\s*@\s*[a-z+]+:\S+(?:\s+;.*)?")
_PLACE: Final = re.compile(r"(?:[a-z]+\+)?[a-z]{3,}:\S+(?:\s+;.*)?")
_PATH: Final = re.compile(r"(?P<path>.*?)(?P<rest>(?:\[[^\]/]*\])?(?:\s+;.*)?)")
_ARCHIVES: Final = (".whl", ".tar.gz", ".zip")
_LISTS: Final = (".txt", ".in", ".toml", ".yml", ".yaml")
_COMMENT: Final = re.compile(r"(?:^|\s+)#.*$")
#: What may follow a requirement: ``--hash=…`` and the like.
_OWN_OPTIONS: Final = re.compile(r"\s+--[a-z]")
_OPTION: Final = re.compile(r"(?P<name>--[a-z-]+|-[a-zA-Z])(?:\s*=\s*|\s+|(?<=^-[a-zA-Z])(?=\S)|$)(?P<value>.*)")
_LONG: Final = {
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
    "-f": "--find-links",
    "-i": "--index-url",
}
_INDEXES: Final = ("--index-url", "--extra-index-url")
_VALUED: Final = ("--no-binary", "--only-binary", "--trusted-host", "--use-feature")
_FLAGS: Final = ("--no-index", "--pre", "--prefer-binary", "--require-hashes")
#: Behind a colon, or, where a web server is asked, alone.
_WITH_PASSWORD: Final = re.compile(r"://[^/@:\s]*:(?!\$\{)[^/@\s]+@|https?://(?!git@|\$\{)[^/@:\s]+@")
_SHELL: Final = re.compile(
    r"(?:\S*python\S*\s+-m\s+)?(?:pip3?|uv|conda|mamba|poetry)\s+(?:pip\s+)?(?:install|add)\b(.*)"
)
_SWAPPED: Final = re.compile(rf"({_NAME}){_EXTRAS}\s*(=|=>|=<|≥|≤)\s*([A-Za-z0-9_.*+!-]+)")


def normalised(name: str) -> str:
    """A package's name as indexes, and everybody who compares it, know it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(line: str) -> str | None:
    """The package that a line asks for, normalised; None when the line does not begin with its name."""
    found = _NAMED.match(line)
    return normalised(found["name"]) if found else None


def parsed(lines: Iterable[str], where: str, directory: Path) -> tuple[str, ...]:
    """The requirements and options among lines, without comments, each on a line of its own and paths absolute.

    ``where`` is what messages call the place, ``directory`` what relative paths are relative to; no file is opened.
    Raises ValueError for a line that no requirements file has.
    """
    return tuple(_checked(line, where, directory) for line in _joined(lines))


def inlined(lines: Iterable[str]) -> tuple[str, ...]:
    """Parsed lines, with the files that ``-r`` names in their places; raises OSError or ValueError.

    A file of constraints stays a file, with a digest of what is in it now.
    """
    return tuple(_followed(lines, ()))


def absolute(path: str, directory: Path) -> str:
    """A path that is relative to a directory, or begins at somebody's home, from the root on."""
    # Nothing but the form: what a link points to may change, and `..` behind a link is not what it seems.
    return str(directory / os.path.expanduser(path))  # noqa: PTH111  a Path raises where there is no such user


def read(path: Path) -> str:
    """The text of a requirements file."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        absent = isinstance(error, FileNotFoundError | IsADirectoryError)
        raise (FileNotFoundError if absent else OSError)(
            f"the requirements file {path} cannot be read: {error.strerror}. DepsPip takes the path of a file on the "
            "computer where the workflow is built; a relative one is relative to the working directory there"
        ) from None
    except UnicodeDecodeError:
        raise ValueError(f"the requirements file {path} is no text in UTF-8; save it in that encoding") from None


def _joined(lines: Iterable[str]) -> Iterator[str]:
    """Lines that go on behind a backslash as one, without comments and without empty ones."""
    pending = ""
    for text in lines:
        for line in text.splitlines():
            if line.endswith("\\"):
                pending += line[:-1] + " "
            else:
                yield from _bare(pending + line)
                pending = ""
        yield from _bare(pending)
        pending = ""


def _bare(line: str) -> Iterator[str]:
    bare = _COMMENT.sub("", line).strip()
    if bare:
        yield bare


def _checked(line: str, where: str, directory: Path) -> str:
    if any(character.isspace() and character not in " \t" for character in line):
        raise ValueError(f"{where}: {line!r} holds a space of another kind than the plain one; write it anew")
    if line.startswith("-"):
        return _option(line, where, directory)
    if _WITH_PASSWORD.search(line):
        raise _password(line, where)
    if _PLACE.fullmatch(line) or _NAMED_PLACE.fullmatch(line):
        return line
    own = _OWN_OPTIONS.search(line)
    head = line if own is None else line[: own.start()]
    if head.endswith(_LISTS) and "/" not in head.replace("\\", "/").removeprefix("./"):
        raise ValueError(f"{where}: {line!r} is the name of a file, not of a package; write reqs_path={line!r}")
    if _REQUIREMENT.fullmatch(head) and not head.endswith(_ARCHIVES):
        return line
    if _is_path(head):
        return _absolute(line, directory)
    raise ValueError(f"{where}: {line!r} is no requirement; {_advice(line)}")


def _is_path(text: str) -> bool:
    path = _split(text)[0]
    return path.startswith((".", "/", "~")) or path.endswith(_ARCHIVES) or ("/" in path and " " not in path)


def _split(line: str) -> tuple[str, str]:
    """A path, and the extras and the marker behind it."""
    found = _PATH.fullmatch(line)
    return (found["path"], found["rest"]) if found else (line, "")


def _absolute(line: str, directory: Path) -> str:
    path, rest = _split(line)
    return f"{absolute(path, directory)}{rest}"


def _option(line: str, where: str, directory: Path) -> str:
    found = _OPTION.fullmatch(line)
    name, value = (found["name"], found["value"].strip()) if found else (line, "")
    name = _LONG.get(name, name)
    if name in _FLAGS and not value:
        return name
    if name not in (*_LONG.values(), *_INDEXES, *_VALUED):
        raise ValueError(
            f"{where}: the option {name} is none of a requirements file; leave it out and name packages alone"
        )
    if not value:
        raise ValueError(f"{where}: the option {name} names nothing; write {name} and what it is to take")
    if _WITH_PASSWORD.search(value):
        raise _password(line, where)
    local = name not in (*_INDEXES, *_VALUED) and not _PLACE.fullmatch(value)
    return f"{name} {_absolute(value, directory) if local else value}"


def _password(line: str, where: str) -> ValueError:
    hidden = re.sub(r"://[^@\s]*@", "://…@", line)
    return ValueError(
        f"{where}: {hidden!r} holds a password, which would be stored with the workflow and seen in its graph; write "
        "${NAME} in its place, and set that variable where the worker is started"
    )


def _advice(line: str) -> str:
    """What is to be written instead of a line."""
    shell = _SHELL.match(line)
    if shell is not None:
        named = [word for word in shell[1].split() if not word.startswith("-")]
        return f"name the packages alone, without the command: {named}"
    swapped = _SWAPPED.fullmatch(line)
    if swapped is not None:
        sign = {"=": "==", "=>": ">=", "=<": "<=", "≥": ">=", "≤": "<="}[swapped[2]]
        return f'write "{swapped[1]}{sign}{swapped[3]}"'
    words = [word for word in re.split(r"[\s,]+", line) if word]
    if len(words) == 2 and re.fullmatch(rf"{_NAME}", words[0]) and re.fullmatch(r"v?\d[\w.*]*", words[1]):
        return f'write "{words[0]}=={words[1].removeprefix("v")}"'
    if len(words) > 1 and all(_REQUIREMENT.fullmatch(word) for word in words):
        return f"write a list with one text for each package: {words}"
    return 'write the name of a package, with a version if that matters, as in "pandas" or "pandas>=2.2,<3"'


def _followed(lines: Iterable[str], within: tuple[Path, ...]) -> Iterator[str]:
    for line in lines:
        option, _, value = line.partition(" ")
        if option not in ("--requirement", "--constraint") or _PLACE.fullmatch(value):
            yield line
            continue
        path = Path(value)
        if path in within:
            raise ValueError(f"the requirements file {path} names itself with -r, directly or through another")
        text = read(path)
        if option == "--constraint":
            yield f"{line} # {_digest(text)}"
        else:
            yield from _followed(parsed([text], str(path), path.parent), (*within, path))


def _digest(text: str) -> str:
    import hashlib  # noqa: PLC0415 - few workflows have constraints

    return hashlib.sha256(text.encode()).hexdigest()


def unmet(lines: Iterable[str]) -> list[str]:
    """Those of parsed lines that the installed packages of this interpreter do not satisfy.

    Only what can be told without an installer: names and plain versions. Lines with a marker are passed over.
    """
    return [line for line in lines if not _is_met(line)]


def _is_met(line: str) -> bool:
    from importlib import metadata  # noqa: PLC0415 - slow, and only asked for in tests

    own = _OWN_OPTIONS.search(line)
    found = _REQUIREMENT.fullmatch(line if own is None else line[: own.start()])
    if found is None or ";" in line:
        return True
    try:
        version = _release(metadata.version(found["name"]))
    except metadata.PackageNotFoundError:
        return False
    clauses = re.findall(r"(===|~=|==|!=|<=|>=|<|>)\s*([A-Za-z0-9_.*+!-]+)", line)
    return all(_holds(version, sign, _release(wanted)) for sign, wanted in clauses)


def _release(version: str) -> tuple[int, ...] | None:
    """The numbers of a plain version, None for any other."""
    return tuple(map(int, version.split("."))) if re.fullmatch(r"\d+(\.\d+)*", version) else None


def _holds(version: Sequence[int] | None, sign: str, wanted: Sequence[int] | None) -> bool:
    if version is None or wanted is None:
        return True
    length = max(len(version), len(wanted))
    one, two = ((*item, *(0,) * (length - len(item))) for item in (version, wanted))
    order = (one > two) - (one < two)
    return {
        "==": order == 0,
        "===": order == 0,
        "!=": order != 0,
        "<=": order <= 0,
        ">=": order >= 0,
        "<": order < 0,
        ">": order > 0,
        "~=": order >= 0 and one[: len(wanted) - 1] == two[: len(wanted) - 1],
    }[sign]
