"""Comparing models while the rows come in: statements that hold however often one looks.

>>> from crossent import sequential
>>> race = sequential.Race(["calm", "bold"])
>>> race.update_losses({"calm": [0.1, 0.2] * 200, "bold": [0.4, 0.6] * 200}).leader
'calm'
"""

from __future__ import annotations

from crossent.sequential.race import Decision, Race
from crossent.statistics.confidence_sequences import asymptotic, betting, empirical_bernstein, hoeffding
from crossent.statistics.e_processes import PredictableRange, brier_gains, log_score_gains

__all__ = [
    "Decision",
    "PredictableRange",
    "Race",
    "asymptotic",
    "betting",
    "brier_gains",
    "empirical_bernstein",
    "hoeffding",
    "log_score_gains",
]
