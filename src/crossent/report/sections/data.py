"""Data and provenance: what was read, how it was understood, and with what it was computed."""

from __future__ import annotations

from crossent.report import cells
from crossent.report.blocks import Block, Cell, Column, Section, Table
from crossent.report.registry import section
from crossent.results import DataRecord, Results
from crossent.wording import byte_size, count, percent, plain, things

_DIGEST_SHOWN = 12
_ROWS_UNFOLDED = 12


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
    if d.group_columns:
        facts.append(("groups", ", ".join(d.group_columns)))
    if d.unit_column:
        facts.append(("unit", d.unit_column))
    if d.bytes_column:
        facts.append(("bytes", f"{d.bytes_column}, {count(d.total_bytes)} in all"))
    facts += [("only rows where", f"{column} = {value}") for column, value in d.where]
    facts += [("left out, as asked", f"{things(n, 'row')} of {model}") for model, n in d.dropped]
    return facts


def _sources(results: Results) -> Table:
    columns = (
        cells.MODEL,
        Column("predictions"),
        Column("found in"),
        Column("type"),
        Column("columns not used"),
    )
    rows = tuple(
        (
            cells.model_cell(results, s.model),
            Cell(s.kind),
            Cell(s.layout),
            Cell(s.dtype),
            Cell(", ".join(s.ignored_columns) or "none"),
        )
        for s in results.data.sources
    )
    return Table("What was understood", columns, rows)


def _files(results: Results) -> Table:
    columns = (
        cells.MODEL,
        Column("file", key=True),
        Column("size", "right"),
        Column("rows", "right"),
        Column("digest"),
    )
    rows = tuple(
        (
            cells.model_cell(results, s.model),
            Cell(f.path),
            Cell(byte_size(f.bytes), f.bytes),
            cells.count_cell(f.rows),
            Cell(f.digest[:_DIGEST_SHOWN], full=f.digest),
        )
        for s in results.data.sources
        for f in s.files
    )
    return Table("Files", columns, rows, folded=len(rows) > _ROWS_UNFOLDED)


def _classes(d: DataRecord) -> Table:
    assert d.classes is not None and d.class_rows is not None
    columns = (Column("class", key=True), Column("rows", "right"), Column("share", "right"))
    total = sum(d.class_rows)
    rows = tuple(
        (Cell(name), cells.count_cell(n), Cell(percent(n / total if total else None)))
        for name, n in zip(d.classes, d.class_rows, strict=True)
    )
    return Table("Classes", columns, rows, folded=len(rows) > _ROWS_UNFOLDED)
