"""Every statement of the hot path has a form for each database."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
from sqlalchemy import make_url
from sqlalchemy.schema import CreateIndex

from covalent_server import db
from covalent_server.db.prepared import Prepared
from covalent_server.db.tables import node

_DIALECTS = [make_url(url).get_dialect()() for url in ("sqlite://", "postgresql+psycopg://")]
_MODULES = [importlib.import_module(f"{db.__name__}.{item.name}") for item in pkgutil.iter_modules(db.__path__)]
_STATEMENTS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": value
    for module in _MODULES
    for name, value in vars(module).items()
    if isinstance(value, Prepared)
}


@pytest.mark.parametrize("name", _STATEMENTS)
def test_a_prepared_statement_is_whole_in_each_dialect(name: str) -> None:
    texts = {made.name: _STATEMENTS[name].compiled(made)[0] for made in _DIALECTS}
    # What is put in only when SQLAlchemy executes a statement never gets there.
    assert not [text for text in texts.values() if "POSTCOMPILE" in text]
    assert "json_each" not in texts["postgresql"]
    assert "ANY(" not in texts["sqlite"]


def test_indexes_of_a_part_have_their_condition_in_each_dialect() -> None:
    partial = {index.name: index for index in node.indexes}
    for made in _DIALECTS:
        texts = [str(CreateIndex(index).compile(dialect=made)) for index in partial.values()]
        assert all(" WHERE state " in text for text in texts)
