"""`crossent advise`: which loss for these labels."""

from __future__ import annotations

import json
import sys

import click


@click.command()
@click.argument("data", metavar="DATA")
@click.option(
    "--label",
    metavar="COLUMN",
    multiple=True,
    help="Label column [default: label, y_true, y or target]. Several: 0/1 indicators of several labels.",
)
@click.option("--weight", metavar="COLUMN", help="Column of row weights.")
@click.option(
    "--task",
    type=click.Choice(["classes", "ordered", "count", "fraction", "real", "multilabel"]),
    help="What the labels are, where the reading taken is wrong.",
)
@click.option("--ordered", metavar="A,B,…", help="The classes from low to high; they are then ordered.")
@click.option("--format", metavar="NAME", help="File format, where the suffix does not say it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
def advise(
    data: str,
    label: tuple[str, ...],
    weight: str | None,
    task: str | None,
    ordered: str | None,
    format: str | None,
    as_json: bool,
) -> None:
    """Say which loss to train with and to judge by, from a look at the labels.

    DATA is a Parquet, Arrow, CSV, TSV, JSON Lines or NPZ file, a folder of files or a pattern. Only the label
    column and that of weights are read, once, in bounded memory.
    """
    from crossent.advice import advise as advise_about

    order = None if ordered is None else [name.strip() for name in ordered.split(",")]
    advice = advise_about(data, label=label or None, weight=weight, task=task, ordered=order, format=format)
    if as_json:
        escaped = (getattr(sys.stdout, "encoding", None) or "utf-8").lower() not in ("utf-8", "utf8")
        click.echo(json.dumps(advice.to_dict(), indent=1, ensure_ascii=escaped, allow_nan=False))
        return
    from rich.console import Console

    from crossent.advice.text import render_text

    render_text(advice, Console(file=sys.stdout))
