"""The analyses of rows, registered by decorator, a field of `Findings` each."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from crossent.deep import analyses as package
from crossent.deep.table import RowTable
from crossent.evaluation import Evaluation
from crossent.findings import Findings
from crossent.results import Results


@dataclass(frozen=True)
class Look:
    """What an analysis may look at: the rows, and what is known already."""

    table: RowTable
    evaluation: Evaluation
    results: Results
    """As read from the sums, without findings."""
    level: float
    seed: int


Analysis = Callable[[Look], Any]
_ANALYSES: dict[str, Analysis] = {}


def analysis(field: str) -> Callable[[Analysis], Analysis]:
    """Register a function Look → value of that field of `Findings`."""

    def register(function: Analysis) -> Analysis:
        _ANALYSES[field] = function
        return function

    return register


def look(evaluation: Evaluation, results: Results, table: RowTable, level: float, seed: int) -> Findings:
    """All that the analyses find in these rows."""
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    view = Look(table, evaluation, results, level, seed)
    found = {field: _ANALYSES[field](view) for field in sorted(_ANALYSES)}
    return Findings(rows=len(table), total=table.total, seed=seed, **found)
