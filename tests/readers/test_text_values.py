"""CSV and JSON Lines value by value: what text means, what is refused, and that no byte is lost."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossent.data.readers import open_source
from crossent.errors import DataError

TYPES = {"float": pa.float64(), "int": pa.int64(), "bool": pa.bool_(), "text": pa.string()}
by_property = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def fault(source_of, *arguments, types=None) -> DataError:
    with pytest.raises(DataError) as caught:
        for _ in source_of(*arguments).batches(["p"], 100, types):
            pass
    return caught.value


# --- CSV: one value ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "type_", "value"),
    [
        ("0.1", "float", 0.1),
        ("1", "float", 1.0),
        (".5", "float", 0.5),
        ("5.", "float", 5.0),
        ("+0.5", "float", 0.5),
        ("-0.0", "float", -0.0),
        ("1E-3", "float", 0.001),
        (" 0.5\t", "float", 0.5),
        ('"0.5"', "float", 0.5),
        ("inf", "float", math.inf),
        ("-Infinity", "float", -math.inf),
        ("NaN", "float", math.nan),
        ("5e-324", "float", 5e-324),
        ("1.7976931348623157e308", "float", 1.7976931348623157e308),
        ("0.1000000000000000055511151231257827", "float", 0.1),
        ("9007199254740993", "float", 9007199254740992.0),
        ("", "float", None),
        ('""', "float", None),
        ("9223372036854775807", "int", 2**63 - 1),
        ("-9223372036854775808", "int", -(2**63)),
        ("007", "int", 7),
        (" 7 ", "int", 7),
        ("", "int", None),
        ("TRUE", "bool", True),
        ("false", "bool", False),
        ("007", "text", "007"),
        (" a ", "text", " a "),
        ('""', "text", None),
        ('" "', "text", " "),
        ("null", "text", "null"),
        ('"say ""c"""', "text", 'say "c"'),
        ("a\0b", "text", "a\0b"),
        ("e\u0301 \U0001f600 \u2028", "text", "e\u0301 \U0001f600 \u2028"),
    ],
)
def test_what_a_csv_value_means(open_text, read, text, type_, value):
    source = open_text("x.csv", f"p,y\n{text},a\n")
    (found,) = read(source, ["p"], types={"p": TYPES[type_]})["p"].to_pylist()
    assert repr(found) == repr(value)


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        *(
            (text, "float")
            for text in ("1_000", "1 000", "0x10", "1d5", "½", "true", "None", "-", "1e", "--1")
        ),
        *((text, "int") for text in ("1.0", "1e3", "9223372036854775808", "+5", "true")),
        *((text, "bool") for text in ("yes", "2", "t")),
    ],
)
def test_what_a_csv_value_cannot_mean(open_text, text, type_):
    error = fault(open_text, "x.csv", f"y,p\na,\nb,{text}\n", types={"p": TYPES[type_]})
    assert (error.slug, error.row, error.column, error.value) == ("csv-number", 1, "p", repr(text))
    assert str(TYPES[type_]) in error.problem


@pytest.mark.parametrize(
    ("length", "shown"), [(58, repr("x" * 58)), (59, "'" + "x" * 59 + "…"), (5000, "'" + "x" * 59 + "…")]
)
def test_a_long_value_is_shown_in_part(open_text, length, shown):
    error = fault(open_text, "x.csv", "p\n" + "x" * length + "\n", types={"p": pa.float64()})
    assert error.value == shown


def test_the_first_fault_of_a_row_is_its_first_column_and_unread_columns_have_none(open_text):
    content = "a,p,b\n1,1,1\nx,1,1\n1,1,y\n"
    source = open_text("x.csv", content)
    for types, row, column, value in (
        ({"b": pa.float64(), "a": pa.float64()}, 1, "a", "'x'"),
        ({"b": pa.float64(), "p": pa.float64()}, 2, "b", "'y'"),
    ):
        with pytest.raises(DataError) as caught:
            list(source.batches(list(types), 2, types))
        assert (caught.value.row, caught.value.column, caught.value.value) == (row, column, value)
    assert len(list(source.batches(["p"], 2, {"p": pa.float64()}))) == 2


@pytest.mark.parametrize("rows", [4095, 4096, 4097, 8192])
@pytest.mark.parametrize(
    ("line", "slug", "value"), [("0.5.0,a", "csv-number", "'0.5.0'"), ("0.5", "csv-ragged", "0.5")]
)
def test_rows_are_counted_over_the_blocks_of_the_second_reading(open_text, rows, line, slug, value):
    content = "p,y\n" + "0.5,a\n" * rows + f"{line}\n" + "0.5,a\n" * 10
    error = fault(open_text, "x.csv.gz", content, types={"p": pa.float64()})
    assert (error.slug, error.row, error.value) == (slug, rows, value)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize(("bad", "row", "slug"), [("b", 1, "csv-ragged"), ("b,x", 1, "csv-number")])
def test_faults_have_their_row_whatever_ends_a_line(open_text, newline, bad, row, slug):
    content = newline.join(["y,p", '"a', 'b",1', bad, "c,2", ""])
    error = fault(open_text, "x.csv", content, types={"p": pa.float64()})
    assert (error.slug, error.row) == (slug, row)


# --- CSV: whole files -------------------------------------------------------------------------------------

CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=6)


@by_property
@given(
    st.integers(2, 4).flatmap(lambda n: st.lists(st.lists(CELL, min_size=n, max_size=n), max_size=12)),
    st.sampled_from([".csv", ".tsv"]),
    st.integers(1, 5),
)
def test_any_text_survives_the_standard_library(tmp_path, read, rows, suffix, batch_rows):
    names = [f"c{i}" for i in range(len(rows[0]) if rows else 2)]
    path = tmp_path / f"x{suffix}"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, "excel-tab" if suffix == ".tsv" else "excel", quoting=csv.QUOTE_ALL)
        writer.writerows([names, *rows])
    got = read(open_source(path), batch_rows=batch_rows).to_pylist()
    assert got == [{name: cell or None for name, cell in zip(names, row, strict=True)} for row in rows]


def test_quoted_newlines_across_every_block(open_text, read):
    rows = [("line\n" * (i % 50), str(i)) for i in range(20_000)]
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerows([("y", "p"), *rows])
    table = read(open_text("x.csv", sink.getvalue()), batch_rows=999)
    assert [(y or "", p) for y, p in zip(*table.to_pydict().values(), strict=True)] == rows


@pytest.mark.parametrize("columns", [1, 3000, 150_000])
def test_rows_as_wide_as_they_are(open_text, read, columns):
    """The header alone is 1.2 MB in the last case, more than is read at a time of a narrow file."""
    names = [f"p_{i}" for i in range(columns)]
    source = open_text("x.csv", ",".join(names) + "\n" + (",".join(["1e-06"] * columns) + "\n") * 3)
    assert source.schema.names == names
    last = names[-1]
    assert read(source, [last], types={last: pa.float64()})[last].to_pylist() == [1e-6] * 3


@pytest.mark.parametrize("suffix", [".csv", ".tab", ".ndjson", ".jsonl"])
@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_packed_files_of_several_members_are_read_to_the_end(write, read, suffix, packing):
    """What `cat a.gz b.gz` makes: readers that stop after the first member lose rows without a word."""
    first, second = ('{"p": "1"}\n', '{"p": "2"}\n') if "j" in suffix else ("p\n1\n", "2\n")
    pack = gzip.compress if packing == "gzip" else lambda data: pa.compress(data, "zstd", asbytes=True)
    content = pack(first.encode()) + pack(second.encode())
    path = write(f"x{suffix}.{'gz' if packing == 'gzip' else 'zst'}", content)
    assert read(open_source(path)).to_pydict() == {"p": ["1", "2"]}


# --- JSON Lines -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "type_", "values"),
    [
        (["1", "null", "2.0"], "float", [1.0, None, 2.0]),
        (["1", "2.0", "-3e0"], "int", [1, 2, -3]),
        (["-Infinity", "NaN", "1e400", "-0.0"], "float", [-math.inf, math.nan, math.inf, -0.0]),
        (["true", "null", "false"], "bool", [True, None, False]),
        ([r'"\u00e9"', r'"\ud83d\ude00"', '""', '"null"'], "text", ["é", "😀", "", "null"]),
        (["null", "null"], "float", [None, None]),
    ],
)
def test_what_a_json_value_means(open_text, read, rows, type_, values):
    source = open_text("x.jsonl", "".join(f'{{"p": {row}}}\r\n' for row in rows))
    got = read(source, types={"p": TYPES[type_]})["p"]
    assert got.type == TYPES[type_]
    assert repr(got.to_pylist()) == repr(values)


LISTS = {"floats": pa.list_(pa.float64()), "ints": pa.list_(pa.int64()), "texts": pa.list_(pa.string())}


@pytest.mark.parametrize(
    ("rows", "type_", "row"),
    [
        (["1", "0.5"], "int", 1),
        (["1", "true"], "int", 1),
        (["0.5", "true"], "float", 1),
        (["true", "0"], "bool", 1),
        (["1", '"1"'], "float", 1),
        (['"a"', "1"], "text", 1),
        (["1", "9223372036854775808"], "int", 1),
        (["0.5", "9007199254740993"], "float", 1),
        (["[1]", "1"], "floats", 1),
        (["[1, 0]", "[0.5, 0.5]"], "ints", 1),
        (["[0.5, null]", "[true, false]"], "floats", 1),
        (["[]", "[[0.5]]"], "floats", 1),
        (['["a"]', "[1]"], "texts", 1),
        (['{"a": 1}'], "float", 0),
        ([r'"\ud800"'], "text", 0),
    ],
)
def test_what_a_json_value_cannot_be_taken_for(open_text, rows, type_, row):
    """Told a type, pyarrow would take 0.5 for 0 and true for 1."""
    types = {"p": (TYPES | LISTS)[type_]}
    content = "".join(f'{{"p": {text}}}\n' for text in rows)
    error = fault(open_text, "x.jsonl", content, types=types)
    assert (error.slug, error.row, error.column) == ("jsonl-type", row, "p")
    assert json.loads(error.value) == json.loads(rows[row])


def test_numbers_of_the_first_rows_do_not_cut_those_of_later_ones(open_text):
    for first, later in (("1", "0.5"), ("[1, 0]", "[0.25, 0.75]")):
        content = f'{{"p": {first}}}\n' * 1000 + f'{{"p": {later}}}\n'
        assert fault(open_text, "x.jsonl", content).row == 1000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


@by_property
@given(st.lists(st.dictionaries(st.sampled_from("pq"), JSON), min_size=1, max_size=6), st.integers(1, 3))
def test_json_values_come_back_or_are_refused(tmp_path, read, rows, batch_rows):
    """The truth is what the standard library reads; 1 and 1.0 are equal to it too."""
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    try:
        source = open_source(path)
        got = read(source, batch_rows=batch_rows).to_pydict()
    except DataError as error:
        assert error.slug in ("jsonl-type", "file-corrupt") and error.file == str(path)
        return
    for name, values in got.items():
        if not pa.types.is_nested(source.schema.field(name).type):
            expected = [row.get(name) for row in rows]
            assert [str(v) if v != v else v for v in values] == [str(v) if v != v else v for v in expected]
            assert [type(v) is bool for v in values] == [type(v) is bool for v in expected]


@pytest.mark.parametrize(
    ("content", "row", "problem"),
    [
        ('{"p": 1,}\n', 0, "line is not one JSON object"),
        ("{'p': 1}\n", 0, "line is not one JSON object"),
        ('{"p": 1}\n"p"\n', 1, "is a str"),
        ('\n{"p": 1}\n\n \nnull\n', 1, "is a NoneType"),
        ('{"p": {"a": 1, "a": 2}}\n', 0, "'a' is given twice"),
        ('{"p":\n1}\n', 0, "line is not one JSON object"),
        ('{"p": "a\tb"}\n', 0, "control character"),
    ],
)
def test_lines_that_are_no_object(open_text, content, row, problem):
    error = fault(open_text, "x.jsonl", content)
    assert (error.slug, error.row) == ("jsonl-syntax", row)
    assert problem in error.problem


def test_half_a_character_as_a_key_is_an_error_of_ours(write):
    path = write("x.jsonl", r'{"\ud800": 1}' + "\n")
    with pytest.raises(DataError) as caught:
        open_source(path)
    assert (caught.value.slug, caught.value.file) == ("file-corrupt", str(path))


def test_blank_lines_and_empty_objects(open_text, read):
    source = open_text("x.jsonl", '\ufeff\n  \n{"p": 1}\n\t\n{}\n{"p": 2}')
    assert read(source, batch_rows=1).to_pydict() == {"p": [1, None, 2]}


def test_objects_within_objects_lack_keys_but_have_no_others(open_text, read):
    first, fewer, more = '{"p": {"a": 1, "b": "x"}}\n', '{"p": {"b": null}}\n', '{"p": {"c": 1}}\n'
    source = open_text("x.jsonl", first + fewer)
    assert read(source, batch_rows=1)["p"].to_pylist() == [{"a": 1, "b": "x"}, {"a": None, "b": None}]
    error = fault(open_text, "x.jsonl", first * 1000 + more)
    assert (error.slug, error.row, error.value) == ("jsonl-type", 1000, '{"c": 1}')


@pytest.mark.parametrize("value", ["123456789012345678901234567890", "[1, true]", '{"a": "\\ud800"}'])
def test_a_value_of_no_type_spoils_its_column_only(open_text, read, value):
    content = f'{{"p": {value}, "y": 1}}\n'
    assert read(open_text("x.jsonl", content), ["y"]).to_pydict() == {"y": [1]}
    assert fault(open_text, "x.jsonl", content).value == value


def test_a_line_too_long_to_hold_is_an_error(open_text, monkeypatch):
    monkeypatch.setattr("crossent.data.readers.jsonl.LONGEST_LINE", 40)
    assert open_text("x.jsonl", '{"p": "' + "a" * 30 + '"}\n').schema.names == ["p"]
    assert fault(open_text, "x.jsonl", '{"p": 1}\n{"p": "' + "a" * 31 + '"}\n').row == 1
