"""Spoiled input, end to end: the documented error with its place and cure, or the documented reported choice.

Never a traceback, a wrong number, something on stdout or half a file.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .helpers import ROWS, Columns, Files, Outcome, Run, at, changed, encoded, good, mean_log_loss, tokens

inf, nan = math.inf, math.nan
ONE, TWO = good(), good(shift=1)
SUFFIXES = (".csv", ".parquet", ".jsonl")
EVALUATE, SELECT = "evaluate one{x}", "select one{x} two{x}"


@dataclass(frozen=True)
class Case:
    """Files (by name; None for one that is not there), a command, and what must come of it."""

    one: Columns
    slug: str
    """Or several between `|`: a text format says in its own words what is no number."""
    names: str = ""
    """Parts of the message between `|`."""
    command: str = EVALUATE
    two: Columns | None = None
    code: int = 1


def words(command: str, suffix: str = "") -> list[str]:
    return command.format(x=suffix).split()


def is_error(outcome: Outcome, slug: str, code: int, names: str = "") -> None:
    """One line on stderr with place, cure and slug; nothing on stdout."""
    assert (outcome.code, outcome.out) == (code, ""), outcome.err
    *hints, line = outcome.err.strip().splitlines()
    assert all(hint.startswith("row ids are in different orders") for hint in hints)
    assert line.startswith("error: ") and line.endswith(tuple(f"[{s}]" for s in slug.split("|")))
    assert "Traceback" not in line and " — " in line, "no cure"
    for part in filter(None, names.split("|")):
        assert part in line


def spoiled(**changes: Any) -> Columns:
    return changed(ONE, **changes)


def rows_of(columns: Columns, start: int, stop: int) -> Columns:
    return {name: values[start:stop] for name, values in columns.items()}


def shuffled(columns: Columns, seed: int = 3) -> Columns:
    order = np.random.default_rng(seed).permutation(len(columns["label"]))
    return {name: [values[i] for i in order] for name, values in columns.items()}


def without_ids(columns: Columns) -> Columns:
    return changed(columns, row_id=None)


def of_kind(prefix: str, **changes: Any) -> Columns:
    """The same distributions as logits (`z_`) or log-probabilities (`lp_`)."""
    logs = {f"{prefix}{c}": [math.log(p) for p in ONE[f"p_{c}"]] for c in "abc"}
    return changed({"row_id": ONE["row_id"], "label": ONE["label"], **logs}, **changes)


OTHER_LABEL = at(5, "a" if ONE["label"][5] != "a" else "b")
AT_5 = "one{x}, row 5, "

# --- values: the same message from every format, and from the middle file of a folder ----------------------

VALUES = {
    "nan": Case(spoiled(p_b=at(5, nan)), "nan-prediction", AT_5 + "column p_b, value nan"),
    "negative": Case(spoiled(p_b=at(5, -0.2)), "not-a-probability", AT_5 + "column p_b, value -0.2"),
    "above one": Case(spoiled(p_b=at(5, 1.2)), "not-a-probability", AT_5 + "column p_b, value 1.2"),
    "infinite": Case(spoiled(p_b=at(5, inf)), "not-a-probability", AT_5 + "column p_b, value inf"),
    "null prediction": Case(spoiled(p_b=at(5, None)), "null-prediction", AT_5 + "column p_b"),
    "null label": Case(spoiled(label=at(5, None)), "null-label", AT_5 + "column label"),
    "unknown label": Case(spoiled(label=at(5, "z")), "unknown-label", AT_5 + "column label, value z|a, b, c"),
    "null id": Case(spoiled(row_id=at(5, None)), "null-id", AT_5 + "column row_id"),
    "null cluster": Case(
        spoiled(day=at(5, None)), "null-cluster", AT_5 + "column day", EVALUATE + " --cluster day"
    ),
    "null weight": Case(
        spoiled(weight=at(5, None)), "null-number", AT_5 + "column weight", EVALUATE + " --weight weight"
    ),
    "negative weight": Case(
        spoiled(weight=at(5, -1.0)),
        "bad-weight",
        AT_5 + "column weight, value -1.0",
        EVALUATE + " --weight weight",
    ),
    "nan weight": Case(
        spoiled(weight=at(5, nan)),
        "bad-weight",
        AT_5 + "column weight, value nan",
        EVALUATE + " --weight weight",
    ),
    "weight in words": Case(
        spoiled(weight=[*["1"] * 5, "x", *["1"] * 18]),
        "not-a-number|csv-number|jsonl-type",
        # JSON Lines holds text in every row, and the first one is named
        "column weight, value ",
        EVALUATE + " --weight weight",
    ),
    "negative bytes": Case(
        spoiled(weight=at(5, -1.0)),
        "bad-bytes",
        AT_5 + "column weight, value -1.0",
        EVALUATE + " --bytes weight",
    ),
    "+inf logit": Case(of_kind("z_", z_b=at(5, inf)), "infinite-logit", AT_5 + "column z_b, value inf"),
    "nan logit": Case(of_kind("z_", z_b=at(5, nan)), "nan-prediction", AT_5 + "column z_b, value nan"),
    "all logits -inf": Case(
        of_kind("z_", z_a=at(5, -inf), z_b=at(5, -inf), z_c=at(5, -inf)), "impossible-row", AT_5
    ),
    "positive log-probability": Case(
        of_kind("lp_", lp_b=at(5, 0.5)), "positive-log-probability", AT_5 + "column lp_b, value 0.5"
    ),
    "null token": Case(changed(tokens(), logprob=at(5, None)), "null-prediction", AT_5 + "column logprob"),
    "third label": Case(
        {"label": at(5, "z")(["late", "on"] * 12), "p_late": [0.5] * ROWS},
        "unknown-label",
        AT_5 + "column label, value z",
    ),
    "duplicate id": Case(spoiled(row_id=at(5, 100)), "duplicate-ids", AT_5 + "column row_id|1 rows|100"),
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("case", VALUES.values(), ids=VALUES)
def test_bad_value(put: Files, run: Run, case: Case, suffix: str) -> None:
    put(f"one{suffix}", case.one)
    outcome = run(*words(case.command, suffix), "--json", "--state", "state.json")
    is_error(outcome, case.slug, case.code, case.names.format(x=suffix))
    assert put.names() == {f"one{suffix}"}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["nan", "null label", "unknown label", "negative weight", "all logits -inf"])
def test_bad_value_in_a_folder(put: Files, run: Run, name: str, suffix: str) -> None:
    case = VALUES[name]
    fine = rows_of(case.one, 6, 12)
    for part, columns in enumerate([fine, rows_of(case.one, 3, 6), rows_of(case.one, 12, 20)]):
        put(f"run/{part}{suffix}", columns)
    command = case.command.replace("one{x}", "run")
    is_error(run(*words(command)), case.slug, 1, f"run/1{suffix}, row 2, ")


# --- columns, options and models that do not fit -----------------------------------------------------------

LISTS: Columns = {
    "label": ONE["label"],
    "probs": [[ONE[f"p_{c}"][i] for c in "abc"] for i in range(ROWS)],
}
CLASSES = EVALUATE + " --classes a,b,c"
MODELS: Columns = {"label": ["late", "on"] * 12, "m": [0.4] * ROWS, "n": [0.5] * ROWS}

FORMS = {
    "class column missing": Case(spoiled(p_c=None), "classes-differ", "c", SELECT, TWO),
    "extra class column": Case(spoiled(p_d=[0.0] * ROWS), "classes-differ", "d", SELECT, TWO),
    "no label": Case(spoiled(label=None), "no-label", "one{x}|p_a"),
    "two labels": Case(spoiled(y=ONE["label"]), "which-column", "label and y", code=2),
    "two kinds": Case(spoiled(z_a=[1.0] * ROWS, z_b=[1.0] * ROWS), "which-prediction", "z_a", code=2),
    "no predictions": Case(spoiled(p_a=None, p_b=None, p_c=None), "no-predictions", "one{x}|region"),
    "no column of the prefix": Case(ONE, "no-predictions", "q_", EVALUATE + " --prefix q_"),
    "empty prefix": Case(ONE, "bad-option", "prefix", EVALUATE + " --prefix=", code=2),
    "no column of the kind": Case(ONE, "no-predictions", "logits", EVALUATE + " --kind logits"),
    "text is no weight": Case(
        ONE,
        "not-a-number|csv-number|jsonl-type",
        "row 0, column region, value 'north'",
        EVALUATE + " --weight region",
    ),
    "no bytes": Case(spoiled(weight=[0] * ROWS), "no-bytes", "column weight", EVALUATE + " --bytes weight"),
    "no weight": Case(spoiled(weight=[0] * ROWS), "no-weight", "weight", EVALUATE + " --weight weight"),
    "nothing chosen": Case(ONE, "no-rows", "region=west|north, south", EVALUATE + " --where region=west"),
    "contradiction": Case(ONE, "no-rows", "region", EVALUATE + " --where region=north --where region=south"),
    "single column": Case(MODELS, "no-positive", "m", EVALUATE + " --prob m", code=2),
    "single logit": Case(
        MODELS, "single-column-kind", "m", EVALUATE + " --prob m --positive late --kind logits"
    ),
    "positive of none": Case(ONE, "unknown-positive", "z|a, b, c", EVALUATE + " --positive z", code=2),
    "column of words": Case(
        spoiled(region=["x"] * ROWS), "no-positive", "", EVALUATE + " --prob region", code=2
    ),
    "model columns": Case(MODELS, "no-positive", "m", "select one{x} --model m --model n", code=2),
    "model column twice": Case(
        MODELS, "model-twice", "m", "select one{x} --model m --model m --positive late", code=2
    ),
    "model column unknown": Case(
        MODELS, "unknown-column", "column q", "select one{x} --model m --model q --positive late"
    ),
    "model columns of two files": Case(ONE, "columns-of-several", "", SELECT + " --model p_a", TWO, code=2),
    "classes named twice": Case(ONE, "bad-option", "a,a", EVALUATE + " --classes a,a", code=2),
    "classes of columns": Case(ONE, "classes-option", "a, b", EVALUATE + " --classes a,b", code=2),
    "classes backwards": Case(ONE, "bad-option", "5..3", EVALUATE + " --classes 5..3", code=2),
    "classes without end": Case(ONE, "bad-option", "0..9", EVALUATE + " --classes 0..99999999999", code=2),
    "floor of a score": Case(ONE, "bad-option", "floor", EVALUATE + " --loss brier --floor 1e-7", code=2),
    "labels differ by id": Case(spoiled(label=OTHER_LABEL), "labels-differ", "two{x}, row 5", SELECT, TWO),
    "labels differ by position": Case(
        without_ids(spoiled(label=OTHER_LABEL)), "labels-differ", "two{x}, row 5", SELECT, without_ids(TWO)
    ),
    "labels differ, other order": Case(
        shuffled(spoiled(label=OTHER_LABEL)), "labels-differ", "two{x}, row 5", SELECT, TWO
    ),
    "lengths": Case(without_ids(rows_of(ONE, 0, 20)), "lengths-differ", "two{x}", SELECT, without_ids(TWO)),
    "ids in only some": Case(without_ids(ONE), "id-only-in-some", "one{x}|row_id", SELECT, TWO),
    "missing ids": Case(rows_of(ONE, 0, 22), "rows-differ", "2 rows of two|122, 123", SELECT, TWO),
    "extra ids": Case(ONE, "rows-differ", "3 rows of one|100, 101, 102", SELECT, rows_of(TWO, 3, ROWS)),
    "other ids": Case(
        rows_of(ONE, 0, 9), "no-common-rows", "", SELECT + " --on-missing intersect", rows_of(TWO, 9, 20)
    ),
    "intersect without ids": Case(
        without_ids(ONE),
        "intersect-needs-ids",
        "--id",
        SELECT + " --on-missing intersect",
        without_ids(TWO),
        code=2,
    ),
    "duplicate ids alike": Case(
        spoiled(row_id=at(5, 100)), "duplicate-ids", AT_5, SELECT, changed(TWO, row_id=at(5, 100))
    ),
    "duplicate ids, other order": Case(
        shuffled(spoiled(row_id=at(5, 100))),
        "duplicate-ids",
        "column row_id|100",
        SELECT,
        changed(TWO, row_id=at(5, 100)),
    ),
    "weights differ": Case(
        spoiled(weight=at(5, 9.0)), "facts-differ", "row 5|weight", SELECT + " --weight weight", TWO
    ),
    "clusters differ": Case(
        spoiled(day=at(5, "x")), "facts-differ", "row 5|cluster", SELECT + " --cluster day", TWO
    ),
    "clusters swapped, other order": Case(
        shuffled(spoiled(day=lambda c: at(5, c[0])(at(0, c[5])(c)))),
        "facts-differ",
        "row 0|cluster",
        SELECT + " --cluster day",
        TWO,
    ),
    "groups differ, other order": Case(
        shuffled(spoiled(region=at(5, "x"))), "facts-differ", "row 5|groups", SELECT + " --group region", TWO
    ),
    "tokens of two tokenizers": Case(tokens(), "lengths-differ", "--unit", SELECT, rows_of(tokens(), 0, 20)),
    "tokens and distributions": Case(tokens(), "kinds-differ", "one{x}", SELECT, TWO),
    "score of tokens": Case(tokens(), "loss-needs-distribution", "Brier", EVALUATE + " --loss brier"),
    "classes of tokens": Case(tokens(), "no-classes", "renormalise", EVALUATE + " --renormalise", code=2),
    "prior of tokens": Case(tokens(), "prior-unused", "", EVALUATE + " --prior a=1", code=2),
    "other documents": Case(
        tokens(), "clusters-differ", "doc_id|t5", SELECT + " --unit doc_id", rows_of(tokens(), 0, 20)
    ),
    "other bytes": Case(
        tokens(),
        "exposure-differs",
        "bytes of t0",
        SELECT + " --unit doc_id --bytes token_bytes",
        changed(tokens(), token_bytes=at(3, 9)),
    ),
    "unit and cluster": Case(
        ONE, "unit-and-cluster", "day", EVALUATE + " --unit day --cluster region", code=2
    ),
    "prior not a number": Case(ONE, "bad-prior", "'a=x'", EVALUATE + " --prior a=x", code=2),
    "prior twice": Case(ONE, "bad-prior", "a=.5", EVALUATE + " --prior a=.5,a=.5,b=0,c=0", code=2),
    "prior incomplete": Case(ONE, "prior-classes", "a, b, c", EVALUATE + " --prior a=.5,b=.5", code=2),
    "prior too large": Case(
        ONE, "prior-not-a-distribution", "1.2", EVALUATE + " --prior a=.5,b=.4,c=.3", code=2
    ),
    "no complexity": Case(ONE, "no-complexity", "", SELECT + " --rule one-se", TWO, code=2),
    "complexity of others": Case(ONE, "complexity-names", "x", SELECT + " --complexity one,x", TWO, code=2),
    "baseline absent": Case(ONE, "source-not-found", "old{x}", SELECT + " --baseline old{x}", TWO),
    "baseline alone": Case(ONE, "baseline-alone", "", "select one{x} --baseline one{x}", code=2),
    "gate of nothing": Case(ONE, "gate-without-baseline", "", SELECT + " --fail-if-worse", TWO, code=2),
    "one model twice": Case(ONE, "model-twice", "one", "select one{x} one{x}", code=2),
    "one name twice": Case(ONE, "model-twice", "x", "select x=one{x} x=two{x}", TWO, code=2),
    "file and its folder": Case(ONE, "file-twice", "one{x}", "evaluate . one{x}"),
    "no such file": Case(ONE, "source-not-found", "three{x}", "evaluate three{x}"),
    "no name": Case(ONE, "source-not-found", "", "select one{x} --baseline="),
    "level": Case(ONE, "probability-out-of-range", "1.5", EVALUATE + " --level 1.5", code=2),
    "threads": Case(ONE, "bad-option", "threads is 0", EVALUATE + " --threads 0", code=2),
    "memory": Case(ONE, "bad-option", "memory", EVALUATE + " --memory 0", code=2),
    "unknown loss": Case(ONE, "unknown-loss", "'hinge'", EVALUATE + " --loss hinge", code=2),
    "unknown format": Case(ONE, "unknown-format", "'excel'", EVALUATE + " --format excel", code=2),
    "two formats": Case(ONE, "two-formats", "", EVALUATE + " --json --markdown", code=2),
    "no output folder": Case(ONE, "cannot-write", "no/s.json", EVALUATE + " --state no/s.json"),
    "output is a folder": Case(ONE, "cannot-write", ".: ", EVALUATE + " --html ."),
    "output without name": Case(ONE, "cannot-write", "", EVALUATE + " --state="),
    "one file for two": Case(ONE, "same-output", "", EVALUATE + " --html x --state ./x", code=2),
    **{
        f"floor {floor}": Case(ONE, "bad-option", floor, f"{EVALUATE} --floor {floor}", code=2)
        for floor in ("0.0", "0.6", "nan", "-1.0")
    },
    **{
        f"--{option} of no column": Case(
            ONE, "unknown-column", "one{x}, column nope", f"{EVALUATE} --{option} nope"
        )
        for option in ("label", "id", "weight", "cluster", "group", "unit", "bytes", "prob")
    },
    "--where of no column": Case(ONE, "unknown-column", "one{x}, column nope", EVALUATE + " --where nope=1"),
}

LIST_FORMS = {
    "no classes": Case(LISTS, "list-without-classes", "column probs"),
    "null list": Case(changed(LISTS, probs=at(5, None)), "null-prediction", AT_5 + "column probs", CLASSES),
    "null entry": Case(
        changed(LISTS, probs=at(5, [0.5, None, 0.5])),
        "null-prediction",
        AT_5 + "column probs|entry 1",
        CLASSES,
    ),
    "wrong length": Case(
        changed(LISTS, probs=at(5, [0.5, 0.5])), "list-length", AT_5 + "column probs|2 numbers", CLASSES
    ),
    "nan in a list": Case(
        changed(LISTS, probs=at(5, [0.5, nan, 0.5])), "nan-prediction", AT_5 + "column probs[1]", CLASSES
    ),
    "classes of wrong number": Case(LISTS, "list-length", "row 0|3 numbers", EVALUATE + " --classes a,b,c,d"),
    "list as cluster": Case(LISTS, "nested-column", "column probs", CLASSES + " --cluster probs"),
    "list as weight": Case(
        LISTS | {"v": [[1.0]] * ROWS}, "nested-column", "column v", CLASSES + " --weight v"
    ),
}


def two_files(put: Files, case: Case, suffix: str) -> set[str]:
    put(f"one{suffix}", case.one)
    if case.two is not None:
        put(f"two{suffix}", case.two)
    return put.names()


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("case", FORMS.values(), ids=FORMS)
def test_what_does_not_fit(put: Files, run: Run, case: Case, suffix: str) -> None:
    before = two_files(put, case, suffix)
    is_error(run(*words(case.command, suffix)), case.slug, case.code, case.names.format(x=suffix))
    assert put.names() == before


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("case", LIST_FORMS.values(), ids=LIST_FORMS)
def test_bad_list(put: Files, run: Run, case: Case, suffix: str) -> None:
    before = two_files(put, case, suffix)
    is_error(run(*words(case.command, suffix)), case.slug, case.code, case.names.format(x=suffix))
    assert put.names() == before


@pytest.mark.parametrize("text", ['["a","b"', '"abc"', '["a","a","b"]', '{"a": 1}', "5", '["a",null,"c"]'])
def test_class_names_in_metadata_that_are_none(put: Files, run: Run, text: str) -> None:
    table = pa.table(LISTS)
    probs = table.schema.field("probs").with_metadata({"classes": text})
    put("one.parquet", table.set_column(1, probs, table["probs"]))
    is_error(run("evaluate", "one.parquet"), "class-metadata", 1, "column probs")


@pytest.mark.parametrize(
    ("ids", "slug"),
    [
        ([str(i) for i in ONE["row_id"]], "id-types-differ"),
        ([i + 0.5 for i in ONE["row_id"]], "id-type"),
    ],
)
def test_ids_of_other_types(put: Files, run: Run, ids: list[object], slug: str) -> None:
    put("one.parquet", spoiled(row_id=ids))
    put("two.parquet", TWO)
    is_error(run("select", "one.parquet", "two.parquet"), slug, 1, "row ids")


@pytest.mark.parametrize("values", [["x"] * ROWS, [True] * ROWS])
def test_typed_column_that_holds_no_numbers(put: Files, run: Run, values: list[object]) -> None:
    put("one.parquet", changed(MODELS, m=values))
    outcome = run("evaluate", "one.parquet", "--prob", "m", "--positive", "late")
    is_error(outcome, "prediction-type", 1, "column m")


def test_null_in_a_dictionary(put: Files, run: Run) -> None:
    values = pa.DictionaryArray.from_arrays(pa.array([0, 1] * 12, pa.int8()), pa.array([0.5, None]))
    table = pa.table(ONE).set_column(2, "p_a", values)
    with (
        pa.OSFile(str(put.folder / "one.arrow"), "wb") as file,
        pa.ipc.new_file(file, table.schema) as writer,
    ):
        writer.write_table(table)
    is_error(run("evaluate", "one.arrow"), "null-prediction", 1, "row 1, column p_a")


# --- files -----------------------------------------------------------------------------------------------

PARQUET, CSV, JSONL = (encoded(ONE, suffix) for suffix in (".parquet", ".csv", ".jsonl"))


def with_page_byte_flipped() -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.table(
        {"label": ["a"] * 2000, "p_a": np.linspace(0.1, 0.9, 2000), "p_b": np.linspace(0.9, 0.1, 2000)}
    )
    pq.write_table(table, sink, compression="none", use_dictionary=False, write_page_checksum=True)
    data = bytearray(sink.getvalue().to_pybytes())
    data[len(data) // 2] ^= 4
    return bytes(data)


FILES: dict[str, tuple[str, bytes, str, str]] = {
    "parquet cut": ("one.parquet", PARQUET[:-100], "file-corrupt", "one.parquet"),
    "parquet page": ("one.parquet", with_page_byte_flipped(), "file-corrupt", "one.parquet"),
    "parquet empty": ("one.parquet", b"", "file-empty", "one.parquet"),
    "parquet garbage": ("one.parquet", b"garbage" * 99, "file-corrupt", "one.parquet"),
    "csv in parquet's name": ("one.parquet", CSV, "file-corrupt", "one.parquet"),
    "csv ragged": ("one.csv", CSV + b"1,2\n", "csv-ragged", f"row {ROWS}, value 1,2"),
    "csv cut in a number": ("one.csv", CSV[: CSV.rindex(b"0.") + 4], "csv-cut", f"row {ROWS - 1}"),
    "csv without newline": ("one.csv", CSV[:-1], "csv-cut", f"row {ROWS - 1}"),
    "csv only header": ("one.csv", CSV[: CSV.index(b"\n") + 1], "no-rows", "one.csv"),
    "csv.gz cut": ("one.csv.gz", gzip.compress(CSV)[:-20], "file-corrupt", "one.csv.gz"),
    "csv latin-1": ("one.csv", CSV.replace(b"north", b"n\xf6rd"), "text-encoding", "column region"),
    "csv bad number": ("one.csv", CSV.replace(b"0.1", b"0,1", 1), "csv-ragged", "row 0"),
    "csv text number": ("one.csv", CSV.replace(b"0.1", b"O.1", 1), "csv-number", "row 0, column p_"),
    "csv quoted": ("one.csv", CSV.replace(b"d0", b'"d0', 1), "csv-", "row "),
    "jsonl broken": ("one.jsonl", JSONL + b'{"label": "a"', "jsonl-syntax", f"row {ROWS}"),
    "jsonl missing key": (
        "one.jsonl",
        JSONL + b'{"row_id": 1, "label": "a"}\n',
        "null-prediction",
        f"row {ROWS}",
    ),
    "npz objects": (
        "one.npz",
        encoded({"label": ["a"], "p_a": [np.array([1, None])[1:]]}, ".npz"),
        "array-type",
        "column p_a",
    ),
    "npz garbage": ("one.npz", b"PK", "file-corrupt", "one.npz"),
    "columns of one name": ("one.csv", b"label,p_a,p_a\na,1,1\n", "duplicate-column", "column p_a"),
    "unknown suffix": ("one.xlsx", b"data", "unknown-format", "one.xlsx"),
    "folder without data": ("one/notes.txt", b"data", "no-data-files", "one"),
    "folder without a file": ("one/deep/er.txt", b"", "no-data-files", "one"),
}


@pytest.mark.parametrize(("name", "content", "slug", "names"), FILES.values(), ids=FILES)
def test_bad_file(put: Files, run: Run, name: str, content: bytes, slug: str, names: str) -> None:
    put(name, content)
    before = put.names()
    command = ("evaluate", name.split("/")[0], "--group", "region", "--state", "s.json", "--json")
    if slug in ("file-corrupt", "duplicate-column", "array-type"):
        command = command[:2]
    outcome = run(*command)
    found = re.search(r"\[(\S+)\]$", outcome.err.strip())
    assert found is not None and found[1].startswith(slug)
    is_error(outcome, found[1], 1, names)
    assert put.names() == before


def test_folder_of_two_formats(put: Files, run: Run) -> None:
    put("run/1.csv", ONE)
    put("run/2.parquet", TWO)
    is_error(run("evaluate", "run"), "mixed-formats", 1, "run/1.csv is csv|run/2.parquet is parquet")


def test_names_cannot_steer_the_terminal(put: Files, run: Run) -> None:
    put("a\x1b[31m\n.csv", spoiled(label=at(5, "\x1b[2J\nerror: none")))
    outcome = run("evaluate", "a\x1b[31m\n.csv")
    is_error(outcome, "unknown-label", 1, r"a\x1b[31m\n.csv|\x1b[2J\nerror")
    assert "\x1b" not in outcome.err


# --- saved evaluations -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The state of two models."""
    from crossent import select

    path = tmp_path_factory.mktemp("saved") / "s.json"
    select({"one": ONE, "two": TWO}).evaluation.save(path)
    return path.read_text()


def edited(**changes: object) -> Callable[[str], str]:
    """The document with fields replaced; ... removes one."""

    def edit(text: str) -> str:
        document = json.loads(text) | changes
        return json.dumps({name: value for name, value in document.items() if value is not ...})

    return edit


STATES: dict[str, tuple[Callable[[str], str], str]] = {
    "garbage": (lambda text: "hello", "not-an-evaluation"),
    "empty": (lambda text: "", "not-an-evaluation"),
    "cut": (lambda text: text[:-50], "not-an-evaluation"),
    "another document": (edited(format="crossent-result"), "not-an-evaluation"),
    "a list": (lambda text: "[1]", "not-an-evaluation"),
    "brackets": (lambda text: "[" * 100_000, "not-an-evaluation"),
    "no version": (edited(version=...), "not-an-evaluation"),
    "newer": (edited(version=99), "newer-format"),
    **{
        f"no {part}": (edited(**{part: ...}), "not-an-evaluation")
        for part in ("setup", "spec", "models", "moments")
    },
    **{
        f"other {part}": (edited(**{part: 5}), "not-an-evaluation")
        for part in ("setup", "spec", "models", "moments")
    },
    "no models inside": (edited(models={}), "not-an-evaluation"),
    "no moments inside": (edited(moments=[]), "not-an-evaluation"),
}


@pytest.mark.parametrize(("edit", "slug"), STATES.values(), ids=STATES)
def test_bad_state(put: Files, run: Run, saved: str, edit: Callable[[str], str], slug: str) -> None:
    put("s.json", edit(saved))
    is_error(run("report", "s.json", "--json"), slug, 1, "s.json")


def test_states_that_cannot_be_read_or_merged(put: Files, run: Run, saved: str) -> None:
    put("s.json", saved)
    put("z.json.gz", gzip.compress(saved.encode())[:-9])
    put("e.csv", ONE)
    assert run("evaluate", "e.csv", "--state", "e.json").code == 0
    is_error(run("report", "no.json"), "cannot-read", 1, "no.json")
    is_error(run("report", "."), "cannot-read", 1, "irectory")
    is_error(run("report", "z.json.gz"), "not-an-evaluation", 1, "z.json.gz")
    is_error(run("merge", "s.json", "s.json"), "merge-overlap", 1, "one")
    is_error(run("merge", "s.json", "e.json"), "merge-different", 1, "one, two")
    is_error(run("report", "s.json", "--baseline", "x"), "unknown-baseline", 2, "x")
    is_error(run("report", "s.json", "--model", "x"), "model-of-saved", 2)


def test_a_part_is_merged_once(put: Files, run: Run) -> None:
    put("one.csv", ONE)
    for region in ("north", "south"):
        run("evaluate", "one.csv", "--where", f"region={region}", "--state", f"{region}.json")
    run("evaluate", "one.csv", "--state", "all.json")
    whole = run("merge", "north.json", "south.json", "--state", "sum.json", "--json")
    assert whole.model("one")["loss"]["value"] == pytest.approx(mean_log_loss(ONE), rel=1e-14)
    for part in ("north.json", "south.json", "all.json"):
        is_error(run("merge", "sum.json", part), "merge-overlap", 1, "one.csv")


# --- what is allowed, and said -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Reported:
    one: Columns
    note: str | None
    loss: float
    options: str = ""


def certain(p: float) -> float:
    """The log loss of ONE with every p_a replaced by p."""
    return mean_log_loss(spoiled(p_a=[p] * ROWS)) if p > 0 else inf


def renormalised(columns: Columns) -> Columns:
    total = [sum(columns[f"p_{c}"][i] for c in "abc") for i in range(ROWS)]
    return changed(
        columns, **{f"p_{c}": [p / t for p, t in zip(columns[f"p_{c}"], total, strict=True)] for c in "abc"}
    )


TALL = spoiled(p_a=[0.9] * ROWS)
REPORTED = {
    "slightly above one": Reported(spoiled(p_a=[1.0005] * ROWS), "outside-unit-interval", certain(1.0005)),
    "slightly below zero": Reported(spoiled(p_a=[-0.0005] * ROWS), "outside-unit-interval", inf),
    "rows do not sum to one": Reported(TALL, "row-sums", mean_log_loss(TALL)),
    "rows are renormalised": Reported(TALL, None, mean_log_loss(renormalised(TALL)), "--renormalise"),
    "a row of zeros": Reported(
        spoiled(p_a=at(5, 0.0), p_b=at(5, 0.0), p_c=at(5, 0.0)), "rows-without-sum", inf, "--renormalise"
    ),
    "negative rows renormalised": Reported(
        spoiled(p_a=[-5e-4] * ROWS, p_b=[-2e-4] * ROWS, p_c=[-1e-4] * ROWS),
        "rows-without-sum",
        inf,
        "--renormalise",
    ),
    "label of probability 0": Reported(spoiled(p_a=[0.0] * ROWS), "row-sums", inf),
    "unknown label is zero": Reported(
        spoiled(label=at(5, "z")), "unknown-labels", inf, "--unknown-label zero"
    ),
    "one class": Reported(
        spoiled(label=["a"] * ROWS), "one-class", math.fsum(-math.log(p) for p in ONE["p_a"]) / ROWS
    ),
    "one row": Reported(rows_of(ONE, 0, 1), "few-rows", mean_log_loss(rows_of(ONE, 0, 1))),
    "weight 0": Reported(
        spoiled(weight=at(5, 0.0)), None, mean_log_loss(ONE, at(5, 0.0)(ONE["weight"])), "--weight weight"
    ),
    "weight 0 on an infinite loss": Reported(
        spoiled(label=at(5, "z"), weight=at(5, 0.0)),
        None,
        mean_log_loss(ONE, at(5, 0.0)(ONE["weight"])),
        "--weight weight --unknown-label zero",
    ),
    "a missing group": Reported(spoiled(region=at(5, None)), None, mean_log_loss(ONE), "--group region"),
    "other columns order": Reported(
        {name: ONE[name] for name in sorted(ONE, reverse=True)}, None, mean_log_loss(ONE)
    ),
    "few clusters": Reported(ONE, "few-clusters", mean_log_loss(ONE), "--cluster day"),
    "-inf logit": Reported(
        of_kind("z_", **{f"z_{'ab'[ONE['label'][5] == 'a']}": at(5, -inf)}),
        None,
        (mean_log_loss(ONE) * ROWS + math.log1p(-ONE[f"p_{'ab'[ONE['label'][5] == 'a']}"][5])) / ROWS,
    ),
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("case", REPORTED.values(), ids=REPORTED)
def test_reported_choice(put: Files, run: Run, case: Reported, suffix: str) -> None:
    put(f"one{suffix}", case.one)
    outcome = run("evaluate", f"one{suffix}", "--json", *case.options.split())
    assert (outcome.code, outcome.err) == (0, "")
    loss = outcome.model("one")["loss"]["value"]
    assert float(loss) == pytest.approx(case.loss, rel=1e-13)
    assert case.note is None or case.note in outcome.notes
    assert run("evaluate", f"one{suffix}", *case.options.split()).code == 0  # also as text


PAIRED = {
    "other order": (shuffled(ONE), TWO, "", ROWS),
    "both orders": (shuffled(ONE), shuffled(TWO, 4), "", ROWS),
    "by position": (without_ids(ONE), without_ids(TWO), "paired-by-position", ROWS),
    "columns in another order": (dict(reversed(ONE.items())), TWO, "", ROWS),
    "intersect": (rows_of(ONE, 0, 20), rows_of(TWO, 3, ROWS), "rows-left-out", 17),
    "intersect, other order": (shuffled(rows_of(ONE, 0, 20)), rows_of(TWO, 3, ROWS), "rows-left-out", 17),
}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(("one", "two", "note", "rows"), PAIRED.values(), ids=PAIRED)
def test_paired_all_the_same(
    put: Files, run: Run, one: Columns, two: Columns, note: str, rows: int, suffix: str
) -> None:
    put(f"one{suffix}", one)
    put(f"two{suffix}", two)
    option = ["--on-missing", "intersect"] if rows < ROWS else []
    outcome = run("select", f"one{suffix}", f"two{suffix}", "--json", *option)
    assert outcome.document["data"]["rows"] == rows
    part = (3, 20) if rows < ROWS else (0, ROWS)
    for name, columns in (("one", ONE), ("two", TWO)):
        expected = mean_log_loss(rows_of(columns, *part))
        assert outcome.model(name)["loss"]["value"] == pytest.approx(expected, rel=1e-14)
    assert not note or note in outcome.notes


def test_ids_in_text_are_numbers_where_another_file_has_numbers(put: Files, run: Run) -> None:
    put("one.csv", shuffled(ONE))
    put("two.parquet", TWO)
    outcome = run("select", "one.csv", "two.parquet", "--json")
    assert (outcome.code, outcome.document["data"]["pairing"]) == (0, "row id")


# --- the world around ------------------------------------------------------------------------------------


def test_missing_extra(put: Files, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    put("one.csv", ONE)
    monkeypatch.setattr("crossent.cli.output.find_spec", lambda name: None)
    is_error(run("evaluate", "one.csv", "--html", "page.html"), "missing-extra", 1, "crossent[report]")
    assert put.names() == {"one.csv"}


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_may_not_be_written(put: Files, run: Run) -> None:
    put("shut/one.csv", ONE).parent.chmod(0o500)
    is_error(run("evaluate", "shut/one.csv", "--state", "shut/s.json"), "cannot-write", 1, "shut/s.json")


def test_disk_full_while_saving(put: Files, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    put("one.csv", ONE)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    is_error(run("evaluate", "one.csv", "--state", "s.json"), "cannot-write", 1, "s.json|No space left")
    assert put.names() == {"one.csv"}


@pytest.mark.parametrize("stage", ["crossent.data.batch._check", "crossent.evaluation.os.chmod"])
def test_interrupted(put: Files, run: Run, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    put("one.csv", ONE)
    assert importlib.util.find_spec("crossent.data.batch")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stage, interrupt)
    outcome = run("evaluate", "one.csv", "--state", "s.json")
    assert (outcome.code, outcome.out) == (130, "")
    assert outcome.err.strip().startswith("interrupted")
    assert put.names() == {"one.csv"}


COMMAND = [sys.executable, "-c", "from crossent.cli import main; main()"]


def environment(**extra: str) -> dict[str, str]:
    source = str(Path(__file__).parents[2] / "src")
    return {**os.environ, "PYTHONPATH": source, **extra}


@pytest.mark.skipif(sys.platform == "win32", reason="signals are different there")
def test_interrupted_by_a_signal(put: Files) -> None:
    header, _, body = CSV.partition(b"\n")
    body = b"".join(line.partition(b",")[2] + b"\n" for line in body.splitlines())
    put("one.csv", header.partition(b",")[2] + b"\n" + body * 60_000)
    before = put.names()
    started = time.monotonic()
    child = subprocess.Popen(
        [*COMMAND, "evaluate", "one.csv", "--state", "s.json", "--threads", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(TMPDIR=str(put.folder)),
    )
    while not any(name.startswith("crossent-") for name in put.names()):  # reading has begun
        assert child.poll() is None and time.monotonic() - started < 20
        time.sleep(0.01)
    time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=10)
    assert (child.returncode, out) == (130, b"")
    # a library may have dropped the first KeyboardInterrupt, and Python then says so
    assert err.strip().endswith(b"interrupted: nothing was written")
    assert put.names() == before


@pytest.mark.skipif(sys.platform == "win32", reason="no such device there")
@pytest.mark.parametrize("form", ["--json", "--quiet"])
def test_standard_output_that_is_full(put: Files, form: str) -> None:
    put("one.csv", ONE)
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "evaluate", "one.csv", form],
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(),
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: standard output: ") and done.stderr.endswith(b"[cannot-write]\n")


@pytest.mark.parametrize("form", ["--json", "--quiet"])
def test_a_reader_that_goes_away(put: Files, form: str) -> None:
    put("one.csv", ONE)
    child = subprocess.Popen(
        [*COMMAND, "evaluate", "one.csv", form],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert child.stdout is not None and child.stderr is not None
    child.stdout.close()
    assert child.stderr.read() == b""
    assert child.wait() == 1
    child.stderr.close()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_terminals_that_know_few_signs(put: Files, encoding: str) -> None:
    put("größe.csv", changed(ONE, region=at(5, "Köln")))
    put("two.csv", TWO)
    for form in ("--json", "--markdown"):
        done = subprocess.run(
            [*COMMAND, "select", "größe.csv", "two.csv", form],
            capture_output=True,
            env=environment(PYTHONIOENCODING=encoding),
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        # Click writes UTF-8 where a terminal claims to know only ASCII
        text = done.stdout.decode("utf-8" if encoding == "ascii" else encoding)
        if form == "--json":
            assert {m["name"] for m in json.loads(text)["models"]} == {"größe", "two"}
