"""What sums cannot tell: the rows are read once more, and each analysis says what it finds."""

from __future__ import annotations

from crossent.deep.gathering import gather
from crossent.deep.registry import Look, analysis, look
from crossent.deep.table import Predictions, RowTable

__all__ = ["Look", "Predictions", "RowTable", "analysis", "gather", "look"]
