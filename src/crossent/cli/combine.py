"""`crossent combine`: a mixture of models, its weights and its predictions."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from crossent.cli.options import data_options, model_inputs


@click.command()
@click.argument("file", nargs=-1, required=True, metavar="[NAME=]FILE…")
@click.option(
    "--method",
    type=click.Choice(["stacking", "pseudo-bma+", "pseudo-bma", "greedy", "equal"]),
    default="stacking",
    show_default=True,
    help="Weights of the highest log score; by likelihood, with and without a bootstrap; of an average grown "
    "model by model; or all the same.",
)
@click.option("--out", metavar="FILE", help="Write the mixture's predictions: .parquet, .arrow or .csv.")
@click.option("--weights", metavar="FILE", help="Write the weights, as JSON.")
@click.option("--apply", metavar="FILE", help="Take weights that --weights wrote, of other rows, say.")
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    default=10,
    show_default=True,
    metavar="N",
    help="Of the cross-validation that says what the mixture gains; whole clusters go into one.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    metavar="N",
    help="With --method greedy: the most models an average has.",
)
@click.option(
    "--draws",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    metavar="N",
    help="With --method pseudo-bma+: draws of the bootstrap.",
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Of folds and draws.")
@data_options
@click.option("--threads", type=int, metavar="N", help="Threads [default: the processors].")
@click.option(
    "--memory",
    type=int,
    metavar="MB",
    help="Memory for what is kept of each row; the rest goes to a temporary folder [default: 256].",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
@click.option("--quiet", is_flag=True, help="No progress, no hints.")
def combine(file: tuple[str, ...], as_json: bool, quiet: bool, **options: Any) -> None:
    """Mix models: weights that score best, what mixing gains, and the mixture's predictions.

    Each FILE holds one model's predictions of rows that it was not fitted to. The gain over the best single
    model is cross-validated. With --out, the mixture can be compared by select as any model.
    """
    from crossent.cli.output import Progress
    from crossent.mixing import combine as combine_files

    if options["memory"] is not None:
        options["memory"] <<= 20
    with Progress(quiet=quiet) as progress:
        found = combine_files(
            model_inputs(file),
            **options,
            progress=progress.advance,
            notify=progress.say,
            started=progress.start,
        )
        if found.on_disk:
            progress.say(
                "the log-probabilities did not fit into --memory and were kept in a temporary folder"
            )
    if as_json:
        escaped = (getattr(sys.stdout, "encoding", None) or "utf-8").lower() not in ("utf-8", "utf8")
        click.echo(json.dumps(found.to_dict(), indent=1, ensure_ascii=escaped, allow_nan=False))
    else:
        _print(found.combination)
    if options["out"] is not None and not quiet:
        click.echo(f"mixture: {options['out']}", err=True)


def _print(found: Any) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from crossent.mixture_sentences import remarks, verdict
    from crossent.wording import percent, plain

    console = Console(file=sys.stdout)
    console.print(Text(verdict(found, LEVEL), style="bold"))
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("model")
    table.add_column("weight", justify="right")
    table.add_column("log loss", justify="right")
    ranked = sorted(zip(found.models, found.weights, found.losses, strict=True), key=lambda row: -row[1])
    for name, weight, loss in ranked:
        table.add_row(Text(name), percent(weight), plain(loss))
    table.add_row("mixture", "", plain(found.log_loss))
    console.print(table)
    for sentence in remarks(found, LEVEL):
        console.print(Text(sentence))


LEVEL = 0.95
"""Confidence of the interval of the gain."""
