"""A terminal: Rich tables that are printed in parts where they are too wide, and charts of characters."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
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
    console.print(_heading(results.title, console.options))
    for section in build(results, brief=not everything):
        for renderable in _section(section, console.options, full=everything):
            console.print(renderable)


def _section(section: Section, options: ConsoleOptions, *, full: bool) -> Iterator[RenderableType]:
    """Folded tables and charts only when `full`."""
    if full:
        yield _heading(section.title, options)
        if section.lead:
            yield _line(section.lead, options, "dim")
    for block in section.blocks:
        if full or isinstance(block, Sentences) or (isinstance(block, Table) and not block.folded):
            yield from renderables(block, options)


def renderables(block: Block, options: ConsoleOptions) -> Iterator[RenderableType]:
    """One block as Rich renderables for a terminal of these options."""
    match block:
        case Table():
            yield from _table(block, options)
        case Sentences():
            style = _SENTENCES[block.style]
            for item in block.items:
                line = _line(item, options, style)
                yield _bulleted(line, options) if block.style == "list" else line
            yield ""
        case ReliabilityChart() if block.numbers_shown:
            return
        case ReliabilityChart():
            title = f"{block.title}: {block.axis} ({block.remark})" if block.remark else block.title
            yield _line(title, options)
            yield from _table(numbers_of(block), options)
        case _:
            yield from _drawing(block, options)


def shown(text: str, options: ConsoleOptions) -> str:
    """The text as this terminal can show it: cleaned, and in ASCII where it knows nothing else."""
    return _encoded(clean(text), options)


def _encoded(text: str, options: ConsoleOptions) -> str:
    return text.translate(_ASCII).encode("ascii", "replace").decode("ascii") if options.ascii_only else text


def _line(text: str, options: ConsoleOptions, style: str = "") -> Text:
    return Text(shown(text, options), style, overflow="fold")


def _heading(title: str, options: ConsoleOptions) -> Rule:
    return Rule(Text(shown(title, options), "bold"), align="left", style="dim")


def _bulleted(line: Text, options: ConsoleOptions) -> RichTable:
    table = RichTable.grid(padding=(0, 1, 0, 0))
    table.add_column(width=1)
    table.add_column(ratio=1, overflow="fold")
    table.add_row(_line("•", options, "dim"), line)
    return table


def _table(table: Table, options: ConsoleOptions) -> Iterator[RenderableType]:
    """Columns that do not fit follow in a second part under the same key columns."""
    texts = [[_cell(row[i], options) for row in table.rows] for i in range(len(table.columns))]
    titles = [shown(column.title, options) for column in table.columns]
    widths = [_column_width(*column) for column in zip(table.columns, titles, texts, strict=True)]
    keys = [i for i, column in enumerate(table.columns) if column.key]
    caption = table.caption
    for part in _balanced(keys, widths, options.max_width):
        yield _line(caption, options, "bold")
        grid = RichTable(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="dim")
        for i in part:
            grid.add_column(
                Text(titles[i]),
                justify=table.columns[i].align,
                overflow="fold",
                vertical="top",
                width=min(widths[i], options.max_width - _GAP),
            )
        for row in zip(*(texts[i] for i in part), strict=True):
            grid.add_row(*row)
        yield grid
        yield ""
        caption = f"{table.caption} (continued)"


def _cell(cell: Cell, options: ConsoleOptions) -> Text:
    text = f"{cell.text} ({cell.badge})" if cell.badge else cell.text
    return Text(shown(text, options), _STYLES[cell.tone])


def _column_width(column: Column, title: str, texts: list[Text]) -> int:
    widest = max([*map(cell_len, title.split()), *(cell_len(t.plain) for t in texts)], default=1)
    return max(min(widest, _WIDEST_KEY if column.key else _WIDEST), 1)


def _balanced(keys: list[int], widths: list[int], available: int) -> list[list[int]]:
    """As few parts as fit, and those about equally wide."""
    parts = _parts(keys, widths, available)
    for narrower in range(available - 1, 0, -1):
        tried = _parts(keys, widths, narrower)
        if len(tried) > len(parts) or any(_width(p, widths) > narrower for p in tried):
            break
        parts = tried
    return parts


def _parts(keys: list[int], widths: list[int], available: int) -> list[list[int]]:
    parts: list[list[int]] = [[]]
    for i in (i for i in range(len(widths)) if i not in keys):
        if parts[-1] and _width([*keys, *parts[-1], i], widths) > available:
            parts.append([])
        parts[-1].append(i)
    return [sorted(keys + part) for part in parts]


def _width(part: list[int], widths: list[int]) -> int:
    return sum(widths[i] + _GAP for i in part) - _GAP


def _drawing(
    chart: IntervalChart | BarChart | HistogramChart, options: ConsoleOptions
) -> Iterator[RenderableType]:
    """A chart of characters: a line a row, the axis' ends below."""
    yield _line(chart.title, options, "bold")
    width = min(options.max_width, 100)
    match chart:
        case IntervalChart():
            lines = _interval_lines(chart, width)
        case BarChart():
            lines = _bar_lines(chart, width)
        case HistogramChart():
            lines = _histogram_lines(chart)
    for line in lines:
        yield Text(_encoded(line, options), no_wrap=True, overflow="crop")
    yield ""


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
        scale = ", logarithmic" if chart.logarithmic else ""
        yield f"{plain(chart.bins[0][0])} to {plain(chart.bins[-1][1])} {chart.axis}{scale}"
    if chart.infinite:
        yield f"not drawn: {things(chart.infinite, 'row')} with infinite loss"
