"""One evaluation or selection, ready to be printed."""

from __future__ import annotations

from dataclasses import dataclass, field

from crossent.findings import Findings
from crossent.results.comparison import Comparison, Gate, HeldOut
from crossent.results.data import DataRecord
from crossent.results.model import ModelResult
from crossent.statistics.stopping import Stopping


@dataclass(frozen=True)
class Note:
    """Something the reader must know: `slug` is its heading in docs/messages.md."""

    slug: str
    """Lower-case words joined by hyphens."""
    text: str
    """One or two sentences."""


@dataclass(frozen=True)
class Results:
    """One evaluation or selection, ready to be printed."""

    title: str
    """Heading of the report."""
    loss: str
    """Registry name of the headline loss, "log_loss" for example."""
    loss_title: str
    """The loss in words, "log loss" for example."""
    unit: str
    """"nats", "bits per byte" when bytes are named and units are paired, "the label's unit" and the like for
    losses of numbers, "1" for a score without a unit."""
    floor: float | None
    """The floor that was asked for as the headline, else None: zero is zero."""
    renormalised: bool
    """True when rows were divided by their sum, as asked."""
    data: DataRecord
    """What was read, and how it was understood."""
    models: tuple[ModelResult, ...]
    """In rank order."""
    comparison: Comparison | None
    """None for one model."""
    rule: str | None
    """"best", "one-se" or "mcs"; None for one model."""
    chosen: str | None
    """Name of the model the rule chose; None where there is none."""
    statements: tuple[str, ...]
    """The verdict in sentences, the first one first."""
    gate: Gate | None
    """None where no baseline is named."""
    notes: tuple[Note, ...]
    """In a fixed order; empty when there is nothing to know."""
    provenance: tuple[tuple[str, str], ...] = field(default=())
    """(what, value): crossent version, Python, NumPy, platform, command, time."""
    findings: Findings | None = None
    """What the rows told when they were read once more; None where that was not asked for."""

    stopping: Stopping | None = None
    """None where reading was not to stop when decided; else what was read, which need not be all rows."""

    held_out: HeldOut | None = None
    """None where the choice was made on the rows that are reported on."""

    def model(self, name: str) -> ModelResult:
        """The result of the model of that name."""
        return next(m for m in self.models if m.name == name)

    @property
    def about_numbers(self) -> bool:
        """Whether the label is a number."""
        return any(m.numbers is not None for m in self.models)

    @property
    def in_unit(self) -> str:
        """ " in nats"; nothing for a score that has no unit."""
        article = "the " if self.unit.startswith("square") else ""
        return "" if self.unit == "1" else f" in {article}{self.unit}"

    @property
    def axis(self) -> str:
        """What an axis of losses is called: the unit, or the name of a score without one."""
        return self.loss_title if self.unit == "1" else self.unit
