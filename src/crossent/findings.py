"""What the rows told when they were read once more, as plain frozen data: a field an analysis.

Sums tell most of what is known of a model; these are the answers that they cannot give. The record of each is
defined beside its statistics. A field is empty where the analysis has nothing to say of these data.
"""

from __future__ import annotations

from dataclasses import dataclass

from crossent.statistics.calibration_measures import CalibrationErrors
from crossent.statistics.combination import Combination
from crossent.statistics.decomposition import Decomposition
from crossent.statistics.influence import Influence
from crossent.statistics.recalibration import Recalibration
from crossent.statistics.serial import SerialDependence


@dataclass(frozen=True)
class Findings:
    """What the rows told when they were read once more (`--deep`)."""

    rows: int
    """Rows that were looked at."""
    total: int
    """Rows of the data: where these are more, the others were left out by chance, by a hash of the row id."""
    seed: int
    """Of that choice, and of every simulation."""
    combination: Combination | None = None
    """What mixing the models would gain; None where the loss is no log loss, or there is one model."""
    decomposition: tuple[Decomposition, ...] = ()
    """Of every model whose predictions can be recalibrated, in rank order."""
    calibration: tuple[CalibrationErrors, ...] = ()
    """Measures of calibration of every model and event, in rank order."""
    influence: tuple[Influence, ...] = ()
    """What the difference between the best model and those near it hangs on; empty for one model."""
    recalibration: tuple[Recalibration, ...] = ()
    """What recalibration would gain for each model that gives every class a probability."""
    serial: tuple[SerialDependence, ...] = ()
    """Whether rows next to each other are alike, in each model's difference to the best; empty with
    clusters."""
