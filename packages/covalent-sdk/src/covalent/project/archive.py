"""A project as one asset: packed where a workflow is dispatched, unpacked where its tasks run."""

from __future__ import annotations

import io
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from covalent.errors import ProjectError
from covalent.project.files import IGNORE_FILE, read
from covalent.transportable import TransportableObject
from covalent.wire.container import Buffer, Header

CODEC: Final = "project"
#: What may be shipped, altogether, in bytes, unless the configuration says otherwise.
MAX_BYTES: Final = 16 * 1024 * 1024
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_REGULAR_FILE: Final = 0o100000
_UNIX: Final = 3
_NAMED_IN_ERRORS: Final = 5
#: On Windows these lead out of a directory; elsewhere they are letters like any other.
_NOT_IN_NAMES: Final = "\0\\:" if os.name == "nt" else "\0"


def pack(files: dict[PurePosixPath, Path], limit: int = MAX_BYTES) -> TransportableObject | None:
    """The files as one asset, or None when there are none; equal files give equal bytes everywhere.

    Raises ProjectError when they hold more bytes than the limit.
    """
    if not files:
        return None
    _check_names(files)
    _check_size(files, limit)
    import zipfile  # noqa: PLC0415 - needed only by workflows with modules of their own

    buffer = io.BytesIO()
    # Stored, not deflated: compressors differ between machines, and equal code must have one digest.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for place in sorted(files):
            entry = zipfile.ZipInfo(str(place), date_time=_EPOCH)
            entry.create_system = _UNIX
            mode = 0o755 if files[place].stat().st_mode & 0o100 else 0o644
            entry.external_attr = (_REGULAR_FILE | mode) << 16
            archive.writestr(entry, read(files[place]))
    names = sorted({place.parts[0] for place in files})
    header = Header(codec=CODEC, type_name="project", object_string=f"{len(files)} files: {', '.join(names)}"[:1000])
    return TransportableObject.packed(header, [buffer.getvalue()])


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """Two projects in one."""

    asset: TransportableObject | None
    #: Whether a file of the first gave way to another one of the second.
    overwrites: bool = False


def merge(stored: TransportableObject | None, files: dict[PurePosixPath, Path], limit: int = MAX_BYTES) -> Merged:
    """A stored project with files added to it; where both have the same file, the added one counts."""
    if stored is None or not files:
        return Merged(asset=pack(files, limit) if stored is None else stored)
    with tempfile.TemporaryDirectory(prefix="covalent-") as temporary:
        directory = Path(temporary) / "project"
        extract(stored.serialize(), directory)
        before = {
            PurePosixPath(path.relative_to(directory).as_posix()): path
            for path in directory.rglob("*")
            if path.is_file()
        }
        common = before.keys() & files.keys()
        overwrites = any(read(before[place]) != read(files[place]) for place in common)
        return Merged(asset=pack(before | files, limit), overwrites=overwrites)


def extract(data: Buffer, directory: Path) -> None:
    """Unpack a project's asset to a directory, all at once; one that is there already is left as it is."""
    asset = TransportableObject.from_buffer(data)
    if asset.header.codec != CODEC:
        raise ProjectError(f"an asset with codec {asset.header.codec!r} holds no project")
    if directory.exists():
        return
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f".{directory.name}-") as temporary:
        unpacked = Path(temporary) / "project"
        unpacked.mkdir()
        _extract_all(bytes(asset.parts()[0]), unpacked)
        try:
            unpacked.rename(directory)
        except OSError:
            if not directory.exists():  # another worker was faster; a directory of that digest is as good
                raise


def _extract_all(content: bytes, directory: Path) -> None:
    import zipfile  # noqa: PLC0415 - as in pack

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            # Entries are stored: what comes out is no larger than what came in, unless the archive is a trap.
            stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
            if not stored or sum(entry.file_size for entry in entries) > len(content):
                raise ProjectError("the project's asset unpacks to more than it holds")
            for entry in entries:
                target = directory.joinpath(*_checked_parts(entry.filename))
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(entry))
                target.chmod(0o755 if entry.external_attr >> 16 & 0o100 else 0o644)
    except (zipfile.BadZipFile, OSError, ValueError, EOFError) as error:
        raise ProjectError(f"the project's asset cannot be unpacked: {error}") from error


def _checked_parts(name: str) -> tuple[str, ...]:
    place = PurePosixPath(name)
    if place.is_absolute() or not place.parts or ".." in place.parts or any(mark in name for mark in _NOT_IN_NAMES):
        raise ProjectError(f"the project's asset holds a file {name!r}, which lies outside of it")
    return place.parts


def _check_names(files: dict[PurePosixPath, Path]) -> None:
    for place, path in files.items():
        try:
            str(place).encode()
        except UnicodeEncodeError as error:
            part = str(place)[: error.end].count("/")
            pattern = place.parts[part].encode("ascii", "replace").decode("ascii")  # a question mark fits any letter
            raise ProjectError(
                f"the file {str(path)!r} cannot be shipped, because its name is not UTF-8; rename it, "
                f"or leave it behind by a line {pattern!r} in a file {IGNORE_FILE} in the package's directory"
            ) from None


def _check_size(files: dict[PurePosixPath, Path], limit: int) -> None:
    sizes = {place: path.stat().st_size for place, path in files.items()}
    total = sum(sizes.values())
    if total <= limit:
        return
    largest = sorted(sizes, key=lambda place: sizes[place], reverse=True)[:_NAMED_IN_ERRORS]
    named = ", ".join(f"{files[place]} ({sizes[place] / 2**20:.1f} MiB)" for place in largest)
    raise ProjectError(
        f"the modules that this workflow needs hold {total / 2**20:.1f} MiB, more than the {limit / 2**20:.1f} MiB "
        f"that may be shipped with it. The largest files: {named}. Name what tasks do not need in a file {IGNORE_FILE} "
        "in the package's directory, pass data as arguments, or install the package in the executor's environment. To "
        "ship as much as that all the same, set preflight.max_project_bytes in covalent.toml, or "
        "COVALENT_MAX_PROJECT_BYTES"
    )
