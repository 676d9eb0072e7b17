"""Whether rows next to each other are alike: in the order of the data, where no column says what they share.

A sample by chance keeps few neighbours together, but those that it keeps are neighbours like any others: the
correlation with the next row is that of all pairs of rows that are both there.
"""

from __future__ import annotations

import math

import numpy as np

from crossent.deep.registry import Look, analysis
from crossent.statistics.serial import SerialDependence, serial_dependence, serial_dependence_of_sample


@analysis("serial")
def serial(look: Look) -> tuple[SerialDependence, ...]:
    """The difference of each model to the best; empty with clusters, which say what is alike."""
    table, comparison = look.table, look.results.comparison
    if table.cluster is not None or comparison is None:
        return ()
    order = np.argsort(table.position, kind="stable")
    weight, position = table.weights[order], table.position[order]
    losses = table.losses[order]
    base = losses[:, table.index(comparison.reference)]
    found = []
    for difference in comparison.differences:
        if not math.isfinite(difference.difference.value):
            continue
        gap = losses[:, table.index(difference.model)] - base
        # a weight of 0 counts nothing, whatever the loss
        gap = np.where(weight > 0.0, gap, 0.0)
        residuals = weight * (gap - float(weight @ gap) / float(weight.sum()))
        names = (difference.model, comparison.reference)
        if table.sampled:
            found.append(serial_dependence_of_sample(*names, residuals, position, table.total, weight.sum()))
        else:
            found.append(serial_dependence(*names, residuals, float(weight.sum())))
    return tuple(f for f in found if f is not None)
