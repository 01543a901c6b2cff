"""Every rule has a mutation that breaks it, and every mutation still fits the tree: a refactoring notices here."""

from __future__ import annotations

import ast
import functools
import json

import pytest

from tests.architecture.tree import ROOT
from tests.mutations.catalogue import Mutation, mutations
from tests.mutations.rules import RULES
from tests.mutations.session import LATEST

MUTATIONS = mutations()


def test_every_rule_has_a_mutation_and_every_mutation_has_a_rule() -> None:
    assert {mutation.rule for mutation in MUTATIONS.values()} == RULES.keys()


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_a_mutation_fits_the_tree(mutation: Mutation) -> None:
    mutation.apply(ROOT, check=True)


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_a_mutation_names_tests_that_are_there(mutation: Mutation) -> None:
    assert mutation.red
    assert [test for test in mutation.red if test.partition("[")[0] not in named_in(test.partition("::")[0])] == []


@functools.cache
def named_in(file: str) -> frozenset[str]:
    path = ROOT / file
    assert path.is_file(), f"there is no {file}"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(f"{file}::{item.name}" for item in tree.body if isinstance(item, ast.FunctionDef))


def test_what_the_record_says_is_said_of_mutations_as_they_are() -> None:
    record = json.loads(LATEST.read_text(encoding="utf-8"))
    named = {name: (mutation.rule, list(mutation.red)) for name, mutation in MUTATIONS.items()}
    assert {name: (entry["rule"], entry["red"]) for name, entry in record.items()}.items() <= named.items()
