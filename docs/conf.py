"""How Sphinx builds these pages: plain Markdown, warnings as errors (`sphinx-build -W docs docs/_build`)."""

from __future__ import annotations

from importlib.metadata import version as installed

project = "npc-sdk"
author = "The npc-sdk authors"
copyright = "2026, The npc-sdk authors"
version = release = installed("npc-sdk")

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist", "html_image"]
myst_heading_anchors = 3
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
suppress_warnings = ["toc.empty_glob"]
nitpicky = True

html_theme = "furo"
html_title = f"npc-sdk {version}"
