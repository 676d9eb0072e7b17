"""The options of the command line, in groups that commands share, and how their text is understood."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import click

from crossent.errors import UsageError

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]


def _group(*options: Decorator) -> Decorator:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def only(group: Decorator, *names: str) -> Decorator:
    """The options of a group that have these names."""

    def decorate(command: Command) -> Command:
        def bare() -> None: ...

        every: list[click.Parameter] = getattr(group(bare), "__click_params__", [])
        mine = [parameter for parameter in every if parameter.name in names]
        vars(command).setdefault("__click_params__", []).extend(mine)
        return command

    return decorate


def _names(_: click.Context, __: click.Parameter, text: str | None) -> tuple[str, ...]:
    return () if text is None else tuple(name.strip() for name in text.split(","))


data_options = _group(
    click.option("--label", metavar="COLUMN", help="Label column [default: label, y_true, y or target]."),
    click.option(
        "--id", metavar="COLUMN", help="Row id column, by which models are paired [default: row_id or id]."
    ),
    click.option("--weight", metavar="COLUMN", help="Column of row weights."),
    click.option(
        "--cluster", metavar="COLUMN", help="Column of clusters: rows of one cluster are not independent."
    ),
    click.option(
        "--order",
        metavar="COLUMN",
        help="Column of times: rows of one time, and times next to each other, are not independent.",
    ),
    click.option(
        "--group",
        "groups",
        metavar="COLUMN",
        multiple=True,
        help="Also show the loss by this column. Repeatable.",
    ),
    click.option(
        "--where",
        metavar="COLUMN[!]=VALUE",
        multiple=True,
        help="Use only the rows with this value; != leaves them out. Repeatable.",
    ),
    click.option(
        "--unit", metavar="COLUMN", help="Pair by this column (documents, say), where rows do not correspond."
    ),
    click.option("--bytes", metavar="COLUMN", help="Column of bytes: show bits per byte."),
    click.option(
        "--position",
        metavar="COLUMN",
        help="Column of positions in a text: show the loss at 0, 1, 2–3, 4–7, …",
    ),
    click.option(
        "--kind",
        type=click.Choice(
            ["probs", "logits", "log_probs", "label_logprob", "point", "mean_std", "quantiles", "samples"]
        ),
        help="What the prediction columns hold [default: as their names say].",
    ),
    click.option(
        "--prob",
        metavar="COLUMN",
        help="The one prediction column: a list, or the probability of --positive.",
    ),
    click.option(
        "--prefix", metavar="TEXT", help="What prediction columns begin with [default: p_, z_, lp_, …]."
    ),
    click.option("--classes", metavar="A,B,…|0..99", help="Class names of a list column, in its order."),
    click.option("--positive", metavar="CLASS", help="The class a single column gives the probability of."),
    click.option(
        "--unknown-label",
        type=click.Choice(["error", "zero"]),
        default="error",
        show_default=True,
        help="A label that names no class: an error, or given probability 0.",
    ),
    click.option(
        "--on-missing",
        type=click.Choice(["error", "intersect"]),
        default="error",
        show_default=True,
        help="Rows that not every model has: an error, or left out and reported.",
    ),
    click.option("--renormalise", is_flag=True, help="Divide each row's probabilities by their sum."),
    click.option(
        "--floor", type=float, metavar="P", help="Clip probabilities to [P, 1 − P] [default: not at all]."
    ),
    click.option(
        "--loss",
        metavar="NAME",
        help="The headline: of classes log_loss, brier, zero_one, focal, …; of ordered ones "
        "ranked_probability_score; of numbers gaussian_nll, crps, pinball, squared_error, …; all are in the "
        "documentation under Losses [default: log_loss; of numbers the one usual for their kind].",
    ),
    click.option("--format", metavar="NAME", help="File format, where the suffix does not say it."),
)

query_options = _group(
    click.option(
        "--sql",
        "queries",
        metavar="[NAME=]QUERY",
        multiple=True,
        help="Predictions that are the rows of a query. Repeatable in select: a model each.",
    ),
    click.option(
        "--uri",
        metavar="URI",
        help="The database of --sql: postgresql://user@host/database, sqlite:///path.db, …",
    ),
)

selecting_options = _group(
    click.option(
        "--model",
        metavar="COLUMN",
        multiple=True,
        help="A column of the one FILE that is a model. Repeatable.",
    ),
    click.option(
        "--rule",
        type=click.Choice(["best", "one-se", "mcs"]),
        default="best",
        show_default=True,
        help="Lowest loss, simplest within one standard error, or by the model confidence set.",
    ),
    click.option(
        "--complexity", metavar="A,B,…", callback=_names, help="The models from simplest to most complex."
    ),
    click.option(
        "--baseline", metavar="[NAME=]FILE", help="A model that the chosen one must not be worse than."
    ),
    click.option(
        "--fail-if-worse", is_flag=True, help="Exit with 3 if the chosen model is worse than the baseline."
    ),
    click.option(
        "--adjust",
        type=click.Choice(["holm", "max-t", "bonferroni", "bh", "by", "none"]),
        default="holm",
        show_default=True,
        help="How p-values are adjusted for many comparisons.",
    ),
    click.option(
        "--mcs-statistic",
        type=click.Choice(["range", "max"]),
        default="range",
        show_default=True,
        help="What the model confidence set tests by: the largest difference of two, or to the average.",
    ),
)

held_out_options = _group(
    click.option(
        "--select-where",
        metavar="COLUMN[!]=VALUE",
        multiple=True,
        help="Choose on the rows with this value, and report on those of --where, or on all others.",
    )
)

stopping_option = _group(
    click.option(
        "--stop-when-decided",
        is_flag=True,
        help="Read parts of the rows by chance, and stop as soon as the best model is decided.",
    )
)

selected_on_option = _group(
    click.option(
        "--selected-on",
        metavar="STATE",
        help="Choose by this saved evaluation of the same models on other rows.",
    )
)

reading_options = _group(
    click.option(
        "--level",
        type=float,
        default=0.95,
        show_default=True,
        help="Confidence level of intervals and tests.",
    ),
    click.option(
        "--prior", metavar="A=P,B=P,…", help="Class probabilities of the training data, for the skill."
    ),
)

deep_options = _group(
    click.option(
        "--deep",
        is_flag=True,
        help="Read the rows once more, for what sums cannot tell: the report has more sections.",
    ),
    click.option(
        "--sample",
        type=click.IntRange(min=100),
        default=200_000,
        show_default=True,
        metavar="N",
        help="With --deep: look at about N rows, taken by chance, where there are more.",
    ),
    click.option(
        "--seed", type=int, default=0, show_default=True, metavar="N", help="Of all that is left to chance."
    ),
)

computing_options = _group(
    click.option(
        "--threads", type=int, metavar="N", help="Threads [default: the processors]. Never changes a digit."
    ),
    click.option(
        "--memory", type=int, metavar="MB", help="Memory for joining rows in different orders [default: 256]."
    ),
    click.option(
        "--engine",
        type=click.Choice(["local", "processes", "ray", "dask"]),
        default="local",
        show_default=True,
        help="Where it is computed: threads, processes or a cluster. Never changes a digit.",
    ),
    click.option(
        "--address",
        "--scheduler",
        "address",
        metavar="URL",
        help="A running Ray or Dask cluster [default: one is started here].",
    ),
    click.option(
        "--checkpoint",
        metavar="FOLDER",
        help="Keep what was found so far, so that nothing is done twice after a crash.",
    ),
    click.option("--resume", is_flag=True, help="Go on from what is in --checkpoint."),
    click.option(
        "--fragment-rows", type=int, metavar="N", help="Rows that are done at a time [default: some 64 MiB]."
    ),
    click.option("--log", metavar="FILE", help="What happens to every fragment, a line of JSON an event."),
)

output_options = _group(
    click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of tables."),
    click.option("--markdown", is_flag=True, help="Print Markdown instead of tables."),
    click.option(
        "--html", metavar="PAGE", help="Write a page that needs nothing else. Needs crossent[report]."
    ),
    click.option(
        "--state", metavar="FILE", help="Save the exact sums, for merge and report (.json or .json.gz)."
    ),
    click.option("--quiet", is_flag=True, help="No progress, no hints."),
)


_NAMED_QUERY = re.compile(r"([^\s=<>!'\"(]+)=(.*)", re.DOTALL)


def query_inputs(queries: Sequence[str], uri: str | None) -> tuple[dict[str, object], list[object]]:
    """Queries with names, and those without, from NAME=QUERY or QUERY."""
    if bool(queries) != (uri is not None):
        raise UsageError(
            "sql-and-uri",
            "--sql says what to read and --uri from which database, and one of them is missing",
            cure="give both, such as --sql 'select * from predictions' --uri postgresql://user@host/database",
        )
    given: dict[str, object] = {}
    unnamed: list[object] = []
    if uri is None:
        return given, unnamed
    from crossent import sql

    for text in queries:
        found = _NAMED_QUERY.fullmatch(text)
        if found is None:
            unnamed.append(sql(text, uri))
        elif found[1] in given:
            raise UsageError("model-twice", f"{found[1]} is given twice", cure=_OTHER_NAME)
        else:
            given[found[1]] = sql(found[2], uri)
    return given, unnamed


_OTHER_NAME = "give each model another name"


def model_inputs(
    arguments: Sequence[str], queries: Sequence[str] = (), uri: str | None = None
) -> dict[str, object]:
    """Models by name from FILE or NAME=FILE, and from queries; what exists as a path is one, whatever it
    contains.
    """
    from crossent.api import named

    asked, unnamed = query_inputs(queries, uri)
    given: dict[str, object] = {}
    for argument in arguments:
        name, equals, path = argument.partition("=")
        if equals and name and path and "/" not in name and not os.path.exists(argument):
            if name in given:
                raise UsageError("model-twice", f"{name} is given twice", cure=_OTHER_NAME)
            given[name] = path
        else:
            unnamed.append(argument)
    together = given
    for more in (named(unnamed) if unnamed else {}, asked):
        twice = sorted(together.keys() & more.keys())
        if twice:
            raise UsageError("model-twice", f"{twice[0]} is given twice", cure=_OTHER_NAME)
        together = {**together, **more}
    return together


def with_baseline(
    arguments: Sequence[str], baseline: str, queries: Sequence[str] = (), uri: str | None = None
) -> tuple[dict[str, object], str]:
    """The models with the baseline among them, and its name; a model that is given already is not added. The
    name of a query stands for its model.
    """
    inputs = model_inputs(arguments, queries, uri)
    if baseline in query_inputs(queries, uri)[0]:
        return inputs, baseline
    ((name, path),) = model_inputs((baseline,)).items()
    if inputs.get(name) == path:
        return inputs, name
    together = model_inputs((*arguments, baseline), queries, uri)
    return together, next(key for key in reversed(together) if together[key] == path)


def parse_prior(text: str | None) -> dict[str, float] | None:
    """Class probabilities from "late=0.2,ontime=0.8"."""
    if text is None:
        return None
    prior = {}
    for part in text.split(","):
        name, equals, value = part.rpartition("=")
        twice = name.strip() in prior
        try:
            prior[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals or twice:
            raise UsageError(
                "bad-prior",
                f"{part!r} is not CLASS=PROBABILITY, once a class",
                cure="write --prior late=0.2,ontime=0.8",
            )
    return prior
