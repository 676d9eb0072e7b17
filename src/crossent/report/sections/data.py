"""Data and provenance: what was read, how it was understood, and with what it was computed."""

from __future__ import annotations

from collections.abc import Callable

from crossent.report import cells
from crossent.report.blocks import Block, Cell, Column, Section, Table
from crossent.report.registry import section
from crossent.results import DataRecord, FileRecord, Results, SourceRecord
from crossent.wording import byte_size, count, percent, plain, things

_DIGEST_SHOWN = 12


@section(order=100)
def data(results: Results) -> Section:
    """The rows, each model's predictions, the files, the classes, the versions."""
    blocks: list[Block] = [_pairs("The rows", _facts(results.data)), _sources(results)]
    if any(s.files for s in results.data.sources):
        blocks.append(_files(results))
    if results.data.classes is not None and results.data.class_rows is not None:
        blocks.append(_classes(results.data))
    if results.provenance:
        blocks.append(_pairs("How it was computed", list(results.provenance)))
    return Section("Data and provenance", "data", tuple(blocks))


def _pairs(caption: str, facts: list[tuple[str, str]]) -> Table:
    columns = (Column("what", key=True), Column("value"))
    return Table(caption, columns, tuple((Cell(what), Cell(value)) for what, value in facts))


def _facts(d: DataRecord) -> list[tuple[str, str]]:
    facts = [("rows", count(d.rows)), ("paired by", d.pairing), ("label column", d.label_column)]
    if d.id_column:
        facts.append(("row id", d.id_column))
    if d.weight_column:
        facts.append(("weight", f"{d.weight_column}, summing to {plain(d.sum_of_weights)}"))
    if d.cluster_column:
        facts.append(("cluster", f"{d.cluster_column}, {things(d.clusters or 0, 'cluster')}"))
    if d.neighbours is not None:
        facts.append(("in order", f"with {things(d.neighbours, 'neighbour')} on either side"))
    if d.group_columns:
        facts.append(("groups", ", ".join(d.group_columns)))
    if d.unit_column:
        facts.append(("unit", d.unit_column))
    if d.bytes_column:
        facts.append(("bytes", f"{d.bytes_column}, {count(d.total_bytes)} in all"))
    facts += [("only rows where", f"{column} = {value}") for column, value in d.where]
    facts += [("left out, as asked", f"rows where {column} = {value}") for column, value in d.where_not]
    facts += [("left out, as asked", f"{things(n, 'row')} of {model}") for model, n in d.dropped]
    return facts


def _sources(results: Results) -> Table:
    columns: list[tuple[Column, Callable[[SourceRecord], Cell]]] = [
        cells.model_column(results, lambda s: s.model),
        (Column("predictions"), lambda s: Cell(s.kind)),
        (Column("found in"), lambda s: Cell(s.layout)),
        (Column("type"), lambda s: Cell(s.dtype)),
        (Column("columns not used"), lambda s: Cell(", ".join(s.ignored_columns) or "none")),
    ]
    return Table.of("What was understood", results.data.sources, columns)


def _files(results: Results) -> Table:
    files = [(s.model, f) for s in results.data.sources for f in s.files]
    columns: list[tuple[Column, Callable[[tuple[str, FileRecord]], Cell]]] = [
        cells.model_column(results, lambda file: file[0]),
        (Column("file", key=True), lambda file: Cell(file[1].path)),
        (Column("size", "right"), lambda file: _size(file[1].bytes)),
        (Column("rows", "right"), lambda file: cells.count_cell(file[1].rows)),
        (Column("digest"), lambda file: Cell(file[1].digest[:_DIGEST_SHOWN], full=file[1].digest)),
    ]
    return Table.of("Files", files, columns, folded=len(files) > cells.ROWS_UNFOLDED)


def _size(count: int) -> Cell:
    """What a query finds has no size."""
    return Cell(byte_size(count), count) if count else cells.missing()


def _classes(d: DataRecord) -> Table:
    assert d.classes is not None and d.class_rows is not None
    classes = list(zip(d.classes, d.class_rows, strict=True))
    total = sum(d.class_rows)
    columns: list[tuple[Column, Callable[[tuple[str, int]], Cell]]] = [
        (Column("class", key=True), lambda c: Cell(c[0])),
        (Column("rows", "right"), lambda c: cells.count_cell(c[1])),
        (Column("share", "right"), lambda c: Cell(percent(c[1] / total if total else None))),
    ]
    return Table.of("Classes", classes, columns, folded=len(classes) > cells.ROWS_UNFOLDED)
