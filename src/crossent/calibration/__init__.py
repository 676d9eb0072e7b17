"""Recalibration: maps from what a model says to what happens, fitted to labelled rows.

>>> from crossent import calibration
>>> calibration.get("temperature").name
'temperature'
"""

from __future__ import annotations

from crossent.calibration.beta import BetaCalibration
from crossent.calibration.binning import HistogramBinning
from crossent.calibration.contract import CalibrationMap
from crossent.calibration.isotonic import IsotonicCalibration
from crossent.calibration.linear import MatrixScaling, VectorScaling
from crossent.calibration.registry import all_maps, fit, get
from crossent.calibration.shift import black_box_shift
from crossent.calibration.temperature import TemperatureScaling

__all__ = [
    "BetaCalibration",
    "CalibrationMap",
    "HistogramBinning",
    "IsotonicCalibration",
    "MatrixScaling",
    "TemperatureScaling",
    "VectorScaling",
    "all_maps",
    "black_box_shift",
    "fit",
    "get",
]
