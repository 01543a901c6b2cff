"""What is told of a directory from what there was to see in it before and after."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covalent import observer
from covalent.observer import Fired, Seen, Stirred, compared, entries, observe
from covalent.transportable import TransportableObject
from covalent.wire.triggers import Change


def seen(directory: Path, *, recursive: bool = False) -> Seen:
    return Seen(entries=entries(str(directory), recursive=recursive))


def changes(directory: Path, before: Seen, wanted: str, *, recursive: bool = False) -> int:
    return compared(before, entries(str(directory), recursive=recursive), [wanted]).changes


def told(directory: Path, before: Seen, *, recursive: bool = False) -> dict[str, int]:
    """How many changes of each kind there were."""
    counts = {str(kind): changes(directory, before, kind, recursive=recursive) for kind in Change}
    return {kind: count for kind, count in counts.items() if count}


class Clock:
    """Time that passes only while somebody sleeps; what happens meanwhile happens then."""

    def __init__(self, *happenings: Callable[[], object]) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self._happenings = list(happenings)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)
        if self._happenings:
            self._happenings.pop(0)()


def look(directory: Path, before: Seen, clock: Clock, *wanted: str, batch_size: int = 1) -> Fired | Stirred | None:
    return observe(str(directory), wanted, batch_size, False, before, clock=clock, sleep=clock.sleep)  # noqa: FBT003


def test_a_file_that_appears_is_created_and_one_with_contents_modified_too(tmp_path: Path) -> None:
    before = seen(tmp_path)
    (tmp_path / "empty").touch()
    assert told(tmp_path, before) == {"created": 1}
    (tmp_path / "full").write_text("text")
    assert told(tmp_path, before) == {"created": 2, "modified": 1}


def test_what_is_written_to_or_replaced_is_modified(tmp_path: Path) -> None:
    for name in ("written", "replaced", "left"):
        (tmp_path / name).write_text("before")
    before = seen(tmp_path)
    with (tmp_path / "written").open("a") as file:
        file.write("more")
    (tmp_path / "new").write_text("before")
    (tmp_path / "new").replace(tmp_path / "replaced")
    assert told(tmp_path, before) == {"modified": 2}


def test_a_time_of_modification_is_enough(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a")
    before = seen(tmp_path)
    os.utime(tmp_path / "file", ns=(1, 1))
    assert told(tmp_path, before) == {"modified": 1}


def test_what_is_gone_is_deleted_and_what_has_another_name_moved(tmp_path: Path) -> None:
    for name in ("gone", "old"):
        (tmp_path / name).write_text(name)
    (tmp_path / "directory").mkdir()
    before = seen(tmp_path)
    (tmp_path / "gone").unlink()
    (tmp_path / "old").rename(tmp_path / "new")
    (tmp_path / "directory").rename(tmp_path / "other")
    assert told(tmp_path, before) == {"deleted": 1, "moved": 2}


def test_several_names_of_one_file_are_several_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("text")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    before = seen(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).unlink()
    assert told(tmp_path, before) == {"deleted": 2}


def test_a_changed_file_that_was_left_alone_until_the_next_look_is_closed(tmp_path: Path) -> None:
    before = seen(tmp_path)
    (tmp_path / "file").write_text("one")
    once = compared(before, entries(str(tmp_path), recursive=False), ["closed"])
    assert (set(once.fresh), once.changes) == ({"file"}, 0)
    (tmp_path / "file").write_text("one, two")
    twice = compared(once, entries(str(tmp_path), recursive=False), ["closed"])
    assert (set(twice.fresh), twice.changes) == ({"file"}, 0)
    assert told(tmp_path, twice) == {"closed": 1}
    after = compared(twice, entries(str(tmp_path), recursive=False), ["closed"])
    assert changes(tmp_path, after, "closed") == after.changes == 1
    (tmp_path / "file").unlink()
    assert told(tmp_path, twice) == {"deleted": 1}


def test_what_lies_deeper_counts_when_that_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    flat, deep = seen(tmp_path), seen(tmp_path, recursive=True)
    (tmp_path / "inner" / "file").write_text("text")
    assert told(tmp_path, flat) == {}
    assert told(tmp_path, deep, recursive=True) == {"created": 1, "modified": 1}


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "broken").symlink_to(tmp_path / "nothing")
    assert entries(str(tmp_path), recursive=True).keys() == {"loop", "broken"}


def test_names_that_are_no_text_are_names(tmp_path: Path) -> None:
    before = seen(tmp_path)
    (Path(os.fsdecode(bytes(tmp_path) + b"/\xff\xfe"))).touch()
    after = seen(tmp_path)
    assert told(tmp_path, before) == {"created": 1}
    assert TransportableObject(after).get_deserialized() == after


def test_a_directory_that_is_not_there_or_too_large_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError):
        entries(str(tmp_path / "nothing"), recursive=True)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        entries(str(tmp_path / "file"), recursive=False)
    monkeypatch.setattr(observer, "MOST_ENTRIES", 0)
    with pytest.raises(ValueError, match="a smaller directory"):
        entries(str(tmp_path), recursive=False)


def test_looking_ends_with_the_first_change_and_the_next_one_goes_on_from_there(tmp_path: Path) -> None:
    clock = Clock((tmp_path / "other").touch, lambda: None, (tmp_path / "file").touch)
    before = seen(tmp_path)
    (tmp_path / "other").touch()
    fired = look(tmp_path, before, clock, "created")
    assert isinstance(fired, Fired)
    assert (set(fired.entries), fired.changes) == ({"other"}, 0)
    again = look(tmp_path, fired, clock, "created")
    assert isinstance(again, Fired)
    assert again.entries.keys() == {"other", "file"}
    assert clock.slept == [1.0, 1.0, 1.0]


def test_several_changes_make_one_firing_and_what_is_left_over_counts_for_the_next(tmp_path: Path) -> None:
    before = seen(tmp_path)
    for number in range(5):
        (tmp_path / str(number)).touch()
    clock = Clock()
    first = look(tmp_path, before, clock, "created", batch_size=2)
    assert first is not None
    second = look(tmp_path, first, clock, "created", batch_size=2)
    assert second is not None
    assert (type(first), first.changes, type(second), second.changes) == (Fired, 3, Fired, 1)
    assert clock.slept == [1.0]  # for what has happened already it does not look again
    (tmp_path / "sixth").touch()
    assert isinstance(look(tmp_path, second, clock, "created", batch_size=2), Fired)


def test_without_a_change_it_gives_nothing_after_a_while_and_with_too_few_what_it_has_seen(tmp_path: Path) -> None:
    clock = Clock()
    before = seen(tmp_path)
    assert look(tmp_path, before, clock, "created") is None
    assert 60 <= clock.now < 65
    (tmp_path / "file").touch()
    stirred = look(tmp_path, before, clock, "created", batch_size=2)
    assert isinstance(stirred, Stirred)
    assert (set(stirred.entries), stirred.changes) == ({"file"}, 1)


def test_what_was_not_wanted_is_kept_in_mind_for_what_is(tmp_path: Path) -> None:
    """A file that came after the trigger was made, and goes again, is deleted."""
    clock = Clock((tmp_path / "file").touch, (tmp_path / "file").unlink)
    assert isinstance(look(tmp_path, seen(tmp_path), clock, "deleted"), Fired)
    before = seen(tmp_path)
    (tmp_path / "file").touch()
    stirred = look(tmp_path, before, Clock(), "deleted")
    assert isinstance(stirred, Stirred)
    (tmp_path / "file").unlink()
    assert isinstance(look(tmp_path, stirred, Clock(), "deleted"), Fired)


def test_a_directory_that_takes_long_to_look_at_is_looked_at_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()

    def slow(_: str, *, recursive: bool) -> dict[str, observer.Entry]:
        clock.now += 2.0 + recursive
        return {}

    monkeypatch.setattr(observer, "entries", slow)
    assert look(tmp_path, Seen(entries={}), clock, "created") is None
    assert clock.slept == [1.0, 20.0, 20.0, 20.0]


def test_what_it_gives_claims_its_type_in_its_header_and_shows_little(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for cls in (Fired, Stirred):
        packed = TransportableObject(cls(entries=entries(str(tmp_path), recursive=False), changes=2))
        assert packed.header.type_name == f"covalent.observer.{cls.__name__}"
        assert packed.object_string == "1 entries, 2 changes waiting"
        assert packed.json is None


names = st.dictionaries(
    st.sampled_from("abcdef"), st.tuples(st.integers(1, 4), st.integers(0, 2), st.integers(0, 2), st.booleans())
)


@given(names, names)
def test_each_path_counts_once_at_most_and_every_difference_counts(
    before: dict[str, observer.Entry], after: dict[str, observer.Entry]
) -> None:
    everything = compared(Seen(entries=before), after, list(Change)).changes
    different = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert everything <= len(different)
    assert compared(Seen(entries=after), after, list(Change)).changes == 0
    files = {path for path in before.keys() & different if path in after and not (before[path][3] and after[path][3])}
    assert everything >= len(files) + max(len(after.keys() - before), len(before.keys() - after))
