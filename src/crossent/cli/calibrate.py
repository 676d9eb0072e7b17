"""`crossent calibrate`: fit a map that recalibrates predictions, and apply it to files."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from crossent.cli.options import data_options, only, parse_prior

if TYPE_CHECKING:
    from crossent.recalibrating import Applied, Fitted

source_options = only(data_options, "where", "kind", "prob", "prefix", "classes", "positive", "format")


@click.group()
def calibrate() -> None:
    """Recalibrate predictions: fit a map to labelled rows, apply it to others.

    \b
    crossent calibrate fit valid.parquet --map auto --out map.json
    crossent calibrate apply map.json test.parquet --out calibrated.parquet
    """


@calibrate.command()
@click.argument("file", nargs=-1, required=True, metavar="FILE…")
@click.option(
    "--map",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="temperature, vector, matrix, isotonic, beta or histogram; auto takes the simplest that is as good "
    "as the best on rows it was not fitted to, which may be none.",
)
@click.option("--out", required=True, metavar="MAP", help="Where the map is written, as JSON.")
@click.option(
    "--floor",
    type=float,
    default=0.0,
    metavar="P",
    help="Raise smaller probabilities to P first [default: not at all].",
)
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    default=5,
    show_default=True,
    metavar="N",
    help="Parts of the rows, by row id or cluster, that a map is judged on in turn.",
)
@click.option(
    "--sample",
    type=click.IntRange(min=100),
    default=1_000_000,
    show_default=True,
    metavar="N",
    help="Keep about N rows in memory at most, taken by chance where there are more.",
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Of folds and sample.")
@only(data_options, "label", "id", "weight", "cluster")
@source_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
def fit(file: tuple[str, ...], map: str, out: str, as_json: bool, format: str | None, **options: Any) -> None:
    """Fit a map to the labelled predictions of one model, and say what it gains.

    FILE is what `evaluate` takes; several are read as one. The gain is measured on rows that the map was not
    fitted to, with its standard error, and printed for every map that was tried.
    """
    from crossent.api import read_options
    from crossent.recalibrating import fit as fit_map

    how = {name: options.pop(name) for name in ("floor", "folds", "sample", "seed")}
    found = fit_map(_data(file), read_options(**options), map=map, format=format, **how)
    found.saved.save(out)
    if as_json:
        _print_json(found.saved.to_dict())
    else:
        _print_fit(found, out)


@calibrate.command()
@click.argument("map", metavar="MAP")
@click.argument("file", nargs=-1, required=True, metavar="FILE…")
@click.option(
    "--out", required=True, metavar="FILE", help="Where rows are written: .parquet, .arrow or .csv."
)
@click.option(
    "--target-prior",
    metavar="A=P,B=P,…|em|bbse",
    help="The classes are of other frequencies here: these, or estimated from the predictions.",
)
@source_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
def apply(
    map: str,
    file: tuple[str, ...],
    out: str,
    target_prior: str | None,
    as_json: bool,
    format: str | None,
    **options: Any,
) -> None:
    """Write the rows of files with calibrated probabilities.

    MAP was written by `calibrate fit`. The columns of the classes are found by their names; p_<class> take
    their place, and every other column is kept. Labels need not be there.
    """
    from crossent.api import read_options
    from crossent.recalibrating import SavedMap
    from crossent.recalibrating import apply as apply_map

    saved = SavedMap.load(map)
    prior: Mapping[str, float] | str | None = target_prior
    if target_prior is not None and "=" in target_prior:
        prior = parse_prior(target_prior)
    done = apply_map(saved, _data(file), out, read_options(**options), prior=prior, format=format)
    if as_json:
        _print_json(_applied(done, saved.classes, saved.name, out))
    else:
        _print_applied(done, saved.classes, out)


def _data(file: tuple[str, ...]) -> object:
    return list(file) if len(file) > 1 else file[0]


def _print_json(document: dict[str, Any]) -> None:
    escaped = (getattr(sys.stdout, "encoding", None) or "utf-8").lower() not in ("utf-8", "utf8")
    click.echo(json.dumps(document, indent=1, ensure_ascii=escaped, allow_nan=False))


def _print_fit(found: Fitted, out: str) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from crossent.recalibration_sentences import verdict
    from crossent.wording import plain, things, with_error

    figures = found.saved.figures
    console = Console(file=sys.stdout)
    console.print(Text(verdict(figures)))
    table = Table(box=box.SIMPLE_HEAD)
    for title in ("map", "log loss", "gain"):
        table.add_column(title, justify="left" if title == "map" else "right")
    table.add_row("none", plain(figures.before), "")
    for score in figures.scores:
        chosen = " (chosen)" if score.name == figures.chosen else ""
        table.add_row(Text(score.title + chosen), plain(score.loss), with_error(score.gain, sign=True))
    console.print(table)
    units = "" if figures.unit == "row" else f", standard errors by {figures.unit}"
    console.print(
        Text(f"Cross-fitted in {figures.folds} folds of {things(figures.rows, 'row')}, in nats{units}.")
    )
    if figures.impossible:
        unseen = things(figures.impossible, "row")
        console.print(
            Text(f"{unseen} gave the label probability 0: with --floor 1e-6 maps of logits are tried too.")
        )
    if not found.exact:
        console.print(Text(f"These rows are a sample, by row id, of {found.total:,}."))
    console.print(
        Text(f"Map: {out}. Apply it with: crossent calibrate apply {out} FILE --out calibrated.parquet")
    )


def _applied(done: Applied, classes: tuple[str, ...], name: str, out: str) -> dict[str, Any]:
    prior = None
    if done.prior is not None:
        prior = {
            "method": done.prior.method,
            "source": dict(zip(classes, done.prior.source, strict=True)),
            "target": dict(zip(classes, done.prior.target, strict=True)),
        }
    return {"map": name, "rows": done.rows, "out": out, "replaced": list(done.replaced), "prior": prior}


def _print_applied(done: Applied, classes: tuple[str, ...], out: str) -> None:
    from crossent.wording import plain, things

    if done.prior is not None:
        how = {"given": "as given", "em": "by maximum likelihood", "bbse": "by black-box shift estimation"}
        click.echo(f"Class frequencies {how[done.prior.method]}:")
        for name, before, after in zip(classes, done.prior.source, done.prior.target, strict=True):
            click.echo(f"  {name}: {plain(after)} (where the map was fitted {plain(before)})")
    if done.replaced:
        click.echo(f"left out, as the new columns have their names: {', '.join(done.replaced)}", err=True)
    click.echo(f"{things(done.rows, 'row')} written to {out}")
