"""Exact sums and sums of products of float64 numbers, independent of order, batches, threads and machines.

Every float64 is an integer multiple of 2⁻¹⁰⁷⁴, so a sum of them is an integer in that unit, and a sum of
products one in units of 2⁻²¹⁴⁸. `cut` writes an array as  x = Σ_j h_j · 2^g_j  with few-bit integers h_j: few
enough that a block's sum, histogram or dot product of slices is exact in float64 whatever the order of its
additions (the error-free splitting of Ozaki, Ogita, Oishi & Rump 2012, doi:10.1007/s11075-011-9478-1). The
block results are added as integers. Merging is integer addition: associative, commutative, without error.
The compiled core cuts the same way, in registers; its integers are the same.
"""

from __future__ import annotations

from crossent.exact.cells import counts_of
from crossent.exact.limbs import LimbSums
from crossent.exact.slices import (
    PRODUCT_UNIT,
    SUM_UNIT,
    Floats,
    Ints,
    Slices,
    core,
    cut,
    cut_for_sums,
    cut_for_tables,
)
from crossent.exact.sums import exact_gram, exact_mean, exact_sum, to_float, to_fraction

__all__ = [
    "PRODUCT_UNIT",
    "SUM_UNIT",
    "Floats",
    "Ints",
    "LimbSums",
    "Slices",
    "core",
    "counts_of",
    "cut",
    "cut_for_sums",
    "cut_for_tables",
    "exact_gram",
    "exact_mean",
    "exact_sum",
    "to_float",
    "to_fraction",
]
