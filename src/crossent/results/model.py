"""What is known of one model."""

from __future__ import annotations

from dataclasses import dataclass

from crossent.statistics.calibration_error import Reliability
from crossent.statistics.estimates import Estimate
from crossent.statistics.generalised_pareto import TailIndex


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
