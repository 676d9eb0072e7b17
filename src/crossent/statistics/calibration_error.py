"""Reliability: how often things happen that are said to happen with probability p."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReliabilityBin:
    """One bin of a reliability diagram."""

    low: float
    high: float
    weight: float
    """Σ w of its rows (their number when unweighted)."""
    confidence: float
    """Mean predicted probability."""
    frequency: float
    """Observed frequency."""
    band: tuple[float, float]
    """Where the frequency would lie, 95 % of the time, if the predictions were calibrated."""


@dataclass(frozen=True)
class Reliability:
    """Reliability of one event: "top label" (the predicted class is right) or a class name."""

    event: str
    bins: tuple[ReliabilityBin, ...]
    """Right-closed bins (low, high] that hold rows."""
    error: float
    """Expected calibration error: Σ weight |frequency − confidence| / Σ weight, right-closed bins."""
    error_left_closed: float
    """The same with bins [low, high): differs where predictions lie on bin edges."""
    error_if_calibrated: float
    """What the error would be on average if the predictions were perfectly calibrated, for this n."""
