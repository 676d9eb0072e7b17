"""Samples of lm-evaluation-harness: figures by hand, the shapes that it writes, and what is refused."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import crossent
from crossent.data.readers import Source, open_source
from crossent.errors import DataError

LOGS = Path(__file__).parents[1] / "data" / "lm_logs"
TEXTS = LOGS / "samples_tiny_texts_2026-03-01T09-30-00.250000.jsonl"
CHOICES = LOGS / "samples_tiny_choices_2026-03-01T09-30-00.250000.jsonl"

Log = dict[str, Any]


def text(i: int = 0, **changes: Any) -> Log:
    """A document with one log-probability."""
    row = {
        "doc_id": i,
        "target": "t",
        "arguments": {"gen_args_0": {"arg_0": "abc"}},
        "filtered_resps": ["-6.0"],
    }
    return row | changes


def question(i: int = 0, answers: tuple[float, ...] = (-1.0, -2.0), **changes: Any) -> Log:
    """A document with choices."""
    asked = {f"gen_args_{k}": {"arg_0": "Q", "arg_1": f" c{k}"} for k in range(len(answers))}
    found = [[str(answer), "False"] for answer in answers]
    return {"doc_id": i, "target": "1", "arguments": asked, "filtered_resps": found} | changes


@pytest.fixture
def log(tmp_path: Path) -> Callable[..., Path]:
    """Rows as a file of samples."""

    def writing(*rows: Any, name: str = "x.lm-eval.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return writing


def rows(source: Source, batch_rows: int = 2) -> list[Log]:
    chunks = source.batches(source.schema.names, batch_rows)
    return [row for chunk in chunks for row in chunk.table.to_pylist()]


# --- figures by hand ----------------------------------------------------------------------------------------


def test_texts_give_bits_per_byte_by_document():
    model = crossent.evaluate(TEXTS, unit="row_id", bytes="bytes").results.models[0]
    size = [
        len(s.encode())
        for s in ("The kettle sings.", "Rain on the roof, then sun.", "Ein Käse, zwei Löffel.")
    ]
    assert math.isclose(model.bits_per_byte.value, 95.875 / math.log(2) / sum(size), rel_tol=1e-14)
    words = crossent.evaluate(TEXTS, unit="row_id", bytes="words").results.models[0]
    assert math.isclose(words.bits_per_byte.value, 95.875 / math.log(2) / 13, rel_tol=1e-14)


def test_columns_of_texts():
    source = open_source(TEXTS)
    assert source.rows == 3
    first = rows(source)[0]
    assert first == {
        "row_id": 0,
        "doc_hash": json.loads(TEXTS.read_text(encoding="utf-8").splitlines()[0])["doc_hash"],
        "task": "tiny_texts",
        "filter": "none",
        "label": hashlib.sha256(b"The kettle sings.").hexdigest()[:16],
        "bytes": 17,
        "words": 3,
        "logprob": -21.5,
    }


def test_choices_are_classified_by_their_log_probabilities():
    model = crossent.evaluate(CHOICES).results.models[0]
    asked = [[-9.5, -2.25, -8, -10.5], [-1.125, -6.5, -7.25], [-4.5, -3.75, -5, -12], [-7, -0.5, -9, -9]]
    losses = [
        math.log(math.fsum(map(math.exp, ll))) - ll[right]
        for right, ll in zip((1, 0, 0, 1), asked, strict=True)
    ]
    assert math.isclose(model.loss.value, math.fsum(losses) / 4, rel_tol=1e-14)
    accuracy = dict(model.companions)["zero_one"]
    assert accuracy.value == 0.25  # the planet is missed


def test_columns_of_choices():
    source = open_source(CHOICES)
    assert (source.rows, source.schema.field("logits").type) == (4, pa.list_(pa.float64(), 4))
    assert json.loads(source.schema.field("logits").metadata[b"classes"]) == ["0", "1", "2", "3"]
    assert rows(source)[1] | {"doc_hash": ""} == {
        "row_id": 1,
        "doc_hash": "",
        "task": "tiny_choices",
        "filter": "none",
        "label": 0,
        "logits": [-1.125, -6.5, -7.25, -math.inf],
    }


def test_two_models_are_paired_by_document(log):
    other = log(*(question(i, (-2.0, -1.0)) for i in (1, 0)), name="b.lm-eval.jsonl")
    first = log(*(question(i) for i in (0, 1)), name="a.lm-eval.jsonl")
    results = crossent.select([first, other]).results
    assert [m.name for m in results.models] == ["b.lm-eval", "a.lm-eval"]
    gap = results.models[1].loss.value - results.models[0].loss.value
    assert math.isclose(gap, 1.0, rel_tol=1e-14)


# --- what the harness writes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (text(), {"bytes": 3, "words": None, "logprob": -6.0}),
        (text(arguments=[["é"]]), {"bytes": 2, "logprob": -6.0}),  # before 2024
        (text(filtered_resps=[-6.5]), {"logprob": -6.5}),
        (text(filtered_resps=[["-inf"]]), {"logprob": -math.inf}),
        (text(bits_per_byte=[-6.0, 9]), {"bytes": 9}),
        (text(byte_perplexity=[-6.0, 8], word_perplexity=[-6.0, 2]), {"bytes": 8, "words": 2}),
        (text(arguments={"gen_args_0": {"arg_0": "Q", "arg_1": " sé"}}, filtered_resps=[["-2.5", "True"]]),
         {"label": " sé", "bytes": 4, "logprob": -2.5}),
        (question(), {"label": 1, "logits": [-1.0, -2.0]}),
        (question(target=0), {"label": 0}),
        (question(target="c1"), {"label": 1}),  # the text of a choice
        (question(arguments=[["Q", " yes"], ["Q", " 7"]], target="7"), {"label": 1}),
        (question(arguments=[["Q", " 1"], ["Q", " 0"]], target="1"), {"label": 1}),  # a number is an index
        (question(acc_mutual_info=1.0), {"logits": [-1.0, -2.0]}),
    ],
)  # fmt: skip
def test_forms(log, row, expected):
    (found,) = rows(open_source(log(row)))
    assert {key: found[key] for key in expected} == expected


def test_choices_asked_again_without_their_context_are_no_choices(log):
    doubled = question(answers=(-1.0, -2.0, -0.5, -0.25), acc_mutual_info=0.0)
    for k in (2, 3):
        doubled["arguments"][f"gen_args_{k}"] = {"arg_0": "", "arg_1": f" c{k - 2}"}
    (found,) = rows(open_source(log(doubled)))
    assert found["logits"] == [-1.0, -2.0]


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("samples_arc_easy_2026-03-01T09-30-00.250000.jsonl", "arc_easy"),
        ("samples_a_2026-03-01T09-30-00.jsonl", "a"),
        ("samples_a.lm-eval.jsonl", None),
        ("SAMPLES.LM-EVAL.JSONL", None),
    ],
)
def test_names_that_mean_the_format(log, name, task):
    (found,) = rows(open_source(log(text(), name=name)))
    assert (found["task"], found["logprob"]) == (task, -6.0)


def test_other_names_mean_json_lines(log):
    path = log(text(), name="samples_1.jsonl")
    assert "arguments" in open_source(path).schema.names
    assert open_source(path, format="lm-eval").schema.names[-1] == "logprob"
    named = log(text(), name="samples_a_2026-03-01T09-30-00.jsonl")
    assert "arguments" in open_source(named, format="jsonl").schema.names


def test_a_folder_of_tasks_is_read_with_the_hash_as_id(log, tmp_path):
    for task in ("a", "b"):
        shown = [text(i, doc_hash=f"{task}{i}") for i in range(2)]
        log(*shown, name=f"samples_{task}_2026-03-01T09-30-00.jsonl")
    (tmp_path / "results_2026-03-01.json").write_text("{}")
    results = crossent.evaluate(tmp_path, id="doc_hash", groups="task").results
    (column, slices) = results.models[0].groups[0]
    assert (column, [(s.value, s.rows) for s in slices]) == ("task", [("a", 2), ("b", 2)])


def test_an_empty_file_has_no_rows(log):
    path = log()
    path.write_text("\n\n")
    source = open_source(path)
    assert (source.rows, rows(source), source.schema.names[-1]) == (0, [], "logprob")


@pytest.mark.parametrize(
    ("other", "column"),
    [
        (question(answers=(-1.0, -2.0, -3.0)), "logits"),
        (text(), "label"),
    ],
)
def test_tasks_of_different_kinds_are_not_one_source(log, tmp_path, other, column):
    log(question(), name="a.lm-eval.jsonl")
    log(other, name="b.lm-eval.jsonl")
    with pytest.raises(DataError) as caught:
        open_source(tmp_path)
    assert (caught.value.slug, caught.value.column) == ("schema-mismatch", column)


# --- what is refused ----------------------------------------------------------------------------------------

GENERATED = {"gen_args_0": {"arg_0": "Write.", "arg_1": {"until": ["\n"]}}}
CONTEXTS = [["Ann", " slept"], ["Bob", " slept"]]


@pytest.mark.parametrize(
    ("bad", "slug", "column"),
    [
        (text(arguments=GENERATED, filtered_resps=["42"]), "lm-eval-generation", None),
        (question(), "lm-eval-mixed", None),
        (text(arguments=None), "lm-eval-sample", "arguments"),
        (text(arguments={}), "lm-eval-sample", "arguments"),
        (text(arguments=[[]]), "lm-eval-sample", "arguments"),
        (text(arguments=[["a"], ["b"]]), "lm-eval-sample", "arguments"),
        (text(arguments=[["a"], ["b", " c"]], filtered_resps=["-1", "-2"]), "lm-eval-sample", "arguments"),
        (text(arguments={"gen_args_0": 5}), "lm-eval-sample", "arguments"),
        (text(filtered_resps=[]), "lm-eval-sample", "filtered_resps"),
        (text(filtered_resps="-6.0"), "lm-eval-sample", "filtered_resps"),
        (text(filtered_resps=["tensor(-6.)"]), "lm-eval-sample", "filtered_resps"),
        (text(filtered_resps=[None]), "lm-eval-sample", "filtered_resps"),
        (text(filtered_resps=[True]), "lm-eval-sample", "filtered_resps"),
        (text(filtered_resps=[[]]), "lm-eval-sample", "filtered_resps"),
        (text(filtered_resps=[10**400]), "lm-eval-sample", "filtered_resps"),
        (text(doc_id="7"), "lm-eval-sample", "doc_id"),
        (text(doc_id=2**63), "lm-eval-sample", "doc_id"),
        (text(doc_id=True), "lm-eval-sample", "doc_id"),
        (text(doc_hash=7), "lm-eval-sample", "doc_hash"),
        (text(bits_per_byte=0.7), "lm-eval-sample", "bits_per_byte"),
        (text(bits_per_byte=[-6.0, 2.5]), "lm-eval-sample", "bits_per_byte"),
        (text(word_perplexity=[-6.0, -1]), "lm-eval-sample", "word_perplexity"),
    ],
)
def test_rows_that_are_no_sample(log, bad, slug, column):
    with pytest.raises(DataError) as caught:
        rows(open_source(log(text(), bad)))
    error = caught.value
    assert (error.slug, error.row, error.column) == (slug, 1, column)


@pytest.mark.parametrize(
    "changes",
    [
        {"target": "2"},
        {"target": "-1"},
        {"target": "[0, 1]"},
        {"target": "other"},
        {"target": None},
        {"target": True},
        {"target": "slept", "arguments": CONTEXTS},  # which context is right is not in the log
        {"target": "c", "arguments": [["Q", " c"], ["Q", "c"]]},
    ],
)
def test_targets_that_are_no_one_choice(log, changes):
    with pytest.raises(DataError) as caught:
        rows(open_source(log(question(**changes))))
    assert (caught.value.slug, caught.value.row, caught.value.column) == ("lm-eval-target", 0, "target")


def test_no_choice_that_is_possible_is_an_error_of_the_predictions(log):
    with pytest.raises(DataError) as caught:
        crossent.evaluate(log(question(), question(1, (-math.inf, -math.inf))))
    assert (caught.value.slug, caught.value.row) == ("impossible-row", 1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)
KEYS = ["doc_id", "doc_hash", "filter", "target", "arguments", "filtered_resps", "bits_per_byte"]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([text, question]), st.sampled_from(KEYS), JSON)
def test_any_value_is_read_or_refused(log, make, key, value):
    path = log(make(**{key: value}))
    try:
        (row,) = rows(open_source(path))
    except DataError as error:
        assert error.file == str(path)
    else:
        assert row["logprob" if "logprob" in row else "label"] is not None
