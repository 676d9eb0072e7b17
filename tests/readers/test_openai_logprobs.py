"""Responses with log-probabilities: figures by hand, the forms of servers, and what is refused."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import crossent
from crossent.data.readers import Source, open_source
from crossent.errors import DataError

LOGS = Path(__file__).parents[1] / "data" / "lm_logs"

Entry = dict[str, Any]


def entry(token: str, logprob: Any, top: Mapping[str, float] | None = None, **changes: Any) -> Entry:
    """A token of a chat completion."""
    shown = [{"token": t, "logprob": v, "bytes": list(t.encode())} for t, v in (top or {}).items()]
    return {
        "token": token,
        "logprob": logprob,
        "bytes": list(token.encode()),
        "top_logprobs": shown,
    } | changes


def chat(*content: Any, **outer: Any) -> Entry:
    return {"id": "x", "choices": [{"index": 0, "logprobs": {"content": list(content)}}]} | outer


def legacy(tokens: Sequence[Any], logprobs: Any, top: Any = None, prompt_tokens: int | None = None) -> Entry:
    logs = {"tokens": list(tokens), "token_logprobs": logprobs, "top_logprobs": top}
    usage = {} if prompt_tokens is None else {"usage": {"prompt_tokens": prompt_tokens}}
    return {"id": "x", "choices": [{"index": 0, "logprobs": logs}]} | usage


def prompt(*entries: Any, ids: list[int] | None = None) -> Entry:
    """A completion of vLLM with the log-probabilities of its prompt."""
    choice = {"index": 0, "logprobs": None, "prompt_logprobs": list(entries), "prompt_token_ids": ids}
    return {"id": "x", "choices": [choice]}


def decoded(**tokens: float) -> Entry:
    """vLLM's form of the tokens shown at a position, numbered from 0."""
    return {str(i): {"logprob": v, "rank": 1, "decoded_token": t} for i, (t, v) in enumerate(tokens.items())}


@pytest.fixture
def log(tmp_path: Path) -> Callable[..., Path]:
    """Responses as a file, one on each line."""

    def writing(*responses: Any, name: str = "x.logprobs.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in responses), encoding="utf-8")
        return path

    return writing


def rows(source: Source, batch_rows: int = 3) -> list[Entry]:
    chunks = source.batches(source.schema.names, batch_rows)
    return [row for chunk in chunks for row in chunk.table.to_pylist()]


def column(path: Path, name: str) -> list[Any]:
    return [row[name] for row in rows(open_source(path))]


# --- figures by hand ----------------------------------------------------------------------------------------


def test_a_chat_completion():
    found = rows(open_source(LOGS / "chat.logprobs.json"))
    assert [row["row_id"] for row in found] == ["chat/0", "chat/1", "chat/2"]
    assert {(row["document"], row["part"]) for row in found} == {("chat", "completion")}
    assert [(row["position"], row["label"]) for row in found] == [
        (0, "Hi"),
        (1, r"\xf0\x9f"),
        (2, r"\x99\x82"),
    ]
    assert [row["token_bytes"] for row in found] == [2, 3, 2]  # of a cut emoji, not of its text
    assert [row["logprob"] for row in found] == [-0.25, -1.5, -0.0625]
    unseen = [
        1 - math.exp(-0.25) - math.exp(-1.75),  # the token is one of those shown
        1 - math.exp(-1.5) - math.exp(-0.5) - math.exp(-2.0),  # it is one more
        1 - math.exp(-0.0625),  # no other is shown
    ]
    assert [row["unseen_mass"] for row in found] == pytest.approx(unseen, abs=1e-15)


def test_echoed_prompts():
    found = rows(open_source(LOGS / "echo.logprobs.jsonl"))
    assert [row["row_id"] for row in found] == ["0/1", "0/2", "0/3", "1/1", "1/2"]  # the first has no context
    assert [row["part"] for row in found] == ["prompt", "prompt", "completion", "prompt", "prompt"]
    assert [row["token_bytes"] for row in found] == [7, 6, 4, 2, 1]
    assert found[0]["unseen_mass"] == pytest.approx(1 - math.exp(-2) - math.exp(-7.5), abs=1e-15)


def test_prompts_of_vllm_and_what_follows():
    found = rows(open_source(LOGS / "prompt.logprobs.jsonl"))
    assert [(row["position"], row["part"], row["label"]) for row in found] == [
        (1, "prompt", " rain"),
        (2, "prompt", "."),
        (3, "completion", " Then"),
    ]
    assert [row["logprob"] for row in found] == [-3.5, -0.25, -1.75]
    assert found[0]["unseen_mass"] == pytest.approx(1 - math.exp(-3.5) - math.exp(-0.5), abs=1e-15)


def test_lines_of_a_batch_have_names():
    found = rows(open_source(LOGS / "batch.logprobs.jsonl"))
    assert [(row["row_id"], row["logprob"]) for row in found] == [("q-2/0", -0.5), ("q-1/0", -1.25)]


def test_bits_per_byte_of_the_prompts_by_document():
    results = crossent.evaluate(
        LOGS / "echo.logprobs.jsonl",
        unit="document",
        bytes="token_bytes",
        position="position",
        where={"part": "prompt"},
    ).results
    model = results.models[0]
    nats = 7.5 + 2.25 + 6.0 + 0.125
    assert math.isclose(model.bits_per_byte.value, nats / math.log(2) / 16, rel_tol=1e-14)
    ((_, slices),) = model.groups
    assert [(s.value, s.rows, s.loss.value) for s in slices] == [("1", 2, 6.75), ("2–3", 2, 1.1875)]


def test_models_with_the_same_tokens_are_paired(log):
    first = log(chat(entry("a", -1.0), entry("b", -2.0)), chat(entry("c", -1.0)), name="m.logprobs.jsonl")
    other = log(chat(entry("a", -2.0), entry("b", -3.0)), chat(entry("c", -2.0)), name="n.logprobs.jsonl")
    results = crossent.select([first, other], cluster="document").results
    assert [m.loss.value for m in results.models] == pytest.approx([4 / 3, 7 / 3], rel=1e-15)
    assert results.data.pairing == "row id"
    with pytest.raises(DataError) as caught:
        crossent.select([first, log(chat(entry("a", -1.0), entry("x", -2.0)), chat(entry("c", -1.0)))])
    assert caught.value.slug == "labels-differ"


# --- files and names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "documents"),
    [
        ("x.logprobs.jsonl", ["0", "1"]),
        ("x.logprobs.jsonl.gz", ["0", "1"]),
        ("X.LOGPROBS.JSONL", ["0", "1"]),
        ("q7.logprobs.json", ["q7/0", "q7/1"]),
        ("q7.logprobs.json.gz", ["q7/0", "q7/1"]),
        ("Q7.json", ["Q7/0", "Q7/1"]),
        ("log.txt", ["0", "1"]),
    ],
)
def test_names_of_documents(tmp_path, name, documents):
    responses = [chat(entry("a", -1.0)), chat(entry("b", -1.0))]
    whole = ".json" in name.lower().replace(".jsonl", "")
    text = json.dumps(responses) if whole else "".join(json.dumps(r) + "\n" for r in responses)
    data = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    source = open_source(tmp_path / name, format="openai-logprobs")
    assert [row["document"] for row in rows(source)] == documents
    if "logprobs" in name.lower():
        assert rows(open_source(tmp_path / name)) == rows(source)


def test_several_choices_are_several_documents(log):
    several = chat(entry("a", -1.0))
    several["choices"].append({"index": 1, "logprobs": {"content": [entry("b", -2.0)]}})
    found = rows(open_source(log(several, several | {"custom_id": "q"})))
    assert [(r["row_id"], r["document"]) for r in found] == [
        ("0/0/0", "0/0"),
        ("0/1/0", "0/1"),
        ("q/0/0", "q/0"),
        ("q/1/0", "q/1"),
    ]


# --- tokens -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "size"),
    [
        ("é", 2),
        ("", 0),
        (r"bytes:\xe2\x80", 2),
        (r"bytes:\xE2", 1),
        ("bytes:", 6),
        (r"bytes:\xe", 9),
        ("\ufffd", None),
        ("token_id:71", None),
        ("token_id:", 9),
    ],
)
def test_bytes_of_tokens_that_have_only_a_text(log, token, size):
    assert column(log(legacy([token], [-1.0])), "token_bytes") == [size]


def test_bytes_that_are_not_said_are_missing_not_guessed(log):
    path = log(chat(entry("a", -1.0), entry("\ufffd", -1.0, bytes=None), entry("", -1.0, bytes=[0xE2])))
    assert column(path, "token_bytes") == [1, None, 1]
    with pytest.raises(DataError) as caught:
        crossent.evaluate(path, bytes="token_bytes")
    assert (caught.value.slug, caught.value.row) == ("null-number", 1)


@pytest.mark.parametrize(
    ("response", "parts"),
    [
        (legacy("abc", [None, -1.0, -1.0], prompt_tokens=2), ["prompt", "completion"]),
        (legacy("abc", [None, -1.0, -1.0], prompt_tokens=3), ["prompt", "prompt"]),
        (legacy("abc", [None, -1.0, -1.0]), ["echo", "echo"]),
        (legacy("abc", [-1.0, -1.0, -1.0], prompt_tokens=2), ["completion"] * 3),
        (prompt(None, decoded(b=-1.0), decoded(c=-1.0)), ["prompt", "prompt"]),
        (prompt(decoded(a=-1.0)), ["prompt"]),
    ],
)
def test_parts(log, response, parts):
    assert column(log(response), "part") == parts


def test_prompts_of_several_choices_are_not_told_from_their_completions(log):
    both = legacy("ab", [None, -1.0], prompt_tokens=4)
    both["choices"] *= 2
    assert column(log(both), "part") == ["echo", "echo"]


def test_the_token_of_a_prompt_is_found_by_its_number(log):
    entries = [None, decoded(x=-0.5, y=-3.0), decoded(x=-0.5, y=-3.0)]
    assert column(log(prompt(*entries, ids=[9, 1, 0])), "label") == ["y", "x"]


@pytest.mark.parametrize(
    ("top", "unseen"),
    [
        ({}, 1 - math.exp(-1.0)),
        ({"a": -1.0}, 1 - math.exp(-1.0)),
        ({"a": -1.0000001}, 1 - math.exp(-1.0000001)),  # the same number, rounded
        ({"a": -2.0}, 1 - math.exp(-1.0) - math.exp(-2.0)),  # another token of the same text
        ({"b": -1.0}, 1 - 2 * math.exp(-1.0)),
        ({"b": -9999.0}, 1 - math.exp(-1.0)),
    ],
)
def test_mass_that_is_not_shown(log, top, unseen):
    for response in (chat(entry("a", -1.0, top)), legacy("a", [-1.0], [top])):
        assert column(log(response), "unseen_mass") == pytest.approx([unseen], abs=1e-15)


def test_a_probability_of_nothing_or_everything(log):
    path = log(chat(entry("a", -math.inf), entry("b", 0), entry("c", 1e-4)))
    assert column(path, "unseen_mass") == pytest.approx([1.0, 0.0, -1e-4], abs=1e-8)
    model = crossent.evaluate(path).results.models[0]
    assert (model.n_infinite, model.loss.value) == (1, math.inf)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.floats(-50, 0), max_size=5), min_size=1, max_size=6), st.integers(1, 4))
def test_batches_of_any_size_hold_every_token_once(log, responses, batch_rows):
    path = log(*(chat(*(entry("t", v) for v in one)) for one in responses))
    found = rows(open_source(path), batch_rows)
    assert [row["logprob"] for row in found] == [v for one in responses for v in one]
    assert [row["position"] for row in found] == [i for one in responses for i in range(len(one))]


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "slug"),
    [
        (chat(entry("a", -9999.0)), "sentinel-logprob"),
        (legacy("a", [-9999]), "sentinel-logprob"),
        (chat(entry("a", 0.5)), "unnormalised-logprobs"),
        (chat(entry("a", -1.0, {"b": 1e9})), "unnormalised-logprobs"),
        (chat(entry("a", -0.1, {"b": -0.1})), "unnormalised-logprobs"),
        ({"choices": [{"index": 0, "logprobs": None}]}, "no-logprobs"),
        ({"choices": [{"index": 0}]}, "no-logprobs"),
        ({"choices": [{"logprobs": {"content": None, "refusal": [entry("no", -1.0)]}}]}, "no-logprobs"),
        ({"choices": []}, "logprobs-form"),
        ({"choices": [7]}, "logprobs-form"),
        ({"error": {"message": "busy"}}, "logprobs-form"),
        ({"custom_id": "q", "response": None, "error": "expired"}, "logprobs-form"),
        ({"custom_id": "q", "response": {"body": None}, "error": "expired"}, "logprobs-form"),
        (chat(7), "logprobs-form"),
        (chat(entry("a", None)), "logprobs-form"),
        (chat(entry("a", "-1.0")), "logprobs-form"),
        (chat(entry("a", True)), "logprobs-form"),
        (chat({"logprob": -1.0}), "logprobs-form"),
        (chat(entry("a", -1.0, bytes="a")), "logprobs-form"),
        (chat(entry("a", -1.0, top_logprobs={"a": -1.0})), "logprobs-form"),
        (chat(entry("a", -1.0, top_logprobs=[-1.0])), "logprobs-form"),
        (legacy("ab", [-1.0, None]), "logprobs-form"),
        (legacy("ab", [-1.0]), "logprobs-form"),
        (legacy("ab", None), "logprobs-form"),
        (legacy("ab", [-1.0, -1.0], [{}]), "logprobs-form"),
        (legacy("a", [-1.0], [["a", -1.0]]), "logprobs-form"),
        (legacy([5], [-1.0]), "logprobs-form"),
        (prompt(None, 5), "logprobs-form"),
        (prompt(None, {"1": -1.0}), "logprobs-form"),
        (prompt(None, {"1": {"logprob": -1.0}}), "logprobs-form"),
        (prompt(None, None), "which-token"),
        (prompt(None, decoded(x=-0.5, y=-3.0)), "which-token"),
        (prompt(None, decoded(x=-0.5), ids=[3, 4]), "which-token"),
        (prompt() | {"choices": [{"prompt_logprobs": {"0": 1}}]}, "logprobs-form"),
    ],
)
def test_responses_that_are_refused(log, bad, slug):
    path = log(chat(entry("a", -1.0)), bad)
    source = open_source(path)
    with pytest.raises(DataError) as caught:
        rows(source)
    error = caught.value
    assert (error.slug, error.file, error.row) == (slug, str(path), 1)
    assert error.problem.startswith("response 1: ")


@pytest.mark.parametrize(
    ("name", "content", "slug"),
    [
        ("x.logprobs.json", b"", "file-empty"),
        ("x.logprobs.json", b"[1, 2", "json-syntax"),
        ("x.logprobs.json", b'{"a": 1}\n{"a": 1}\n', "json-syntax"),
        ("x.logprobs.json", b'{"a": 1, "a": 1}', "json-syntax"),
        ("x.logprobs.json", b"[" * 100_000, "json-syntax"),
        ("x.logprobs.json", b'{"choices": "\xff"}', "text-encoding"),
        ("x.logprobs.json", b"7", "logprobs-form"),
        ("x.logprobs.json.gz", b"{}", "file-corrupt"),
        ("x.logprobs.jsonl", b"[]\n", "jsonl-syntax"),
        ("x.logprobs.jsonl", b'{"choices": \n', "jsonl-syntax"),
        (
            "x.logprobs.jsonl",
            b'{"choices": [{"logprobs": {"content": [{"token": "\\ud800", "logprob": -1}]}}]}',
            "file-corrupt",
        ),
    ],
)
def test_files_that_are_refused(tmp_path, name, content, slug):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        rows(open_source(tmp_path / name))
    assert (caught.value.slug, caught.value.file) == (slug, str(tmp_path / name))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JSON, st.sampled_from(["token", "logprob", "bytes", "top_logprobs", "content", "choices", "prompt"]))
def test_any_value_is_read_or_refused(log, value, key):
    whole = {
        "content": {"choices": [{"logprobs": {"content": value}}]},
        "choices": {"choices": value},
        "prompt": prompt(None, value),
    }
    path = log(whole.get(key, chat(entry("a", -1.0) | {key: value})))
    try:
        found = rows(open_source(path))
    except DataError as error:
        assert error.file == str(path)
    else:
        assert all(isinstance(row["logprob"], float) for row in found)
