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


def exclude_each_other(one: Iterable[Condition], two: Iterable[Condition]) -> bool:
    """Whether no row can meet both sets of conditions, as far as their texts tell.

    >>> exclude_each_other(conditions("split=val"), conditions("split!=val"))
    True
    >>> exclude_each_other(conditions("split=val"), conditions("region=eu"))
    False
    """
    return any(
        a.column == b.column
        and ((a.value == b.value) == (a.excludes != b.excludes))
        and not (a.excludes and b.excludes)
        for a in one
        for b in two
    )


def in_two_parts(
    select_where: Iterable[Condition], where: Iterable[Condition]
) -> tuple[tuple[Condition, ...], tuple[Condition, ...]]:
    """(conditions of the rows to choose on, conditions of the rows to report on), which exclude each other.

    A condition of `where` on another column holds for both. Where `where` says nothing of the column that the
    rows to choose on are named by, all rows that have another value are reported on.

    >>> [" ".join(map(str, part)) for part in in_two_parts(conditions("split=val"), conditions("label!=255"))]
    ['label!=255 split=val', 'label!=255 split!=val']

    Raises UsageError where rows could be chosen on and reported on, too.
    """
    select_where, where = tuple(select_where), tuple(where)
    columns = {condition.column for condition in select_where}
    common = tuple(condition for condition in where if condition.column not in columns)
    chosen_on = common + select_where
    if len(common) == len(where) and len(select_where) == 1:
        (only,) = select_where
        return chosen_on, (*where, Condition(only.column, only.value, "=" if only.excludes else "!="))
    if not exclude_each_other(select_where, where):
        raise UsageError(
            "selection-overlaps",
            f"rows with {' and '.join(map(str, select_where))} could be among those that are reported on",
            cure="say with --where which rows to report on: --select-where split=val --where split=test",
        )
    return chosen_on, where
