"""The result document described: a JSON Schema and docs/result-schema.md, both read off the dataclasses.

`python -m crossent.report.schema` prints the page, with `--json` the schema.
"""

from __future__ import annotations

import ast
import inspect
import sys
import types
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from crossent.report.document import FORMAT, VERSION
from crossent.results import Results

Schema = dict[str, Any]

_NUMBER: Schema = {"oneOf": [{"type": "number"}, {"enum": ["inf", "-inf"]}, {"type": "null"}]}
_SCALARS: dict[object, Schema] = {
    float: _NUMBER,
    int: {"type": "integer"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
}
_INTRODUCTION = """\
# The result document

What `--json` prints and `crossent.report.to_document` returns: every number of a report to the last digit.
The first two fields say what it is; the others are those of `Results`, described below with the records
they hold.

- Numbers are IEEE doubles in the shortest decimal form that reads back to the same double.
- An infinite number is the string `"inf"` or `"-inf"`; an undefined one is `null`. NaN never appears.
- Fields may be added under the same version; a field that changes or goes raises it.
- Losses are in nats unless a field says otherwise.
"""


def json_schema() -> Schema:
    """JSON Schema (draft 2020-12) of the document."""
    records = {record.__name__: _object(record) for record in _records(Results)}
    top = records.pop("Results")
    head = {"format": {"const": FORMAT}, "version": {"const": VERSION}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "crossent result",
        **top,
        "properties": head | top["properties"],
        "required": [*head, *top["required"]],
        "$defs": records,
    }


def page() -> str:
    """docs/result-schema.md: every record with its fields, types and meanings."""
    head = [
        ("format", "text", f'Always `"{FORMAT}"`.'),
        ("version", "integer", f"{VERSION} in this release."),
    ]
    parts = [_INTRODUCTION]
    for record in _records(Results):
        rows = head if record is Results else []
        rows = rows + [(n, _words(t), _meanings(record).get(n, "")) for n, t in _types(record).items()]
        lines = [f"| `{n}` | {t} | {_one_line(m)} |" for n, t, m in rows]
        table = "\n".join(["| field | type | meaning |", "|:---|:---|:---|", *lines])
        parts.append(f"## {record.__name__}\n\n{_one_paragraph(record)}\n\n{table}\n")
    return "\n".join(parts)


def _records(record: type) -> list[type]:
    """The record and those it holds, each once, in the order in which they are met."""
    found: dict[type, None] = {record: None}
    for hint in _types(record).values():
        for inner in _inside(hint):
            found |= dict.fromkeys(_records(inner))
    return list(found)


def _inside(hint: Any) -> Iterator[type]:
    if is_dataclass(hint) and isinstance(hint, type):
        yield hint
    for argument in get_args(hint):
        yield from _inside(argument)


def _types(record: type) -> dict[str, Any]:
    hints = get_type_hints(record)
    return {f.name: hints[f.name] for f in fields(record)}


def _object(record: type) -> Schema:
    properties = {name: _schema(hint) for name, hint in _types(record).items()}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _schema(hint: Any) -> Schema:
    if hint in _SCALARS:
        return _SCALARS[hint]
    if is_dataclass(hint) and isinstance(hint, type):
        return {"$ref": f"#/$defs/{hint.__name__}"}
    inner = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return {"anyOf": [_schema(part) for part in inner]}
    if get_origin(hint) is tuple and inner[-1] is Ellipsis:
        return {"type": "array", "items": _schema(inner[0])}
    if get_origin(hint) is tuple:
        parts = [_schema(part) for part in inner]
        return {"type": "array", "prefixItems": parts, "items": False, "minItems": len(parts)}
    raise TypeError(f"{hint} has no place in a result document")


def _words(hint: Any) -> str:
    names = {float: "number", int: "integer", str: "text", bool: "true or false", type(None): "null"}
    if hint in names:
        return names[hint]
    if is_dataclass(hint) and isinstance(hint, type):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    inner = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_words(part) for part in inner)
    if inner[-1] is Ellipsis:
        return f"list of {_words(inner[0])}"
    return f"({', '.join(_words(part) for part in inner)})"


def _meanings(record: type) -> dict[str, str]:
    """The strings that follow the fields in the source of a dataclass."""
    body = ast.parse(inspect.cleandoc(inspect.getsource(record))).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        field.target.id: text.value.value
        for field, text in zip(body.body, body.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _one_paragraph(record: type) -> str:
    return inspect.getdoc(record) or ""


if __name__ == "__main__":
    import json

    print(json.dumps(json_schema(), indent=1) if "--json" in sys.argv else page(), end="")
