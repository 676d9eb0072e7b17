"""The advice on a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from crossent.advice.facts import Classes, Facts, Lists, Numbers
from crossent.advice.libraries import Spelling
from crossent.advice.reading import short
from crossent.advice.record import Advice, Alternative, Named
from crossent.wording import clean, count, percent, plain, things

_READ_AS = {
    "binary": "two classes",
    "classes": "classes without an order",
    "ordered": "ordered classes",
    "multilabel": "several labels a row",
    "distribution": "distributions over classes",
    "count": "counts",
    "fraction": "fractions",
    "real": "a quantity",
}
_ABOUT_NUMBERS = ("count", "fraction", "real")
_SHOWN = 5
_PLAIN_WIDTH = 100


def render_text(advice: Advice, console: Console) -> None:
    """Print the advice."""
    for part in _parts(advice, console.width):
        console.print(part)


def as_text(advice: Advice) -> str:
    """The advice as lines of plain text."""
    console = Console(file=io.StringIO(), width=_PLAIN_WIDTH, color_system=None)
    with console.capture() as capture:
        render_text(advice, console)
    return "\n".join(line.rstrip() for line in capture.get().rstrip().splitlines())


def _parts(advice: Advice, width: int) -> Iterator[RenderableType]:
    yield _summary(advice)
    yield Text()
    yield _libraries(advice.libraries, width)
    yield from _list("Why", advice.reasons, "•")
    yield from _list("Other readings", [_other(a) for a in advice.alternatives], "•")
    yield from _list("What would change this", advice.would_change, "•")
    yield from _list("Mind", advice.warnings, "!", "yellow")
    yield from _list("Papers", advice.sources, "•", "dim")


def _summary(advice: Advice) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for line in described(advice.facts, advice.task):
        table.add_row("labels" if not table.row_count else "", Text(line))
    table.add_row(
        "read as", Text.assemble((_READ_AS[advice.task], "bold"), f": {clean(advice.reading.because)}")
    )
    table.add_row("train with", _losses(advice.training, " and "))
    table.add_row("judge by", _losses(advice.evaluation, ", beside it "))
    return table


def _losses(losses: Sequence[Named], joint: str) -> Text:
    """Titles with the names that options and functions take."""
    text = Text()
    for place, loss in enumerate(losses):
        text.append("" if place == 0 else joint if place == 1 else ", ")
        text.append(loss.name, style="bold green")
        text.append("" if loss.title == loss.name.replace("_", " ") else f" ({loss.title})")
    return text


def _other(alternative: Alternative) -> str:
    losses = [loss.name for loss in (*alternative.training, *alternative.evaluation)]
    return f"{alternative.option} if {clean(alternative.when)}: {', '.join(dict.fromkeys(losses))}."


def _libraries(spellings: Sequence[Spelling], width: int) -> Table:
    """A row a library, or two where the code is wider than the terminal."""
    needed = 4 + sum(
        max(cell_len(text) for text in texts) for texts in zip(*map(_cells, spellings), strict=True)
    )
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    if needed <= width:
        table.add_column(overflow="fold")
        table.add_row("", Text("train", style="dim"), Text("judge", style="dim"))
    for spelling in spellings:
        library, train, judge = _cells(spelling)
        note = Text(f"{spelling.note}", style="dim")
        codes = [Text(train, style="cyan"), Text(judge, style="cyan")]
        if needed <= width:
            table.add_row(library, *(codes if train else (note, codes[1])))
        else:
            for place, code in enumerate(code for code in codes if code):
                table.add_row("" if place else library, code)
            if not (train or judge):
                table.add_row(library, note)
        if spelling.note and (train or (judge and needed > width)):
            table.add_row("", note)
    return table


def _cells(spelling: Spelling) -> tuple[str, str, str]:
    return spelling.package, spelling.train, spelling.score


def _list(title: str, sentences: Sequence[str], sign: str, style: str = "") -> Iterator[RenderableType]:
    if not sentences:
        return
    yield Text(f"\n{title}", style="bold")
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, style=style)
    table.add_column(style=style, overflow="fold")
    for sentence in sentences:
        table.add_row(sign, Text(sentence))
    yield Padding(table, (0, 0, 0, 1))


def described(facts: Facts, task: str) -> Iterator[str]:
    """The labels in one or two lines, as far as the reading is about them."""
    missing = f", {count(facts.missing)} missing" if facts.missing else ""
    weights = (
        f", weights from {short(facts.weights.smallest)} to {short(facts.weights.largest)}"
        if facts.weights
        else ""
    )
    yield f"{things(facts.rows, 'row')}{missing}{weights}"
    if facts.lists is not None:
        yield _of_lists(facts.lists)
    elif facts.numbers is not None and task in _ABOUT_NUMBERS:
        yield _of_numbers(facts.numbers)
    elif facts.classes is not None:
        yield _of_classes(facts.classes, facts.rows)


def _of_classes(classes: Classes, rows: int) -> str:
    if classes.count <= _SHOWN:
        most = sorted(classes.listed, key=lambda item: -item[1])
        return ", ".join(f"{clean(name)} {percent(n / rows)}" for name, n in most)
    ends = (("most frequent", classes.largest), ("rarest", classes.smallest))
    return ", ".join(f"{what} {clean(name)} ({percent(n / rows)})" for what, (name, n) in ends)


def _of_numbers(numbers: Numbers) -> str:
    tail = "" if numbers.tail_index is None else f", tail index {plain(numbers.tail_index, 1)}"
    zeros = f", {percent(numbers.zeros)} zeros" if numbers.zeros else ""
    return (
        f"from {short(numbers.smallest)} to {short(numbers.largest)}, mean {short(numbers.mean)}, median "
        f"{short(numbers.median)}, standard deviation {short(numbers.variance**0.5)}, skewness "
        f"{plain(numbers.skewness, 1)}{tail}{zeros}"
    )


def _of_lists(lists: Lists) -> str:
    if lists.form == "distributions":
        return (
            f"{lists.labels} classes, with means from {percent(lists.rarest)} to {percent(lists.commonest)}"
        )
    labels = "very many labels" if lists.labels is None else things(lists.labels, "label")
    return (
        f"{labels}, {plain(lists.a_row, 2)} a row, {percent(lists.empty)} of the "
        f"rows without; the rarest in {percent(lists.rarest)} of the rows, the commonest in "
        f"{percent(lists.commonest)}"
    )
