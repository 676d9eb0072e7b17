"""What mixing models gains, in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from crossent.statistics.combination import Combination, Gain
from crossent.statistics.estimates import Estimate
from crossent.wording import confidence, interval, percent, plain, things, with_error

SHOWN = 4
"""Models named in a sentence; the others are counted."""
NOTHING = 5e-4
"""A weight that is 0.0 % when shown."""


def verdict(found: Combination, level: float) -> str:
    """Whether to mix, in one sentence."""
    gain, mixture = found.gain, _mixture(found)
    if gain is None:
        return f"The mixture would be {mixture}; there are too few rows or clusters to say what it gains."
    if sum(weight >= NOTHING for weight in found.weights) == 1 and _top(found) == gain.best:
        return f"Mixing gains nothing: the weights leave {gain.best} alone."
    if math.isnan(gain.gain.value):
        return f"Mixing {mixture} cannot be judged: both the mixture and {gain.best} have infinite loss."
    if gain.gain.value == math.inf:
        return f"Mixing {mixture} turns the infinite loss of {gain.best} into a finite one."
    if gain.gain.value == -math.inf:
        return f"Mixing {mixture} would give a label probability 0, which {gain.best} alone does not."
    amount = f"{with_error(_absolute(gain))} nats a row against {gain.best} alone"
    ends = gain.gain.interval(level)
    if ends is None:
        return f"Mixing {mixture} changes the loss by {amount}; of its error nothing can be said."
    change = f"Mixing {mixture} would {'lower' if gain.gain.value >= 0 else 'raise'} the loss by {amount}"
    if ends[0] <= 0.0 <= ends[1]:
        return f"{change}: no more than chance explains, so not worth it."
    if gain.gain.value < 0.0:
        return f"{change}: {gain.best} alone is better."
    return f"{change}: more than chance explains."


def remarks(found: Combination, level: float) -> tuple[str, ...]:
    """What the verdict rests on."""
    said = []
    gain = found.gain
    if gain is not None:
        said.append(_judged(gain, level))
    if found.gap is not None:
        said.append(
            f"On these rows no other weights lower the loss by more than {plain(found.gap)} nats a row."
        )
    return tuple(said)


def _judged(gain: Gain, level: float) -> str:
    of = "rows" if gain.unit_name == "row" else f"whole values of {gain.unit_name}"
    parts = f"weights from {gain.folds - 1} of {gain.folds} folds ({of}), loss on the other"
    text = f"The gain is cross-validated: {parts}"
    ends = interval(gain.gain, level, sign=True)
    text += f"; its {confidence(level)} interval is {ends}." if gain.gain.se else "."
    if math.isfinite(gain.in_sample):
        text += f" On the rows that made the weights it would look like {_alike(gain)}."
    return text


def _mixture(found: Combination) -> str:
    """gbdt (70.1 %) and logistic (29.9 %)"""
    order = sorted(range(len(found.models)), key=lambda k: -found.weights[k])
    used = [k for k in order if found.weights[k] >= NOTHING]
    words = [f"{found.models[k]} ({percent(found.weights[k])})" for k in used[:SHOWN]]
    if len(used) > SHOWN:
        words.append(things(len(used) - SHOWN, "other model"))
    return _listed(words)


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _top(found: Combination) -> str:
    return found.models[max(range(len(found.models)), key=lambda k: found.weights[k])]


def _absolute(gain: Gain) -> Estimate:
    return gain.gain.scaled(1.0 if gain.gain.value >= 0 else -1.0)


def _alike(gain: Gain) -> str:
    """The gain in sample, to the digits of the cross-validated one."""
    return with_error(replace(gain.gain, value=gain.in_sample), sign=True).partition(" ±")[0]
