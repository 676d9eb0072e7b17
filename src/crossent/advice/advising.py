"""The function `advise`: labels in, advice out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from crossent._arrays import as_numpy
from crossent.advice.choices import choose
from crossent.advice.facts import Facts
from crossent.advice.libraries import spell
from crossent.advice.looking import Columns, look
from crossent.advice.reading import Otherwise, Reading, understand
from crossent.advice.record import Advice, Alternative, Named
from crossent.advice.remarks import remarks
from crossent.data.options import LABEL_NAMES
from crossent.data.readers import Query, Source, open_source
from crossent.errors import DataError, UsageError
from crossent.losses import get

_LABELS, _WEIGHTS = "y", "weights"


def advise(
    y: object,
    *,
    weights: object = None,
    task: str | None = None,
    ordered: Sequence[str] | None = None,
    label: str | Sequence[str] | None = None,
    weight: str | None = None,
    format: str | None = None,
) -> Advice:
    """Which variant of cross-entropy to train with and to judge by, for these labels, with reasons.

    `y` holds the labels: a list, an array of any library, a Series, (N, K) indicators or fractions, lists of
    names; or a path, a table or a dictionary of columns, of which `label` names the column of labels
    (several: indicators of several labels) and `weight` that of weights. `weights` are weights beside an
    array. `task` says what the labels are (classes, ordered, count, fraction, real, multilabel) where the
    reading taken is wrong; `ordered` names the classes from low to high.

    What the labels are taken to be is a reading, not a fact: it is part of the advice, with the options that
    change it. The order of the rows never matters.

    Errors: DataError for labels nothing can be learnt from (constant-label, label-is-id, label-is-time,
    labels-not-classes), infinite ones and bad weights; UsageError (task-unfit, order-incomplete, bad-option)
    for an option that the labels contradict.

    >>> advice = advise([0, 0, 3, 1, 0, 0, 7, 0, 1, 12] * 50, task="count")
    >>> [loss.name for loss in advice.training]
    ['negative_binomial_nll']
    >>> print(advice.reasons[0][:37])
    The variance is 6.100 times the mean.
    """
    source, columns = _opened(y, weights, label, weight, format)
    facts = look(source, columns)
    return assembled(facts, understand(facts, task, ordered, ", ".join(columns.labels)))


def assembled(facts: Facts, reading: Reading) -> Advice:
    """The advice that the rules give for facts and a reading of them."""
    choice, added = choose(facts, reading.task), remarks(facts, reading)
    return Advice(
        facts,
        reading,
        _named(choice.training),
        _named(choice.evaluation),
        tuple(_alternative(facts, other) for other in reading.otherwise),
        spell(choice.spelled, facts.distinct),
        (*choice.because, *(text for remark in added for text in remark.reasons)),
        (*choice.unless, *(text for remark in added for text in remark.would_change)),
        tuple(text for remark in added for text in remark.warnings),
        (*choice.sources, *(text for remark in added for text in remark.sources)),
    )


def _alternative(facts: Facts, other: Otherwise) -> Alternative:
    choice = choose(facts, other.task)
    return Alternative(f"--task {other.task}", other.when, _named(choice.training), _named(choice.evaluation))


def _named(names: Sequence[str]) -> tuple[Named, ...]:
    return tuple(Named(name, get(name).title) for name in names)


def _opened(
    y: object, weights: object, label: str | Sequence[str] | None, weight: str | None, format: str | None
) -> tuple[Source, Columns]:
    if _is_table(y):
        if weights is not None:
            raise UsageError(
                "bad-option", "weights are given beside a table", cure="name their column with weight="
            )
        source = open_source(y, format=format)
        return source, Columns(_label_columns(source, label), _present(source, weight))
    if label is not None or weight is not None or format is not None:
        raise UsageError(
            "bad-option",
            "label, weight and format are about tables, and labels are given",
            cure="leave them out",
        )
    table: dict[str, object] = {_LABELS: _plain(y)}
    if weights is not None:
        table[_WEIGHTS] = _plain(weights)
    return open_source(table, name="labels"), Columns((_LABELS,), _WEIGHTS if weights is not None else None)


def _is_table(y: object) -> bool:
    columns = hasattr(y, "columns") or hasattr(y, "column_names")
    return isinstance(y, str | os.PathLike | Mapping | Query) or (
        hasattr(y, "__arrow_c_stream__") and columns
    )


def _plain(values: Any) -> Any:
    """An array of any library as NumPy's; a single column as plain labels."""
    if hasattr(values, "__arrow_c_stream__") or isinstance(values, list | tuple):
        return values
    array = as_numpy(values)
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else np.atleast_1d(array)


def _label_columns(source: Source, label: str | Sequence[str] | None) -> tuple[str, ...]:
    if label is not None:
        names = (label,) if isinstance(label, str) else tuple(label)
        for name in names:
            _present(source, name)
        return names
    found = [name for name in LABEL_NAMES if name in source.schema.names]
    if len(found) == 1:
        return (found[0],)
    if not found and len(source.schema.names) == 1:
        return (source.schema.names[0],)
    if found:
        raise UsageError(
            "which-column",
            f"{source.name} has the columns {' and '.join(found)}",
            cure="say which one is the label with --label",
        )
    raise DataError(
        "no-label",
        f"no label column among {', '.join(source.schema.names[:8])}",
        file=source.name,
        cure="name it with --label COLUMN",
    )


def _present(source: Source, column: str | None) -> str | None:
    if column is not None and column not in source.schema.names:
        raise DataError(
            "unknown-column",
            f"no such column; there are {', '.join(source.schema.names[:8])}",
            file=source.name,
            column=column,
            cure="check the spelling of the option that names it",
        )
    return column
