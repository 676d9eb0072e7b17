"""Which rows are read: those where a column has a value, or where it has another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from crossent.errors import UsageError


class Condition(NamedTuple):
    """The rows where `column` is `value`, with the sign "!=" those where it is not; compared as text."""

    column: str
    value: str
    sign: str = "="

    @property
    def excludes(self) -> bool:
        """Whether the rows with the value are the ones left out."""
        return self.sign == "!="

    def __str__(self) -> str:
        return f"{self.column}{self.sign}{self.value}"


def parse_condition(text: str) -> Condition:
    """The condition in "split=test" or "label!=255".

    >>> parse_condition("label!=255")
    Condition(column='label', value='255', sign='!=')
    """
    column, equals, value = text.partition("=")
    sign = "!=" if column.endswith("!") else "="
    column = column.removesuffix("!")
    if not equals or not column:
        raise UsageError(
            "bad-option",
            f"{text!r} is no condition on a column",
            cure="write COLUMN=VALUE, or COLUMN!=VALUE for the rows with other values",
        )
    return Condition(column, value, sign)


def conditions(
    where: str | Mapping[object, object] | Iterable[str | tuple[str, ...]],
) -> tuple[Condition, ...]:
    """Conditions as people write them: a text, several of them, or the values that columns have.

    >>> conditions({"split": "test"}) == conditions("split=test") == conditions([("split", "test")])
    True
    """
    if isinstance(where, str):
        return (parse_condition(where),)
    if isinstance(where, Mapping):
        return tuple(Condition(str(column), str(value)) for column, value in where.items())
    return tuple(parse_condition(c) if isinstance(c, str) else Condition(*c) for c in where)
