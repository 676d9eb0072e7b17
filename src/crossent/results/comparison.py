"""How models relate to each other: differences, the gate, and a choice that was made on other rows."""

from __future__ import annotations

from dataclasses import dataclass

from crossent.statistics.confidence_set import ConfidenceSet
from crossent.statistics.designs import PairPlan
from crossent.statistics.estimates import Estimate
from crossent.statistics.optimism import Optimism
from crossent.statistics.paired import Difference
from crossent.statistics.serial import SerialDependence
from crossent.statistics.superior_ability import SuperiorAbility
from crossent.statistics.treatment import Treatment


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
