"""What an accumulator is: sufficient statistics of rows, a commutative monoid that can be saved.

A new accumulator starts as zero, is updated with rows, merged with others of its kind, and saved as plain
data. It knows loss columns and named row columns, never predictions. Its sums are exact, so that any order
of rows, any batches and any merges give the same state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crossent.exact import Slices, cut_for_tables

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class KeyColumn(Protocol):
    """A column of keys: values[codes[i]] is the key of row i."""

    @property
    def values(self) -> Sequence[str]: ...
    @property
    def codes(self) -> Ints: ...


@dataclass(frozen=True)
class Event:
    """Something that a model gives a probability to and that happened or not in each row."""

    name: str
    confidence: Floats
    happened: Bools


class RowNames(Protocol):
    """Names rows, for those few that are shown."""

    def sort_keys(self, index: Ints) -> Ints | list[str]:
        """Keys that order rows the same way however they are batched."""

    def names(self, index: Ints) -> list[str]:
        """What to call the rows."""


@dataclass(frozen=True)
class Spec:
    """What the accumulators of one model need to know before the first row."""

    loss: str
    companions: tuple[str, ...] = ()
    classes: bool = True
    weighted: bool = False
    clustered: bool = False
    groups: tuple[str, ...] = ()
    bytes: bool = False
    figures: tuple[str, ...] = ()
    """Columns whose means stand beside the loss of this model alone."""
    density: bool = False
    """The loss is that of a density: it can be negative, and where its zero lies depends on the unit."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns beside the loss."""
        return (*self.companions, *self.figures)


@dataclass(frozen=True)
class Rows:
    """Scored rows of one model."""

    loss: Floats
    """(N,) nats; +inf where the label was given probability 0."""
    names: RowNames
    weight: Floats | None = None
    companions: Mapping[str, Floats] = field(default_factory=dict)
    """The columns that the spec names."""
    label: KeyColumn | None = None
    """Class of the label; None where there are no classes."""
    label_text: KeyColumn | None = None
    cluster: KeyColumn | None = None
    groups: tuple[KeyColumn, ...] = ()
    bytes: Floats | None = None
    events: tuple[Event, ...] = ()
    predicted: KeyColumn | None = None
    renormalised: Floats | None = None
    """(N,) the loss if rows whose sum is off by more than 1e-6 were divided by it; None: there is none."""
    counts: Mapping[str, int] = field(default_factory=dict)
    extremes: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.loss.size)

    def weighted(self, values: Floats) -> Floats:
        """w·x; 0 where x is infinite or the row's weight 0."""
        finite = np.isfinite(values)
        kept = values if finite.all() else np.where(finite, values, 0.0)
        return kept if self.weight is None else kept * self.weight

    def infinite(self, values: Floats) -> Bools:
        """Rows of positive weight where x is infinite."""
        infinite: Bools = values == np.inf
        return infinite if self.weight is None else infinite & (self.weight > 0.0)

    @cached_property
    def finite(self) -> Bools | None:
        """Rows of positive weight with a finite loss; None when that is all of them."""
        finite = np.isfinite(self.loss)
        if self.weight is None:
            return None if finite.all() else finite
        counted = finite & (self.weight > 0.0)
        return None if counted.all() else counted

    @cached_property
    def weighted_loss(self) -> Floats:
        """`weighted(loss)`."""
        return self.weighted(self.loss)

    @cached_property
    def infinite_loss(self) -> Bools | None:
        """`infinite(loss)`; None where there is no such row."""
        infinite = self.infinite(self.loss)
        return infinite if infinite.any() else None

    @cached_property
    def loss_slices(self) -> Floats | Slices:
        """`weighted(loss)` cut for exact sums, once for all tables that take it."""
        return cut_for_tables(self.weighted_loss)

    @cached_property
    def square_slices(self) -> Floats | Slices:
        """The square of `weighted(loss)` cut for exact sums."""
        return cut_for_tables(self.weighted_loss * self.weighted_loss)

    def weights(self) -> Floats:
        """The weights, ones where there are none."""
        return np.ones(len(self)) if self.weight is None else self.weight


class Accumulator(ABC):
    """Sufficient statistics of one model's rows."""

    name: ClassVar[str]
    version: ClassVar[int] = 1

    def __init__(self, spec: Spec) -> None:
        self.spec = spec

    @classmethod
    def wanted(cls, spec: Spec) -> bool:
        """Whether an evaluation of this kind needs it."""
        return True

    @property
    def silent(self) -> bool:
        """Whether it has nothing to say: it is not saved then, as files older than it do not have it."""
        return False

    @abstractmethod
    def update(self, rows: Rows) -> None:
        """Add rows."""

    @abstractmethod
    def merge(self, other: Self) -> None:
        """Add another state of the same spec."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """The state as plain data (JSON), the same for equal sums."""

    @abstractmethod
    def load(self, state: dict[str, Any]) -> None:
        """Take over a saved state."""

    def table(self) -> pa.Table | None:
        """The whole state as an Arrow table, for accumulators with a row for each of many keys; else None."""
        return None

    def load_table(self, table: pa.Table) -> None:
        """Take over what `table` gave."""
        raise NotImplementedError(f"{self.name} has no table")
