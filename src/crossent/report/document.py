"""The JSON document: Results field by field, every number to the last digit.

An infinite number is the string "inf" or "-inf", an undefined one null; NaN never appears, so every JSON
parser reads the document. docs/result-schema.md lists the fields.
"""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass

from crossent.results import Results

FORMAT = "crossent-result"
VERSION = 1

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]


def to_document(results: Results) -> dict[str, Plain]:
    """Results as plain data for `json.dumps(…, allow_nan=False)`.

    Format and version come first, then the fields of `Results` by their names.
    """
    body = plain_data(results)
    assert isinstance(body, dict)
    return {"format": FORMAT, "version": VERSION, **body}


def plain_data(value: object) -> Plain:
    """A value made of dataclasses, tuples, numbers and strings as plain data.

    >>> plain_data((1, float("inf"), float("nan"), None))
    [1, 'inf', None, None]
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain_data(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple | list):
        return [plain_data(item) for item in value]
    if isinstance(value, float):
        return _number(float(value))
    if value is None or isinstance(value, bool | int | str):
        return value
    raise TypeError(f"{type(value).__name__} has no place in a result document")


def _number(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return value
