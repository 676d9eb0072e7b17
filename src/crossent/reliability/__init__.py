"""What part of a loss is miscalibration, and whether predictions are calibrated at all, on arrays.

>>> from crossent import reliability
>>> reliability.decompose([0, 1], [0.1, 0.9]).in_sample.uncertainty
0.6931471805599453
"""

from __future__ import annotations

from crossent.reliability.functions import (
    ReliabilityCurve,
    calibration_errors,
    consistency_test,
    decompose,
    reliability_curve,
)
from crossent.statistics.calibration_measures import CalibrationErrors
from crossent.statistics.decomposition import Decomposition, NullValue, Parts

__all__ = [
    "CalibrationErrors",
    "Decomposition",
    "NullValue",
    "Parts",
    "ReliabilityCurve",
    "calibration_errors",
    "consistency_test",
    "decompose",
    "reliability_curve",
]
