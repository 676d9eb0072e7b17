"""Recalibration: maps from what a model says to what happens, fitted to labelled rows.

>>> from crossent import calibration
>>> calibration.get("temperature").name
'temperature'
"""

from __future__ import annotations

from crossent.calibration.contract import CalibrationMap
from crossent.calibration.registry import all_maps, fit, get

__all__ = ["CalibrationMap", "all_maps", "fit", "get"]
