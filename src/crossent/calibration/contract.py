"""What a map is: fitted, frozen, saved as plain JSON; from any distribution over K classes to another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from crossent.calibration.given import Floats, Logits, Rows, logits


@dataclass(frozen=True)
class CalibrationMap(ABC):
    """A fitted map. A subclass declares what it is and writes `of` and `log_probabilities`.

    Its fields are what is saved: numbers, strings, and arrays of numbers (which it keeps as tuples).
    """

    name: ClassVar[str]
    """In the registry, on the command line, in files."""
    title: ClassVar[str]
    parametric: ClassVar[bool] = False
    """A few numbers, fitted by log loss: never worse than the identity on the rows it is fitted to."""
    monotone: ClassVar[bool] = False
    """Of two classes: a larger probability never becomes a smaller one."""
    binary_only: ClassVar[bool] = False
    complexity: ClassVar[int]
    """Its place from simple to complex: of maps that are as good, the simplest is chosen."""
    fewest_classes: ClassVar[int] = 2
    most_classes: ClassVar[int] = 1000
    """From so few up to so many it is a candidate where a map is chosen."""
    takes_zero: ClassVar[bool] = False
    """It makes something of a label that was given probability 0; a map of logits cannot."""

    @classmethod
    @abstractmethod
    def of(cls, rows: Rows, **options: Any) -> Self:
        """The map fitted to these rows."""

    @abstractmethod
    def mapped(self, z: Logits) -> Floats:
        """(N, K) logarithms of the new probabilities for logits (known up to a number a row)."""

    def log_probabilities(self, predictions: ArrayLike, *, kind: str = "probs", floor: float = 0.0) -> Floats:
        """(N, K) logarithms of calibrated probabilities; their rows sum to one."""
        return self.mapped(logits(predictions, kind=kind, floor=floor))

    def transform(self, predictions: ArrayLike, *, kind: str = "probs", floor: float = 0.0) -> Floats:
        """Calibrated probabilities: (N, K), or (N,) of the second class where (N,) was given."""
        p = np.exp(self.log_probabilities(predictions, kind=kind, floor=floor))
        return np.asarray(p[:, 1]) if np.ndim(predictions) == 1 else p

    @abstractmethod
    def sentence(self, second: str = "the second class") -> str:
        """What the map does, in words; of two classes the second may be named."""

    def parameters(self) -> dict[str, Any]:
        """The fields, as JSON holds them."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def load(cls, parameters: dict[str, Any]) -> Self:
        """The map of these `parameters`, to the bit."""
        return cls(**{name: _frozen(value) for name, value in parameters.items()})


def _plain(value: Any) -> Any:
    return [_plain(part) for part in value] if isinstance(value, tuple) else value


def _frozen(value: Any) -> Any:
    return tuple(_frozen(part) for part in value) if isinstance(value, list) else value
