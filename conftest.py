"""The examples in the documentation are tests: every Python block that needs no server is run.

A block that needs one is preceded by ``% skip: next`` (in README.md by the same words in an HTML comment).
"""

from __future__ import annotations

import json

from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser, SkipParser

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    patterns=["README.md", "docs/**/*.md"],
    setup=lambda namespace: namespace.update(json=json, __name__="documentation"),
).pytest()
