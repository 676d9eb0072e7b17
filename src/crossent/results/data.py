"""The data behind every number: files, what was understood of them, and the rows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FileRecord:
    """One file that was read."""

    path: str
    """As it was given; of a folder or glob, the file in it."""
    bytes: int
    """Size as stored."""
    rows: int | None
    """None where nothing says so before the file is read to its end."""
    digest: str
    """Of the size and the first and last mebibyte; in memory, of all that is read."""


@dataclass(frozen=True)
class SourceRecord:
    """What was understood of one model's data: printed, so that nothing is guessed in silence."""

    model: str
    """Its name, as in the results."""
    kind: str
    """What the predictions are: "probs", "logits", "log_probs" or "label_logprob"; about a number "mean_std",
    "quantiles", "samples" or "point"."""
    layout: str
    """In words: "columns p_late, p_ontime" or "list column probs of 100 classes"."""
    dtype: str
    """Type of the numbers as stored; losses are computed in float64 whatever it is."""
    files: tuple[FileRecord, ...]
    """In the order in which they were read."""
    ignored_columns: tuple[str, ...]
    """Columns of the data that no option or prediction uses."""


@dataclass(frozen=True)
class DataRecord:
    """The rows behind every number."""

    rows: int
    """Rows that were scored, of the first model where the unit is not the row."""
    sum_of_weights: float
    """Equal to the number of rows where no weight column is named."""
    pairing: str
    """"row id", "position", "same row" (columns of one table), "unit" or "single" (one model)."""
    label_column: str
    """The column that says what happened."""
    id_column: str | None
    """None where rows were paired by position."""
    weight_column: str | None
    """None where every row counts the same."""
    cluster_column: str | None
    """None where rows are taken as independent."""
    clusters: int | None
    """Number of different values in the cluster column."""
    group_columns: tuple[str, ...]
    """Columns whose every value gets a loss of its own."""
    unit_column: str | None
    """What models of different tokenisations are paired by, such as a document."""
    bytes_column: str | None
    """Bytes of text behind a row, the denominator of bits per byte."""
    total_bytes: float | None
    """Sum of that column."""
    where: tuple[tuple[str, str], ...]
    """(column, value): only rows with these values were read."""
    where_not: tuple[tuple[str, str], ...]
    """(column, value): rows with these values were left out."""
    classes: tuple[str, ...] | None
    """None where only the log-probability of the label is known, or the label is a number."""
    class_rows: tuple[int, ...] | None
    """Rows of each class, in the order of `classes`."""
    dropped: tuple[tuple[str, int], ...]
    """Rows left out by an explicit choice: (model, count); empty when nothing was."""
    sources: tuple[SourceRecord, ...]
    """One a model, in the order in which they were given."""
    neighbours: int | None = None
    """Of clusters that are times, how many neighbours on either side count as dependent; None where clusters
    count as independent of each other."""
