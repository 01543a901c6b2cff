"""Texts of users that try to be more than texts: no script of theirs runs, and the policy has nothing to refuse."""

from __future__ import annotations

import pytest

from tests.acceptance.programs import Project
from tests.installation import Installation
from tests.ui.conftest import Visit

#: Each sets ``pwned`` if it is ever taken for markup, an address or a program.
PAYLOADS = (
    '<img src=x onerror="window.pwned=1">',
    "<script>window.pwned=1</script>",
    '"><svg onload=window.pwned=1>',
    "javascript:window.pwned=1",
    "<iframe srcdoc='<script>parent.pwned=1</script>'>",
    "<style>*{display:none}</style>",
    "{{constructor.constructor('window.pwned=1')()}}",
    "\x1b]8;;javascript:window.pwned=1\x07link\x1b]8;;\x07\x1b[31m<b>red</b>",
    '<a href="javascript:window.pwned=1">x</a>',
    "\u202egnp.exe <math><mtext><table><mglyph><style><img src=x onerror=window.pwned=1>",
)

_SCRIPT = """
import sys

PAYLOADS = {payloads!r}


@ct.electron
def electron(text):
    print(text)
    print(text, file=sys.stderr)
    return text


@ct.electron
def raising(text):
    raise ValueError(text)


def build(text):
    electron_of = ct.electron(lambda value: value)
    electron_of.electron_object.function.__name__ = text

    def workflow(value):
        return [electron(value), raising(value), electron_of(value)]

    workflow.__doc__ = text
    return ct.lattice(workflow)


def name_of(text):
    return "".join(character for character in text if character.isprintable())


facts["ids"] = [ct.dispatch(build(text), name=name_of(text))(text) for text in PAYLOADS]
for each in facts["ids"]:
    ct.get_result(each, wait=True)
"""

_REPORTS = """
addEventListener("securitypolicyviolation", (event) => {
  window.refused = [...(window.refused || []), `${event.violatedDirective} ${event.sample}`];
});
"""


@pytest.mark.timeout(600)
def test_texts_stay_texts_everywhere(installation: Installation, visit: Visit) -> None:
    project = Project(installation.root / "project", installation)
    ids = project.facts(_SCRIPT.format(payloads=PAYLOADS))["ids"]
    visitor = visit(installation)
    visitor.page.add_init_script(_REPORTS)
    visitor.sign_in()
    tabs = ("graph/0", "graph/1", "tasks", "timeline", "logs", "values", "code", "events")
    addresses = ["/", "/dispatches", *(f"/dispatches/{each}/{tab}" for each in ids for tab in tabs)]
    for address in addresses:
        visitor.open(address)
        visitor.page.locator("h1").first.wait_for()
        assert visitor.page.evaluate("[window.pwned, window.refused]") == [None, None], address
        assert visitor.page.locator("main iframe, main script, main style, main img, main math").count() == 0
    assert visitor.complaints == []
