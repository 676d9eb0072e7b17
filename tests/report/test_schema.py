"""The description of the result document: what it allows, what it refuses, and what it says."""

from __future__ import annotations

import copy
import json
import runpy
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, make_dataclass
from typing import Any

import jsonschema
import pytest

from crossent import results as records
from crossent.report import schema, to_document
from crossent.report.document import FORMAT, VERSION, plain_data
from crossent.results import Results
from crossent.statistics.estimates import Estimate

Sample = Callable[[str], Results]
Path = tuple[str | int, ...]
VALIDATOR = jsonschema.Draft202012Validator(schema.json_schema())
OPTIONAL = {"floor", "comparison", "rule", "chosen", "gate"}


def places(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value of a document with the way to it; of a list the first entry alone."""
    yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*path, 0))


def changed(document: dict[str, Any], path: Path, value: object) -> dict[str, Any]:
    copied = copy.deepcopy(document)
    inner: Any = copied
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return copied


@pytest.fixture(scope="module")
def document(sample: Sample) -> dict[str, Any]:
    """A document in which lists of records have one entry: all that is tried is tried on the first."""

    def shorter(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shorter(inner) for key, inner in value.items()}
        if isinstance(value, list):
            records = value and isinstance(value[0], dict)
            return [shorter(inner) for inner in (value[:1] if records else value)]
        return value

    made: dict[str, Any] = shorter(to_document(sample("many_classes")))
    assert VALIDATOR.is_valid(made)
    return made


def test_no_value_may_be_replaced_by_one_of_another_kind(document: dict[str, Any]) -> None:
    """An object in the place of anything else, text in the place of an object: refused everywhere."""
    seen = 0
    for path, value in places(document):
        if path and value is not None:
            wrong: object = "text" if isinstance(value, dict) else {"an": "object"}
            assert not VALIDATOR.is_valid(changed(document, path, wrong)), path
            seen += 1
    assert seen > 150


def test_no_field_may_be_missing_and_none_added(document: dict[str, Any]) -> None:
    for path, value in places(document):
        if isinstance(value, dict):
            for key in value:
                fewer = {k: v for k, v in value.items() if k != key}
                broken = changed(document, path, fewer) if path else fewer
                assert not VALIDATOR.is_valid(broken), (*path, key)
            more = {**value, "an addition": 1}
            assert not VALIDATOR.is_valid(changed(document, path, more) if path else more), path


@pytest.mark.parametrize(
    ("path", "value", "allowed"),
    [
        (("models", 0, "bits"), "inf", True),
        (("models", 0, "bits"), "-inf", True),
        (("models", 0, "bits"), "nan", False),
        (("models", 0, "bits"), 3, True),
        (("models", 0, "rank"), 1.5, False),
        (("models", 0, "rank"), "inf", False),
        (("models", 0, "name"), None, False),
        (("models", 0, "name"), "", True),
        (("renormalised",), 0, False),
        (("gate",), None, True),
        (("data", "classes"), None, True),
        (("data", "classes"), [1], False),
        (("data", "where"), [["split", "test", "x"]], False),
        (("data", "where"), [["split"]], False),
        (("data", "where"), [], True),
        (("models",), [], True),
        (("format",), "other", False),
        (("version",), VERSION + 1, False),
    ],
    ids=str,
)
def test_what_a_field_may_hold(document: dict[str, Any], path: Path, value: object, allowed: bool) -> None:
    assert VALIDATOR.is_valid(changed(document, path, value)) is allowed


def test_every_field_of_the_results_has_a_meaning_and_no_meaning_is_twice() -> None:
    found = [
        r for r in vars(records).values() if is_dataclass(r) and r.__module__.startswith(records.__name__)
    ]
    assert len(found) >= 16
    for record in found:
        meanings = schema._meanings(record)  # type: ignore[arg-type]
        assert list(meanings) == [f.name for f in fields(record)], record
        assert len(set(meanings.values())) == len(meanings), record


def test_the_page_has_a_row_a_field_and_a_heading_a_record() -> None:
    printed = schema.page()
    defined = {"Results": schema.json_schema(), **schema.json_schema()["$defs"]}
    parts = {p.split("\n", 1)[0]: p for p in printed.split("\n## ")[1:]}
    assert parts.keys() == defined.keys()
    for name, part in parts.items():
        rows = [line.split("|")[1].strip(" `") for line in part.splitlines() if line.startswith("| `")]
        assert rows == list(defined[name]["properties"])
        assert all(
            line.replace("\\|", "").count("|") == 4 for line in part.splitlines() if line.startswith("|")
        )
    links = {part.split(")")[0] for part in printed.split("](#")[1:]}
    assert links == {name.lower() for name in defined} - {"results"}


@pytest.mark.parametrize(
    ("hint", "words", "good", "bad"),
    [
        (float, "number", [1.5, "inf", None], ["1.5", True, []]),
        (int | None, "integer or null", [1, None], [1.5, "1"]),
        (tuple[str, ...], "list of text", [[], ["a", "b"]], ["a", [1]]),
        (tuple[str, int], "(text, integer)", [["a", 1]], [["a", "b"], ["a", 1, 2], ["a"], []]),
        (tuple[tuple[str, bool], ...], "list of (text, true or false)", [[["a", True]]], [["a"], [["a", 0]]]),
        (Estimate | None, "[Estimate](#estimate) or null", [None], [1, {}]),
    ],
    ids=str,
)
def test_types_in_words_and_in_json_schema(hint: Any, words: str, good: list[Any], bad: list[Any]) -> None:
    assert schema._words(hint) == words
    validator = jsonschema.Draft202012Validator(
        {"$defs": schema.json_schema()["$defs"], **schema._schema(hint)}
    )
    assert [validator.is_valid(value) for value in (*good, *bad)] == [True] * len(good) + [False] * len(bad)


@pytest.mark.parametrize("hint", [complex, list[int], dict[str, int]], ids=str)
def test_a_type_without_a_place_is_refused(hint: Any) -> None:
    with pytest.raises(TypeError, match="no place in a result document"):
        schema._schema(hint)


def test_plain_data_of_any_record() -> None:
    record = make_dataclass("Record", [("a", float), ("b", Any), ("c", Any)])
    inner = record(float("-inf"), True, ())
    made = plain_data(record(0.1, [inner, None], ("x", (1, 2.5))))
    assert made == {"a": 0.1, "b": [{"a": "-inf", "b": True, "c": []}, None], "c": ["x", [1, 2.5]]}
    with pytest.raises(TypeError, match="type has no place"):
        plain_data(record)


def test_the_document_begins_with_what_it_is(sample: Sample) -> None:
    made = to_document(sample("single"))
    assert list(made)[:2] == ["format", "version"] and made["format"] == FORMAT
    assert list(made)[2:] == [f.name for f in fields(Results)]
    assert all(made[name] is None for name in OPTIONAL - {"rule"})


@pytest.mark.parametrize(
    ("option", "start"), [([], "# The result document\n"), (["--json"], '{\n "$schema"')]
)
def test_the_module_prints_the_page_or_the_schema(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: list[str], start: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["schema", *option])
    monkeypatch.delitem(sys.modules, "crossent.report.schema")
    runpy.run_module("crossent.report.schema", run_name="__main__")
    printed = capsys.readouterr().out
    assert printed.startswith(start)
    assert printed == (json.dumps(schema.json_schema(), indent=1) if option else schema.page())
