"""The same distributions in every layout, kind and type of label give the same results."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from crossent import DataError, UsageError, evaluate, select

ROWS = 80


def sums(report) -> str:
    return json.dumps({k: v for k, v in report.evaluation.to_dict().items() if k != "setup"})


def matrix(table: pa.Table) -> np.ndarray:
    """The probabilities (N, K) of a table."""
    names = [c for c in table.column_names if c.startswith("p_")]
    return np.stack([np.asarray(table.column(c)) for c in names], axis=1)


def brier(model) -> float:
    return dict(model.companions)["brier"].value


def other_than_probs(table: pa.Table) -> dict[str, object]:
    return {c: table.column(c) for c in table.column_names if not c.startswith("p_")}


def columns(values: np.ndarray, prefix: str, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    return {prefix + name: values[:, k] for k, name in enumerate(names)}


@pytest.fixture
def table(models) -> pa.Table:
    return models(ROWS, 1)["a"]


@pytest.fixture
def names() -> tuple[str, ...]:
    return ("ant", "bee", "cat")


# --- columns, lists, a single column ----------------------------------------------------------------------


def test_order_of_columns_does_not_matter(models):
    """Classes are found by name, between label and columns and between models."""
    tables = models(ROWS, 2)
    turned = {"a": tables["a"], "b": tables["b"].select(tables["b"].column_names[::-1])}
    assert sums(select(turned)) == sums(select(tables))
    both = select({n: t.select(t.column_names[::-1]) for n, t in tables.items()})
    for name in tables:
        mine, theirs = both.results.model(name), select(tables).results.model(name)
        assert (mine.loss, mine.floors, mine.worst) == (theirs.loss, theirs.floors, theirs.worst)
        assert brier(mine) == pytest.approx(brier(theirs), rel=1e-14)


def test_columns_that_are_not_used_are_listed(table):
    more = table.append_column("comment", pa.array(["x"] * ROWS))
    more = more.append_column("score", pa.array(range(ROWS)))
    (source,) = evaluate(more).results.data.sources
    assert source.ignored_columns == ("weight", "day", "region", "text", "comment", "score")
    assert sums(evaluate(more)) == sums(evaluate(table))


@pytest.mark.parametrize("type_", ["list", "large", "fixed"])
@pytest.mark.parametrize("says", ["option", "range", "field", "schema"])
def test_lists_with_classes_by_metadata_and_by_option(table, names, type_, says):
    p = matrix(table)
    classes = ("0", "1", "2") if says == "range" else names
    one = pa.float64()
    kinds = {"list": pa.list_(one), "large": pa.large_list(one), "fixed": pa.list_(one, 3)}
    metadata = {"classes": json.dumps(classes)}
    field = pa.field("probs", kinds[type_], metadata=metadata if says == "field" else None)
    rest = pa.table(other_than_probs(table))
    if says == "range":
        numbers = pa.array([names.index(v) for v in rest.column("label").to_pylist()])
        rest = rest.set_column(rest.column_names.index("label"), "label", numbers)
    listed = rest.append_column(field, pa.array(p.tolist(), field.type))
    if says == "schema":
        listed = listed.replace_schema_metadata(metadata)
    option = {"option": {"classes": names}, "range": {"classes": "0..2"}}.get(says, {})
    mine, theirs = evaluate(listed, name="m", **option), evaluate(table, name="m")
    assert mine.results.data.classes == classes
    assert mine.results.models[0].loss == theirs.results.models[0].loss
    assert mine.results.models[0].floors == theirs.results.models[0].floors
    if says != "range":
        assert sums(mine) == sums(theirs)


def test_a_list_without_classes(table):
    listed = pa.table({**other_than_probs(table), "probs": matrix(table).tolist()})
    with pytest.raises(DataError) as error:
        evaluate(listed)
    assert error.value.slug == "list-without-classes"


def test_a_list_of_another_length(table, names):
    lists = matrix(table).tolist()
    lists[11] = lists[11][:2]
    with pytest.raises(DataError) as error:
        evaluate(pa.table({**other_than_probs(table), "probs": lists}), classes=names)
    assert (error.value.slug, error.value.row) == ("list-length", 11)


def test_lists_in_another_order_of_classes(models, names):
    tables = models(ROWS, 2)
    turned = ("cat", "ant", "bee")
    p = matrix(tables["b"]).astype(np.float64)
    field = pa.field("probs", pa.list_(pa.float64()), metadata={"classes": json.dumps(turned)})
    lists = pa.array(p[:, [names.index(c) for c in turned]].tolist(), field.type)
    listed = pa.table(other_than_probs(tables["b"])).append_column(field, lists)
    assert sums(select({"a": tables["a"], "b": listed})) == sums(select(tables))


@pytest.mark.parametrize("positive", ["late", "ontime"])
def test_a_single_column_is_one_of_two(models, positive):
    two = models(ROWS, 2, ("late", "ontime"))
    p = np.asarray(two["b"].column(f"p_{positive}"), np.float64)
    rest = other_than_probs(two["b"])
    single = pa.table({**rest, f"p_{positive}": p})
    other = "ontime" if positive == "late" else "late"
    double = pa.table({**rest, f"p_{positive}": p, f"p_{other}": 1.0 - p})
    mine, theirs = select({"a": two["a"], "b": single}), select({"a": two["a"], "b": double})
    for name in ("a", "b"):
        one, both = mine.results.model(name), theirs.results.model(name)
        assert one.loss.value == pytest.approx(both.loss.value, rel=1e-14)
        assert one.quality.label_zero == both.quality.label_zero
        assert one.companions == both.companions
    alone = evaluate(single).results
    assert alone.data.classes == (other, positive)
    assert [r.event for r in alone.models[0].calibration] == ["top label", positive]


def test_a_single_column_keeps_tiny_probabilities():
    """1 − p of p = 1e-20 is 1, and yet the loss of the other label is 1e-20."""
    table = {"label": ["yes", "no"], "p_yes": [1e-20, 1e-20]}
    (model,) = evaluate(table).results.models
    assert model.loss.value == pytest.approx((-np.log(1e-20) + 1e-20) / 2, rel=1e-15)
    assert model.n_infinite == 0
    near = evaluate({"label": ["no", "yes"], "p_yes": [1 - 2**-53, 0.5]}).results.models[0]
    assert near.loss.value == pytest.approx((53 * np.log(2) + np.log(2)) / 2, rel=1e-15)


def test_models_as_columns_of_one_table(models):
    two = models(ROWS, 2, ("late", "ontime"))
    p = {n: np.asarray(t.column("p_late"), np.float64) for n, t in two.items()}
    rest = other_than_probs(two["a"])
    mine = select({"games": pa.table({**rest, **p})}, columns=["a", "b"], positive="late")
    singles = {n: pa.table({**rest, "p_late": v}) for n, v in p.items()}
    assert sums(mine) == sums(select(singles))


@pytest.mark.parametrize("classes", [("ant", "bee"), ("ant", "bee", "dog"), ("ant", "bee", "cat", "dog")])
def test_models_with_other_classes_do_not_compare(models, table, classes):
    rest = other_than_probs(table)
    other = pa.table({**rest, **columns(np.full((ROWS, len(classes)), 1 / len(classes)), "p_", classes)})
    with pytest.raises(DataError) as error:
        select({"a": table, "b": other})
    assert error.value.slug == "classes-differ"


# --- kinds ------------------------------------------------------------------------------------------------


def as_kinds(table: pa.Table, names: tuple[str, ...]) -> dict[str, pa.Table]:
    """The same distributions as probabilities, log-probabilities and logits; finite ones only."""
    p = np.clip(matrix(table), 1e-9, 1.0)
    p /= p.sum(axis=1, keepdims=True)
    rest = other_than_probs(table)
    shift = np.linspace(-30, 30, len(p))[:, None]
    return {
        "probs": pa.table({**rest, **columns(p, "p_", names)}),
        "log_probs": pa.table({**rest, **columns(np.log(p), "lp_", names)}),
        "logits": pa.table({**rest, **columns(np.log(p) + shift, "z_", names)}),
    }


def test_kinds_of_the_same_distributions_agree(table, names):
    tables = as_kinds(table, names)
    results = select(tables, weight="weight", cluster="day").results
    probs = results.model("probs")
    assert {s.model: s.kind for s in results.data.sources} == {n: n for n in tables}
    for name in ("log_probs", "logits"):
        model = results.model(name)
        assert model.loss.value == pytest.approx(probs.loss.value, rel=1e-13)
        assert model.loss.se == pytest.approx(probs.loss.se, rel=1e-12)
        for (_, mine), (_, theirs) in zip(model.companions, probs.companions, strict=True):
            assert mine.value == pytest.approx(theirs.value, rel=1e-12)
        assert model.quality.row_sum_min == (None if name == "logits" else pytest.approx(1.0, abs=1e-14))
        errors = [r.error for r in probs.calibration]
        assert [r.error for r in model.calibration] == pytest.approx(errors, abs=1e-12)
    assert all(abs(d.difference.value) < 1e-13 for d in results.comparison.pairwise)


def test_kind_and_prefix_by_option(table, names):
    tables = as_kinds(table, names)
    expected = evaluate(tables["logits"], name="m")
    named = [c.replace("z_", "score_") for c in tables["logits"].column_names]
    plain = tables["logits"].rename_columns(named)
    assert sums(evaluate(plain, name="m", prefix="score_", kind="logits")) == sums(expected)
    both = pa.table({**{c: tables["probs"].column(c) for c in tables["probs"].column_names},
                     **{f"z_{n}": tables["logits"].column(f"z_{n}") for n in names}})  # fmt: skip
    assert sums(evaluate(both, name="m", kind="logits")) == sums(expected)
    with pytest.raises(UsageError) as error:
        evaluate(both)
    assert error.value.slug == "which-prediction"


def test_only_the_log_probability_of_the_label(table, names, losses):
    loss = losses(table)
    scalar = pa.table({**other_than_probs(table), "label_logprob": -loss})
    mine, theirs = evaluate(scalar, groups="region").results, evaluate(table, groups="region").results
    one, two = mine.models[0], theirs.models[0]
    assert (one.loss, one.n_infinite, one.floors) == (two.loss, two.n_infinite, two.floors)
    assert (one.groups, one.tails) == (two.groups, two.tails)
    assert (one.companions, one.calibration, one.classes, one.skill) == ((), (), (), ())
    assert mine.data.classes is None


def test_half_and_single_precision_are_widened(table, names):
    rest = other_than_probs(table)
    for dtype in (np.float16, np.float32):
        p = matrix(table).astype(dtype)
        narrow = pa.table({**rest, **columns(p, "p_", names)})
        wide = pa.table({**rest, **columns(p.astype(np.float64), "p_", names)})
        assert sums(evaluate(narrow, name="m")) == sums(evaluate(wide, name="m"))


# --- labels -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (pa.array([True, False]), ("true", "false")),
        (pa.array([True, False]), ("True", "False")),
        (pa.array([True, False]), ("1", "0")),
        (pa.array([1, 0], pa.int8()), ("1", "0")),
        (pa.array([1, 0], pa.uint64()), ("01", "00")),
        (pa.array([1.0, 0.0]), ("1", "0")),
        (pa.array(["1", "0"]), ("1", "0")),
        (pa.array(["b", "a"], pa.large_string()), ("b", "a")),
        (pa.array(["b", "a"]).dictionary_encode(), ("b", "a")),
        (pa.array([7, -3]).dictionary_encode(), ("7", "-3")),
    ],
    ids=lambda v: str(getattr(v, "type", v)),
)
@pytest.mark.parametrize("single", [False, True])
def test_labels_of_every_type_find_their_class(labels, classes, single):
    first, second = (f"p_{c}" for c in classes)
    predictions = {first: [0.8, 0.3]} if single else {first: [0.8, 0.3], second: [0.2, 0.7]}
    report = evaluate(pa.table({"label": labels, **predictions}))
    assert report.results.models[0].loss.value == pytest.approx(-(np.log(0.8) + np.log(0.7)) / 2, rel=1e-15)


def test_labels_that_no_class_has_the_name_of(models):
    tables = models(ROWS, 2)
    labels = tables["a"].column("label").to_pylist()
    labels[3] = labels[9] = "dog"
    tables = {n: t.set_column(1, "label", pa.array(labels)) for n, t in tables.items()}
    with pytest.raises(DataError, match=r"value dog.*ant, bee, cat") as error:
        select(tables)
    assert (error.value.slug, error.value.row) == ("unknown-label", 3)
    results = select(tables, unknown_label="zero", groups="region").results
    known = {n: t.take([i for i in range(ROWS) if i not in (3, 9)]) for n, t in tables.items()}
    expected = select(known).results
    for name in tables:
        mine, theirs = results.model(name), expected.model(name)
        assert mine.n_infinite == theirs.n_infinite + 2
        assert mine.loss.value == np.inf
        assert mine.mean_of_finite == (theirs.mean_of_finite if theirs.n_infinite else theirs.loss.value)
        assert mine.quality.unknown_labels == 2
        wrong = np.square(matrix(tables[name])[[3, 9]].astype(np.float64)).sum() + 2
        assert brier(mine) * ROWS == pytest.approx(brier(theirs) * (ROWS - 2) + wrong, rel=1e-12)
        assert next(c for c in mine.classes if c.value == "(unknown)").rows == 2


@pytest.mark.parametrize("kind", ["probs", "log_probs", "logits"])
def test_unknown_labels_of_every_kind(table, names, kind):
    tables = as_kinds(table, names)
    labels = ["dog", *tables[kind].column("label").to_pylist()[1:]]
    unknown = tables[kind].set_column(1, "label", pa.array(labels))
    (model,) = evaluate(unknown, unknown_label="zero").results.models
    (rest,) = evaluate(tables[kind].slice(1)).results.models
    assert (model.n_infinite, model.mean_of_finite) == (1, rest.loss.value)
    assert dict(model.companions)["zero_one"].value * ROWS == pytest.approx(
        dict(rest.companions)["zero_one"].value * (ROWS - 1) + 1
    )


def test_unknown_labels_beside_a_single_column():
    table = {"label": ["yes", "no", "perhaps"], "p_yes": [0.5, 0.25, 0.5]}
    with pytest.raises(DataError) as error:
        evaluate(table)
    assert error.value.slug == "unknown-label"
    (model,) = evaluate(table, unknown_label="zero").results.models
    assert model.n_infinite == 1
    assert model.mean_of_finite == pytest.approx((np.log(2) - np.log(0.75)) / 2, rel=1e-15)


# --- rows that do not sum to one, floors ------------------------------------------------------------------


def test_rows_that_do_not_sum_to_one_are_used_as_they_are(table, names):
    p = matrix(table) * np.where(np.arange(ROWS) % 4, 1.0, 0.9)[:, None]
    short = pa.table({**other_than_probs(table), **columns(p, "p_", names)})
    results = evaluate(short).results
    quality = results.models[0].quality
    assert (quality.rows_off_1e6, quality.rows_off_1e3) == (ROWS // 4, ROWS // 4)
    assert (quality.row_sum_min, quality.row_sum_max) == pytest.approx((0.9, 1.0), rel=1e-14)
    assert "row-sums" in [note.slug for note in results.notes]
    mended = evaluate(short, renormalise=True).results
    assert mended.renormalised
    whole = evaluate(table, renormalise=True).results.models[0]
    mine = mended.models[0]
    assert mine.n_infinite == whole.n_infinite
    assert mine.mean_of_finite == pytest.approx(whole.mean_of_finite, rel=1e-13)
    assert brier(mine) == pytest.approx(brier(whole), rel=1e-13)


def test_rows_without_any_probability_cannot_be_renormalised():
    table = {"label": ["a", "b"], "p_a": [0.0, 0.2], "p_b": [0.0, 0.2]}
    results = evaluate(table, renormalise=True).results
    assert results.models[0].n_infinite == 1
    assert results.models[0].mean_of_finite == pytest.approx(np.log(2), rel=1e-15)
    assert "rows-without-sum" in [note.slug for note in results.notes]


def test_slightly_outside_of_the_unit_interval():
    table = {"label": ["a", "b"], "p_a": [1.0005, 0.5], "p_b": [-0.0005, 0.5]}
    results = evaluate(table).results
    assert results.models[0].loss.value == pytest.approx((-np.log(1.0005) + np.log(2)) / 2, rel=1e-14)
    assert "outside-unit-interval" in [note.slug for note in results.notes]
    with pytest.raises(DataError) as error:
        evaluate(table, tolerance=1e-4)
    assert error.value.slug == "not-a-probability"


@pytest.mark.parametrize("floor", [1e-15, 1e-7, 0.01])
def test_a_floor_as_headline_clips_both_ends(table, losses, floor):
    low, high = -np.log1p(-floor), -np.log(floor)
    clipped = np.clip(losses(table), low, high)
    results = evaluate(table, floor=floor).results
    (model,) = results.models
    assert results.floor == floor
    assert model.loss.value == pytest.approx(clipped.mean(), rel=1e-12)
    assert model.loss.se == pytest.approx(clipped.std(ddof=1) / np.sqrt(ROWS), rel=1e-12)
    assert (model.n_infinite, model.floors) == (0, ())
    assert model.quality.label_zero == np.isinf(losses(table)).sum(), "what the floor hides is still counted"


def test_floors_beside_the_headline(table, losses):
    (model,) = evaluate(table, weight="weight", cluster="day").results.models
    for floor in model.floors:
        (alone,) = evaluate(table, weight="weight", cluster="day", floor=floor.floor).results.models
        assert floor.loss.value == pytest.approx(alone.loss_iid.value, rel=1e-13)
        assert floor.loss.se == pytest.approx(alone.loss_iid.se, rel=1e-12)
        assert floor.loss_clustered.se == pytest.approx(alone.loss_clustered.se, rel=1e-12)
