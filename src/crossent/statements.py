"""The verdict in sentences: what is best, what cannot be told apart from it, and what failed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from crossent import sensitivity
from crossent.results import HeldOut, ModelResult, Numbers, Results
from crossent.statistics.estimates import Estimate
from crossent.statistics.paired import Difference
from crossent.statistics.superior_ability import SuperiorAbility
from crossent.wording import (
    adjustment,
    confidence,
    count,
    listed,
    p_value,
    percent,
    plain,
    signed,
    things,
    with_error,
)

LARGE = 1e9
"""Amounts from here on are shown as powers of ten."""
_RULES = {
    None: "",
    "best": "",
    "one-se": " by the paired one-standard-error rule",
    "mcs": " from the model confidence set",
}
SHOWN = 4
"""Models named in one sentence; the others are counted."""


def statements(results: Results) -> tuple[str, ...]:
    """The verdict, most important sentence first."""
    if results.comparison is None:
        return tuple(_one_model(results))
    return tuple(s for s in _several_models(results) if s)


def gate_sentence(difference: Difference, failed: bool, level: float) -> str:
    """What the comparison with the baseline says."""
    names = f"{difference.model} against the baseline {difference.reference}"
    if not math.isfinite(difference.difference.value):
        state = "an infinite loss, so it cannot pass" if failed else "the baseline's loss is infinite"
        return f"{names}: {state}."
    amount = with_error(difference.difference, sign=True)
    if failed:
        return f"{names}: worse by {amount} ({_p(difference)}); the gate fails."
    if difference.verdict == "better":
        return f"{names}: better, {amount} ({_p(difference)})."
    detectable = (
        ""
        if difference.detectable is None
        else f"; a difference of {plain(difference.detectable)} would have shown"
    )
    return f"{names}: not shown to be worse at {confidence(level)}, {amount}{detectable}."


def superior_sentence(found: SuperiorAbility) -> str:
    """Whether any candidate is better than the baseline, when the best was picked."""
    picked = f"Taking into account that the best of {things(len(found.candidates), 'candidate')} was picked"
    if not found.better:
        return f"{picked}, none is shown to be better than {found.baseline} ({_p_text(found.p)})."
    verb = "is" if len(found.better) == 1 else "are"
    names = listed(found.better[:SHOWN])
    if len(found.better) > SHOWN:
        names = listed([*found.better[:SHOWN], f"{len(found.better) - SHOWN} more"])
    least_sure = max(p for name, p in found.p_values if name in found.better)
    return f"{picked}, {names} {verb} better than {found.baseline} ({_p_text(least_sure)})."


def _p(difference: Difference) -> str:
    return _p_text(difference.p)


def _p_text(p: float | None) -> str:
    text = p_value(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def _unit(results: Results) -> str:
    """The unit after an amount; a loss in the label's own unit needs none."""
    return "" if results.unit == "1" or "label's unit" in results.unit else f" {results.unit}"


def _scatter(results: Results) -> str:
    column = results.data.cluster_column
    if results.data.neighbours:
        return f", in the order of {column}"
    return f", clustered by {column}" if column else ""


def _one_model(results: Results) -> Iterable[str]:
    model = results.models[0]
    if math.isinf(model.loss.value):
        yield _zeros([model], results)
    else:
        yield (
            f"{model.name} has a {results.loss_title} of {with_error(model.loss)}{_unit(results)}"
            f" on {things(results.data.rows, 'row')}{_scatter(results)}."
        )
    for skill in model.skill:
        if math.isfinite(skill.skill.value):
            share, base = 100 * skill.skill.value, f"of the {skill.reference}, {plain(skill.base)}."
            if share < 0:
                yield f"Its loss is {plain(-share, 1)} % above that {base}"
            else:
                yield f"It removes {plain(share, 1)} % of the loss {base}"
    yield from _calibration(model)
    if model.numbers is not None:
        yield from _intervals(model.numbers)


def _intervals(numbers: Numbers) -> Iterable[str]:
    for share, found in numbers.coverage:
        held = with_error(found.scaled(100.0))
        yield f"Its central {percent(share, 0)} intervals hold {held} % of the labels."


def _calibration(model: ModelResult) -> Iterable[str]:
    for r in model.calibration[:1]:
        relation = "more than" if r.error > 2 * r.error_if_calibrated else "about"
        yield (
            f"Its calibration error ({r.event}) is {plain(r.error)}, {relation} the "
            f"{plain(r.error_if_calibrated)} that a perfectly calibrated model of as many rows would show"
            + ("." if relation == "more than" else " anyway.")
        )


def _several_models(results: Results) -> Iterable[str]:
    finite = [m for m in results.models if math.isfinite(m.loss.value)]
    infinite = [m for m in results.models if not math.isfinite(m.loss.value)]
    if not finite:
        yield f"No model has a finite {results.loss_title}: nothing can be ranked by it."
        yield _zeros(infinite, results)
        yield from sensitivity.sentences(results)
        return
    if results.held_out is not None:
        yield from _held_out(results, results.held_out)
    yield _best(results, finite)
    yield _apart(results, finite)
    yield _if_independent(results)
    if infinite:
        yield _zeros(infinite, results)
    yield from sensitivity.sentences(results)
    yield _choice(results)
    if results.gate is not None:
        yield results.gate.sentence
    if results.comparison is not None and results.comparison.superior is not None:
        yield superior_sentence(results.comparison.superior)


def _best(results: Results, finite: Sequence[ModelResult]) -> str:
    best = finite[0]
    usual = results.unit == "nats" or not _unit(results)
    title = results.loss_title if usual else f"{results.loss_title} in {results.unit}"
    places = _places(results)
    loss, se = plain(best.loss.value, places), best.loss.se
    amount = loss if se is None else f"{loss} ± {plain(se, places)}"
    sentence = f"{best.name} has the lowest {title}, {amount}{_scatter(results)}"
    if len(finite) == 1:
        return f"{sentence}; it is the only model whose loss is finite."
    assert results.comparison is not None
    close = [d for d in results.comparison.differences if d.verdict in ("not told apart", "identical")]
    if not close:
        return f"{sentence}, and can be told apart from every other model."
    return f"{sentence}; {_amounts(results, close)} cannot be told apart from it{_detectable(close)}."


def _detectable(close: Sequence[Difference]) -> str:
    """What would have shown, where there is one model to say it of."""
    if len(close) > 1 or close[0].detectable is None:
        return ""
    return f" (a difference of {plain(close[0].detectable)} would show)"


def _apart(results: Results, finite: Sequence[ModelResult]) -> str:
    assert results.comparison is not None
    worse = [d for d in results.comparison.differences if d.verdict == "worse"]
    if not worse:
        return ""
    level = confidence(results.comparison.level)
    verb = "is" if len(worse) == 1 else "are"
    adjusted = adjustment(results.comparison.adjustment)
    return f"{_amounts(results, worse)} {verb} worse at {level} (paired, {adjusted})."


def _amounts(results: Results, differences: Sequence[Difference]) -> str:
    """Models with their differences to the best, the first few by name."""
    places = _places(results)
    shown = [f"{d.model} ({_difference(d.difference, places)})" for d in differences[:SHOWN]]
    rest = len(differences) - SHOWN
    return listed([*shown, f"{rest} more"] if rest > 0 else shown)


def _difference(difference: Estimate, places: int) -> str:
    if abs(difference.value) >= LARGE:
        return with_error(difference, sign=True)
    value = signed(difference.value, places)
    return value if difference.se is None else f"{value} ± {plain(difference.se, places)}"


def _places(results: Results) -> int:
    """Decimals that show two digits of the finest standard error of a difference: all can be compared."""
    assert results.comparison is not None
    errors = [d.difference.se for d in results.comparison.differences if d.difference.se]
    errors = [se for se in errors if se < LARGE]
    finest = min(errors, default=results.models[0].loss.se or 1e-3)
    return min(8, max(0, 1 - math.floor(math.log10(finest))))


def _if_independent(results: Results) -> str:
    """The error that would be made without clusters."""
    assert results.comparison is not None
    misled = results.comparison.if_independent
    if not misled:
        return ""
    d, column = misled[0], results.data.cluster_column
    rest = f", and {things(len(misled) - 1, 'other pair')} too" if len(misled) > 1 else ""
    return (
        f"If rows were taken as independent, {d.reference} and {d.model} would be told apart "
        f"({_p_text(d.p_adjusted)}){rest}: rows of one {column} are alike, so that would be wrong."
    )


def _held_out(results: Results, held_out: HeldOut) -> Iterable[str]:
    """What was chosen on other rows, and what became of it."""
    if held_out.chosen is None:
        return
    chosen = results.model(held_out.chosen)
    (before,) = (row.on_selection for row in held_out.losses if row.model == chosen.name)
    yield (
        f"{chosen.name} was chosen on {things(held_out.rows, 'row')} "
        f"({held_out.where}){_RULES[results.rule]}; on {things(results.data.rows, 'row')} that had no say in "
        f"it, its {results.loss_title} is {with_error(chosen.loss)}{_unit(results)}{_scatter(results)}."
    )
    if held_out.change is not None:
        others = held_out.change_of_others
        compared = "" if others is None else f"; the median change of the others is {signed(others)}"
        change = f"a change of {signed(held_out.change)}{compared}"
        yield f"On the rows that it was chosen on, it is {with_error(before)}: {change}."
    if held_out.hindsight in (None, chosen.name):
        yield "On the rows reported on, the choice would have been the same."
    elif held_out.regret is not None:
        yield (
            f"On the rows reported on, the choice would have been {held_out.hindsight}: "
            f"{held_out.regret.model} minus {held_out.regret.reference} is "
            f"{with_error(held_out.regret.difference, sign=True)} ({held_out.regret.verdict})."
        )


def _zeros(infinite: Sequence[ModelResult], results: Results) -> str:
    ranked = sorted(infinite, key=lambda m: -m.n_infinite)
    names = listed(m.name for m in ranked)
    counts = listed(count(m.n_infinite) for m in ranked)
    plural = "label" if [m.n_infinite for m in ranked] == [1] else "labels"
    possessive = "its" if len(ranked) == 1 else "their"
    if results.about_numbers:
        return (
            f"{names} gave {counts} {plural} density 0, by a standard deviation of 0 beside the label, so "
            f"{possessive} {results.loss_title} is infinite."
        )
    return f"{names} gave {counts} {plural} probability 0, so {possessive} {results.loss_title} is infinite."


def _choice(results: Results) -> str:
    if results.rule in (None, "best") or results.chosen is None or results.held_out is not None:
        return ""
    if results.rule == "one-se":
        return (
            f"By the paired one-standard-error rule the choice is {results.chosen}, the simplest model "
            "within one standard error of the best."
        )
    members = (
        results.comparison.confidence_set.members
        if results.comparison and results.comparison.confidence_set
        else ()
    )
    if not members:
        return f"A model confidence set cannot be formed; the choice is {results.chosen}."
    return f"The model confidence set holds {listed(members)}; the choice is {results.chosen}."
