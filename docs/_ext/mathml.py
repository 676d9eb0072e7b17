"""Writes formulas as MathML: they need no script and no network, and screen readers read them."""

from __future__ import annotations

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

NAME = "<mi>(?:log|exp|min|max|softmax)</mi>"
THIN = '<mspace width="0.167em" />'


def converted(formula: str, display: str = "inline") -> str:
    """MathML, with TeX's thin space between the name of a function and what it is next to.

    >>> THIN in converted(r"p \\log q"), THIN in converted(r"\\log(q)")
    (True, False)
    """
    text = convert(formula, display=display)
    text = re.sub(rf"(</(?:mi|mn|msub|msup|mfrac)>)(?={NAME})", rf"\1{THIN}", text)
    return re.sub(rf"({NAME})(?=<(?:mi|mn|msub|msup|mfrac|mrow)>)", rf"\1{THIN}", text)


def inline(translator: HTML5Translator, node: nodes.math) -> None:
    """A formula in running text."""
    translator.body.append(converted(node.astext()))
    raise nodes.SkipNode


def block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """A formula of its own."""
    translator.body.append(f'<div class="math">{converted(node.astext(), display="block")}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
