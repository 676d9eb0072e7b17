"""Puts the real `--help` of every command into docs/commands.md when the documentation is built.

`<!-- help: NAME -->` is replaced by the help of that command; commands without such a mark follow at the end,
so that a new command is documented before anybody writes about it.
"""

from __future__ import annotations

import importlib
import re

import click
from click.testing import CliRunner
from sphinx.application import Sphinx

MARK = re.compile(r"<!-- help: ([a-z -]+) -->")
WIDTH = 98


def group() -> click.Group:
    """The program's group of commands."""
    found = importlib.import_module("crossent.cli").cli
    assert isinstance(found, click.Group)
    return found


def names() -> list[str]:
    """The commands; those of a group by its name and theirs."""
    found: list[str] = []
    for name, command in group().commands.items():
        inner = command.commands if isinstance(command, click.Group) else {}
        found += [f"{name} {part}" for part in inner] or [name]
    return found


def help_block(name: str) -> str:
    """The help of one command as a code block."""
    answer = CliRunner().invoke(
        group(), [*name.split(), "--help"], prog_name="crossent", terminal_width=WIDTH
    )
    if answer.exit_code:
        raise RuntimeError(f"crossent {name} --help failed: {answer.output}")
    return f"```text\n$ crossent {name} --help\n{answer.output.rstrip()}\n```"


def insert(_app: Sphinx, page: str, source: list[str]) -> None:
    """Fill in docs/commands.md as it is read."""
    if page != "commands":
        return
    unmentioned = [name for name in names() if name not in MARK.findall(source[0])]
    source[0] += "".join(f"\n## `crossent {name}`\n\n<!-- help: {name} -->\n" for name in unmentioned)
    source[0] = MARK.sub(lambda match: help_block(match[1]), source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", insert)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
