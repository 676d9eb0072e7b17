"""Selection: an evaluation of several models read through a rule, with the verdict in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from crossent import losses
from crossent.describing import Describer, data_record
from crossent.errors import UsageError
from crossent.evaluation import Evaluation
from crossent.held_out import held_out
from crossent.notes import notes_on
from crossent.results import Comparison, Gate, ModelResult, Results
from crossent.statements import gate_sentence, statements
from crossent.statistics.confidence_set import check_statistic, model_confidence_set
from crossent.statistics.designs import PairPlan, pair_plan
from crossent.statistics.estimates import mean_estimates
from crossent.statistics.multiplicity import check_adjustment
from crossent.statistics.optimism import selection_optimism
from crossent.statistics.paired import Difference, InfiniteCounts, against, compare, pairwise
from crossent.statistics.power import check_probability
from crossent.statistics.serial import SerialDependence
from crossent.statistics.summary import LossSummary
from crossent.statistics.superior_ability import superior_ability
from crossent.summaries import row_summary, serial_dependences
from crossent.treatments import treatments

RULES = ("best", "one-se", "mcs")


@dataclass(frozen=True)
class Rule:
    """How to choose: "best" (lowest loss), "one-se" or "mcs".

    "one-se" takes the simplest model whose paired difference to the best is within one standard error of that
    difference (Breiman et al. 1984), "mcs" the simplest member of the model confidence set. `complexity`
    names the models from simplest to most complex; without it "mcs" takes the member with the lowest loss.
    """

    name: str = "best"
    complexity: tuple[str, ...] = ()

    def check(self, names: Sequence[str]) -> None:
        """Raise UsageError where the rule cannot be applied to these models."""
        if self.name not in RULES:
            raise UsageError(
                "unknown-rule", f"no rule is named {self.name!r}", cure=f"choose {', '.join(RULES)}"
            )
        if self.name == "one-se" and not self.complexity:
            raise UsageError(
                "no-complexity",
                "the one-standard-error rule needs to know which model is simpler",
                cure="name the models from simplest to most complex with --complexity a,b,c",
            )
        if self.complexity and sorted(self.complexity) != sorted(names):
            raise UsageError(
                "complexity-names",
                f"complexity names {', '.join(self.complexity)}, the models are {', '.join(names)}",
                cure="name every model once, the simplest first",
            )


@dataclass(frozen=True)
class Reading:
    """How results are read from an evaluation: all that can change without reading the data again."""

    level: float = 0.95
    rule: Rule = Rule()
    prior: Mapping[str, float] | None = None
    baseline: str | None = None
    provenance: tuple[tuple[str, str], ...] = ()
    adjust: str = "holm"
    mcs_statistic: str = "range"

    def check(self, names: Sequence[str]) -> None:
        """Raise UsageError where these models cannot be read so."""
        check_probability("level", self.level)
        check_adjustment(self.adjust)
        check_statistic(self.mcs_statistic)
        if self.baseline is not None and self.baseline not in names:
            raise UsageError(
                "unknown-baseline", f"no model is named {self.baseline}", cure="check --baseline"
            )
        if self.baseline is not None and len(names) == 1:
            raise UsageError(
                "baseline-alone",
                "there is no model but the baseline",
                cure="name the models to compare with it",
            )
        self.rule.check([name for name in names if name != self.baseline])


def read_results(
    evaluation: Evaluation, reading: Reading | None = None, selected_on: Evaluation | None = None
) -> Results:
    """Everything that can be said of an evaluation: of one model, or of several compared.

    With `selected_on`, an evaluation of the same models on other rows, the choice is made there.
    """
    reading = reading or Reading()
    first = None if selected_on is None else _selected(evaluation, selected_on, reading)
    names = evaluation.names
    reading.check(names)
    candidates = [name for name in names if name != reading.baseline]
    setup = evaluation.setup
    if reading.prior is not None and (setup.classes is None or setup.loss != "log_loss"):
        raise UsageError(
            "prior-unused",
            "a prior is what the skill of log loss is measured by, and here is none",
            cure="leave --prior out: it needs classes and --loss log_loss",
        )
    describer = Describer(evaluation, reading.prior)
    summary = describer.headline()
    order = _ranking(evaluation, summary)
    models = tuple(describer.model(name, rank) for name, rank in order)
    comparison = chosen = hindsight = gate = None
    if len(names) > 1:
        ranked = [name for name, _ in order]
        comparison = _comparison(evaluation, describer, summary, ranked, reading)
        hindsight = _choose(reading.rule, models, comparison, candidates)
        chosen = hindsight if first is None else first.chosen
        gate = _gate(evaluation, describer, summary, reading, chosen)
    loss = losses.get(setup.loss)
    results = Results(
        title=f"{names[0]} evaluated" if len(names) == 1 else f"{len(names)} models compared",
        loss=setup.loss,
        loss_title=loss.title,
        unit=_unit(describer, loss.unit),
        floor=setup.floor,
        renormalised=setup.renormalised,
        data=data_record(evaluation),
        models=models,
        comparison=comparison,
        rule=reading.rule.name if len(names) > 1 else None,
        chosen=chosen,
        statements=(),
        gate=gate,
        notes=(),
        provenance=reading.provenance,
    )
    if first is not None and selected_on is not None:
        where = selected_on.setup.conditions
        results = replace(results, held_out=held_out(first, results, where, hindsight))
    results = replace(results, notes=notes_on(results, evaluation))
    return replace(results, statements=statements(results))


def _selected(evaluation: Evaluation, selected_on: Evaluation, reading: Reading) -> Results:
    """The results on the rows that the choice is made on, none of which may be among those reported on."""
    if len(evaluation.names) == 1:
        raise UsageError(
            "selection-of-one",
            "there is one model, and nothing to choose",
            cure="leave out which rows to choose on, or name several models",
        )
    evaluation.check_comparable(selected_on)
    return read_results(selected_on, reading)


def _unit(describer: Describer, unit: str) -> str:
    setup = describer.evaluation.setup
    if setup.unit_column is None:
        return unit
    if setup.bytes_column:
        return "bits per byte"
    return f"{'points' if unit == '1' else unit} per {setup.unit_column}"


def _ranking(evaluation: Evaluation, summary: LossSummary) -> list[tuple[str, int]]:
    """(model, rank), lowest loss first; infinite ones share the last rank, fewest infinite rows first."""
    infinite = {n: int(m.infinite[m.names.index(n), m.names.index(n)]) for n, m in evaluation.moments.items()}
    loss = dict(zip(summary.names, summary.mean.tolist(), strict=True))
    ordered = sorted(summary.names, key=lambda n: (loss[n], infinite[n], n))
    finite = sum(math.isfinite(v) for v in loss.values())
    return [(name, min(place, finite + 1)) for place, name in enumerate(ordered, 1)]


def _infinite_rows(evaluation: Evaluation, model: str, reference: str) -> tuple[int, float | None]:
    moments = evaluation.moments[model]
    if reference in moments.names:
        return moments.finite_difference(moments.names.index(model), moments.names.index(reference))
    other = evaluation.moments[reference]
    return int(moments.infinite[0, 0] + other.infinite[0, 0]), None


def _comparison(
    evaluation: Evaluation,
    describer: Describer,
    summary: LossSummary,
    ranked: Sequence[str],
    reading: Reading,
) -> Comparison:
    def infinite(model: str, reference: str) -> tuple[int, float | None]:
        return _infinite_rows(evaluation, model, reference)

    def scaled(table: Sequence[Difference]) -> tuple[Difference, ...]:
        return tuple(_scaled(d, describer.scale) for d in table)

    level, adjust = reading.level, reading.adjust
    shared = evaluation.setup.cluster_column is not None and evaluation.setup.unit_column is None
    rows = row_summary(evaluation.state.moments[0]) if shared else None
    first = against(summary, ranked[0], level=level, order=ranked, adjust=adjust, infinite=infinite)
    every = pairwise(summary, level=level, order=ranked, adjust=adjust, infinite=infinite)
    candidates = [name for name in ranked if name != reading.baseline]
    optimism = selection_optimism(summary, candidates)
    superior = None
    if reading.baseline is not None and len(candidates) > 1:
        superior = superior_ability(summary, reading.baseline, level=level)
    return Comparison(
        level=level,
        reference=ranked[0],
        differences=scaled(first),
        pairwise=scaled(every),
        confidence_set=model_confidence_set(
            summary, alpha=round(1.0 - level, 12), statistic=reading.mcs_statistic
        ),
        adjustment=adjust,
        optimism=None if optimism is None else optimism.scaled(describer.scale),
        serial=_serial(evaluation, describer, summary, ranked),
        superior=superior,
        if_independent=() if rows is None else scaled(_misled(rows, every, reading, infinite)),
        treatments=treatments(evaluation, describer.by, describer.scale, level, adjust),
        plans=_plans(scaled(first), summary, describer.scale, level),
    )


def _plans(
    differences: Sequence[Difference], summary: LossSummary, scale: float, level: float
) -> tuple[PairPlan, ...]:
    """What each comparison with the best could show."""
    found = {n: e.scaled(scale) for n, e in zip(summary.names, mean_estimates(summary), strict=True)}
    plans = (pair_plan(d, found[d.model], found[d.reference], level) for d in differences)
    return tuple(plan for plan in plans if plan is not None)


def _serial(
    evaluation: Evaluation, describer: Describer, summary: LossSummary, ranked: Sequence[str]
) -> tuple[SerialDependence, ...]:
    """Whether clusters next to each other are alike, in the difference of each finite model to the best."""
    finite = dict(zip(summary.names, summary.finite.tolist(), strict=True))
    others = [name for name in ranked[1:] if finite[name] and finite[ranked[0]]]
    if not others:
        return ()
    found = serial_dependences(evaluation, ranked[0], others, describer.by)
    return tuple(d.scaled(describer.scale) for d in found)


def _misled(
    rows: LossSummary, every: Sequence[Difference], reading: Reading, infinite: InfiniteCounts
) -> list[Difference]:
    """The pairs that rows would tell apart if they were independent, and clusters do not."""
    order = list(dict.fromkeys([every[0].reference, *(d.model for d in every)]))
    naive = pairwise(rows, level=reading.level, order=order, adjust=reading.adjust, infinite=infinite)
    told = ("worse", "better")
    return [n for d, n in zip(every, naive, strict=True) if d.verdict not in told and n.verdict in told]


def _scaled(difference: Difference, factor: float) -> Difference:
    """A difference in another unit."""
    if factor == 1.0:
        return difference
    return replace(
        difference,
        difference=difference.difference.scaled(factor),
        detectable=None if difference.detectable is None else difference.detectable * factor,
    )


def _choose(
    rule: Rule, models: Sequence[ModelResult], comparison: Comparison, candidates: Sequence[str]
) -> str | None:
    """The model the rule chooses among the candidates; None where none has a finite loss."""
    usable = [m.name for m in models if m.name in candidates and math.isfinite(m.loss.value)]
    if not usable:
        return None
    best = usable[0]
    if rule.name == "one-se":
        close = {best, *(name for name in usable if _within_one_se(comparison, name, best))}
        return next(name for name in rule.complexity if name in close)
    if rule.name == "mcs" and comparison.confidence_set is not None:
        members = [name for name in comparison.confidence_set.members if name in usable] or [best]
        return next((name for name in rule.complexity if name in members), members[0])
    return best


def _within_one_se(comparison: Comparison, model: str, best: str) -> bool:
    for d in comparison.pairwise:
        if (d.model, d.reference) == (model, best):
            return d.difference.se is not None and d.difference.value <= d.difference.se
    return False


def _gate(
    evaluation: Evaluation, describer: Describer, summary: LossSummary, reading: Reading, chosen: str | None
) -> Gate | None:
    """Whether the chosen model is worse than the baseline: one comparison, at the level as it stands."""
    if reading.baseline is None:
        return None
    candidate = chosen or next(n for n in evaluation.names if n != reading.baseline)

    def infinite(model: str, reference: str) -> tuple[int, float | None]:
        return _infinite_rows(evaluation, model, reference)

    difference = _scaled(
        compare(summary, candidate, reading.baseline, level=reading.level, infinite=infinite), describer.scale
    )
    worse = difference.difference.value
    failed = difference.verdict == "worse" or worse == math.inf or math.isnan(worse)
    return Gate(
        reading.baseline, candidate, difference, failed, gate_sentence(difference, failed, reading.level)
    )
