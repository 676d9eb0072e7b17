"""Every number of a result against plain NumPy, on random designs under all combinations of options."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from crossent import UsageError, select
from crossent.api import Report

from .plain import FLOORS, Design, Figure, Plain, detectable, draw, holm, ratio, t_test, times, totals

LN2 = math.log(2.0)
LEVEL = 0.9
BINARY = ("1", "0")


def designs() -> dict[str, Plain]:
    """Options by name; each has a design of its own."""
    named = {
        "plain": Plain(draw(0)),
        "zeros": Plain(draw(1, zeros=0.15)),
        "weights": Plain(draw(2, zeros=0.1), weighted=True),
        "clusters": Plain(draw(3, zeros=0.1), clustered=True),
        "weights, clusters": Plain(draw(4), weighted=True, clustered=True),
        "bytes": Plain(draw(5), exposed=True),
        "weights, clusters, bytes": Plain(draw(6, zeros=0.1), weighted=True, clustered=True, exposed=True),
        "floor": Plain(draw(7, zeros=0.2), floor=0.01),
        "floor, weights, clusters": Plain(draw(8, zeros=0.2), floor=1e-7, weighted=True, clustered=True),
        "renormalised": Plain(off(draw(9), 0.9), renormalise=True, weighted=True),
        "off": Plain(off(draw(10), 0.98), clustered=True),
        "brier": Plain(draw(11, zeros=0.2), loss="brier", weighted=True, clustered=True),
        "brier, rows": Plain(draw(12, zeros=0.2), loss="brier"),
        "errors": Plain(draw(13), loss="zero_one", clustered=True),
        "two classes": Plain(draw(14, classes=BINARY, zeros=0.05), weighted=True),
        "twenty classes": Plain(draw(15, classes=[f"c{k:02d}" for k in range(20)], rows=150), clustered=True),
        "three rows": Plain(draw(16, rows=3), clustered=False),
        "tiny weights": Plain(scaled(draw(17), 1e-45), weighted=True, clustered=True),
        "huge weights": Plain(scaled(draw(18), 1e45), weighted=True),
    }
    return named


def off(design: Design, least: float) -> Design:
    """Rows that do not sum to one."""
    rng = np.random.default_rng(1)
    models = {}
    for name, model in design.models.items():
        factor = rng.uniform(least, 1.0, (len(design.labels), 1))
        stored = model.p * factor
        models[name] = replace(model, kind="probs", stored=stored)
    return replace(design, models=models)


def scaled(design: Design, factor: float) -> Design:
    return replace(design, weight=design.weight * factor)


PLAIN = designs()


@pytest.fixture(scope="module", params=PLAIN.values(), ids=PLAIN.keys())
def case(request: pytest.FixtureRequest) -> tuple[Plain, Report]:
    plain: Plain = request.param
    return plain, select(plain.design.tables(), level=LEVEL, threads=2, **plain.options)


def close(x: float | None, scale: float = 0.0) -> object:
    return x if x is None else pytest.approx(x, rel=1e-10, abs=1e-13 * scale, nan_ok=True)


def agree(estimate: object, figure: Figure, factor: float = 1.0) -> None:
    assert estimate.value == close(figure.value * factor, 1.0)
    # a scatter of nothing comes out of float64 as rounding
    assert estimate.se == close(None if figure.se is None else figure.se * factor, 1e4)
    assert estimate.units == figure.units


def test_losses(case) -> None:
    plain, report = case
    for model in report.results.models:
        losses = plain.rows(model.name)
        agree(model.loss, plain.mean(losses))
        agree(model.loss_iid, plain.by_rows(losses))
        if plain.clustered:
            agree(model.loss_clustered, plain.by_clusters(losses))
        else:
            assert model.loss_clustered is None
        assert model.n_infinite == np.isinf(losses[plain.counted]).sum()
        assert model.mean_of_finite == close(plain.finite_mean(losses))
        nats = plain.by_rows(losses).value
        known = plain.loss == "log_loss"
        assert model.bits == (close(nats / LN2) if known else None)
        assert model.perplexity == (close(math.exp(nats)) if known else None)
        if plain.exposed:
            agree(model.bits_per_byte, plain.mean(losses, plain.design.bytes), 1 / LN2)
        else:
            assert model.bits_per_byte is None


def test_ranks(case) -> None:
    plain, report = case
    means = {n: plain.mean(plain.rows(n)).value for n in plain.design.models}
    zeros = {n: np.isinf(plain.rows(n)[plain.counted]).sum() for n in means}
    order = sorted(means, key=lambda n: (means[n], zeros[n], n))
    finite = sum(math.isfinite(v) for v in means.values())
    assert [m.name for m in report.results.models] == order
    assert [m.rank for m in report.results.models] == [min(i, finite + 1) for i in range(1, len(order) + 1)]
    assert report.chosen == (order[0] if finite else None)


def test_companions(case) -> None:
    plain, report = case
    others = [c for c in ("log_loss", "brier", "zero_one") if c != plain.loss]
    for model in report.results.models:
        assert [name for name, _ in model.companions] == others
        for name, estimate in model.companions:
            agree(estimate, plain.mean(plain.rows(model.name, name)))


def test_floors(case) -> None:
    plain, report = case
    for model in report.results.models:
        if plain.floor is not None or plain.loss != "log_loss":
            assert model.floors == ()
            continue
        assert {f.name: f.floor for f in model.floors} == FLOORS
        for f in model.floors:
            losses = plain.rows(model.name)
            clipped = np.clip(losses, -math.log(1 - f.floor), -math.log(f.floor))
            assert f.rows == ((losses != clipped) & plain.counted).sum()
            agree(f.loss, plain.by_rows(clipped))
            if plain.clustered:
                agree(f.loss_clustered, plain.by_clusters(clipped))
            else:
                assert f.loss_clustered is None


def test_skill(case) -> None:
    plain, report = case
    for model in report.results.models:
        if plain.loss != "log_loss":
            assert model.skill == ()
            continue
        (skill,) = model.skill
        base, expected = plain.skill(model.name)
        assert (skill.reference, skill.rows) == ("base rate of these rows", plain.counted.sum())
        assert skill.base == close(base)
        agree(skill.skill, expected)


def test_classes_and_groups(case) -> None:
    plain, report = case
    masks = {c: plain.design.labels == k for k, c in enumerate(plain.design.classes)}
    groups = {g: {v: values == v for v in np.unique(values)} for g, values in plain.design.groups.items()}
    for model in report.results.models:
        assert [g for g, _ in model.groups] == list(groups)
        for slices, parts in ((model.classes, masks), *((s, groups[g]) for g, s in model.groups)):
            counted = {v: int((mask & plain.counted).sum()) for v, mask in parts.items()}
            assert [(s.value, s.rows) for s in slices] == [(v, n) for v, n in counted.items() if n]
            for s in slices:
                mask = parts[s.value]
                agree(s.loss, plain.part(model.name, mask))
                assert s.n_infinite == np.isinf(plain.rows(model.name)[mask & plain.counted]).sum()
                bits = plain.part_bits_per_byte(model.name, mask) if plain.exposed else None
                assert s.bits_per_byte == close(bits)
        assert model.macro_mean.value == close(np.mean([s.loss.value for s in model.classes]))
        errors = [s.loss.se for s in model.classes]
        expected = None if None in errors else math.hypot(*errors) / len(errors)
        assert model.macro_mean.se == close(expected)


def test_calibration(case) -> None:
    plain, report = case
    design = plain.design
    for model in report.results.models:
        p = plain.p(model.name)
        top = p.argmax(axis=1)
        expected = {"top label": (p.max(axis=1), top == design.labels)}
        if design.classes == BINARY:
            expected["1"] = (p[:, 0], design.labels == 0)
        assert [r.event for r in model.calibration] == list(expected)
        for r in model.calibration:
            confidence, happened = expected[r.event]
            assert r.error == close(plain.calibration_error(confidence, happened), 1.0)
            assert sum(b.weight for b in r.bins) == close(plain.w.sum())


def test_tails(case) -> None:
    plain, report = case
    for model in report.results.models:
        worst = plain.worst(model.name)
        assert len({w.row for w in model.worst}) == min(20, len(worst))
        for shown, (_, loss, _) in zip(model.worst, worst, strict=False):
            i = int(shown.row) - 1000
            assert shown.loss == close(loss, 1.0) == close(plain.rows(model.name)[i], 1.0)
            of_probability = report.results.loss == "log_loss"
            assert shown.probability == (close(math.exp(-loss)) if of_probability else None)
            assert shown.label == plain.design.classes[plain.design.labels[i]]
            assert shown.predicted == plain.design.classes[plain.p(model.name)[i].argmax()]
        assert sum(n for _, _, n in model.tails.histogram) == sum(math.isfinite(x) for _, x, _ in worst)
        if math.isinf(worst[0][1]):
            assert model.tails.shares == ()
            continue
        total = sum(part for _, _, part in worst)
        rows = len(worst)
        counts = {"worst row": 1, "worst 10 rows": 10, "worst 100 rows": 100}
        counts = {what: n for what, n in counts.items() if n <= rows}
        counts |= {f"worst {q} %": math.ceil(rows * q / 100) for q in (1, 5, 10)}
        assert [(what, n) for what, n, _ in model.tails.shares] == list(counts.items())
        for _, n, share in model.tails.shares:
            assert share == close(sum(part for _, _, part in worst[:n]) / total)


def test_quality(case) -> None:
    plain, report = case
    design = plain.design
    for model in report.results.models:
        stored = design.models[model.name]
        q = model.quality
        nats = replace(plain, floor=None).rows(model.name, "log_loss")
        assert (q.label_zero, q.label_one) == (np.isinf(nats).sum(), (nats == 0).sum())
        assert (q.unknown_labels, q.entries_above_one, q.entries_below_zero) == (0, 0, 0)
        if stored.kind == "logits":
            assert (q.row_sum_min, q.row_sum_max, q.rows_off_1e6, q.rows_off_1e3) == (None, None, 0, 0)
            continue
        sums = stored.p.sum(axis=1)
        assert (q.row_sum_min, q.row_sum_max) == (close(sums.min()), close(sums.max()))
        missed = abs(sums - 1)
        assert (q.rows_off_1e6, q.rows_off_1e3) == ((missed > 1e-6).sum(), (missed > 1e-3).sum())
        if stored.kind == "probs" and not plain.renormalise:
            top = stored.stored.max(axis=1, keepdims=True)
            assert q.top_ties == ((stored.stored == top).sum(axis=1) > 1).sum()


def test_the_record_of_the_data(case) -> None:
    plain, report = case
    data, design = report.results.data, plain.design
    assert data.rows == len(design.labels)
    assert data.sum_of_weights == close(plain.w.sum())
    counted = [int(((design.labels == k) & plain.counted).sum()) for k in range(len(design.classes))]
    assert (data.classes, data.class_rows) == (design.classes, tuple(counted))
    clusters = len(set(design.cluster[plain.counted])) if plain.clustered else None
    assert data.clusters == clusters
    total = float(times(plain.w, design.bytes).sum()) if plain.exposed else None
    assert data.total_bytes == close(total)
    assert (data.pairing, data.id_column, data.label_column) == ("row id", "row_id", "label")
    assert data.group_columns == ("region", "age")
    assert [s.model for s in data.sources] == list(design.models)
    assert [s.kind for s in data.sources] == [m.kind for m in design.models.values()]


def test_comparison(case) -> None:
    plain, report = case
    comparison = report.results.comparison
    ranked = [m.name for m in report.results.models]
    assert (comparison.level, comparison.reference) == (LEVEL, ranked[0])
    against = [(name, ranked[0]) for name in ranked[1:]]
    pairs = [(b, a) for i, a in enumerate(ranked) for b in ranked[i + 1 :]]
    for table, expected in ((comparison.differences, against), (comparison.pairwise, pairs)):
        assert [(d.model, d.reference) for d in table] == expected
        figures = [plain.difference(*pair) for pair in expected]
        for d, figure, p in zip(table, figures, holm([t_test(f) for f in figures]), strict=True):
            agree(d.difference, figure)
            losses = plain.rows(d.model), plain.rows(d.reference)
            either = np.isinf(losses[0]) | np.isinf(losses[1])
            assert d.n_infinite == (either & plain.counted).sum()
            assert d.mean_of_finite == close(plain.finite_mean(*losses))
            assert d.p == close(t_test(figure), 1.0)
            assert d.p_holm == close(p, 1.0)
            assert d.detectable == close(detectable(figure, LEVEL))
            assert d.verdict == verdict(figure, p)
    finite = [m.name for m in report.results.models if math.isfinite(m.loss.value)]
    found = comparison.confidence_set
    if len(finite) < 2:
        assert found is None
    else:
        assert found.alpha == pytest.approx(1 - LEVEL)
        assert found.members[0] == finite[0]
        p_values = dict(found.p_values)
        assert set(found.members) == {n for n in finite if p_values[n] >= found.alpha}
        assert {n for n, p in p_values.items() if p == 0} >= set(ranked) - set(finite)


def verdict(d: Figure, p: float | None) -> str:
    if not math.isfinite(d.value):
        return "infinite"
    if p >= 1 - LEVEL:
        return "not told apart"
    return "worse" if d.value > 0 else "better"


# --- what the random designs do not reach -----------------------------------------------------------------


@pytest.mark.parametrize("clustered", [False, True])
def test_a_given_prior_stands_beside_the_base_rate(clustered: bool) -> None:
    plain = Plain(draw(30), weighted=True, clustered=clustered)
    prior = {"cat": 0.5, "ant": 0.2, "bee": 0.3}
    for model in select(plain.design.tables(), prior=prior, **plain.options).results.models:
        mine, given = model.skill
        assert (mine.reference, given.reference) == ("base rate of these rows", "given prior")
        base, expected = plain.skill(model.name, prior)
        assert given.base == close(base)
        agree(given.skill, expected)


def test_a_prior_must_be_of_use() -> None:
    design = draw(31)
    prior = dict.fromkeys(design.classes, 1 / 3)
    scalar = {n: t.select(["row_id", "p_ant"]).rename_columns(["row_id", "logprob"]) for n, t in logs(design)}
    for tables, loss in ((design.tables(), "brier"), (scalar, "log_loss")):
        with pytest.raises(UsageError) as error:
            select(tables, prior=prior, loss=loss)
        assert error.value.slug == "prior-unused"


def logs(design: Design) -> list:
    models = {n: replace(m, kind="probs", stored=np.log(m.p)) for n, m in design.models.items()}
    return list(replace(design, models=models).tables().items())


def test_a_class_without_rows_is_left_out() -> None:
    design = draw(33)
    mask = design.labels != 1
    tables = {n: t.filter(mask) for n, t in design.tables().items()}
    report = select(tables)
    for model in report.results.models:
        assert [s.value for s in model.classes] == ["ant", "cat"]
        losses = Plain(design).rows(model.name)
        parts = [losses[design.labels == k].mean() for k in (0, 2)]
        assert model.macro_mean.value == close(np.mean(parts))
    assert report.results.data.class_rows[1] == 0


def test_perplexity_of_a_loss_that_has_none() -> None:
    """exp(709) is still a float64, exp(710) is not."""
    for nats, expected in ((700.0, math.exp(700.0)), (709.5, math.inf), (1e6, math.inf)):
        table = {"logprob": [-nats, -nats]}
        model = select({"m": table}).results.models[0]
        assert model.perplexity == pytest.approx(expected)
        assert model.loss.value == nats


def test_only_what_is_known_of_tokens() -> None:
    """Log-probabilities of labels alone: no classes, calibration or skill, but floors, tails and groups."""
    rng = np.random.default_rng(5)
    logprob = -rng.exponential(2.0, 50)
    logprob[3] = -math.inf
    table = {"logprob": logprob, "doc": [f"t{i // 10}" for i in range(50)]}
    results = select({"m": table}, groups="doc").results
    model = results.models[0]
    assert (results.data.classes, results.data.class_rows, results.data.label_column) == (None, None, "")
    assert (model.classes, model.macro_mean, model.skill, model.calibration, model.companions) == (
        (), None, (), (), (),
    )  # fmt: skip
    assert [s.value for s in model.groups[0][1]] == [f"t{i}" for i in range(5)]
    assert model.worst[0].predicted is None and model.worst[0].label == ""
    assert model.quality.label_zero == 1 and model.quality.row_sum_min is None
    clipped = np.minimum(-logprob, -math.log(1e-7))
    (floor,) = (f for f in model.floors if f.name == "1e-7")
    assert floor.loss.value == close(clipped.mean())


def test_shares_of_a_hundred_rows_of_many() -> None:
    nats = np.random.default_rng(6).exponential(1.0, 300)
    model = select({"m": {"row_id": np.arange(300), "logprob": -nats}}).results.models[0]
    shares = {what: share for what, _, share in model.tails.shares}
    assert shares["worst 100 rows"] == close(np.sort(nats)[-100:].sum() / nats.sum())


@pytest.mark.parametrize("options", [{}, {"unit": "day"}, {"cluster": "day"}])
def test_scores_are_not_divided_by_bytes(options: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="Brier score per byte") as error:
        select(draw(35).tables(), loss="brier", bytes="size", **options)
    assert error.value.slug == "bad-option"


@pytest.mark.parametrize(
    ("loss", "unit"), [("log_loss", "nats"), ("brier", "points"), ("zero_one", "points")]
)
def test_units_sum_what_their_rows_lose(loss: str, unit: str) -> None:
    """Without bytes every unit counts the same, however many rows it has."""
    plain = Plain(draw(36, zeros=0.1), loss=loss)
    results = select(plain.design.tables(), loss=loss, unit="day").results
    assert results.unit == f"{unit} per day"
    assert f"in {unit} per day, " in results.statements[0]
    for model in results.models:
        sums = totals(plain.design.cluster, plain.rows(model.name))
        agree(model.loss, ratio(sums, np.ones(len(sums))))
    zeros = {n: int(np.isinf(plain.rows(n)).sum()) for n in plain.design.models}
    for d in results.comparison.pairwise:
        infinite = zeros[d.model] + zeros[d.reference]
        assert (d.n_infinite, d.mean_of_finite) == (infinite, None)
