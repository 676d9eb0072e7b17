"""Which columns are a prediction about a number, and what models of them have in common."""

from __future__ import annotations

import pyarrow as pa
import pytest

from crossent.data.agreement import about_numbers, common_levels
from crossent.data.layout import understand
from crossent.data.options import ReadOptions
from crossent.errors import UsageError

from .helpers import columns, fault, place, source

LIST = pa.list_(pa.float64())


def layout(found, **options):
    return understand(found, ReadOptions(**options))


NAMES = {
    "mean and std": (columns("mean", "std"), {}, "mean_std", ("mean", "std")),
    "in any order": (columns("std", "x", "mean"), {}, "mean_std", ("mean", "std")),
    "mean alone": (columns("mean"), {}, "point", ("mean",)),
    "std alone is nothing": (columns("std", "y_pred"), {}, "point", ("y_pred",)),
    "point": (columns("point"), {}, "point", ("point",)),
    "prediction": (columns("prediction"), {}, "point", ("prediction",)),
    "y_pred": (columns("y_pred", "other"), {}, "point", ("y_pred",)),
    "a whole number": (columns(prediction=pa.int32()), {}, "point", ("prediction",)),
    "quantiles by level": (columns("q_0.9", "q_0.10", "q_.5"), {}, "quantiles", ("q_0.10", "q_.5", "q_0.9")),
    "one quantile": (columns("q_0.5"), {}, "quantiles", ("q_0.5",)),
    "a name that is no level": (columns("q_0.5", "q_region"), {}, "quantiles", ("q_0.5",)),
    "samples": (columns(samples=LIST), {}, "samples", ("samples",)),
    "large lists": (columns(samples=pa.large_list(pa.float32())), {}, "samples", ("samples",)),
    "as many each": (columns(samples=pa.list_(pa.float32(), 7)), {}, "samples", ("samples",)),
    "a point beside a spread": (columns("mean", "std"), {"kind": "point"}, "point", ("mean",)),
    "chosen of two": (columns("mean", "std", "q_0.5"), {"kind": "quantiles"}, "quantiles", ("q_0.5",)),
    "point by name": (columns("mean", "a"), {"kind": "point", "prob": "a"}, "point", ("a",)),
    "samples by name": (columns(draws=LIST), {"kind": "samples", "prob": "draws"}, "samples", ("draws",)),
    "mean and std after a prefix": (
        columns("m1_mean", "m1_std", "m2_mean", "m2_std"),
        {"kind": "mean_std", "prefix": "m2_"},
        "mean_std",
        ("m2_mean", "m2_std"),
    ),
    "levels after a prefix": (
        columns("pred_0.9", "pred_0.1", "pred_x"),
        {"kind": "quantiles", "prefix": "pred_"},
        "quantiles",
        ("pred_0.1", "pred_0.9"),
    ),
    "q_ after a prefix": (
        columns("a_q_0.9", "b_q_0.1"),
        {"kind": "quantiles", "prefix": "a_"},
        "quantiles",
        ("a_q_0.9",),
    ),
}


@pytest.mark.parametrize(("found", "options", "kind", "predictions"), NAMES.values(), ids=NAMES)
def test_names(found, options, kind, predictions):
    found = source(found.schema.append(pa.field("label", pa.float64())).empty_table())
    mine = layout(found, **options)
    assert (mine.kind, mine.predictions, mine.classes) == (kind, predictions, None)
    assert mine.about_numbers
    assert mine.shape == ("samples" if kind == "samples" else "numbers")
    assert mine.numbers == ("label",), "text is read as numbers"
    assert mine.label not in mine.ignored and not set(predictions) & set(mine.ignored)


@pytest.mark.parametrize("beside", ["mean", "prediction", "q_1", "std"])
def test_classes_come_first(beside):
    """A column beside probabilities is what it was before predictions about numbers were known."""
    mine = layout(columns("p_a", "p_b", "label", beside))
    assert (mine.kind, mine.ignored) == ("probs", (beside,))
    assert not mine.about_numbers


def test_text_is_no_point():
    """By its type; of a text format nobody knows the type."""
    error = fault(lambda: layout(columns("label", prediction=pa.string())))
    assert error.slug == "no-predictions"
    in_text = source({"label": ["1"], "prediction": ["2"]}, text=True)
    assert layout(in_text).kind == "point"


AMBIGUOUS = {
    "two points": (("point", "prediction"), {}),
    "a point and quantiles": (("y_pred", "q_0.5"), {}),
    "two numbers of kind point": (("mean", "std", "y_pred"), {"kind": "point"}),
}


@pytest.mark.parametrize(("names", "options"), AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_several_predictions(names, options):
    error = fault(lambda: layout(columns("label", *names), **options), UsageError)
    assert error.slug == "which-prediction"


NOTHING = {
    "no std": (("mean",), {"kind": "mean_std"}, "mean and std"),
    "no levels": (("mean", "std"), {"kind": "quantiles"}, "q_0.05"),
    "no list": (("samples",), {"kind": "samples"}, "--prob"),
    "no point": (("std",), {"kind": "point"}, "y_pred"),
    "nothing after the prefix": (("mean", "std"), {"kind": "mean_std", "prefix": "b_"}, "mean and std"),
    "nothing at all": (("x",), {}, "q_<level>"),
}


@pytest.mark.parametrize(("names", "options", "cure"), NOTHING.values(), ids=NOTHING)
def test_no_prediction(names, options, cure):
    error = fault(lambda: layout(columns("label", *names), **options))
    assert place(error) == ("no-predictions", "m", None, None)
    assert cure in error.cure


LEVELS = {
    "above one": (("q_0.5", "q_95"), "bad-level", "q_95"),
    "zero": (("q_0", "q_0.5"), "bad-level", "q_0"),
    "one": (("q_1.0",), "bad-level", "q_1.0"),
    "not a number": (("q_nan", "q_0.5"), "bad-level", "q_nan"),
    "infinite": (("q_0.5", "q_inf"), "bad-level", "q_inf"),
    "twice": (("q_0.1", "q_0.10"), "level-twice", "q_0.10"),
}


@pytest.mark.parametrize(("names", "slug", "column"), LEVELS.values(), ids=LEVELS)
def test_levels_that_are_none(names, slug, column):
    assert place(fault(lambda: layout(columns("label", *names)))) == (slug, "m", None, column)


@pytest.mark.parametrize("kind", ["mean_std", "quantiles"])
def test_one_column_is_no_kind_of_several(kind):
    error = fault(lambda: layout(columns("label", "x"), kind=kind, prob="x"), UsageError)
    assert error.slug == "kind-of-several-columns"


@pytest.mark.parametrize(("kind", "column"), [("samples", "x"), ("point", "draws")])
def test_the_named_column_is_of_another_type(kind, column):
    found = columns("label", "x", draws=LIST)
    assert place(fault(lambda: layout(found, kind=kind, prob=column))) == (
        "prediction-type",
        "m",
        None,
        column,
    )


def test_a_label_is_needed():
    assert fault(lambda: layout(columns("mean", "std"))).slug == "no-label"


def test_width():
    """Batches of samples are of fewer rows: the first lists say about how many samples there are."""
    ragged = source({"label": [1.0, 2.0, 3.0], "samples": [[1.0, 2.0], [1.0] * 5, None]})
    assert (layout(ragged).samples, layout(ragged).width) == (5, 5)
    empty = source(pa.schema([("label", pa.float64()), ("samples", LIST)]).empty_table())
    assert layout(empty).width == 1
    assert layout(columns("label", samples=pa.list_(pa.float32(), 50))).width == 50
    assert layout(columns("label", "q_0.1", "q_0.5", "q_0.9")).width == 3


def test_in_words():
    words = {
        "2 columns: mean, std": columns("label", "mean", "std"),
        "column y_pred": columns("label", "y_pred"),
        "list column samples": columns("label", samples=LIST),
        "3 columns: q_0.1, q_0.5, q_0.9": columns("label", "q_0.9", "q_0.5", "q_0.1"),
        "9 columns: q_0.1, q_0.2, q_0.3, …, q_0.9": columns("label", *(f"q_0.{i}" for i in range(1, 10))),
    }
    assert [layout(found).described() for found in words.values()] == list(words)


# --- several models -----------------------------------------------------------------------------------------


def agreed(decide, *found):
    return decide([layout(one) for one in found], found)


MEAN_STD, POINT = columns("label", "mean", "std"), columns("label", "point")
QUANTILES = columns("label", "q_0.1", "q_0.9")


def test_common_levels():
    assert agreed(common_levels, MEAN_STD, POINT) == ()
    assert agreed(common_levels, QUANTILES, MEAN_STD, columns("label", "q_.90", "q_0.10")) == (0.1, 0.9)


def test_other_levels():
    other = columns("label", "q_0.1", "q_0.5")
    error = fault(lambda: agreed(common_levels, MEAN_STD, QUANTILES, other))
    assert error.slug == "levels-differ"
    assert "only here: 0.5; only in m: 0.9" in str(error)


def test_numbers_and_classes():
    classes = columns("label", "p_a", "p_b")
    assert agreed(about_numbers, MEAN_STD, POINT, QUANTILES)
    assert not agreed(about_numbers, classes, columns("logprob", "label"))
    for found in ((MEAN_STD, classes), (classes, POINT)):
        error = fault(lambda found=found: agreed(about_numbers, *found))
        assert error.slug == "kinds-differ"
