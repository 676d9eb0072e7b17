"""What predictions about a number look like: spreads, quantiles that cross, samples that are alike."""

from __future__ import annotations

from collections.abc import Callable

from crossent.report import cells
from crossent.report.blocks import Cell, Column, Section, Table
from crossent.report.registry import section
from crossent.results import ModelResult, Results
from crossent.wording import count, plain

Shown = tuple[Column, Callable[[ModelResult], Cell]]


@section(order=80)
def spread(results: Results) -> Section | None:
    """Counts of what is unusual, and the range of what says how uncertain predictions are."""
    numbers = [m.numbers for m in results.models if m.numbers is not None]
    columns: list[Shown] = [
        column for named, column in _COLUMNS if any(getattr(n, named) is not None for n in numbers)
    ]
    if not columns:
        return None
    table = Table.of(
        "The predictions, counted", results.models, [cells.model_column(results, lambda m: m.name), *columns]
    )
    return Section("Predictions", "predictions", (table,))


def _range(name: str, title: str, hint: str = "") -> Shown:
    def show(m: ModelResult) -> Cell:
        low, high = _of(m, f"{name}_min"), _of(m, f"{name}_max")
        if low is None or high is None:
            return cells.missing()
        text = plain(low, 0 if isinstance(low, int) else None)
        other = plain(high, 0 if isinstance(high, int) else None)
        return Cell(text if text == other else f"{text} to {other}", full=f"{low!r} to {high!r}")

    return Column(title, "right", hint=hint), show


def _counted(name: str, title: str, hint: str) -> Shown:
    def show(m: ModelResult) -> Cell:
        n = _of(m, name)
        return cells.missing() if n is None else Cell(count(n), n, tone="bad" if n else "plain")

    return Column(title, "right", hint=hint), show


def _of(m: ModelResult, name: str) -> float | None:
    value: float | None = None if m.numbers is None else getattr(m.numbers, name)
    return value


_COLUMNS: tuple[tuple[str, Shown], ...] = (
    ("std_min", _range("std", "standard deviations", "The least and the greatest.")),
    ("std_zero", _counted("std_zero", "of 0", "Rows with standard deviation 0.")),
    (
        "rows_crossing",
        _counted("rows_crossing", "rows that cross", "A quantile lies above one of a higher level."),
    ),
    ("tied_quantiles", _counted("tied_quantiles", "ties", "Neighbouring quantiles that are equal.")),
    ("samples_min", _range("samples", "samples a row")),
    (
        "rows_of_equal_samples",
        _counted("rows_of_equal_samples", "rows of one value", "Rows whose samples are all the same number."),
    ),
)
"""(field of `Numbers` that must be there, column)."""
