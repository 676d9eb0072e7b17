"""Ranks, rules and the gate: ties, infinite models, and every outcome, on losses made to order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from crossent import Report, UsageError, select
from crossent.selection import RULES, Reading, Rule
from crossent.statements import gate_sentence

INF = math.inf


def losses(**models: Sequence[float]) -> dict[str, dict[str, Any]]:
    """Tables of label log-probabilities that give these losses, row by row."""
    return {
        name: {"row_id": list(range(len(nats))), "logprob": [-x for x in nats]}
        for name, nats in models.items()
    }


def around(mean: float, spread: Sequence[float]) -> list[float]:
    return [mean + s for s in spread]


STEPS = [-0.5, 0.5, -0.25, 0.25, 0.0, 0.0]
"""Differences that sum to 0; their SE over six rows is 0.1443."""
FLAT = [0.0] * 6
SE = math.sqrt(sum(s * s for s in STEPS) / 5 / 6)


# --- ranks --------------------------------------------------------------------------------------------------

RANKS: dict[str, tuple[Mapping[str, Sequence[float]], list[tuple[str, int]]]] = {
    "by loss": ({"c": [1, 2], "a": [1, 1], "b": [0, 1]}, [("b", 1), ("a", 2), ("c", 3)]),
    "equal losses by name": ({"z": [1, 2], "b": [2, 1], "m": [1.5, 1.5]}, [("b", 1), ("m", 2), ("z", 3)]),
    "infinite last, fewest zeros first": (
        {"two": [INF, INF, 0], "fin": [9, 9, 9], "one": [0, INF, 99]},
        [("fin", 1), ("one", 2), ("two", 2)],
    ),
    "infinite in a tie by name": ({"b": [INF, 1], "a": [5, INF]}, [("a", 1), ("b", 1)]),
    "three infinite share a rank": (
        {"a": [INF, 1], "b": [1, 1], "c": [INF, INF], "d": [INF, 2]},
        [("b", 1), ("a", 2), ("d", 2), ("c", 2)],
    ),
}


@pytest.mark.parametrize(("models", "ranks"), RANKS.values(), ids=RANKS.keys())
def test_ranks(models: Mapping[str, Sequence[float]], ranks: list[tuple[str, int]]) -> None:
    results = select(losses(**models)).results
    assert [(m.name, m.rank) for m in results.models] == ranks
    assert results.comparison.reference == ranks[0][0]
    finite = [name for name, nats in models.items() if max(nats) < INF]
    assert results.chosen == (ranks[0][0] if finite else None)
    assert results.title == f"{len(models)} models compared"


# --- rules --------------------------------------------------------------------------------------------------


def chosen(models: Mapping[str, Any], rule: str, *complexity: str, **more: Any) -> str | None:
    return select(models, rule=rule, complexity=complexity, **more).chosen


@pytest.mark.parametrize(
    ("gap", "choice"),
    [(0.0, "simple"), (0.99 * SE, "simple"), (1.01 * SE, "best"), (5.0, "best")],
)
def test_one_se_takes_the_simplest_within_one_error(gap: float, choice: str) -> None:
    models = losses(best=around(2.0, FLAT), simple=around(2.0 + gap, STEPS))
    best = "best"
    assert chosen(models, "one-se", "simple", "best") == choice
    assert chosen(models, "one-se", "best", "simple") == best
    assert chosen(models, "best") == best


def test_the_error_is_that_of_the_pair_and_not_of_a_model() -> None:
    """Losses that scatter by 10 and differ by always the same: the simple one is surely worse."""
    rows = [0.0, 20.0, 0.0, 20.0, 0.0, 20.0]
    models = losses(best=rows, simple=[x + 0.01 for x in rows])
    assert chosen(models, "one-se", "simple", "best") == "best"


@pytest.mark.parametrize("complexity", [("a", "b", "c"), ("b", "c", "a"), ("c", "b", "a")])
def test_one_se_with_identical_models(complexity: tuple[str, ...]) -> None:
    models = losses(a=around(1.0, STEPS), b=around(1.0, STEPS), c=around(1.0, STEPS))
    assert chosen(models, "one-se", *complexity) == complexity[0]
    assert chosen(models, "mcs", *complexity) == complexity[0]
    assert chosen(models, "best") == chosen(models, "mcs") == "a"


@pytest.mark.parametrize("rule", ["one-se", "mcs"])
def test_infinite_models_are_never_chosen_however_simple(rule: str) -> None:
    models = losses(simple=[INF, *[0.0] * 5], a=around(1.0, STEPS), b=around(1.001, FLAT))
    assert chosen(models, rule, "simple", "b", "a") == "b"
    assert chosen(models, rule, "simple", "a", "b") == "a"


@pytest.mark.parametrize("rule", RULES)
def test_the_only_finite_model_is_chosen_by_every_rule(rule: str) -> None:
    models = losses(a=[INF, 1.0], b=[7.0, 9.0], c=[INF, INF])
    report = select(models, rule=rule, complexity=("a", "c", "b"))
    assert (report.chosen, report.results.rule) == ("b", rule)
    assert report.results.comparison.confidence_set is None


@pytest.mark.parametrize("rule", RULES)
def test_of_infinite_models_none_is_chosen(rule: str) -> None:
    report = select(losses(a=[INF, 1.0], b=[1.0, INF]), rule=rule, complexity=("a", "b"))
    assert report.chosen is None
    assert "No model has a finite log loss" in report.statements[0]


def test_mcs_takes_the_simplest_member() -> None:
    rng = np.random.default_rng(4)
    base = rng.normal(size=200) + 5
    models = losses(
        best=base, close=base + rng.normal(0.001, 0.1, 200), simple=base + rng.normal(1.0, 0.1, 200)
    )
    report = select(models, rule="mcs", complexity=("simple", "close", "best"))
    members = report.results.comparison.confidence_set.members
    assert set(members) == {"best", "close"}
    assert report.chosen == "close"
    assert chosen(models, "mcs") == members[0] == report.results.models[0].name


def test_mcs_of_one_row_falls_back_to_the_lowest_loss() -> None:
    """One unit has no scatter, so that no set can be formed: the choice says so."""
    report = select(losses(a=[2.0], b=[1.0]), rule="mcs", complexity=("a", "b"))
    assert report.chosen == "b"
    assert report.statements[-1] == "A model confidence set cannot be formed; the choice is b."


def test_one_se_of_one_row_has_no_error_to_be_within() -> None:
    assert chosen(losses(a=[2.0], b=[1.0]), "one-se", "a", "b") == "b"


@pytest.mark.parametrize("level", [0.5, 0.9, 0.999])
def test_the_level_is_that_of_the_set(level: float) -> None:
    rng = np.random.default_rng(5)
    base = rng.normal(size=100) + 5
    models = losses(a=base, b=base + rng.normal(0.1, 0.5, 100))
    comparison = select(models, level=level).results.comparison
    assert comparison.confidence_set.alpha == pytest.approx(1 - level, abs=1e-12)
    p = dict(comparison.confidence_set.p_values)["b"]
    assert ("b" in comparison.confidence_set.members) == (p >= 1 - level)
    assert (comparison.differences[0].verdict == "worse") == (comparison.differences[0].p_holm < 1 - level)


def test_the_baseline_is_never_chosen() -> None:
    """It is compared and ranked like any other model, but it is not up for choice."""
    models = losses(old=around(1.0, FLAT), new=around(2.0, STEPS), other=around(3.0, FLAT))
    report = select(models, baseline="old")
    assert [m.name for m in report.results.models] == ["old", "new", "other"]
    assert (report.chosen, report.results.gate.candidate) == ("new", "new")
    assert select(models, baseline="old", rule="one-se", complexity=("other", "new")).chosen == "new"
    assert select(models, baseline="old", rule="mcs", complexity=("other", "new")).chosen == "new"


def test_one_se_with_a_baseline_measures_from_the_best_candidate() -> None:
    models = losses(old=around(0.0, FLAT), best=around(2.0, FLAT), simple=around(2.05, STEPS))
    assert select(models, baseline="old", rule="one-se", complexity=("simple", "best")).chosen == "simple"


# --- what cannot be asked -----------------------------------------------------------------------------------

REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "no such rule": ({"rule": "1se"}, "unknown-rule", "choose best, one-se, mcs"),
    "no complexity": ({"rule": "one-se"}, "no-complexity", "--complexity"),
    "a name is missing": ({"rule": "mcs", "complexity": ["a"]}, "complexity-names", "the models are a, b"),
    "a name too many": ({"complexity": ["a", "b", "c"]}, "complexity-names", "names a, b, c"),
    "a name twice": ({"complexity": ["a", "a"]}, "complexity-names", "names a, a"),
    "the baseline among them": (
        {"complexity": ["a", "b"], "baseline": "a"},
        "complexity-names",
        "the models are b",
    ),
    "unknown baseline": ({"baseline": "z"}, "unknown-baseline", "no model is named z"),
    "level 0": ({"level": 0.0}, "probability-out-of-range", "level is 0.0"),
    "level 1": ({"level": 1}, "probability-out-of-range", "level is 1"),
    "level 95": ({"level": 95}, "probability-out-of-range", "write 0.95"),
    "level nan": ({"level": math.nan}, "probability-out-of-range", "nan"),
}


@pytest.mark.parametrize(("options", "slug", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_before_anything_is_read(options: dict[str, Any], slug: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        select({"a": "no/such/file.parquet", "b": "none.parquet"}, **options)
    assert error.value.slug == slug
    assert said in str(error.value)


def test_a_baseline_alone() -> None:
    with pytest.raises(UsageError) as error:
        Reading(baseline="a").check(["a"])
    assert error.value.slug == "baseline-alone"
    Reading(baseline="a").check(["a", "b"])
    Rule("one-se", ("b",)).check(["b"])


# --- the gate -----------------------------------------------------------------------------------------------

WAVE = [0.1, -0.1, 0.05, -0.05, 0.02, -0.02]
GATES: dict[str, tuple[Sequence[float], Sequence[float], bool, str]] = {
    "worse": (around(3.0, WAVE), around(2.0, FLAT), True, "worse"),
    "worse by a constant": (around(3.0, WAVE), around(2.0, WAVE), True, "worse"),
    "a little worse": (around(2.01, WAVE), around(2.0, FLAT), False, "not told apart"),
    "the same": (around(2.0, WAVE), around(2.0, WAVE), False, "identical"),
    "better": (around(1.0, WAVE), around(2.0, FLAT), False, "better"),
    "infinite": ([INF, *FLAT[1:]], around(2.0, FLAT), True, "infinite"),
    "both infinite": ([INF, *FLAT[1:]], [*FLAT[1:], INF], True, "infinite"),
    "baseline infinite": (around(9.0, WAVE), [INF, *FLAT[1:]], False, "infinite"),
    "one row, worse": ([3.0], [2.0], False, "not told apart"),
}


def gated(new: Sequence[float], old: Sequence[float], **options: Any) -> Report:
    return select(losses(new=new, old=old), baseline="old", **options)


@pytest.mark.parametrize(("new", "old", "failed", "verdict"), GATES.values(), ids=GATES.keys())
def test_gate(new: Sequence[float], old: Sequence[float], failed: bool, verdict: str) -> None:
    report = gated(new, old)
    gate = report.results.gate
    assert (gate.baseline, gate.candidate, gate.failed) == ("old", "new", failed)
    assert (gate.difference.model, gate.difference.reference) == ("new", "old")
    assert gate.difference.verdict == verdict
    assert gate.sentence == gate_sentence(gate.difference, failed, 0.95)
    assert report.chosen == ("new" if max(new) < INF else None)
    expected = np.nan if INF in new and INF in old else np.mean(new) - np.mean(old)
    assert gate.difference.difference.value == pytest.approx(expected, nan_ok=True)
    n_infinite = sum(INF in pair for pair in zip(new, old, strict=True))
    assert gate.difference.n_infinite == n_infinite
    if INF in new or len(report.results.models) == 1:
        return
    assert report.statements[-1] == gate.sentence


def close_call(gap: float = 0.28) -> list[float]:
    """Sixty rows that lose `gap` more than 9 on average, SE 0.13: p = 0.036 for a gap of 0.28."""
    return [9.0 + gap + (-1) ** i for i in range(60)]


def test_the_gate_is_one_comparison_whatever_the_other_models() -> None:
    """Its p-value is not adjusted for comparisons that the gate does not make."""
    old = [9.0] * 60
    alone = gated(close_call(), old).results.gate
    others = {f"m{i}": close_call(0.27) for i in range(5)}
    crowd = select(losses(new=close_call(), old=old, **others), baseline="m0").results
    gate = select(losses(new=close_call(0.26), old=old, **others), baseline="old").results.gate
    assert alone.failed and alone.difference.p == alone.difference.p_holm == pytest.approx(0.0356, abs=5e-4)
    assert next(d for d in crowd.comparison.differences if d.model == "new").p_holm > 0.2
    assert gate.difference.p == gate.difference.p_holm == pytest.approx(0.0504, abs=5e-4)


@pytest.mark.parametrize(("level", "failed"), [(0.9, True), (0.96, True), (0.97, False), (0.99, False)])
def test_the_gate_asks_at_the_level(level: float, failed: bool) -> None:
    gate = gated(close_call(), [9.0] * 60, level=level).results.gate
    assert gate.failed is failed


def test_no_candidate_is_finite_so_the_first_given_stands_at_the_gate() -> None:
    gate = select(losses(old=[1.0, 2.0], b=[INF, 1.0], a=[INF, 0.0]), baseline="old").results.gate
    assert (gate.candidate, gate.failed) == ("b", True)
    assert gate.sentence == "b against the baseline old: an infinite loss, so it cannot pass."


def test_no_gate_without_a_baseline() -> None:
    assert select(losses(a=[1.0, 2.0], b=[2.0, 1.0])).results.gate is None
