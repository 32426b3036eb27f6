"""The site that ``make docs`` builds: these pages, and the reference made from the docstrings."""

from __future__ import annotations

from importlib.metadata import version as installed

project = "MMedRAG"
author = "The MMedRAG authors"
copyright = "2026, the MMedRAG authors"
release = version = installed("mmedrag")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "MMedRAG"
html_static_path: list[str] = []

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
# Examples cut short by an ellipsis are read by no lexer.
suppress_warnings = ["misc.highlighting_failure"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
# Fields of dataclasses would be documented a second time otherwise.
napoleon_use_ivar = True
