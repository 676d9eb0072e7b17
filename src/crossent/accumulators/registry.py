"""The list of accumulators. A module in this folder that defines one with `@accumulator` is on it."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TypeVar

from crossent.accumulators.contract import Accumulator, Spec

_REGISTRY: dict[str, type[Accumulator]] = {}
A = TypeVar("A", bound=type[Accumulator])


def accumulator(cls: A) -> A:
    """Register an accumulator class under its name."""
    _REGISTRY[cls.name] = cls
    return cls


def unregister(name: str) -> None:
    """Take an accumulator off the list."""
    _REGISTRY.pop(name, None)


def accumulators() -> dict[str, type[Accumulator]]:
    """All accumulators by name."""
    _import_all()
    return dict(sorted(_REGISTRY.items()))


@cache
def _import_all() -> None:
    """Once: to list the folder again for every state of every fragment took a fifth of a small one's time."""
    package = importlib.import_module("crossent.accumulators")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"crossent.accumulators.{module.name}")


def new_states(spec: Spec) -> dict[str, Accumulator]:
    """One empty state of each accumulator that this kind of evaluation needs."""
    return {name: cls(spec) for name, cls in accumulators().items() if cls.wanted(spec)}
