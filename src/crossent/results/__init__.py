"""What is known at the end, as plain frozen data: the contract between selection and report.

Nothing here computes. `evaluation` and `selection` fill these records from exact sums; sections of the
report and the JSON document read them. A number that is undefined is None, an infinite loss is `inf`.
"""

from __future__ import annotations

from crossent.results.comparison import Comparison, Gate, HeldOut, HeldOutLoss
from crossent.results.data import DataRecord, FileRecord, SourceRecord
from crossent.results.model import (
    Floor,
    Level,
    ModelResult,
    Numbers,
    Quality,
    Renormalised,
    Skill,
    Slice,
    Tails,
    WorstRow,
)
from crossent.results.whole import Note, Results

__all__ = [
    "Comparison",
    "DataRecord",
    "FileRecord",
    "Floor",
    "Gate",
    "HeldOut",
    "HeldOutLoss",
    "Level",
    "ModelResult",
    "Note",
    "Numbers",
    "Quality",
    "Renormalised",
    "Results",
    "Skill",
    "Slice",
    "SourceRecord",
    "Tails",
    "WorstRow",
]
