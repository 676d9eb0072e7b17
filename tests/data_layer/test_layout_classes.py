"""Which class each number belongs to, in one model and in several."""

from __future__ import annotations

import itertools
import json

import pyarrow as pa
import pytest

from crossent.data.agreement import common_classes
from crossent.data.layout import understand
from crossent.data.options import ReadOptions
from crossent.errors import UsageError

from .helpers import columns, fault, source

ABC = ("a", "b", "c")


def of_list(
    field: object = None, schema: object = None, size: int = -1, name: str = "probs", **options: object
):
    """The layout of a list column with metadata of the field and of the schema."""

    def metadata(value: object) -> dict[str, str] | None:
        return None if value is None else {"classes": value if isinstance(value, str) else json.dumps(value)}

    list_field = pa.field(name, pa.list_(pa.float64(), size), metadata=metadata(field))
    table = pa.schema([pa.field("label", pa.string()), list_field], metadata=metadata(schema)).empty_table()
    return understand(source(table), ReadOptions(**options))


# --- lists ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"classes": ABC}, ABC),
        ({"field": ABC}, ABC),
        ({"schema": ABC}, ABC),
        ({"field": ABC, "schema": ("x", "y", "z")}, ABC),
        ({"classes": ("c", "b", "a"), "field": ABC}, ("c", "b", "a")),
        ({"field": [2, 0, 1]}, ("2", "0", "1")),
        ({"field": ["ü", "", " "]}, ("ü", "", " ")),
        ({"field": ["7", 8, -9]}, ("7", "8", "-9")),
    ],
)
@pytest.mark.parametrize("size", [-1, 3])
def test_class_names_of_lists(given, expected, size):
    layout = of_list(size=size, **given)
    assert (layout.classes, layout.shape) == (expected, "list")


@pytest.mark.parametrize(("size", "example"), [(-1, "0..9"), (4, "0..3")])
def test_lists_without_names(size, example):
    error = fault(lambda: of_list(size=size))
    assert (error.slug, error.file, error.column) == ("list-without-classes", "m", "probs")
    assert example in error.cure


@pytest.mark.parametrize("where", ["classes", "field", "schema"])
def test_names_of_another_number_than_the_entries(where):
    error = fault(lambda: of_list(size=4, **{where: ABC}))
    assert (error.slug, error.column) == ("list-length", "probs")
    assert "lists of 4 numbers, but 3 classes" in error.problem


BAD_METADATA = {
    "no JSON": "a,b",
    "cut": '["a", "b"',
    "an object": '{"a": 0}',
    "text": '"abc"',
    "a number": "3",
    "null": "null",
    "fractions": "[0.5, 1.5]",
    "nested": '[["a"], ["b"]]',
    "null inside": '["a", null]',
    "twice": '["a", "b", "a"]',
    "twice as text": '["1", 1]',
    "true twice": "[true, true]",
}


@pytest.mark.parametrize("text", BAD_METADATA.values(), ids=BAD_METADATA)
@pytest.mark.parametrize("where", ["field", "schema"])
def test_metadata_that_names_no_classes(text, where):
    error = fault(lambda: of_list(**{where: text}))
    assert (error.slug, error.file, error.column) == ("class-metadata", "m", "probs")
    assert error.value == ascii(text.encode())


def test_long_and_strange_metadata_is_shown_short_and_plain():
    error = fault(lambda: of_list(field="\x1b[31mü" * 100))
    assert "\x1b" not in str(error)
    assert len(str(error.value)) < 250


def test_metadata_of_other_columns_and_of_no_list_has_no_effect():
    schema = pa.schema(
        [pa.field("label", pa.int64(), metadata={"classes": "nonsense"}), ("p_0", pa.float64())]
    )
    table = pa.schema([*schema, ("p_1", pa.float64())], metadata={"classes": "nonsense"}).empty_table()
    assert understand(source(table), ReadOptions()).classes == ("0", "1")


# --- columns and a single column --------------------------------------------------------------------------


@pytest.mark.parametrize("classes", list(itertools.permutations(ABC)))
def test_the_option_may_repeat_the_names_of_the_columns(classes):
    layout = understand(columns("label", "p_a", "p_b", "p_c"), ReadOptions(classes=classes))
    assert layout.classes == ABC, "the columns' order stays"


@pytest.mark.parametrize("classes", [("a", "b"), ("a", "b", "c", "d"), ("a", "b", "x")])
def test_the_option_may_not_rename_the_columns(classes):
    work = lambda: understand(columns("label", "p_a", "p_b", "p_c"), ReadOptions(classes=classes))  # noqa: E731
    error = fault(work, UsageError)
    assert error.slug == "classes-option"
    assert ", ".join(classes) in error.problem


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ("late",)),
        ({"positive": "1"}, ("1",)),
        ({"prob": "p_late"}, ("late",)),
        ({"prob": "p_late", "positive": "yes"}, ("yes",)),
        ({"prefix": "p_la"}, ("te",)),
    ],
)
def test_a_single_column_is_of_the_positive_class(options, expected):
    assert understand(columns("label", "p_late"), ReadOptions(**options)).classes == expected


def test_a_single_column_without_a_class():
    work = lambda: understand(columns("label", "score"), ReadOptions(prob="score"))  # noqa: E731
    error = fault(work, UsageError)
    assert (error.slug, error.cure.split()[-1]) == ("no-positive", "--positive")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("z_a", {}),
        ("lp_a", {}),
        ("s", {"prob": "s", "kind": "logits", "positive": "a"}),
        ("s_a", {"prefix": "s_", "kind": "log_probs"}),
    ],
)
def test_a_single_column_holds_probabilities_only(name, options):
    error = fault(lambda: understand(columns("label", name), ReadOptions(**options)))
    assert (error.slug, error.file, error.column) == ("single-column-kind", "m", name)


# --- several models ---------------------------------------------------------------------------------------


def layouts_of(*names: tuple[str, ...]):
    sources = [
        source(pa.table({"label": [], **{n: pa.array([], pa.float64()) for n in mine}}), name=f"m{i}")
        for i, mine in enumerate(names)
    ]
    return [understand(s, ReadOptions()) for s in sources], sources


def common(*names: tuple[str, ...]):
    return common_classes(*layouts_of(*names))


P_AB, P_BA, P_A, P_B = ("p_a", "p_b"), ("p_b", "p_a"), ("p_a",), ("p_b",)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([P_AB], ("a", "b")),
        ([P_BA], ("b", "a")),
        ([P_BA, P_BA], ("b", "a")),
        ([P_BA, ("z_b", "z_a")], ("b", "a")),
        ([P_BA, P_AB], ("a", "b")),
        ([P_AB, P_BA], ("a", "b")),
        ([P_BA, P_AB, P_BA], ("a", "b")),
        ([P_BA, P_BA, P_AB], ("a", "b")),
        ([P_A], ("a",)),
        ([P_B, P_B], ("b",)),
        ([P_A, P_BA], ("b", "a")),
        ([P_BA, P_A, P_B], ("b", "a")),
        ([P_B, P_BA, P_AB, P_A], ("a", "b")),
        ([("p_10", "p_9", "p_x"), ("p_x", "p_9", "p_10")], ("9", "10", "x")),
        ([("p_--5", "p_3"), ("p_3", "p_--5")], ("3", "--5")),
        ([("logprob",)], None),
        ([("logprob",), ("label_logprob",)], None),
    ],
)
def test_the_order_of_all_models(names, expected):
    assert common(*names) == expected


@pytest.mark.parametrize(
    ("names", "file", "words"),
    [
        ([P_AB, ("p_a", "p_c")], "m1", "only here: c; only in m0: b"),
        ([P_AB, ("p_a", "p_b", "p_c")], "m1", "only here: c; only in m0: none"),
        ([("p_a", "p_b", "p_c"), P_AB], "m1", "only here: none; only in m0: c"),
        ([P_AB, P_BA, ("p_a", "p_A")], "m2", "only here: A; only in m0: b"),
        ([P_A, P_AB, ("p_b", "p_c")], "m2", "only here: c; only in m1: a"),
        ([P_A, P_B], "m1", "('b',), that of m0 of ('a',)"),
        ([("p_c",), P_AB], "m0", "probability, of c, where another model has the classes a, b"),
        ([P_AB, ("p_c",)], "m1", "of c, where another model has the classes a, b"),
        ([("p_a", "p_b", "p_c"), P_A], "m1", "of a, where another model has the classes a, b, c"),
    ],
)
def test_classes_that_differ(names, file, words):
    error = fault(lambda: common(*names))
    assert (error.slug, error.file) == ("classes-differ", file)
    assert words in error.problem


@pytest.mark.parametrize("scalar", [0, 1, 2])
def test_tokens_beside_distributions(scalar):
    names = [P_AB, P_BA, P_AB]
    names[scalar] = ("logprob",)
    error = fault(lambda: common(*names))
    assert (error.slug, error.file) == ("kinds-differ", f"m{scalar}")
    assert f"m{0 if scalar else 1} whole distributions" in error.problem


def test_many_classes_that_differ_are_cut():
    error = fault(lambda: common(tuple(f"p_{i:02}" for i in range(30)), ("p_00", "p_01")))
    assert "07, 08, 09, … (28 in all)" in error.problem
