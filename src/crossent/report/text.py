"""A terminal: Rich tables that are printed in parts where they are too wide, and charts of characters."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.rule import Rule
from rich.table import Table as RichTable
from rich.text import Text

from crossent.report.blocks import (
    BarChart,
    Block,
    Cell,
    Column,
    HistogramChart,
    IntervalChart,
    IntervalPoint,
    ReliabilityChart,
    Section,
    Sentences,
    Table,
    numbers_of,
)
from crossent.report.registry import build
from crossent.results import Results
from crossent.wording import clean, percent, plain, things

_STYLES = {"plain": "", "strong": "bold", "quiet": "dim", "good": "green", "bad": "red"}
_SENTENCES = {"lead": "bold", "list": "", "quiet": "dim", "alarm": "bold red"}
_LEVELS = " ▁▂▃▄▅▆▇█"
_WIDEST_KEY, _WIDEST = 28, 44
"""Columns of a table; longer texts fold."""
_GAP = 2
_ASCII = str.maketrans(
    {"±": "+/-", "∞": "inf", "−": "-", "–": "-", "—": "-", "Δ": "diff", "⁻": "^-", "⁶": "6", "³": "3"}
    | {"·": "-", "•": "*", "●": "o", "━": "-", "│": "|"}
    | {"█": "#", "▁": ".", "▂": ".", "▃": ":", "▄": ":", "▅": "+", "▆": "+", "▇": "#"}
)


def render_text(results: Results, console: Console, *, full: bool | None = None) -> None:
    """Print the report on a terminal.

    `full` prints every section; False only the verdict, the leaderboard and the notes. By default one model
    is printed in full and several in brief.
    """
    everything = len(results.models) == 1 if full is None else full
    console.print(Heading(results.title))
    for section in build(results, brief=not everything):
        for renderable in renderables(section, full=everything):
            console.print(renderable)


def renderables(section: Section, *, full: bool = True) -> Iterator[RenderableType]:
    """A section as Rich renderables; folded tables and charts only when `full`."""
    if full:
        yield Heading(section.title)
        if section.lead:
            yield _paragraph(section.lead, "dim")
    for block in section.blocks:
        if full or not _secondary(block):
            yield from block_renderables(block)


def block_renderables(block: Block) -> Iterator[RenderableType]:
    """One block as Rich renderables."""
    match block:
        case Table():
            yield Grid(block)
        case Sentences():
            bullet = block.style == "list"
            for item in block.items:
                yield _paragraph(item, _SENTENCES[block.style], bullet=bullet)
            yield Line("")
        case ReliabilityChart():
            yield Line(f"{block.title}: {block.axis} ({block.remark})" if block.remark else block.title)
            yield Grid(numbers_of(block))
        case _:
            yield Drawing(block)


def _secondary(block: Block) -> bool:
    return not isinstance(block, Sentences | Table) or (isinstance(block, Table) and block.folded)


def _paragraph(text: str, style: str, *, bullet: bool = False) -> RenderableType:
    if not bullet:
        return Line(text, style)
    table = RichTable.grid(padding=(0, 1, 0, 0))
    table.add_column(width=1)
    table.add_column(ratio=1, overflow="fold")
    table.add_row(Line("•", "dim"), Line(text, style))
    return table


def shown(text: str, options: ConsoleOptions) -> str:
    """The text as this terminal can show it: cleaned, and in ASCII where it knows nothing else."""
    safe = clean(text) if text.strip() else text
    if not options.ascii_only:
        return safe
    return safe.translate(_ASCII).encode("ascii", "replace").decode("ascii")


class Line:
    """A paragraph of plain text."""

    def __init__(self, text: str, style: str = "") -> None:
        self.text, self.style = text, style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(shown(self.text, options), self.style, overflow="fold")


class Heading:
    """The title of a section."""

    def __init__(self, title: str) -> None:
        self.title = title

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Rule(Text(shown(self.title, options), "bold"), align="left", style="dim")


class Grid:
    """A table; columns that do not fit follow in a second part under the same key columns."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = [
            [_cell(row[i], options) for row in self.table.rows] for i in range(len(self.table.columns))
        ]
        widths = [
            _column_width(column, shown(column.title, options), texts)
            for column, texts in zip(self.table.columns, columns, strict=True)
        ]
        caption = shown(self.table.caption, options)
        for number, part in enumerate(self._balanced(widths, options.max_width)):
            yield Text(caption if number == 0 else f"{caption} (continued)", "bold", overflow="fold")
            yield self._part(part, columns, widths, options)
            yield Text("")

    def _balanced(self, widths: list[int], available: int) -> list[list[int]]:
        """As few parts as fit, and those about equally wide."""
        parts = self._parts(widths, available)
        for narrower in range(available - 1, 0, -1):
            tried = self._parts(widths, narrower)
            if len(tried) > len(parts) or any(_width(p, widths) > narrower for p in tried):
                break
            parts = tried
        return parts

    def _parts(self, widths: list[int], available: int) -> list[list[int]]:
        keys = [i for i, column in enumerate(self.table.columns) if column.key]
        parts: list[list[int]] = [[]]
        for i in (i for i in range(len(widths)) if i not in keys):
            if parts[-1] and _width([*keys, *parts[-1], i], widths) > available:
                parts.append([])
            parts[-1].append(i)
        return [sorted(keys + part) for part in parts]

    def _part(
        self,
        part: list[int],
        columns: list[list[Text]],
        widths: list[int],
        options: ConsoleOptions,
    ) -> RichTable:
        table = RichTable(
            box=None,
            padding=(0, _GAP, 0, 0),
            pad_edge=False,
            header_style="dim",
        )
        for i in part:
            column = self.table.columns[i]
            table.add_column(
                Text(shown(column.title, options)),
                justify=column.align,
                overflow="fold",
                vertical="top",
                width=min(widths[i], options.max_width - _GAP),
            )
        for texts in zip(*(columns[i] for i in part), strict=True):
            table.add_row(*texts)
        return table


class Drawing:
    """A chart of characters: a line a row, the axis' ends below."""

    def __init__(self, chart: IntervalChart | BarChart | HistogramChart) -> None:
        self.chart = chart

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(shown(self.chart.title, options), "bold", overflow="fold")
        width = min(options.max_width, 100)
        match self.chart:
            case IntervalChart():
                lines = _interval_lines(self.chart, width)
            case BarChart():
                lines = _bar_lines(self.chart, width)
            case HistogramChart():
                lines = _histogram_lines(self.chart)
        for line in lines:
            yield Text(shown_line(line, options), no_wrap=True, overflow="crop")
        yield Text("")


def shown_line(line: str, options: ConsoleOptions) -> str:
    """A line drawn with spaces that must stay."""
    return line.translate(_ASCII).encode("ascii", "replace").decode("ascii") if options.ascii_only else line


def _cell(cell: Cell, options: ConsoleOptions) -> Text:
    text = f"{cell.text} ({cell.badge})" if cell.badge else cell.text
    return Text(shown(text, options), _STYLES[cell.tone])


def _column_width(column: Column, title: str, texts: list[Text]) -> int:
    widest = max([*map(cell_len, title.split()), *(cell_len(t.plain) for t in texts)], default=1)
    return max(min(widest, _WIDEST_KEY if column.key else _WIDEST), 1)


def _width(part: list[int], widths: list[int]) -> int:
    return sum(widths[i] + _GAP for i in part) - _GAP


def _label(text: str, width: int) -> str:
    label = Text(clean(text))
    label.truncate(width, overflow="ellipsis", pad=True)
    return label.plain


def _label_column(labels: list[str], width: int) -> int:
    return min(max((cell_len(clean(label)) for label in labels), default=0), width // 3)


def _interval_lines(chart: IntervalChart, width: int) -> Iterator[str]:
    ends = [v for p in chart.points for v in (p.value, *(p.ends or ())) if math.isfinite(v)]
    ends += [] if chart.reference is None or not ends else [chart.reference]
    names = _label_column([p.label for p in chart.points], width)
    plot = width - names - 2
    if not ends:
        yield from (f"{_label(p.label, names)}  {_beyond(p)}" for p in chart.points)
        return
    low, span = min(ends), (max(ends) - min(ends)) or 1.0
    for p in chart.points:
        yield f"{_label(p.label, names)}  {_interval_line(chart, p, low, span, plot)}"
    yield " " * (names + 2) + _axis(plain(low), f"{plain(low + span)} {chart.axis}", plot)


def _interval_line(chart: IntervalChart, p: IntervalPoint, low: float, span: float, plot: int) -> str:
    def at(value: float) -> int:
        return round((value - low) / span * (plot - 1))

    if not math.isfinite(p.value):
        return _beyond(p).rjust(plot)
    line = [" "] * plot
    if chart.reference is not None:
        line[at(chart.reference)] = "│"
    if p.ends is not None:
        start, stop = at(p.ends[0]), at(p.ends[1])
        line[start : stop + 1] = "━" * (stop - start + 1)
    line[at(p.value)] = "●"
    return "".join(line)


def _beyond(p: IntervalPoint) -> str:
    value = plain(p.value)
    return f"{value} ({p.remark})" if p.remark else value


def _axis(low: str, high: str, plot: int) -> str:
    return low + high.rjust(plot - len(low))


def _bar_lines(chart: BarChart, width: int) -> Iterator[str]:
    names = _label_column([label for label, _, _ in chart.bars], width)
    most = max((share for _, share, _ in chart.bars), default=0.0) or 1.0
    room = width - names - 12
    for label, share, _ in chart.bars:
        yield f"{_label(label, names)}  {percent(share):>8}  {'█' * round(share / most * room)}"


def _histogram_lines(chart: HistogramChart) -> Iterator[str]:
    most = max((n for _, _, n in chart.bins), default=0) or 1
    yield "".join(_LEVELS[math.ceil(n / most * (len(_LEVELS) - 1))] for _, _, n in chart.bins)
    if chart.bins:
        yield f"{plain(chart.bins[0][0])} to {plain(chart.bins[-1][1])} {chart.axis}, logarithmic"
    if chart.infinite:
        yield f"not drawn: {things(chart.infinite, 'row')} with infinite loss"
