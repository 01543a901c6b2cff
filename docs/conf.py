"""Sphinx's configuration: Markdown pages, the API from docstrings, one theme."""

from __future__ import annotations

from importlib.metadata import version as version_of

project = "Covalent"
author = "the Covalent authors"
project_copyright = "the Covalent authors"
release = version_of("covalent-sdk")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_typehints = "description"
autodoc_member_order = "bysource"

html_theme = "furo"
html_title = "Covalent"
