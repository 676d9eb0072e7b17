"""Checks that what is added to crossent keeps its contract, for our own tests and for third parties."""

from __future__ import annotations

from crossent.testing.accumulator import check_accumulator
from crossent.testing.loss import check_loss
from crossent.testing.reader import check_reader

__all__ = ["check_accumulator", "check_loss", "check_reader"]
