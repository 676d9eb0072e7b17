"""Every error crossent raises on purpose.

    CrossentError            anything below; the command line prints it and exits with 1
    ├── DataError            something is wrong with the data: says where, what and what to do
    ├── UsageError           an option or argument cannot be used as given; exits with 2
    ├── MergeError           two saved evaluations cannot be added
    └── MissingExtra         an optional dependency is not installed

Each carries a `slug`, the heading under which `docs/messages.md` explains cause and cure.
"""

from __future__ import annotations

from typing import Any


class CrossentError(Exception):
    """Base of all errors crossent raises on purpose."""

    exit_code = 1

    def __init__(self, slug: str, problem: str, *, cure: str = "") -> None:
        self.slug = slug
        self.problem = problem
        self.cure = cure
        super().__init__(self.text())

    def __reduce__(self) -> tuple[Any, ...]:
        # an exception is pickled by its arguments, which are others: workers send theirs home
        return _again, (type(self), vars(self))

    def text(self) -> str:
        """The whole message in one paragraph: where, what, cure, slug."""
        parts = [f"{self.where()}{self.problem}"]
        if self.cure:
            parts.append(self.cure)
        return f"{' — '.join(parts)} [{self.slug}]"

    def where(self) -> str:
        return ""


def _again(kind: type[CrossentError], facts: dict[str, Any]) -> CrossentError:
    error = kind.__new__(kind)
    vars(error).update(facts)
    Exception.__init__(error, error.text())
    return error


class DataError(CrossentError):
    """The data cannot be used: names file, row (0-based), column, value and cure."""

    def __init__(
        self,
        slug: str,
        problem: str,
        *,
        file: str | None = None,
        row: int | None = None,
        column: str | None = None,
        value: object = None,
        cure: str = "",
    ) -> None:
        self.file = file
        self.row = row
        self.column = column
        self.value = value
        super().__init__(slug, problem, cure=cure)

    def where(self) -> str:
        place = [self.file] if self.file else []
        if self.row is not None:
            place.append(f"row {self.row}")
        if self.column is not None:
            place.append(f"column {self.column}")
        if self.value is not None:
            place.append(f"value {self.value}")
        return f"{', '.join(place)}: " if place else ""


class UsageError(CrossentError):
    """An option or argument cannot be used as given."""

    exit_code = 2


class MergeError(CrossentError):
    """Two saved evaluations cannot be added."""


class MissingExtra(CrossentError):
    """An optional dependency is not installed; the message says what to install."""

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(
            "missing-extra",
            f"{purpose} needs packages that are not installed",
            cure=f"install them with: pip install 'crossent[{extra}]'",
        )
