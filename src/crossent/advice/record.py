"""The advice as plain frozen data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from crossent.advice.facts import Facts
from crossent.advice.libraries import Spelling
from crossent.advice.reading import Reading

FORMAT = "crossent-advice"
VERSION = 1


@dataclass(frozen=True)
class Named:
    """A loss of the registry: `name` as `crossent.loss` and `--loss` take it, and its title."""

    name: str
    title: str


@dataclass(frozen=True)
class Alternative:
    """What another reading of the labels would lead to, the option that asks for it, and when to ask."""

    option: str
    when: str
    training: tuple[Named, ...]
    evaluation: tuple[Named, ...]


@dataclass(frozen=True)
class Advice:
    """Which loss to train with and which score to judge by, with reasons.

    `training` holds one loss, or two where the model has two parts; `evaluation` the score that decides and
    then those to look at beside it.
    """

    facts: Facts
    reading: Reading
    training: tuple[Named, ...]
    evaluation: tuple[Named, ...]
    alternatives: tuple[Alternative, ...]
    libraries: tuple[Spelling, ...]
    reasons: tuple[str, ...]
    would_change: tuple[str, ...]
    warnings: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def task(self) -> str:
        """The reading: binary, classes, ordered, multilabel, distribution, count, fraction or real."""
        return self.reading.task

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data for JSON. Fields are only ever added within a version."""
        return {"format": FORMAT, "version": VERSION, "task": self.task, **asdict(self)}

    def __str__(self) -> str:
        from crossent.advice.text import as_text

        return as_text(self)
