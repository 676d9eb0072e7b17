"""What a report is made of: tables, charts and sentences, in sections. Renderers know nothing else.

A section says *what* is to be shown; how it looks on a terminal, in Markdown or on a page is the renderer's
business. Text in blocks is plain: no markup, never escaped; each renderer makes it safe for its own format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar

from crossent.statistics.calibration_error import ReliabilityBin
from crossent.wording import count, percent, plain, probability, signed

Align = Literal["left", "right"]
Tone = Literal["plain", "strong", "quiet", "good", "bad"]
T = TypeVar("T")


@dataclass(frozen=True)
class Cell:
    """One value of a table: the text for people and, for a number, its exact value."""

    text: str
    exact: float | None = None
    tone: Tone = "plain"
    model: int | None = None
    """Index of the model it names, in rank order: gives it the colour it has in the charts."""
    badge: str = ""
    """A word set beside the text, such as "chosen"."""
    full: str = ""
    """The whole of a text that is shown shortened, such as a file's digest."""


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    title: str
    align: Align = "left"
    key: bool = False
    """Names the row: repeated when a narrow terminal has to print the table in parts."""
    hint: str = ""
    """What the number means, in a sentence."""


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    folded: bool = False
    """Secondary: a page shows it folded, a terminal only when everything is asked for."""

    @classmethod
    def of(
        cls,
        caption: str,
        items: Iterable[T],
        columns: Iterable[tuple[Column, Callable[[T], Cell]]],
        *,
        folded: bool = False,
    ) -> Table:
        """A row an item; each column says what it shows of one."""
        heads, shown = zip(*columns, strict=True)
        return cls(caption, heads, tuple(tuple(show(item) for show in shown) for item in items), folded)


@dataclass(frozen=True)
class IntervalPoint:
    """A value with its interval, None where there is no standard error."""

    label: str
    value: float
    ends: tuple[float, float] | None
    model: int | None = None
    remark: str = ""
    """Stands beside an infinite value, "34 labels" for example."""


@dataclass(frozen=True)
class IntervalChart:
    """A dot with its interval for every row, on one axis; infinite values stand at the edge."""

    title: str
    axis: str
    points: tuple[IntervalPoint, ...]
    reference: float | None = None
    """A line to compare with, 0 for differences."""
    numbers_shown: bool = False
    """A table beside the chart already holds the numbers."""


@dataclass(frozen=True)
class BarChart:
    """Shares from 0 to 1, a bar each."""

    title: str
    axis: str
    bars: tuple[tuple[str, float, int | None], ...]
    """(label, share, model)."""
    numbers_shown: bool = False


@dataclass(frozen=True)
class HistogramChart:
    """Rows, or their weight, in intervals of an axis; infinite values are counted beside it."""

    title: str
    axis: str
    bins: tuple[tuple[float, float, float], ...]
    infinite: int = 0
    model: int | None = None
    numbers_shown: bool = False
    logarithmic: bool = True
    expected: tuple[float, float, float] | None = None
    """(low, middle, high) of what every bin should hold: a line with its band."""
    remark: str = ""


@dataclass(frozen=True)
class ReliabilityChart:
    """Observed frequency against predicted probability, with the band expected if calibrated."""

    title: str
    axis: str
    bins: tuple[ReliabilityBin, ...]
    model: int | None = None
    remark: str = ""
    numbers_shown: bool = False


@dataclass(frozen=True)
class Sentences:
    """Text: one lead, a list of statements, or remarks."""

    items: tuple[str, ...]
    style: Literal["lead", "list", "quiet", "alarm"] = "list"


Chart = IntervalChart | BarChart | HistogramChart | ReliabilityChart
Block = Table | Chart | Sentences


@dataclass(frozen=True)
class Section:
    """A titled part of the report."""

    title: str
    anchor: str
    """Its name in links: lower-case words joined by hyphens, unique in the report."""
    blocks: tuple[Block, ...]
    lead: str = ""
    """What the section answers, in a sentence or two."""


def numbers_of(chart: Chart) -> Table:
    """The chart's numbers as a table, for readers who cannot or would rather not look at the picture."""
    names: tuple[str, ...]
    rows: list[tuple[Cell, ...]]
    match chart:
        case IntervalChart():
            names = ("value", "low", "high")
            rows = [_interval(p) for p in chart.points]
        case BarChart():
            names = ("share",)
            rows = [(Cell(label, model=m), Cell(percent(share), share)) for label, share, m in chart.bars]
        case HistogramChart():
            names = ("to", "rows")
            rows = [(_number(low), _number(high), Cell(count(n), n)) for low, high, n in chart.bins]
            if chart.infinite:
                rows.append((Cell("∞", float("inf")), Cell("∞", float("inf")), Cell(count(chart.infinite))))
            return _numbers(chart, Column("from", "right", key=True), names, rows)
        case ReliabilityChart():
            names = ("weight", "predicted", "observed", "expected 95 %")
            return _numbers(chart, Column("bin", key=True), names, [_bin(b) for b in chart.bins])
    return _numbers(chart, Column("row", key=True), names, rows)


def _interval(p: IntervalPoint) -> tuple[Cell, ...]:
    low, high = p.ends or (None, None)
    return Cell(p.label, model=p.model), _number(p.value, p.remark), _number(low), _number(high)


def _numbers(chart: Chart, key: Column, names: tuple[str, ...], rows: list[tuple[Cell, ...]]) -> Table:
    return Table(f"{chart.title}: numbers", (key, *(Column(n, "right") for n in names)), tuple(rows))


def _number(value: float | None, remark: str = "") -> Cell:
    return Cell(plain(value) + (f" ({remark})" if remark else ""), value)


def _bin(b: ReliabilityBin) -> tuple[Cell, ...]:
    return (
        Cell(f"{probability(b.low)} to {probability(b.high)}"),
        Cell(count(b.weight), b.weight),
        Cell(probability(b.confidence), b.confidence),
        Cell(f"{probability(b.frequency)} ({signed(b.frequency - b.confidence, 3)})", b.frequency),
        Cell(f"{probability(b.band[0])} to {probability(b.band[1])}"),
    )
