"""Results as a page, a terminal's text, Markdown or a JSON document.

Sections turn Results into blocks (tables, charts, sentences); renderers turn blocks into a format. Nothing
here computes a statistic. To add a section, register a function with `section`; every renderer prints it.
"""

from __future__ import annotations

from crossent.report.document import to_document
from crossent.report.html import render_html
from crossent.report.markdown import render_markdown
from crossent.report.registry import section
from crossent.report.text import render_text

__all__ = ["render_html", "render_markdown", "render_text", "section", "to_document"]
