"""`crossent plan`: how many rows a comparison needs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from crossent.cli.options import data_options, model_inputs
from crossent.errors import DataError, UsageError

if TYPE_CHECKING:
    from crossent.evaluation import Evaluation
    from crossent.statistics.designs import Design


@click.command()
@click.argument("pilot", nargs=-1, metavar="[STATE | [NAME=]FILE…]")
@data_options
@click.option(
    "--difference",
    type=float,
    multiple=True,
    metavar="D",
    help="A difference to be shown, in the unit of the loss. Repeatable [default: that of the pilot, a half "
    "and a tenth of it].",
)
@click.option(
    "--sd", type=float, metavar="S", help="Without a pilot: standard deviation of a row's difference."
)
@click.option(
    "--sd-unpaired", type=float, metavar="S", help="The same of rows that are not the same for both models."
)
@click.option("--power", type=float, default=0.8, show_default=True, help="Chance to show a true difference.")
@click.option("--level", type=float, default=0.95, show_default=True, help="Confidence level of the test.")
@click.option(
    "--comparisons",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Comparisons that are made at once, for Bonferroni's correction.",
)
@click.option("--between", metavar="A,B", help="The two models to compare [default: the two best].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
def plan(pilot: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Say how many rows (or clusters) show a difference between two models, and what those there are can
    show.

    The scatter of losses is taken from a pilot: a STATE saved with --state, or prediction FILEs as select
    takes them; or from --sd.
    """
    from crossent.planning import sentences

    found = _design(pilot, options)
    if as_json:
        from crossent.report.document import plain_data

        click.echo(json.dumps(plain_data(found), indent=1, allow_nan=False))
        return
    for sentence in sentences(found):
        click.echo(sentence)


def _design(pilot: tuple[str, ...], options: dict[str, Any]) -> Design:
    from crossent.planning import design, from_pilot

    names = ("difference", "sd", "sd_unpaired", "power", "level", "comparisons", "between")
    asked = {name: options.pop(name) for name in names}
    shared = {name: asked[name] for name in ("power", "level", "comparisons")}
    if not pilot:
        if asked["sd"] is None or not asked["difference"]:
            raise UsageError(
                "nothing-to-plan",
                "there is neither a pilot nor --sd with --difference",
                cure="name a saved state or prediction files, or give both numbers",
            )
        return design(asked["sd"], asked["difference"], unpaired_deviation=asked["sd_unpaired"], **shared)
    if asked["sd"] is not None:
        raise UsageError("bad-option", "--sd is taken from the pilot", cure="leave one of the two out")
    models = None
    if asked["between"] is not None:
        models = tuple(name.strip() for name in asked["between"].split(","))
        if len(models) != 2:
            raise UsageError("bad-option", f"--between {asked['between']}", cure="name two models: a,b")
    return from_pilot(_evaluation(pilot, options), asked["difference"], models=models, **shared)


def _evaluation(pilot: tuple[str, ...], options: dict[str, Any]) -> Evaluation:
    """The saved state, or what select finds in the files."""
    from crossent.api import select
    from crossent.evaluation import Evaluation

    if len(pilot) == 1:
        try:
            return Evaluation.load(pilot[0])
        except DataError as error:
            if error.slug != "not-an-evaluation":
                raise
    return select(model_inputs(pilot, (), None), **options).evaluation
