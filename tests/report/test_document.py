"""The JSON document and its description."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import jsonschema
import pytest

from crossent.report import to_document
from crossent.report.document import plain_data
from crossent.report.schema import json_schema, page
from crossent.results import Results

DOCS = Path(__file__).parents[2] / "docs" / "result-schema.md"
Sample = Callable[[str], Results]


def pairs(value: object, read: object) -> Iterator[tuple[object, object]]:
    """Every leaf of a record beside what was read back, found by name or place."""
    if is_dataclass(value) and not isinstance(value, type):
        assert isinstance(read, dict)
        for f in fields(value):
            yield from pairs(getattr(value, f.name), read[f.name])
    elif isinstance(value, tuple):
        assert isinstance(read, list) and len(read) == len(value)
        for a, b in zip(value, read, strict=True):
            yield from pairs(a, b)
    else:
        yield value, read


def test_document_reads_back_to_the_same_numbers(results: Results) -> None:
    read = json.loads(json.dumps(to_document(results), allow_nan=False))
    assert (read["format"], read["version"]) == ("crossent-result", 1)
    leaves = list(pairs(results, read))
    assert len(leaves) > 100
    for value, got in leaves:
        if isinstance(value, float) and math.isnan(value):
            assert got is None
        elif isinstance(value, float) and math.isinf(value):
            assert float(got) == value and isinstance(got, str)
        else:
            assert got == value and type(got) is type(value)


def test_document_keeps_to_its_schema(results: Results) -> None:
    jsonschema.Draft202012Validator(json_schema()).validate(to_document(results))


@pytest.mark.parametrize(
    ("field", "value"),
    [("title", 3), ("models", [{}]), ("version", 2), ("floor", "nan"), ("statements", None), ("extra", 1)],
)
def test_schema_refuses_what_is_not_a_document(sample: Sample, field: str, value: object) -> None:
    broken = to_document(sample("flights")) | {field: value}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(json_schema()).validate(broken)


def test_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_both_kinds_of_infinity() -> None:
    assert plain_data((math.inf, -math.inf, math.nan, True, 0)) == ["inf", "-inf", None, True, 0]


def test_what_has_no_place_in_a_document_is_refused(sample: Sample) -> None:
    with pytest.raises(TypeError, match="complex has no place"):
        to_document(replace(sample("flights"), floor=1j))  # type: ignore[arg-type]


def test_page_of_the_fields_is_up_to_date() -> None:
    """Made by `python -m crossent.report.schema > docs/result-schema.md`."""
    assert DOCS.read_text(encoding="utf-8") == page()


def test_page_has_every_field_once() -> None:
    schema, printed = json_schema(), page()
    for record in (schema, *schema["$defs"].values()):
        for name in record["properties"]:
            assert f"| `{name}` |" in printed
