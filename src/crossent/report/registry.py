"""The sections of a report, registered by decorator and built in order.

A module in `crossent.report.sections` is found by listing that package; code elsewhere registers its own
section by using the same decorator before the report is rendered.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from crossent.errors import UsageError
from crossent.report import sections as package
from crossent.report.blocks import Section
from crossent.results import Results

SectionFunction = Callable[[Results], Section | None]


@dataclass(frozen=True)
class Entry:
    """A registered section; `brief` ones are what a terminal shows when not everything is asked for."""

    order: int
    name: str
    function: SectionFunction
    brief: bool


_ENTRIES: dict[str, Entry] = {}


def section(*, order: int, brief: bool = False) -> Callable[[SectionFunction], SectionFunction]:
    """Register a function Results → Section, or None where it has nothing to say.

    Sections are printed by ascending `order`; the built-in ones are at 10, 20, … 110.
    """

    def register(function: SectionFunction) -> SectionFunction:
        name = f"{function.__module__}.{function.__qualname__}"
        _ENTRIES[name] = Entry(order, name, function, brief)
        return function

    return register


def unregister(function: SectionFunction) -> None:
    """Take a registered section out again."""
    _ENTRIES.pop(f"{function.__module__}.{function.__qualname__}", None)


def entries() -> tuple[Entry, ...]:
    """All registered sections in order."""
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return tuple(sorted(_ENTRIES.values(), key=lambda e: (e.order, e.name)))


def build(results: Results, *, brief: bool = False) -> tuple[Section, ...]:
    """The sections that have something to say about these results.

    Raises UsageError `section-anchor-taken` when two sections claim the same anchor.
    """
    chosen = [e for e in entries() if e.brief or not brief]
    built = tuple(s for s in (e.function(results) for e in chosen) if s is not None)
    anchors = [s.anchor for s in built]
    for anchor in anchors:
        if anchors.count(anchor) > 1:
            raise UsageError(
                "section-anchor-taken",
                f"two sections of the report have the anchor {anchor!r}",
                cure="give the section you registered another anchor",
            )
    return built
