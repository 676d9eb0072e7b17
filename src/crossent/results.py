"""What is known at the end, as plain frozen data: the contract between selection and report.

Nothing here computes. `evaluation` and `selection` fill these records from exact sums; sections of the
report and the JSON document read them. A number that is undefined is None, an infinite loss is `inf`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crossent.statistics.calibration_error import Reliability
from crossent.statistics.confidence_set import ConfidenceSet
from crossent.statistics.estimates import Estimate
from crossent.statistics.paired import Difference


@dataclass(frozen=True)
class FileRecord:
    """One file that was read."""

    path: str
    bytes: int
    rows: int | None
    digest: str


@dataclass(frozen=True)
class SourceRecord:
    """What was understood of one model's data: printed, so that nothing is guessed in silence."""

    model: str
    kind: str
    layout: str
    """In words: "columns p_late, p_ontime" or "list column probs of 100 classes"."""
    dtype: str
    files: tuple[FileRecord, ...]
    ignored_columns: tuple[str, ...]


@dataclass(frozen=True)
class DataRecord:
    """The rows behind every number."""

    rows: int
    sum_of_weights: float
    pairing: str
    """"row id", "position", "same row" (columns of one table), "unit" or "single" (one model)."""
    label_column: str
    id_column: str | None
    weight_column: str | None
    cluster_column: str | None
    clusters: int | None
    group_columns: tuple[str, ...]
    unit_column: str | None
    bytes_column: str | None
    total_bytes: float | None
    where: tuple[tuple[str, str], ...]
    classes: tuple[str, ...] | None
    """None where only the log-probability of the label is known."""
    class_rows: tuple[int, ...] | None
    dropped: tuple[tuple[str, int], ...]
    """Rows left out by an explicit choice: (model, count); empty when nothing was."""
    sources: tuple[SourceRecord, ...]


@dataclass(frozen=True)
class Floor:
    """The loss with probabilities clipped to [floor, 1 − floor], beside the exact one."""

    floor: float
    name: str
    """"1e-15", "eps64", "1e-7" or "eps32"."""
    rows: int
    """Rows whose loss the clipping changes."""
    loss: Estimate
    loss_clustered: Estimate | None


@dataclass(frozen=True)
class Skill:
    """How much of the base-rate loss a model removes: 1 − loss / base."""

    reference: str
    """"base rate of these rows" or "given prior"."""
    base: float
    skill: Estimate
    rows: int


@dataclass(frozen=True)
class Slice:
    """The loss on the rows of one class or group (rows taken as independent)."""

    value: str
    rows: int
    loss: Estimate
    n_infinite: int
    bits_per_byte: float | None = None


@dataclass(frozen=True)
class Tails:
    """How the loss is spread: what share of the total the worst rows hold."""

    shares: tuple[tuple[str, int, float], ...]
    """(what, rows, share): ("worst 10 rows", 10, 0.055) … ("worst 1 %", 35, 0.1085)."""
    histogram: tuple[tuple[float, float, int], ...]
    """(from, to, rows) on a logarithmic grid of the loss, for the chart; infinite losses are not in it."""


@dataclass(frozen=True)
class WorstRow:
    """One of the rows with the largest loss."""

    row: str
    """The row id, or "row 17 of a.parquet" where there is none."""
    label: str
    loss: float
    probability: float
    predicted: str | None
    """The class with the highest probability, None where there is no distribution."""


@dataclass(frozen=True)
class Quality:
    """What the predictions look like, counted over rows or entries."""

    label_zero: int
    """Labels given probability 0: their log loss is infinite."""
    label_one: int
    entries_below_zero: int
    entries_above_one: int
    row_sum_min: float | None
    row_sum_max: float | None
    rows_off_1e6: int
    """Rows whose probabilities miss the sum 1 by more than 1e-6 (and by more than 1e-3)."""
    rows_off_1e3: int
    top_ties: int
    unknown_labels: int


@dataclass(frozen=True)
class ModelResult:
    """Everything about one model."""

    name: str
    rank: int
    """1 is best; models with infinite loss share the last rank."""
    loss: Estimate
    """The headline: clustered standard error when a cluster column is named."""
    loss_iid: Estimate
    loss_clustered: Estimate | None
    n_infinite: int
    mean_of_finite: float | None
    """Mean over the rows with finite loss; None when all are finite. Never used to rank."""
    bits: float
    perplexity: float
    bits_per_byte: Estimate | None
    companions: tuple[tuple[str, Estimate], ...]
    """("brier", …), ("zero_one", …): empty where there is no distribution."""
    floors: tuple[Floor, ...]
    skill: tuple[Skill, ...]
    calibration: tuple[Reliability, ...]
    tails: Tails
    worst: tuple[WorstRow, ...]
    classes: tuple[Slice, ...]
    macro_mean: Estimate | None
    """Unweighted mean over classes of the class-wise mean loss."""
    groups: tuple[tuple[str, tuple[Slice, ...]], ...]
    quality: Quality


@dataclass(frozen=True)
class Comparison:
    """How the models relate to each other."""

    level: float
    reference: str
    """The model with the lowest loss."""
    differences: tuple[Difference, ...]
    """Every model minus the reference, in rank order, the reference itself left out."""
    pairwise: tuple[Difference, ...]
    """Every two models, the higher-ranked one as reference."""
    confidence_set: ConfidenceSet | None
    """None for fewer than two models with finite loss."""


@dataclass(frozen=True)
class Gate:
    """Whether the chosen or given model is worse than the baseline."""

    baseline: str
    candidate: str
    difference: Difference
    failed: bool
    sentence: str


@dataclass(frozen=True)
class Note:
    """Something the reader must know: `slug` is its heading in docs/messages.md."""

    slug: str
    text: str


@dataclass(frozen=True)
class Results:
    """One evaluation or selection, ready to be printed."""

    title: str
    loss: str
    """Registry name of the headline loss, "log_loss" for example."""
    loss_title: str
    unit: str
    """"nats", or "bits per byte" when bytes are named and several tokenisations are compared."""
    floor: float | None
    """The floor that was asked for as the headline, else None: zero is zero."""
    renormalised: bool
    data: DataRecord
    models: tuple[ModelResult, ...]
    """In rank order."""
    comparison: Comparison | None
    """None for one model."""
    rule: str | None
    chosen: str | None
    statements: tuple[str, ...]
    """The verdict in sentences, the first one first."""
    gate: Gate | None
    notes: tuple[Note, ...]
    provenance: tuple[tuple[str, str], ...] = field(default=())
    """(what, value): crossent version, Python, NumPy, platform, command, time."""

    def model(self, name: str) -> ModelResult:
        """The result of the model of that name."""
        return next(m for m in self.models if m.name == name)
