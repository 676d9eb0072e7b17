"""How many rows does it take? Designs an evaluation before it is paid for.

>>> from crossent import planning
>>> planning.design(0.5, [0.05]).requirements[0].units
787
"""

from __future__ import annotations

from collections.abc import Sequence

from crossent.describing import Describer
from crossent.errors import UsageError
from crossent.evaluation import Evaluation
from crossent.statistics.designs import POWER, Design, Requirement, design, deviations
from crossent.statistics.power import minimum_detectable_difference, required_units
from crossent.wording import confidence, count, percent, plain, things

__all__ = [
    "Design",
    "Requirement",
    "design",
    "from_pilot",
    "minimum_detectable_difference",
    "required_units",
    "sentences",
]


def from_pilot(
    pilot: Evaluation,
    differences: Sequence[float] = (),
    *,
    models: tuple[str, str] | None = None,
    level: float = 0.95,
    power: float = POWER,
    comparisons: int = 1,
) -> Design:
    """A design from a saved evaluation of at least two models: its rows say how losses scatter.

    differences : to be shown, in the unit of the loss [default: the observed one, a half and a tenth of it].
    models : the two to compare [default: the two of lowest loss].
    Clusters are the units where the pilot has them. Raises UsageError where the pilot has no two models of
    finite loss, or not those named, or two whose losses are the same in every row.

    >>> import crossent
    >>> labels = [0, 1] * 50
    >>> p = [0.1, 0.8, 0.3, 0.6] * 25
    >>> q = [0.2, 0.7, 0.2, 0.9] * 25
    >>> pilot = crossent.select({"a": {"label": labels, "p_1": p}, "b": {"label": labels, "p_1": q}})
    >>> from_pilot(pilot.evaluation, [0.02]).requirements[0].units
    960
    """
    describer = Describer(pilot)
    summary = describer.headline()
    names = models or _two_best(dict(zip(summary.names, summary.mean.tolist(), strict=True)))
    unknown = [name for name in names if name not in summary.names]
    if unknown:
        raise UsageError(
            "unknown-model",
            f"there is no model named {unknown[0]!r}",
            cure=f"the models are {', '.join(summary.names)}",
        )
    paired, unpaired = (describer.scale * d for d in deviations(summary, *names))
    if not paired > 0.0:
        raise UsageError(
            "nothing-varies",
            f"the losses of {names[0]} and {names[1]} differ by the same amount in every {summary.unit_name}",
            cure="name two other models, or the deviation itself",
        )
    first, second = (summary.names.index(name) for name in names)
    gap = describer.scale * abs(float(summary.mean[first] - summary.mean[second]))
    return design(
        paired,
        differences or [gap, gap / 2, gap / 10] if gap or differences else (),
        unpaired_deviation=unpaired,
        level=level,
        power=power,
        comparisons=comparisons,
        units=summary.units,
        unit_name=summary.unit_name,
        rows_per_unit=pilot.moments[names[0]].rows / summary.units,
    )


def _two_best(loss: dict[str, float]) -> tuple[str, str]:
    finite = sorted((value, name) for name, value in loss.items() if value < float("inf"))
    if len(finite) < 2:
        raise UsageError(
            "nothing-to-plan",
            "a design needs two models of finite loss",
            cure="give a pilot of two models, or the standard deviation of the differences with --sd",
        )
    return finite[0][1], finite[1][1]


def sentences(found: Design) -> list[str]:
    """The design in words, the most important sentence first."""
    said = [_requirement(found, needed) for needed in found.requirements]
    if found.detectable is not None and found.units is not None:
        said.append(
            f"The {things(found.units, found.unit_name)} of the pilot show a difference of "
            f"{plain(found.detectable)} with power {percent(found.power, 0)}."
        )
    if found.unpaired_deviation is not None:
        times = (found.unpaired_deviation / found.deviation) ** 2
        said.append(
            f"Judging both models on the same {found.unit_name}s is worth a factor {plain(times, 1)} in "
            "their number."
        )
    if found.comparisons > 1:
        each = confidence(found.level)
        said.append(f"Each of {count(found.comparisons)} comparisons is made at {each} (Bonferroni).")
    return said


def _requirement(found: Design, needed: Requirement) -> str:
    rows = "" if found.rows_per_unit == 1.0 else f" ({count(round(needed.units * found.rows_per_unit))} rows)"
    apart = ""
    if needed.unpaired is not None:
        apart = f", {count(needed.unpaired)} of each model where they are not the same"
    return (
        f"To show a difference of {plain(needed.difference)} with power {percent(found.power, 0)} takes "
        f"{things(needed.units, found.unit_name)}{rows}{apart}."
    )
