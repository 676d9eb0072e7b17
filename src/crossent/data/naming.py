"""Which columns are the prediction, and of what kind: said by names, types and options, never by values.

Predictions about classes are looked for first; predictions about a number only where there is none, so that
a column called `prediction` beside probabilities stays what it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from crossent.data.fields import is_list, require, shown
from crossent.data.options import ReadOptions
from crossent.data.readers.contract import Source
from crossent.errors import DataError, UsageError
from crossent.losses.contract import VALUE_KINDS

PREFIXES = {"probs": ("p_", "prob_", "proba_"), "logits": ("z_", "logit_"), "log_probs": ("lp_", "logp_")}
"""Column name prefixes that declare a kind; the rest of the name is the class."""
LIST_NAMES = {"probs": ("probs",), "logits": ("logits",), "log_probs": ("log_probs", "logprobs")}
"""Names of list columns that declare a kind."""
SCALAR_NAMES = ("label_logprob", "logprob")
"""Names of a column that holds only the log-probability of what happened."""
MEAN, STD, SAMPLES = "mean", "std", "samples"
POINT_NAMES = ("point", "prediction", "y_pred")
"""Names of a column that holds one number for each row; `mean` is one too where there is no `std`."""
QUANTILE = "q_"
"""What the columns of quantiles begin with; the rest of the name is the level."""

Found = tuple[str, str, tuple[str, ...]]
"""(kind, shape, columns) of a prediction."""


def predictions(source: Source, options: ReadOptions, used: set[str | None]) -> Found:
    """The prediction of a source: the one named by option, or the only one that names declare."""
    free = [f for f in source.schema if f.name not in used]
    if options.prob is not None:
        require(source, options.prob)
        return _one_column(source, options)
    if options.prefix is not None and options.kind not in VALUE_KINDS:
        columns = tuple(f.name for f in free if f.name.startswith(options.prefix))
        if not columns:
            raise DataError(
                "no-predictions",
                f"no column begins with {options.prefix}",
                file=source.name,
                cure="check --prefix",
            )
        return options.kind or "probs", "columns" if len(columns) > 1 else "single", columns
    candidates = [c for c in _about_classes(free) if options.kind in (None, c[0])]
    if not candidates:
        candidates = list(_about_numbers(free, source.text, options))
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise _none_found(source, options)
    several = "; ".join(f"{k} in {shown(c)}" for k, _, c in candidates)
    raise UsageError(
        "which-prediction",
        f"{source.name} has several predictions: {several}",
        cure="choose one with --kind, --prefix or --prob",
    )


def _none_found(source: Source, options: ReadOptions) -> DataError:
    wanted = f" of kind {options.kind}" if options.kind else ""
    needed = {
        "mean_std": "it takes the columns mean and std",
        "quantiles": "it takes columns such as q_0.05, q_0.5 and q_0.95",
        "samples": "it takes a list column samples, or the one that --prob names",
        "point": f"it takes a column {', '.join(POINT_NAMES)} or mean, or the one that --prob names",
    }
    usual = "name the columns p_<class> (for a number: mean and std, q_<level>, samples or point), "
    return DataError(
        "no-predictions",
        f"no column of {shown(source.schema.names)} is named like a prediction{wanted}",
        file=source.name,
        cure=needed.get(
            options.kind or "", usual + "or say where they are with --prob or --prefix and --kind"
        ),
    )


def _about_classes(fields: Sequence[pa.Field]) -> list[Found]:
    """All predictions about classes or tokens that the column names declare."""
    found: list[Found] = []
    for kind, prefixes in PREFIXES.items():
        for prefix in prefixes:
            columns = tuple(f.name for f in fields if f.name.startswith(prefix) and not is_list(f.type))
            if columns:
                found.append((kind, "columns" if len(columns) > 1 else "single", columns))
    for kind, names in LIST_NAMES.items():
        found.extend((kind, "list", (f.name,)) for f in fields if f.name in names and is_list(f.type))
    scalars = tuple(f.name for f in fields if f.name in SCALAR_NAMES and not is_list(f.type))
    found.extend(("label_logprob", "scalar", (name,)) for name in scalars)
    return found


def _about_numbers(fields: Sequence[pa.Field], text: bool, options: ReadOptions) -> Iterator[Found]:
    """All predictions about a number that the column names declare, after the prefix where one is given."""
    prefix, kind = options.prefix or "", options.kind
    plain = {
        f.name.removeprefix(prefix): f for f in fields if f.name.startswith(prefix) and not is_list(f.type)
    }
    if kind in (None, "mean_std") and MEAN in plain and STD in plain:
        yield "mean_std", "numbers", (plain[MEAN].name, plain[STD].name)
    if kind in (None, "quantiles"):
        quantiles = [f.name for rest, f in plain.items() if _level_text(rest, prefix) is not None]
        if quantiles:
            yield "quantiles", "numbers", tuple(quantiles)
    if kind in (None, "samples"):
        lists = (f.name for f in fields if f.name == prefix + SAMPLES and is_list(f.type))
        yield from (("samples", "samples", (name,)) for name in lists)
    if kind in (None, "point"):
        alone = (MEAN,) if kind == "point" or STD not in plain else ()
        points = (plain[name] for name in (*POINT_NAMES, *alone) if name in plain)
        yield from (("point", "numbers", (f.name,)) for f in points if text or _is_number(f.type))


def _level_text(rest: str, prefix: str) -> str | None:
    """The level that a column name says, None where it is no column of quantiles."""
    if not prefix and not rest.startswith(QUANTILE):
        return None
    text = rest.removeprefix(QUANTILE)
    try:
        float(text)
    except ValueError:
        return None
    return text


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))


def _one_column(source: Source, options: ReadOptions) -> Found:
    assert options.prob is not None
    kind = options.kind or "probs"
    a_list = is_list(source.schema.field(options.prob).type)
    if kind in ("mean_std", "quantiles"):
        raise UsageError(
            "kind-of-several-columns",
            f"--prob names one column, and {kind} takes several",
            cure="leave --prob out; --prefix says what the columns begin with",
        )
    if kind in ("samples", "point"):
        if a_list != (kind == "samples"):
            raise DataError(
                "prediction-type",
                f"{kind} must be {'a list column' if kind == 'samples' else 'a column of numbers'}, this one "
                f"is {source.schema.field(options.prob).type}",
                file=source.name,
                column=options.prob,
                cure="declare another --kind, or name another column",
            )
        return kind, "samples" if a_list else "numbers", (options.prob,)
    if kind == "label_logprob":
        return kind, "scalar", (options.prob,)
    return kind, "list" if a_list else "single", (options.prob,)


def levels_of(source: Source, columns: Sequence[str], prefix: str) -> tuple[float, ...]:
    """The levels that the columns of quantiles name.

    Raises DataError where one is not between 0 and 1 or stands there twice.
    """
    levels: dict[float, str] = {}
    for column in columns:
        level = float(_level_text(column.removeprefix(prefix), prefix) or "nan")
        if not 0.0 < level < 1.0:
            raise DataError(
                "bad-level",
                "the level of a quantile lies between 0 and 1",
                file=source.name,
                column=column,
                value=level,
                cure="name the column of the 95 % quantile q_0.95",
            )
        if level in levels:
            raise DataError(
                "level-twice",
                f"the column {levels[level]} is of the same level",
                file=source.name,
                column=column,
                value=level,
                cure="keep one of the two",
            )
        levels[level] = column
    return tuple(levels)
