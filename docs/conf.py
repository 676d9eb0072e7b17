"""Sphinx: MyST pages, the furo theme, the real `--help` of every command, a page for every loss."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

with open(HERE.parent / "pyproject.toml", "rb") as file:
    release = tomllib.load(file)["project"]["version"]

project = "crossent"
author = "The crossent developers"
project_copyright = "The crossent developers, Apache-2.0"
extensions = ["myst_parser", "command_help", "loss_pages", "mathml"]
exclude_patterns = ["_build", "_ext"]
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
html_math_renderer = "mathml"
html_theme = "furo"
pygments_dark_style = "github-dark"
html_static_path = ["_static"]
html_title = f"crossent {release}"
