"""What the user says about the data: one record for the command line and for Python."""

from __future__ import annotations

from dataclasses import dataclass, fields

from crossent.data.conditions import Condition
from crossent.errors import UsageError
from crossent.losses.contract import CLASS_KINDS, VALUE_KINDS

LABEL_NAMES = ("label", "y_true", "y", "target")
ID_NAMES = ("row_id", "id")
KINDS = (*CLASS_KINDS, *VALUE_KINDS)
MOST_CLASSES = 10_000_000
"""Ten times the largest vocabularies; more is a slip of the pen."""


@dataclass(frozen=True)
class ReadOptions:
    """Which columns mean what, and which choices were made about faults.

    Only the label and the row id have default names (`LABEL_NAMES`, `ID_NAMES`); everything else has an
    effect only when named. Kinds are declared here or by column names, never guessed from values.
    """

    label: str | None = None
    id: str | None = None
    weight: str | None = None
    cluster: str | None = None
    order: str | None = None
    """Times: clusters whose neighbours may be alike."""
    groups: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()
    kind: str | None = None
    prob: str | None = None
    """The one prediction column: probability of `positive`, or a list column."""
    prefix: str | None = None
    classes: tuple[str, ...] | None = None
    positive: str | None = None
    unit: str | None = None
    bytes: str | None = None
    position: str | None = None
    """Positions in a text: a group of ranges that double."""
    on_missing: str = "error"
    unknown_label: str = "error"
    renormalise: bool = False
    floor: float | None = None
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        if self.on_missing not in ("error", "intersect"):
            raise UsageError(
                "bad-option", f"on_missing is {self.on_missing!r}", cure="use error or intersect"
            )
        if self.unknown_label not in ("error", "zero"):
            raise UsageError(
                "bad-option", f"unknown_label is {self.unknown_label!r}", cure="use error or zero"
            )
        if self.kind not in (None, *KINDS):
            raise UsageError("bad-option", f"kind is {self.kind!r}", cure=f"use {', '.join(KINDS)}")
        if not 0.0 <= self.tolerance < 0.5:
            raise UsageError(
                "bad-option", f"tolerance is {self.tolerance}", cure="use a number from 0 to 0.5"
            )
        if self.classes is not None and len(set(self.classes)) < max(1, len(self.classes)):
            raise UsageError(
                "bad-option", "classes are none, or one is named twice", cure="name each class once"
            )
        if self.prefix == "":
            raise UsageError(
                "bad-option", "the prefix is empty", cure="say what the prediction columns begin with"
            )
        if self.floor is not None and not 0.0 < self.floor < 0.5:
            raise UsageError("bad-option", f"floor is {self.floor}", cure="use a number between 0 and 0.5")
        if self.unit is not None and self.cluster not in (None, self.unit):
            raise UsageError(
                "unit-and-cluster",
                f"unit is {self.unit} and cluster is {self.cluster}",
                cure="units are the clusters: name only the unit",
            )

        if self.order is not None and (self.unit or self.cluster) not in (None, self.order):
            raise UsageError(
                "order-and-cluster",
                f"the order is {self.order}, but rows belong together by {self.unit or self.cluster}",
                cure="rows of one time are taken together already: name either the order or the clusters",
            )
        if self.position is not None and self.position in self.groups:
            raise UsageError(
                "bad-option",
                f"{self.position} is both a group and the position",
                cure="name it once: --position makes ranges of it, --group a group of each value",
            )

    @property
    def group_columns(self) -> tuple[str, ...]:
        """Columns by which losses are shown apart, the position last."""
        return self.groups if self.position is None else (*self.groups, self.position)

    @property
    def cluster_column(self) -> str | None:
        """Units are clusters too: their losses are what scatters independently. So are times."""
        return self.unit or self.order or self.cluster

    def row_columns(self) -> tuple[str, ...]:
        """Columns named by option that every file must have, prediction and label aside."""
        where = (condition.column for condition in self.where)
        named = (self.weight, self.cluster_column, *self.group_columns, self.bytes, *where)
        return tuple(dict.fromkeys(c for c in named if c is not None))

    def described(self) -> dict[str, object]:
        """The options that differ from their defaults, for provenance."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}


def parse_classes(text: str) -> tuple[str, ...]:
    """Class names from "a,b,c" or the whole numbers from "0..99".

    >>> parse_classes("cat,dog"), parse_classes("0..3")
    (('cat', 'dog'), ('0', '1', '2', '3'))
    """
    first, dots, last = text.partition("..")
    if dots and first.strip().isdigit() and last.strip().isdigit():
        count = int(last) - int(first) + 1
        if not 0 < count <= MOST_CLASSES:
            raise UsageError(
                "bad-option",
                f"classes {text!r} are {max(count, 0)}",
                cure=f"name between 1 and {MOST_CLASSES}",
            )
        return tuple(str(i) for i in range(int(first), int(last) + 1))
    names = tuple(name.strip() for name in text.split(","))
    if len(set(names)) < len(names) or "" in names:
        raise UsageError(
            "bad-option", f"classes {text!r} has empty or repeated names", cure="name each class once"
        )
    return names
