"""From files to figures: every statistic against plain NumPy on the same rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from crossent import DataError, UsageError, evaluate, select

ROWS = 400


@pytest.fixture(scope="module")
def tables(models) -> dict[str, pa.Table]:
    """Three models with finite losses: their probabilities are mixed with the uniform distribution."""
    found = {}
    for k, (name, table) in enumerate(models(ROWS, 3, seed=5).items()):
        for c in ("p_ant", "p_bee", "p_cat"):
            p = (1 - 0.1 * (k + 1)) * np.asarray(table.column(c), np.float64) + 0.1 * (k + 1) / 3
            table = table.set_column(table.column_names.index(c), c, pa.array(p))
        found[name] = table
    return found


@pytest.fixture(scope="module")
def columns(tables, losses):
    """(weights, days, regions, labels, {model: losses}) as arrays."""
    first = tables["a"]
    facts = [np.array(first.column(c).to_pylist()) for c in ("weight", "day", "region", "label")]
    return *facts, {name: losses(table) for name, table in tables.items()}


def ratio(loss, weight, units=None, exposure=None):
    """(value, se) of Σwℓ / Σe, linearised over units, U/(U−1)."""
    exposure = weight if exposure is None else exposure
    units = np.arange(loss.size)[weight > 0] if units is None else units[weight > 0]
    total, divisor = (loss * weight)[weight > 0], exposure[weight > 0]
    keys, codes = np.unique(units, return_inverse=True)
    value = total.sum() / divisor.sum()
    residual = np.bincount(codes, total - value * divisor)
    size = len(keys)
    return value, np.sqrt(size / (size - 1) * (residual**2).sum()) / divisor.sum()


def same(estimate, expected) -> None:
    assert (estimate.value, estimate.se) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("clustered", [False, True])
def test_means_and_standard_errors(tables, columns, weighted, clustered):
    weight, day, *_, loss = columns
    w = weight if weighted else np.ones(ROWS)
    options = {"weight": "weight"} if weighted else {}
    results = select(tables, **options, **({"cluster": "day"} if clustered else {})).results
    for name, model in ((m.name, m) for m in results.models):
        same(model.loss_iid, ratio(loss[name], w))
        same(model.loss, ratio(loss[name], w, day if clustered else None))
        assert model.loss_iid.units == (w > 0).sum()
        assert model.bits == pytest.approx(model.loss.value / np.log(2), rel=1e-15)
        assert model.perplexity == pytest.approx(np.exp(model.loss.value), rel=1e-15)
    assert [m.loss.value for m in results.models] == sorted(m.loss.value for m in results.models)
    assert [m.rank for m in results.models] == [1, 2, 3]
    assert results.data.sum_of_weights == pytest.approx(w.sum(), rel=1e-15)
    for d in results.comparison.pairwise:
        gap = loss[d.model] - loss[d.reference]
        same(d.difference, ratio(gap, w, day if clustered else None))


def test_a_scaled_weight_changes_nothing(tables):
    plain = select(tables, weight="weight", cluster="day").results
    scaled = {}
    for name, table in tables.items():
        larger = pa.array(np.asarray(table.column("weight")) * 1024)
        scaled[name] = table.set_column(table.column_names.index("weight"), "weight", larger)
    other = select(scaled, weight="weight", cluster="day").results
    for model in plain.models:
        mine = other.model(model.name)
        assert (mine.loss, mine.loss_iid, mine.floors) == (model.loss, model.loss_iid, model.floors)
        assert (mine.classes, mine.skill) == (model.classes, model.skill)
        assert mine.tails.shares == model.tails.shares


def class_losses(model) -> list[float]:
    return [part.loss.value for part in model.classes]


def calibration_errors(model) -> list[float]:
    return [found.error for found in model.calibration]


def test_whole_weights_are_repeated_rows_but_for_the_errors(tables):
    times = np.arange(ROWS) % 3
    weighted = {n: t.append_column("times", pa.array(times)) for n, t in tables.items()}
    repeated = {
        n: t.take(np.repeat(np.arange(ROWS), times)).set_column(0, "row_id", pa.array(np.arange(times.sum())))
        for n, t in tables.items()
    }
    mine, theirs = select(weighted, weight="times").results, select(repeated).results
    for model in theirs.models:
        other = mine.model(model.name)
        assert other.loss.value == pytest.approx(model.loss.value, rel=1e-13)
        for figures in (class_losses, calibration_errors):
            assert figures(other) == pytest.approx(figures(model), rel=1e-9)
        assert other.skill[0].skill.value == pytest.approx(model.skill[0].skill.value, rel=1e-12)


@pytest.mark.parametrize("cluster", [None, "day"])
def test_bits_per_byte(tables, columns, cluster):
    day, loss = columns[1], columns[-1]
    text = np.asarray(tables["a"].column("text"), np.float64)
    options = {"cluster": cluster} if cluster else {}
    results = select(tables, bytes="text", groups="region", **options).results
    for model in results.models:
        value, se = ratio(loss[model.name], np.ones(ROWS), day if cluster else None, text)
        same(model.bits_per_byte, (value / np.log(2), se / np.log(2)))
        for part in model.groups[0][1]:
            inside = columns[2] == part.value
            rate = loss[model.name][inside].sum() / text[inside].sum() / np.log(2)
            assert part.bits_per_byte == pytest.approx(rate, rel=1e-12)
    assert results.data.total_bytes == text.sum()


def test_paired_tests_and_holm(tables, columns):
    loss = columns[-1]
    comparison = select(tables).results.comparison
    p = [stats.ttest_rel(loss[d.model], loss[d.reference]).pvalue for d in comparison.pairwise]
    assert [d.p for d in comparison.pairwise] == pytest.approx(p, rel=1e-8)
    adjusted = np.empty(3)
    order = np.argsort(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(np.sort(p) * [3, 2, 1]))
    assert [d.p_holm for d in comparison.pairwise] == pytest.approx(adjusted.tolist(), rel=1e-8)
    assert [d.reference for d in comparison.differences] == [comparison.reference] * 2


@pytest.mark.parametrize("weighted", [False, True])
def test_slices(tables, columns, weighted):
    weight, _, region, label, loss = columns
    w = weight if weighted else np.ones(ROWS)
    results = select(tables, groups=("region", "day"), **({"weight": "weight"} if weighted else {})).results
    for model in results.models:
        ((_, regions), _) = model.groups
        for column, parts in ((label, model.classes), (region, regions)):
            assert [p.value for p in parts] == sorted(set(column))
            for part in parts:
                inside = column == part.value
                same(part.loss, ratio(loss[model.name][inside], w[inside]))
                assert part.rows == (inside & (w > 0)).sum()
        means = [p.loss.value for p in model.classes]
        errors = [p.loss.se for p in model.classes]
        same(model.macro_mean, (np.mean(means), np.sqrt(np.square(errors).sum()) / 3))
    assert results.data.class_rows == tuple(((label == c) & (w > 0)).sum() for c in ("ant", "bee", "cat"))


@pytest.mark.parametrize("prior", [None, {"ant": 0.5, "bee": 0.3, "cat": 0.2}])
def test_skill(tables, columns, prior):
    weight, _, _, label, loss = columns
    results = select(tables, weight="weight", prior=prior).results
    share = {c: weight[label == c].sum() / weight.sum() for c in ("ant", "bee", "cat")}
    base = -np.log([(prior or share)[c] for c in label])
    for model in results.models:
        found = model.skill[-1]
        mine, b = (loss[model.name] * weight).sum(), (base * weight).sum()
        assert len(model.skill) == (1 if prior is None else 2)
        assert found.base == pytest.approx(b / weight.sum(), rel=1e-13)
        residual = (weight * (loss[model.name] - mine / b * base))[weight > 0]
        n = residual.size
        same(found.skill, (1 - mine / b, np.sqrt(n / (n - 1) * (residual**2).sum()) / b))


def test_tails(tables, columns):
    loss = columns[-1]
    for model in select(tables).results.models:
        held = np.cumsum(np.sort(loss[model.name])[::-1]) / loss[model.name].sum()
        counts = {"worst row": 1, "worst 10 rows": 10, "worst 100 rows": 100, "worst 1 %": 4, "worst 5 %": 20}
        counts["worst 10 %"] = 40
        assert {what: rows for what, rows, _ in model.tails.shares} == counts
        for _, rows, share in model.tails.shares:
            assert share == pytest.approx(held[rows - 1], rel=1e-12)
        assert sum(rows for _, _, rows in model.tails.histogram) == ROWS


def test_worst_rows_with_ties(tables, columns):
    """Twenty are shown; of equal losses those with the smallest ids, whatever the order of the file."""
    tied = {"row_id": [f"r{i:02d}" for i in range(60)], "label": ["b"] * 60}
    tied |= {"p_a": [0.5] * 50 + [0.9] * 10, "p_b": [0.5] * 50 + [0.1] * 10}
    table = pa.table(tied).take(np.random.default_rng(0).permutation(60))
    (model,) = evaluate(table).results.models
    assert [w.row for w in model.worst] == [f"r{i:02d}" for i in [*range(50, 60), *range(10)]]
    assert {w.label for w in model.worst} == {"b"}
    assert model.worst[0].predicted == "a"
    assert model.worst[0].probability == pytest.approx(0.1, rel=1e-15)
    loss, ids = columns[-1]["a"], np.asarray(tables["a"].column("row_id"))
    worst = sorted(zip(-loss, ids.tolist(), strict=True))[:20]
    assert [int(w.row) for w in evaluate(tables["a"]).results.models[0].worst] == [i for _, i in worst]


def test_worst_rows_without_ids_are_named_by_place(write):
    files = write({"m": pa.table({"label": ["a", "b"], "p_a": [0.9, 0.8], "p_b": [0.1, 0.2]})})
    (model,) = evaluate(files["m"]).results.models
    assert [w.row for w in model.worst] == [f"row 1 of {files['m']}", f"row 0 of {files['m']}"]


@pytest.mark.parametrize("weighted", [False, True])
def test_reliability(tables, columns, weighted):
    w = columns[0] if weighted else np.ones(ROWS)
    label = columns[3]
    p = np.stack([np.asarray(tables["b"].column(f"p_{c}")) for c in ("ant", "bee", "cat")], axis=1)
    options = {"weight": "weight"} if weighted else {}
    top, bee = evaluate(tables["b"], positive="bee", **options).results.models[0].calibration
    assert (top.event, bee.event) == ("top label", "bee")
    right = np.array(["ant", "bee", "cat"])[p.argmax(axis=1)] == label
    for found, c, hit in ((top, p.max(axis=1), right), (bee, p[:, 1], label == "bee")):
        inside = np.clip(np.ceil(c * 15).astype(int) - 1, 0, 14)
        gaps = np.bincount(inside, w * (hit - c.astype(float)), 15)
        assert found.error == pytest.approx(np.abs(gaps).sum() / w.sum(), rel=1e-11)
        weights = np.bincount(inside, w, 15)
        held = np.flatnonzero(weights)
        assert [b.weight for b in found.bins] == pytest.approx(weights[held].tolist(), rel=1e-13)
        shares = np.bincount(inside, w * hit, 15)[held] / weights[held]
        assert [b.frequency for b in found.bins] == pytest.approx(shares.tolist(), rel=1e-13)
        assert 0 < found.error_if_calibrated < 0.2


# --- other headline losses --------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["brier", "zero_one"])
@pytest.mark.parametrize("cluster", [None, "day"])
def test_other_losses_as_headline(models, loss, cluster):
    """Log loss stands beside them, infinite where it is."""
    tables = models(120, 2)
    options = {"weight": "weight", **({"cluster": cluster} if cluster else {})}
    mine, theirs = select(tables, loss=loss, **options).results, select(tables, **options).results
    for name in tables:
        model, other = mine.model(name), theirs.model(name)
        assert model.loss == dict(other.companions)[loss]
        assert repr(dict(model.companions)["log_loss"]) == repr(other.loss)
        assert model.floors == ()
        assert model.n_infinite == 0
    assert other.n_infinite > 0


# --- rules and gates --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def close_race():
    """best is 0.005 better than near with a paired error of 0.01, far is 0.5 worse."""
    rng = np.random.default_rng(6)
    ids = np.arange(400)
    base = rng.uniform(1.0, 1.3, 400)
    noise = rng.normal(size=400)
    noise = 0.2 * (noise - noise.mean()) / noise.std()
    losses = {"best": base, "near": base + 0.005 + noise, "far": base + 0.5}
    return {n: pa.table({"row_id": ids, "label_logprob": -v}) for n, v in losses.items()}


def test_rules(close_race):
    assert select(close_race).chosen == "best"
    assert select(close_race, rule="one-se", complexity=["near", "best", "far"]).chosen == "near"
    assert select(close_race, rule="one-se", complexity=["far", "best", "near"]).chosen == "best"
    mcs = select(close_race, rule="mcs")
    assert mcs.chosen == "best"
    assert set(mcs.results.comparison.confidence_set.members) == {"best", "near"}
    assert select(close_race, rule="mcs", complexity=["far", "near", "best"]).chosen == "near"


@pytest.mark.parametrize(
    ("options", "slug"),
    [
        ({"rule": "worst"}, "unknown-rule"),
        ({"rule": "one-se"}, "no-complexity"),
        ({"rule": "one-se", "complexity": ["best", "near"]}, "complexity-names"),
        ({"baseline": "old"}, "unknown-baseline"),
        ({"level": 1.5}, None),
    ],
)
def test_rules_that_cannot_be_applied(close_race, options, slug):
    with pytest.raises(UsageError) as error:
        select(close_race, **options)
    assert slug in (None, error.value.slug)


@pytest.mark.parametrize(
    ("baseline", "chosen", "verdict"),
    [("far", "best", "better"), ("near", "best", "not told apart"), ("best", "near", "not told apart")],
)
def test_gate_that_passes(close_race, baseline, chosen, verdict):
    report = select(close_race, baseline=baseline)
    gate = report.results.gate
    assert (report.chosen, gate.candidate, gate.failed) == (chosen, chosen, False)
    assert gate.difference.verdict == verdict
    assert gate.sentence in report.statements


def test_gate_that_fails(close_race):
    two = {n: close_race[n] for n in ("best", "far")}
    gate = select(two, baseline="best").results.gate
    assert gate.failed
    assert "worse by +0.5000" in gate.sentence
    assert not select(two, baseline="far").results.gate.failed


def test_gate_with_infinite_losses():
    fine = {"label": ["a", "b"] * 5, "p_a": [0.6, 0.4] * 5, "p_b": [0.4, 0.6] * 5}
    broken = {"label": ["a", "b"] * 5, "p_a": [0.0, 0.0] * 5, "p_b": [1.0, 1.0] * 5}
    new = select({"old": fine, "new": broken}, baseline="old")
    assert new.results.gate.failed
    assert new.chosen is None
    assert not select({"old": broken, "new": fine}, baseline="old").results.gate.failed
    assert select({"old": broken, "new": broken}, baseline="old").results.gate.failed


# --- the edges --------------------------------------------------------------------------------------------


def test_all_losses_infinite():
    zero = {"label": ["a", "b", "a"], "p_a": [0.0, 1.0, 0.0], "p_b": [1.0, 0.0, 1.0]}
    report = select({"x": zero, "y": zero})
    assert report.chosen is None
    assert report.results.comparison.confidence_set is None
    assert "nothing can be ranked" in report.statements[0]
    (d,) = report.results.comparison.differences
    assert (d.verdict, d.n_infinite, d.p) == ("infinite", 3, None)
    for model in report.results.models:
        assert (model.rank, model.n_infinite, model.mean_of_finite, model.loss.se) == (1, 3, None, None)
        assert model.tails.shares == ()
        assert all(f.loss.value == pytest.approx(-np.log(f.floor), rel=1e-12) for f in model.floors)


def test_infinite_models_rank_last_however_few_rows_it_takes(models):
    table = models(50, 1)["a"]
    good = {"row_id": table.column("row_id"), "label": table.column("label")}
    poor = pa.table({**good, **{f"p_{c}": [1 / 3] * 50 for c in ("ant", "bee", "cat")}})
    labels = table.column("label").to_pylist()
    labels[7] = "ant" if labels[7] != "ant" else "bee"
    sure = {f"p_{c}": [float(c == v) for v in labels] for c in ("ant", "bee", "cat")}
    wrong = pa.table({**good, **sure})
    results = select({"almost": wrong, "poor": poor}).results
    assert [m.name for m in results.models] == ["poor", "almost"]
    assert results.model("almost").n_infinite == 1
    assert results.model("almost").mean_of_finite == 0.0


def test_identical_models(tables):
    report = select({"x": tables["a"], "y": tables["a"], "z": tables["b"]}, cluster="day")
    by_pair = {(d.model, d.reference): d for d in report.results.comparison.pairwise}
    twins = by_pair["y", "x"]
    assert twins.verdict == "identical"
    assert (twins.difference.value, twins.difference.se, twins.p) == (0.0, 0.0, 1.0)
    assert {"x", "y"} <= set(report.results.comparison.confidence_set.members) or report.chosen == "z"


@pytest.mark.parametrize("options", [{}, {"cluster": "label"}, {"weight": "w"}])
def test_one_row(options):
    table = {"label": ["a"], "p_a": [0.25], "p_b": [0.75], "w": [2.0]}
    report = select({"x": table, "y": table}, **options)
    model = report.results.models[0]
    assert (model.loss.value, model.loss.se) == (pytest.approx(np.log(4), rel=1e-15), None)
    assert report.results.comparison.differences[0].p is None
    assert report.statements


def test_one_class():
    table = {"label": ["a"] * 4, "p_a": [0.9] * 4, "p_b": [0.1] * 4}
    report = evaluate(table)
    (model,) = report.results.models
    assert [c.value for c in model.classes] == ["a"]
    assert np.isnan(model.skill[0].skill.value)
    assert "one-class" in [note.slug for note in report.results.notes]


def test_one_class_of_a_single_column():
    (model,) = evaluate({"label": ["yes"] * 3, "p_yes": [0.5] * 3}).results.models
    assert model.loss.value == pytest.approx(np.log(2), rel=1e-15)


@pytest.mark.parametrize("weight", [[1e200] * 4, [1e-200] * 4, [1.0, 1e300, 1.0, 1.0], [5e-324] * 4])
def test_weights_beyond_what_can_be_squared(weight):
    """Their squares would be lost or infinite."""
    table = {"label": ["a", "a"] * 2, "p_a": [0.9, 0.6] * 2, "p_b": [0.1, 0.4] * 2, "w": weight}
    with pytest.raises(DataError) as error:
        evaluate(table, weight="w")
    assert error.value.slug == "bad-weight"


@pytest.mark.parametrize("factor", [4e-50, 4e49])
def test_the_smallest_and_largest_weights(columns, tables, factor):
    weight = columns[0] * factor
    scaled = {n: t.append_column("w", pa.array(weight)) for n, t in tables.items()}
    mine, theirs = select(scaled, weight="w", groups="day"), select(tables, weight="weight", groups="day")
    for model in theirs.results.models:
        other = mine.results.model(model.name)
        pairs = [(other.loss, model.loss), (other.macro_mean, model.macro_mean)]
        pairs += [(other.skill[0].skill, model.skill[0].skill)]
        for one, two in pairs:
            assert (one.value, one.se) == pytest.approx((two.value, two.se), rel=1e-9)


@pytest.mark.parametrize(
    "table",
    [
        {"label_logprob": [-1.0, -1e200]},
        {"label": ["a", "b"], "z_a": [0.0, -1e300], "z_b": [0.0, 0.0]},
        {"label": ["a", "b"], "z_a": [0.0, 1e101], "z_b": [0.0, -np.inf]},
        {"label": ["a", "b"], "lp_a": [0.0, -1e200], "lp_b": [-np.inf, 0.0]},
    ],
    ids=["tokens", "low logit", "high logit", "log_probs"],
)
def test_losses_beyond_what_can_be_squared(table):
    with pytest.raises(DataError) as error:
        evaluate(table)
    assert (error.value.slug, error.value.row) == ("beyond-range", 1)


def test_the_largest_finite_loss():
    table = {"label_logprob": [-1e100, -1.0], "w": [1e50, 1e50], "g": ["x", "x"]}
    (model,) = evaluate(table, groups="g", weight="w").results.models
    ((_, (part,)),) = model.groups
    assert model.loss.value == part.loss.value == pytest.approx(5e99, rel=1e-15)
    assert model.loss.se == pytest.approx(part.loss.se, rel=1e-13) == pytest.approx(5e99, rel=1e-13)
