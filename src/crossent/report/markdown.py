"""Markdown (GitHub's): tables and lists; numbers of charts and folded tables fold there too."""

from __future__ import annotations

import re
from collections.abc import Iterator

from crossent.report.blocks import Block, Cell, Column, Section, Sentences, Table, numbers_of
from crossent.report.registry import build
from crossent.results import Results
from crossent.wording import clean

_SPECIAL = re.compile(r"[\\`*|~$\[\]]|(?<![^\W_])_|_(?![^\W_])")
_BLOCK_START = re.compile(r"^(?:#{1,6}(?=\s|$)|[+-](?=\s|-|$)|\d+[.)](?=\s|$))")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def render_markdown(results: Results) -> str:
    """The report as Markdown that GitHub and most others understand."""
    parts = [f"# {escape(results.title)}"]
    for section in build(results):
        parts += _section(section)
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    r"""Text that Markdown prints as it is, also in a table.

    >>> escape("a|b <script> random_forest *x*")
    'a\\|b &lt;script&gt; random_forest \\*x\\*'
    """
    line = _SPECIAL.sub(r"\\\g<0>", clean(text)).translate(_ENTITIES)
    return _BLOCK_START.sub(lambda m: f"{m[0][:-1]}\\{m[0][-1]}", line)


def _section(section: Section) -> Iterator[str]:
    yield f"## {escape(section.title)}"
    if section.lead:
        yield escape(section.lead)
    for block in section.blocks:
        yield from render_block(block)


def render_block(block: Block) -> Iterator[str]:
    """One block as paragraphs."""
    match block:
        case Table():
            yield _folded(block.caption, block) if block.folded else f"**{escape(block.caption)}**"
            if not block.folded:
                yield _table(block)
        case Sentences():
            yield _sentences(block)
        case _:
            if not block.numbers_shown:
                yield _folded(f"{block.title} ({block.axis})", numbers_of(block))


def _folded(title: str, table: Table) -> str:
    return f"<details><summary>{escape(title)}</summary>\n\n{_table(table)}\n\n</details>"


def _sentences(block: Sentences) -> str:
    match block.style:
        case "lead" | "alarm":
            return "\n\n".join(f"**{escape(item)}**" for item in block.items)
        case "list":
            return "\n".join(f"- {escape(item)}" for item in block.items)
        case "quiet":
            return "\n\n".join(escape(item) for item in block.items)


def _table(table: Table) -> str:
    header = [_title(column) for column in table.columns]
    rule = ["---:" if column.align == "right" else ":---" for column in table.columns]
    rows = [[_cell(cell) for cell in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in [header, rule, *rows])


def _title(column: Column) -> str:
    return escape(column.title) or " "


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    if cell.badge:
        text = f"{text} ({escape(cell.badge)})"
    return f"**{text}**" if cell.tone == "strong" and text else text
