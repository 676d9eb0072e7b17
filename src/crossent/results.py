"""What is known at the end, as plain frozen data: the contract between selection and report.

Nothing here computes. `evaluation` and `selection` fill these records from exact sums; sections of the
report and the JSON document read them. A number that is undefined is None, an infinite loss is `inf`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crossent.findings import Findings
from crossent.statistics.calibration_error import Reliability
from crossent.statistics.confidence_set import ConfidenceSet
from crossent.statistics.designs import PairPlan
from crossent.statistics.estimates import Estimate
from crossent.statistics.generalised_pareto import TailIndex
from crossent.statistics.optimism import Optimism
from crossent.statistics.paired import Difference
from crossent.statistics.serial import SerialDependence
from crossent.statistics.stopping import Stopping
from crossent.statistics.superior_ability import SuperiorAbility
from crossent.statistics.treatment import Treatment


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


@dataclass(frozen=True)
class Floor:
    """The loss with probabilities clipped to [floor, 1 − floor], beside the exact one."""

    floor: float
    """The number itself."""
    name: str
    """"1e-15", "eps64", "1e-7" or "eps32"."""
    rows: int
    """Rows whose loss the clipping changes."""
    loss: Estimate
    """Mean loss at this floor, rows taken as independent."""
    loss_clustered: Estimate | None
    """The same with the standard error between clusters; None without a cluster column."""


@dataclass(frozen=True)
class Renormalised:
    """The loss with rows divided by their sum, where some sums are off by more than 1e-6."""

    rows: int
    """Rows of positive weight whose loss that changes."""
    loss: Estimate
    """Mean loss, rows taken as independent."""
    loss_clustered: Estimate | None
    """The same with the standard error between clusters; None without a cluster column."""


@dataclass(frozen=True)
class Skill:
    """How much of the base-rate loss a model removes: 1 − loss / base."""

    reference: str
    """"base rate of these rows" or "given prior"."""
    base: float
    """Loss of the reference on these rows."""
    skill: Estimate
    """1 for a perfect model, 0 for one no better than the reference, below 0 for a worse one."""
    rows: int
    """Rows the base rate was counted on."""


@dataclass(frozen=True)
class Slice:
    """The loss on the rows of one class or group (rows taken as independent)."""

    value: str
    """Name of the class or value of the group column."""
    rows: int
    """Rows of that class or group."""
    loss: Estimate
    """Their mean loss."""
    n_infinite: int
    """Its rows with infinite loss."""
    bits_per_byte: float | None = None
    """None where no bytes are named, or where a loss is infinite."""


@dataclass(frozen=True)
class Tails:
    """How the loss is spread: what share of the total the worst rows hold."""

    shares: tuple[tuple[str, int, float], ...]
    """(what, rows, share): ("worst 10 rows", 10, 0.055) … ("worst 1 %", 35, 0.1085)."""
    histogram: tuple[tuple[float, float, int], ...]
    """(from, to, rows) on a logarithmic grid of the loss, for the chart; infinite losses are not in it."""
    index: TailIndex | None = None
    """How heavy the upper tail of the finite losses is, weights aside; None where the tail is too short."""


@dataclass(frozen=True)
class WorstRow:
    """One of the rows with the largest loss."""

    row: str
    """The row id, or "row 17 of a.parquet" where there is none."""
    label: str
    """The class or the number that happened."""
    loss: float
    """Before weighting."""
    probability: float | None
    """What the model gave to the label; None where the loss is not the log loss of classes or tokens."""
    predicted: str | None
    """The class with the highest probability, None where there is no distribution; about a number the
    prediction in a few words."""


@dataclass(frozen=True)
class Quality:
    """What the predictions look like, counted over rows or entries."""

    label_zero: int
    """Labels given probability 0, or density 0: their log loss is infinite."""
    label_one: int
    """Labels given probability 1: their log loss is 0."""
    entries_below_zero: int
    """Probabilities below 0, within the tolerance; used as they are."""
    entries_above_one: int
    """Probabilities above 1, within the tolerance; used as they are."""
    row_sum_min: float | None
    """Least sum of the probabilities of a row; None where rows have no sum."""
    row_sum_max: float | None
    """Greatest sum of the probabilities of a row."""
    rows_off_1e6: int
    """Rows whose probabilities miss the sum 1 by more than 1e-6."""
    rows_off_1e3: int
    """Rows whose probabilities miss the sum 1 by more than 1e-3."""
    top_ties: int
    """Rows in which two classes or more share the highest probability."""
    unknown_labels: int
    """Labels that name no class of the model, taken as given probability 0."""
    unseen_mean: float | None = None
    """Mean probability of the tokens that were not shown; None where the data do not say it."""
    unseen_max: float | None = None
    """Greatest probability of the tokens that were not shown, of all rows."""


@dataclass(frozen=True)
class Level:
    """One predicted quantile."""

    level: float
    """Between 0 and 1."""
    pinball: Estimate
    """Mean pinball loss at this level."""
    below: Estimate
    """Share of the labels that are at most the quantile: about the level, where the model is calibrated."""


@dataclass(frozen=True)
class Numbers:
    """What predictions about a number are like, beside their losses; None where their kind does not say."""

    rmse: Estimate | None
    """Root of the mean squared error of the mean, its standard error by the delta method."""
    bias: Estimate | None
    """Mean of prediction minus label, of points."""
    coverage: tuple[tuple[float, Estimate], ...]
    """(share, found): how many labels lie in the central interval that should hold this share of them, of
    Gaussians and samples."""
    pit_mean: Estimate | None
    """Mean probability given to labels no larger than the one that came: 0.5 where calibrated, of
    Gaussians."""
    pit_histogram: tuple[tuple[float, float, float], ...]
    """(from, to, weight): that probability in twenty bins, all alike where calibrated."""
    levels: tuple[Level, ...]
    """The quantiles, ascending."""
    std_min: float | None
    """Least standard deviation."""
    std_max: float | None
    """Greatest standard deviation."""
    std_zero: int | None
    """Rows with standard deviation 0."""
    rows_crossing: int | None
    """Rows in which a quantile lies above one of a higher level."""
    tied_quantiles: int | None
    """Pairs of neighbouring quantiles that are equal."""
    samples_min: int | None
    """Fewest samples of a row."""
    samples_max: int | None
    """Most samples of a row."""
    rows_of_equal_samples: int | None
    """Rows whose samples are all the same number."""


@dataclass(frozen=True)
class ModelResult:
    """Everything about one model."""

    name: str
    """As given, or taken from the file's name."""
    rank: int
    """1 is best; models with infinite loss share the last rank."""
    loss: Estimate
    """The headline: clustered standard error when a cluster column is named."""
    loss_iid: Estimate
    """The mean loss with rows taken as independent."""
    loss_clustered: Estimate | None
    """The mean loss with the standard error between clusters; None without a cluster column."""
    n_infinite: int
    """Rows with infinite loss."""
    mean_of_finite: float | None
    """Mean over the rows with finite loss; None when all are finite. Never used to rank."""
    bits: float | None
    """The mean loss with logarithms to base 2; None for a loss that is not in nats."""
    perplexity: float | None
    """exp of the mean log loss; None for another loss."""
    bits_per_byte: Estimate | None
    """Σ loss in bits / Σ bytes; None where no bytes are named."""
    companions: tuple[tuple[str, Estimate], ...]
    """("brier", …), ("zero_one", …), of numbers ("crps", …): empty where there is no distribution."""
    floors: tuple[Floor, ...]
    """Empty where a floor is the headline or the loss knows none."""
    skill: tuple[Skill, ...]
    """Against the base rate, then against the given prior."""
    calibration: tuple[Reliability, ...]
    """The top label first, then events by name."""
    tails: Tails
    """How much of the loss the worst rows hold."""
    worst: tuple[WorstRow, ...]
    """The largest loss first."""
    classes: tuple[Slice, ...]
    """In the order of the classes; those without rows are left out."""
    macro_mean: Estimate | None
    """Unweighted mean over classes of the class-wise mean loss."""
    groups: tuple[tuple[str, tuple[Slice, ...]], ...]
    """(column, its values) in the order in which the columns were named."""
    quality: Quality
    """Zeros, ties and sums of the predictions."""
    numbers: Numbers | None = None
    """None where the label is not a number."""
    renormalised: Renormalised | None = None
    """None where all rows sum to one, or were divided already, or the predictions have no sums."""


@dataclass(frozen=True)
class Comparison:
    """How the models relate to each other."""

    level: float
    """Confidence of every interval and verdict, 0.95 unless another is asked for."""
    reference: str
    """The model with the lowest loss."""
    differences: tuple[Difference, ...]
    """Every model minus the reference, in rank order, the reference itself left out."""
    pairwise: tuple[Difference, ...]
    """Every two models, the higher-ranked one as reference."""
    confidence_set: ConfidenceSet | None
    """None for fewer than two models with finite loss."""
    adjustment: str = "holm"
    """How p-values were adjusted: "holm", "max-t", "bonferroni", "bh", "by" or "none"."""
    if_independent: tuple[Difference, ...] = ()
    """Pairs that would be told apart if rows were independent, and are not by clusters: with the standard
    errors and p-values of independent rows, which are wrong here."""
    optimism: Optimism | None = None
    """How much too low the lowest loss is for having been picked; None for fewer than two of finite loss."""
    serial: tuple[SerialDependence, ...] = ()
    """Whether clusters next to each other are alike, in each model's difference to the best; empty where
    clusters are no times."""
    superior: SuperiorAbility | None = None
    """Whether any candidate is better than the baseline; None without one, or with a single candidate."""
    treatments: tuple[Treatment, ...] = ()
    """As asked, then at floors and with rows divided by their sum; empty where that changes nothing."""
    plans: tuple[PairPlan, ...] = ()
    """What the comparison of each model with the best could show, and how much more would need."""


@dataclass(frozen=True)
class Gate:
    """Whether the chosen or given model is worse than the baseline."""

    baseline: str
    """The model to compare with, the one in use for example."""
    candidate: str
    """The model under test: the chosen one."""
    difference: Difference
    """Candidate minus baseline."""
    failed: bool
    """True when the candidate is worse; the command line then exits with 3."""
    sentence: str
    """The outcome in words."""


@dataclass(frozen=True)
class HeldOutLoss:
    """One model on the rows that the choice was made on, and on those that are reported on."""

    model: str
    """Its name."""
    on_selection: Estimate
    """Headline loss on the rows of the choice; the lowest of several is too low, by luck."""
    on_report: Estimate
    """Headline loss on the other rows, which had no say in the choice."""


@dataclass(frozen=True)
class HeldOut:
    """A choice made on other rows than those that are reported on."""

    where: str
    """Which rows it was made on, in words: "split=val"."""
    rows: int
    """How many."""
    clusters: int | None
    """How many different values of the cluster column they have."""
    chosen: str | None
    """What the rule chose there: it is the chosen model of the results, too."""
    losses: tuple[HeldOutLoss, ...]
    """All models, the lowest loss on the rows of the choice first."""
    change: float | None
    """Loss of the chosen model on the rows that are reported on minus that on the rows of the choice."""
    change_of_others: float | None
    """The median of the same over the other models of finite loss: how much harder these rows are."""
    hindsight: str | None
    """What the rule would have chosen on the rows that are reported on."""
    regret: Difference | None
    """The chosen model against that one, on the rows that are reported on; None where they are the same."""


@dataclass(frozen=True)
class Note:
    """Something the reader must know: `slug` is its heading in docs/messages.md."""

    slug: str
    """Lower-case words joined by hyphens."""
    text: str
    """One or two sentences."""


@dataclass(frozen=True)
class Results:
    """One evaluation or selection, ready to be printed."""

    title: str
    """Heading of the report."""
    loss: str
    """Registry name of the headline loss, "log_loss" for example."""
    loss_title: str
    """The loss in words, "log loss" for example."""
    unit: str
    """"nats", "bits per byte" when bytes are named and units are paired, "the label's unit" and the like for
    losses of numbers, "1" for a score without a unit."""
    floor: float | None
    """The floor that was asked for as the headline, else None: zero is zero."""
    renormalised: bool
    """True when rows were divided by their sum, as asked."""
    data: DataRecord
    """What was read, and how it was understood."""
    models: tuple[ModelResult, ...]
    """In rank order."""
    comparison: Comparison | None
    """None for one model."""
    rule: str | None
    """"best", "one-se" or "mcs"; None for one model."""
    chosen: str | None
    """Name of the model the rule chose; None where there is none."""
    statements: tuple[str, ...]
    """The verdict in sentences, the first one first."""
    gate: Gate | None
    """None where no baseline is named."""
    notes: tuple[Note, ...]
    """In a fixed order; empty when there is nothing to know."""
    provenance: tuple[tuple[str, str], ...] = field(default=())
    """(what, value): crossent version, Python, NumPy, platform, command, time."""
    findings: Findings | None = None
    """What the rows told when they were read once more; None where that was not asked for."""

    stopping: Stopping | None = None
    """None where reading was not to stop when decided; else what was read, which need not be all rows."""

    held_out: HeldOut | None = None
    """None where the choice was made on the rows that are reported on."""

    def model(self, name: str) -> ModelResult:
        """The result of the model of that name."""
        return next(m for m in self.models if m.name == name)

    @property
    def about_numbers(self) -> bool:
        """Whether the label is a number."""
        return any(m.numbers is not None for m in self.models)

    @property
    def in_unit(self) -> str:
        """ " in nats"; nothing for a score that has no unit."""
        article = "the " if self.unit.startswith("square") else ""
        return "" if self.unit == "1" else f" in {article}{self.unit}"

    @property
    def axis(self) -> str:
        """What an axis of losses is called: the unit, or the name of a score without one."""
        return self.loss_title if self.unit == "1" else self.unit
