"""Fencing tokens prove that an attempt was leased here."""

from __future__ import annotations

from dataclasses import replace

from covalent_server.engine.fencing import Fencing


def test_a_token_is_of_one_node_one_attempt_and_one_installation() -> None:
    fencing, elsewhere = Fencing(b"here"), Fencing(b"elsewhere")
    key = fencing.key(1, 1)
    assert fencing.key(1, 1) == key
    assert fencing.genuine(key)
    others = [replace(key, token=token) for token in ("", "\ud800", key.token.upper())]
    strangers = [replace(key, node=2), replace(key, attempt=2), *others]
    assert not any(fencing.genuine(stranger) for stranger in strangers)
    assert not elsewhere.genuine(key)
    # "1:11" and "11:1" are not the same, whatever stands between them.
    assert len({fencing.key(node, attempt).token for node in (1, 11, 111) for attempt in (1, 11, 111)}) == 9
