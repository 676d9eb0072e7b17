"""Names that look as if they had an order. It is mentioned, never acted on unasked."""

from __future__ import annotations

import re
from collections.abc import Sequence

SCALES = (
    "very low, low, medium low, medium, medium high, high, very high",
    "very low, low, moderate, high, very high",
    "none, mild, moderate, severe, very severe, extreme",
    "none, low, medium, high, critical",
    "extra small, small, medium, large, extra large",
    "tiny, small, medium, large, huge",
    "xxs, xs, s, m, l, xl, xxl, xxxl",
    "strongly disagree, disagree, somewhat disagree, neutral, somewhat agree, agree, strongly agree",
    "very dissatisfied, dissatisfied, neutral, satisfied, very satisfied",
    "never, rarely, sometimes, often, usually, always",
    "very bad, bad, fair, good, very good, excellent",
    "very poor, poor, fair, good, very good, excellent",
    "very poor, poor, average, good, very good, excellent",
    "fair, good, very good, premium, ideal",
    "negative, neutral, positive",
    "first, second, third, fourth, fifth",
    "cold, cool, warm, hot",
    "young, middle, old",
    "beginner, intermediate, advanced, expert",
    "primary, secondary, tertiary",
    "bronze, silver, gold, platinum",
    "much worse, worse, about the same, better, much better",
    "unacc, acc, good, vgood",
    "low, med, high, vhigh",
)
"""Scales in common use, each from its low end to its high end."""
_FEWEST = 3
_NUMBERED = re.compile(r"(\D*)(\d+(?:\.\d+)?)(.*)")
_UPPER_END = re.compile(r"\s*(?:-|–|to)\s*\d+(?:\.\d+)?|\+")
_BELOW, _ABOVE = ("<", "<=", "≤", "under", "below"), (">", ">=", "≥", "over", "above")


def recognised(names: Sequence[str]) -> tuple[str, ...] | None:
    """The names from low to high where they are of one known scale, are numbered or are ranges; else None.

    >>> recognised(["low", "high", "medium"])
    ('low', 'medium', 'high')
    >>> recognised(["stage 2", "stage 10", "stage 1"]), recognised(["10-20", "<10", "20+"])
    (('stage 1', 'stage 2', 'stage 10'), ('<10', '10-20', '20+'))
    >>> recognised(["cat", "dog", "bird"])
    """
    if not _FEWEST <= len(names) <= 50:
        return None
    plain = {name: " ".join(name.lower().replace("_", " ").replace("-", " ").split()) for name in names}
    for scale in (text.split(", ") for text in SCALES):
        if set(plain.values()) <= set(scale) and len(set(plain.values())) == len(names):
            return tuple(sorted(names, key=lambda name: scale.index(plain[name])))
    places = [_place(name) for name in names]
    if len({place[0] for place in places if place}) != 1 or None in places:
        return None
    order = {place[1]: name for place, name in zip(places, names, strict=True) if place}
    return tuple(order[number] for number in sorted(order)) if len(order) == len(names) else None


def _place(name: str) -> tuple[tuple[str, str], tuple[float, int]] | None:
    """What stands around the number of a name, and where the name belongs; None without a number.

    The upper end of a range is left aside: 10-20 belongs to 10.
    """
    match = _NUMBERED.fullmatch(name.strip().lower())
    if match is None:
        return None
    before, number, after = match[1].strip(), float(match[2]), match[3]
    side = -1 if before in _BELOW else 1 if before in _ABOVE else 0
    return ("" if side else before, _UPPER_END.sub("", after, count=1).strip()), (number, side)
