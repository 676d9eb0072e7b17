"""The command line: one call of a Python function a command."""

from __future__ import annotations

from crossent.cli.commands import cli, main

__all__ = ["cli", "main"]
