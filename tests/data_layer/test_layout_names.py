"""Which columns are predictions, label and row id: from names, types and options."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest

from crossent.data.conditions import Condition
from crossent.data.layout import understand
from crossent.data.naming import LIST_NAMES, PREFIXES, SCALAR_NAMES
from crossent.data.options import ID_NAMES, LABEL_NAMES, ReadOptions
from crossent.errors import UsageError

from .helpers import columns, fault, source

FLOATS = pa.list_(pa.float64())
LISTS = {
    "list": FLOATS,
    "large": pa.large_list(pa.float32()),
    "fixed": pa.list_(pa.float16(), 2),
}
PREFIXED = [(kind, prefix) for kind, prefixes in PREFIXES.items() for prefix in prefixes]
LISTED = [(kind, name) for kind, names in LIST_NAMES.items() for name in names]


def understood(*names: str, types: dict[str, pa.DataType] | None = None, **options):
    return understand(columns(*names, **(types or {})), ReadOptions(**options))


def found(layout) -> tuple:
    return layout.kind, layout.shape, layout.predictions, layout.classes


@pytest.mark.parametrize(("kind", "prefix"), PREFIXED)
def test_prefixes_declare_kind_and_classes(kind, prefix):
    """In the order of the columns, wherever the others stand."""
    layout = understood("score", f"{prefix}b", "label", f"{prefix}a b", f"{prefix}ü", "pa")
    names = (f"{prefix}b", f"{prefix}a b", f"{prefix}ü")
    assert found(layout) == (kind, "columns", names, ("b", "a b", "ü"))
    assert (layout.label, layout.id, layout.ignored) == ("label", None, ("score", "pa"))
    assert layout.width == 3
    assert layout.columns == ("label", *names)


@pytest.mark.parametrize(("kind", "name"), LISTED)
@pytest.mark.parametrize("type_", LISTS.values(), ids=LISTS)
def test_lists_declare_their_kind(kind, name, type_):
    layout = understood("y", types={name: type_}, classes=("u", "v"))
    assert found(layout) == (kind, "list", (name,), ("u", "v"))
    assert (layout.width, layout.dtype) == (2, str(type_.value_type))


@pytest.mark.parametrize("name", SCALAR_NAMES)
@pytest.mark.parametrize("label", [(), ("label",)])
def test_a_scalar_needs_no_label(name, label):
    layout = understood(name, *label)
    assert found(layout) == ("label_logprob", "scalar", (name,), None)
    assert layout.label == (label[0] if label else None)
    assert layout.width == 1


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("probs", pa.float64()),
        ("logits", pa.float32()),
        ("logprob", FLOATS),
        ("p_a", FLOATS),
        ("log_p", FLOATS),
    ],
)
def test_names_of_the_wrong_type_declare_nothing(name, type_):
    error = fault(lambda: understood("label", types={name: type_}))
    assert error.slug == "no-predictions"
    assert f"label, {name}" in error.problem


@pytest.mark.parametrize("name", ["P_a", "q_a", "xp_a", "Probs", "logprob_a", "p", "z", "log_prob"])
def test_names_that_declare_nothing(name):
    assert fault(lambda: understood("label", name)).slug == "no-predictions"


SEVERAL = {
    "two kinds": ("p_a", "p_b", "z_a", "z_b"),
    "two prefixes of one kind": ("p_a", "prob_b"),
    "prefix and scalar": ("p_a", "logprob"),
    "two scalars": SCALAR_NAMES,
}


@pytest.mark.parametrize("names", SEVERAL.values(), ids=SEVERAL)
def test_several_predictions_are_a_question(names):
    error = fault(lambda: understood("label", *names), UsageError)
    assert error.slug == "which-prediction"
    for name in names:
        assert name in error.problem


def test_a_list_beside_columns_is_a_question():
    work = lambda **o: understood("label", "p_a", "p_b", types={"logits": FLOATS}, **o)  # noqa: E731
    assert fault(work, UsageError).slug == "which-prediction"
    assert work(kind="probs").shape == "columns"
    assert work(kind="logits", classes=("a", "b")).predictions == ("logits",)
    assert work(kind="logits", classes=("a", "b")).ignored == ("p_a", "p_b")


@pytest.mark.parametrize("kind", ["probs", "logits", "log_probs", "label_logprob"])
def test_kind_chooses_among_what_there_is(kind):
    names = ("p_a", "p_b", "z_a", "z_b", "lp_a", "lp_b", "logprob")
    layout = understood("label", *names, kind=kind)
    assert layout.kind == kind
    assert set(layout.predictions) | set(layout.ignored) == set(names)
    one = understood("label", *layout.predictions)
    assert found(one) == found(layout)


def test_no_prediction_of_the_kind_names_the_kind():
    error = fault(lambda: understood("label", "p_a", kind="logits"))
    assert (error.slug, error.file) == ("no-predictions", "m")
    assert error.problem.endswith("of kind logits")
    assert "of kind" not in fault(lambda: understood("label", "a")).problem


# --- options that name columns ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [None, "probs", "logits", "log_probs"])
def test_prefix_by_option(kind):
    layout = understood("y", "m_a", "p_a", "m_b", "p_b", prefix="m_", kind=kind)
    assert found(layout) == (kind or "probs", "columns", ("m_a", "m_b"), ("a", "b"))
    assert layout.ignored == ("p_a", "p_b")


def test_prefix_passes_over_columns_that_have_a_role():
    layout = understood("m_id", "m_y", "m_a", "m_w", "m_b", prefix="m_", id="m_id", label="m_y", weight="m_w")
    assert found(layout) == ("probs", "columns", ("m_a", "m_b"), ("a", "b"))


def test_a_class_called_like_a_role():
    """p_label is a prediction unless an option gives it a role."""
    assert understood("label", "p_label", "p_id").classes == ("label", "id")
    layout = understood("p_label", "p_a", "p_b", label="p_label")
    assert (layout.label, layout.classes) == ("p_label", ("a", "b"))
    layout = understood("label", "p_a", "p_b", "p_region", groups=("p_region",))
    assert (layout.classes, layout.extra) == (("a", "b"), ("p_region",))


def test_no_column_of_the_prefix():
    error = fault(lambda: understood("label", "p_a", prefix="q"))
    assert (error.slug, error.file) == ("no-predictions", "m")
    assert "begins with q" in error.problem


def test_one_column_of_a_prefix_is_a_single_one():
    assert found(understood("label", "late?", prefix="late")) == ("probs", "single", ("late?",), ("?",))
    assert understood("label", "late", prefix="late", positive="1").classes == ("1",)


@pytest.mark.parametrize(("names", "prefix"), [(("p_", "p_p_"), None), (("m", "mm"), "m")])
def test_two_columns_of_one_class(names, prefix):
    error = fault(lambda: understood("label", *names, prefix=prefix), UsageError)
    assert error.slug == "which-prediction"
    assert ", ".join(names) in error.problem


@pytest.mark.parametrize("name", ["label", "score", "p_a"])
def test_prob_names_the_one_column(name):
    layout = understood("label", "score", "p_a", "p_b", prob=name, positive="yes")
    assert found(layout) == ("probs", "single", (name,), ("yes",))
    assert name not in layout.ignored


def test_prob_of_a_list_and_of_a_scalar():
    layout = understood("label", types={"scores": FLOATS}, prob="scores", classes=("a", "b"), kind="logits")
    assert found(layout) == ("logits", "list", ("scores",), ("a", "b"))
    layout = understood("lp", prob="lp", kind="label_logprob")
    assert found(layout) == ("label_logprob", "scalar", ("lp",), None)


def test_prob_of_a_prefixed_column_names_its_class():
    assert understood("label", "p_late", "x", prob="p_late").classes == ("late",)


ROLES = {
    "label": "label",
    "id": "id",
    "weight": "weight",
    "cluster": "cluster",
    "unit": "unit",
    "bytes": "bytes",
    "prob": "prob",
}


@pytest.mark.parametrize("option", ROLES)
def test_a_named_column_that_is_not_there(option):
    error = fault(lambda: understood("label", "p_a", "p_b", **{option: "nope"}))
    assert (error.slug, error.file, error.column) == ("unknown-column", "m", "nope")
    assert "label, p_a, p_b" in error.problem


@pytest.mark.parametrize(
    "option", [{"groups": ("label", "nope")}, {"where": (Condition("label", "1"), Condition("nope", "1"))}]
)
def test_one_of_several_named_columns_is_not_there(option):
    assert fault(lambda: understood("label", "p_a", "p_b", **option)).column == "nope"


def test_names_are_cut_after_eight():
    names = [f"c{i}" for i in range(9)]
    error = fault(lambda: understood(*names, label="nope"))
    assert "c7, … (9 in all)" in error.problem
    assert "c8" not in error.problem
    assert fault(lambda: understood(*names[:8], label="x")).problem[-30:] == "c0, c1, c2, c3, c4, c5, c6, c7"


NESTED = {
    "list": FLOATS,
    "struct": pa.struct([("a", pa.int64())]),
    "map": pa.map_(pa.string(), pa.int64()),
}


@pytest.mark.parametrize("type_", NESTED.values(), ids=NESTED)
@pytest.mark.parametrize("option", ["label", "id", "weight", "cluster", "bytes", "groups", "where"])
def test_a_nested_column_has_no_role(type_, option):
    value = {"groups": ("n",), "where": (Condition("n", "1"),)}.get(option, "n")
    error = fault(lambda: understood("label", "p_a", "p_b", types={"n": type_}, **{option: value}))
    assert (error.slug, error.file, error.column) == ("nested-column", "m", "n")
    assert str(type_) in error.problem


@pytest.mark.parametrize(("role", "usual"), [("label", LABEL_NAMES), ("id", ID_NAMES)])
def test_usual_names(role, usual):
    others = ("p_a", "p_b") if role == "label" else ("p_a", "p_b", "label")
    for name in usual:
        assert getattr(understood(*others, name), role) == name
    for first, second in itertools.pairwise(usual):
        error = fault(lambda a=first, b=second: understood(*others, b, a), UsageError)
        assert error.slug == "which-column"
        assert f"{first} and {second}" in error.problem
        assert f"--{role}" in error.cure
        layout = understood(*others, first, second, **{role: second})
        assert getattr(layout, role) == second
        assert layout.ignored == (first,)


def test_no_label():
    error = fault(lambda: understood("p_a", "p_b", "Label"))
    assert (error.slug, error.file) == ("no-label", "m")
    assert "p_a, p_b, Label" in error.problem


def test_columns_to_read_are_named_once():
    layout = understood(
        "g", "w", "label", "p_b", "p_a", "row_id", "d", "other",
        weight="w", cluster="d", groups=("g", "d", "label"),
        where=(Condition("g", "1"), Condition("row_id", "2")),
    )  # fmt: skip
    assert layout.columns == ("row_id", "label", "w", "d", "g", "p_b", "p_a")
    assert layout.ignored == ("other",)


def test_types_of_the_predictions_are_listed_once():
    types = {
        "p_a": pa.float32(),
        "p_b": pa.float64(),
        "p_c": pa.float32(),
        "p_d": pa.dictionary(pa.int8(), pa.int16()),
    }
    assert understood("label", types=types).dtype == "float, double, int16"


# --- in words ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (2, "2 columns: p_0, p_1"),
        (6, "6 columns: p_0, p_1, p_2, p_3, p_4, p_5"),
        (7, "7 columns: p_0, p_1, p_2, …, p_6"),
        (1, "column p_0, the probability of 0"),
    ],
)
def test_described_columns(count, text):
    assert understood("label", *(f"p_{i}" for i in range(count))).described() == text


def test_described_lists_and_scalars():
    listed = understood("label", types={"probs": FLOATS}, classes=("a", "b", "c"))
    assert listed.described() == "list column probs of 3 classes"
    assert understood("logprob").described() == "column logprob, the log-probability of the label"


def test_a_layout_never_depends_on_values():
    rng = np.random.default_rng(0)
    probs, logits = rng.random((5, 2)), rng.normal(scale=9, size=(5, 2))
    layouts = [
        understand(source({"label": [0] * 5, "p_0": x[:, 0], "p_1": x[:, 1]}), ReadOptions())
        for x in (probs, logits)
    ]
    assert layouts[0] == layouts[1]
