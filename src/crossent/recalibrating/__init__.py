"""Recalibration of files: a map is fitted to labelled predictions, saved, and applied to others."""

from __future__ import annotations

from crossent.recalibrating.applying import Applied, apply
from crossent.recalibrating.fitting import Fitted, fit
from crossent.recalibrating.saving import SavedMap

__all__ = ["Applied", "Fitted", "SavedMap", "apply", "fit"]
