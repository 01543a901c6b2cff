"""Where a secret's value is looked up, and where it is not given out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import covalent as ct
from covalent import secret
from covalent.errors import SecretError
from covalent.transportable import TransportableObject

VALUE = "winter-is-a-long-word"


def _write(path: Path, text: str | bytes, mode: int = 0o600) -> None:
    path.touch(mode=mode)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def test_it_comes_from_a_file(secrets_directory: Path) -> None:
    _write(secrets_directory / "weather-key", f"{VALUE}\n")
    assert ct.Secret("weather-key").get() == VALUE


def test_the_files_are_beside_the_settings(secrets_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COVALENT_SECRETS_DIR")
    monkeypatch.setenv("COVALENT_CONFIG_DIR", str(secrets_directory.parent))
    _write(secrets_directory / "key", VALUE)
    assert ct.Secret("key").get() == VALUE


def test_a_variable_wins_over_the_file(secrets_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(secrets_directory / "WEATHER_KEY", "another-value")
    monkeypatch.setenv("WEATHER_KEY", VALUE)
    assert ct.Secret("WEATHER_KEY").get() == VALUE


def test_one_that_is_nowhere_says_where_to_put_it(secrets_directory: Path) -> None:
    with pytest.raises(SecretError, match=r"there is no secret 'weather-key' on .* write it there") as caught:
        ct.Secret("weather-key").get()
    assert f"install -m 600 /dev/stdin {secrets_directory}/weather-key" in str(caught.value)


def test_a_file_that_others_can_read_is_refused(secrets_directory: Path) -> None:
    _write(secrets_directory / "key", VALUE)
    (secrets_directory / "key").chmod(0o640)
    with pytest.raises(SecretError, match="its mode is 640; run: chmod 600") as caught:
        ct.Secret("key").get()
    assert VALUE not in str(caught.value)


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"a\0bcdefghij", b"x" * 70_000])
def test_a_file_that_is_no_text_is_refused(secrets_directory: Path, data: bytes) -> None:
    _write(secrets_directory / "key", data)
    with pytest.raises(SecretError, match=r"is to hold a text in UTF-8 of at most 65536 bytes"):
        ct.Secret("key").get()


def test_a_directory_is_no_secret(secrets_directory: Path) -> None:
    (secrets_directory / "key").mkdir()
    with pytest.raises(SecretError, match="cannot be read: Is a directory"):
        ct.Secret("key").get()


def test_one_that_is_too_short_to_be_hidden_is_refused(secrets_directory: Path) -> None:
    _write(secrets_directory / "key", "1234567")
    with pytest.raises(SecretError, match="fewer than 8 characters") as caught:
        ct.Secret("key").get()
    assert "1234567" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "../token", "a/b", ".hidden", "-f", "a b", "a\n", "x" * 201])
def test_what_is_no_name_is_refused_and_not_repeated(name: str) -> None:
    with pytest.raises(ValueError, match="takes the name of a secret") as caught:
        ct.Secret(name)
    assert not name or name not in str(caught.value)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match="takes the name of a secret"):
        ct.Secret(7)  # type: ignore[arg-type]


def test_it_travels_as_its_name(secrets_directory: Path) -> None:
    _write(secrets_directory / "key", VALUE)
    given = ct.Secret("key")
    given.get()
    written = TransportableObject(given)
    assert VALUE.encode() not in written.serialize()
    assert written.get_deserialized() == given
    assert repr(given) == str(given) == "Secret(name='key')"
    assert ct.Secret.from_dict(given.to_dict()) == given


def test_it_is_no_part_of_a_text() -> None:
    with pytest.raises(TypeError, match=r"Secret\(name='key'\); in a task, make it of its value: .get\(\)"):
        f"Bearer {ct.Secret('key')}"


def test_a_value_that_holds_it_cannot_be_written(secrets_directory: Path) -> None:
    _write(secrets_directory / "key", VALUE)
    held = ct.Secret("key").get()
    for value in (held, {"a": [held]}, lambda: held, held.encode(), Exception(held)):
        with pytest.raises(SecretError, match="the secret 'key' stands in what is to be stored"):
            TransportableObject(value)


def test_one_that_was_replaced_meanwhile_is_still_guarded(secrets_directory: Path) -> None:
    _write(secrets_directory / "key", VALUE)
    before = ct.Secret("key").get()
    (secrets_directory / "key").write_text("another-value")
    assert ct.Secret("key").get() == "another-value"
    with pytest.raises(SecretError, match="the secret 'key'"):
        TransportableObject(before)


class _Holder:
    """Shows more of itself than it is written as."""

    def __str__(self) -> str:
        return f"the key is {ct.Secret('key').get()}, and more"


def test_it_is_hidden_in_what_is_shown_of_a_value(secrets_directory: Path) -> None:
    _write(secrets_directory / "key", VALUE)
    ct.Secret("key").get()
    shown = TransportableObject(_Holder()).object_string
    assert shown == f"the key is {'*' * len(VALUE)}, and more"


def test_while_a_workflow_is_built_there_is_no_value(secrets_directory: Path) -> None:
    _write(secrets_directory / "key", VALUE)

    @ct.electron
    def use(key: str) -> int:
        return len(key)

    @ct.lattice
    def early() -> object:
        return use(ct.Secret("key").get())

    with pytest.raises(SecretError, match=r"no value while the workflow early is built: hand ct\.Secret itself"):
        early.build_graph()


def test_a_process_that_a_task_started_has_none(secrets_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(secrets_directory / "key", VALUE)
    monkeypatch.setenv("COVALENT_RUNNER", "m")
    with pytest.raises(SecretError, match="look it up in the task itself"):
        ct.Secret("key").get()


def test_nothing_is_given_out_that_the_worker_cannot_be_told(secrets_directory: Path) -> None:
    _write(secrets_directory / "key", VALUE)
    told: list[str] = []
    secret.tell(told.append)
    assert [ct.Secret("key").get() for _ in range(2)] == [VALUE, VALUE]
    assert told == [VALUE]

    def closed(_: str) -> None:
        raise OSError(9, os.strerror(9))

    secret.tell(closed)
    (secrets_directory / "key").write_text("another-value")
    with pytest.raises(SecretError, match="the task has closed or changed a file that is its worker's"):
        ct.Secret("key").get()


def test_variables_may_be_named_as_secrets(secrets_directory: Path) -> None:
    _write(secrets_directory / "key", VALUE)
    assert secret.variables({"A": "text", "B": {"secret": "key"}}) == {"A": "text", "B": VALUE}
