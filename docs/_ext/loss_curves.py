"""Which curves show what a loss does: by its target and kinds of prediction, never by its name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from crossent.losses import Loss, get
from crossent.losses.contract import PARAMETERS

Floats = NDArray[np.float64]

STEPS = 160
"""Even, so that no point lies on a tie or a kink in the middle."""
CLASS_ORDER = ("log_probs", "logits", "probs", "label_logprob")
FEW = 5
"""Quantiles or samples of a forecast that is drawn."""


@dataclass(frozen=True)
class Curve:
    """A line of one colour: `own`, `second` (of the same loss), or `reference`, which is log loss."""

    label: str
    role: str
    x: Floats
    y: Floats


@dataclass(frozen=True)
class Panel:
    """A pair of axes. Points are marked where x takes whole numbers only."""

    title: str
    x_label: str
    curves: tuple[Curve, ...]
    points: bool = False


def drawn(loss: Loss) -> Loss:
    """The loss with the parameters it needs to be drawn."""
    return loss.example({"class": 2, "ordinal": 5, "indicators": 1, "distribution": 2}.get(loss.target, FEW))


def panels(loss: Loss) -> tuple[Panel, ...]:
    """The value, and beside it the derivative where the loss has one."""
    return tuple(_BY_TARGET[loss.target](loss))


# --- classes ----------------------------------------------------------------------------------------------


def of_classes(loss: Loss) -> Iterator[Panel]:
    """Two classes: the loss by the label's probability, its slope by the margin of the logits."""
    mine, reference = drawn(loss), get("log_loss")
    kind = next(k for k in CLASS_ORDER if k in loss.kinds)
    p = np.linspace(0.005, 0.995, STEPS)
    values = [mine.value(*_two_classes(p, label, kind), kind) for label in (0, 1)]
    log_loss = Curve("log loss", "reference", p, reference.value(*_two_classes(p, 0, "probs"), "probs"))
    curves = _by_label(loss.title, p, values)
    yield Panel("Loss of a row", "probability of the label", _beside(curves, log_loss, loss))

    slope_kind = "logits" if "logits" in loss.kinds else kind
    margin = np.linspace(-6, 6, STEPS)
    x = margin if slope_kind == "logits" else p
    p = 1 / (1 + np.exp(-x)) if slope_kind == "logits" else p
    slopes = [_label_slope(mine, p, label, slope_kind) for label in (0, 1)]
    if slopes[0] is None or slopes[1] is None:
        return
    log_loss = Curve("log loss", "reference", x, _label_slope(reference, p, 0, slope_kind))
    by = "the label's logit" if slope_kind == "logits" else "the prediction"
    of = "logit of the label − logit of the other" if slope_kind == "logits" else "probability of the label"
    curves = _by_label(loss.title, x, [s for s in slopes if s is not None])
    yield Panel(f"Derivative by {by}", of, _beside(curves, log_loss, loss))


def _two_classes(p: Floats, label: int, kind: str) -> tuple[NDArray[np.int64], Floats]:
    """Labels and predictions that give the label the probability p; logits are log-probabilities."""
    labels = np.full(len(p), label)
    both = np.column_stack([p, 1 - p])[:, :: 1 if label == 0 else -1]
    if kind == "label_logprob":
        return labels, np.log(p)
    return labels, both if kind == "probs" else np.log(both)


def _label_slope(loss: Loss, p: Floats, label: int, kind: str) -> Floats | None:
    labels, prediction = _two_classes(p, label, kind)
    try:
        slope = loss.gradient(labels, prediction, kind)
    except NotImplementedError:
        return None
    return slope if slope.ndim == 1 else slope[:, label]


def _by_label(title: str, x: Floats, values: list[Floats]) -> tuple[Curve, ...]:
    """One curve, or one for each label where the loss tells them apart."""
    if np.allclose(values[0], values[1], rtol=1e-9, equal_nan=True):
        return (Curve(title, "own", x, values[0]),)
    return (
        Curve("class 0", "own", x, values[0]),
        Curve("class 1", "second", x, values[1]),
    )


def _beside(curves: tuple[Curve, ...], reference: Curve, loss: Loss) -> tuple[Curve, ...]:
    return curves if loss.name == "log_loss" else (reference, *curves)


# --- classes with an order, several labels, distributions -------------------------------------------------


def of_ordered_classes(loss: Loss) -> Iterator[Panel]:
    """Five classes, label 2, and a bell-shaped forecast that moves from one end to the other."""
    mine, reference = drawn(loss), get("log_loss")
    centre = np.linspace(-0.5, 4.5, STEPS)
    above = 2.5 * (centre[:, None] - np.arange(0.5, 4.5))
    exceeds = 1 / (1 + np.exp(-above))
    p = -np.diff(exceeds, axis=1, prepend=1.0, append=0.0)
    labels = np.full(STEPS, 2)
    forms = {"cumulative_logits": above, "probs": p, "log_probs": np.log(p), "logits": np.log(p)}
    kind = next(k for k in forms if k in loss.kinds)
    x_label = "centre of the forecast; the label is 2 of 0 … 4"
    curves = (Curve(loss.title, "own", centre, mine.value(labels, forms[kind], kind)),)
    log_loss = Curve("log loss", "reference", centre, reference.value(labels, p, "probs"))
    yield Panel("Loss of a row", x_label, _beside(curves, log_loss, loss))
    if kind == "cumulative_logits":
        try:
            slope = mine.gradient(labels, above, kind).sum(axis=1)
        except NotImplementedError:
            return
        yield Panel("Derivative by moving the forecast", x_label, (Curve(loss.title, "own", centre, slope),))


def of_indicators(loss: Loss) -> Iterator[Panel]:
    """A single label that is there (1) or not (0)."""
    mine = drawn(loss)
    z = np.linspace(-5.3, 5.3, STEPS)
    p = 1 / (1 + np.exp(-z))
    kind = "logits" if "logits" in loss.kinds else "probs"
    prediction = (z if kind == "logits" else p)[:, None]
    there = [np.full((STEPS, 1), y) for y in (1.0, 0.0)]
    values = [mine.value(y, prediction, kind) for y in there]
    log_loss = Curve("log loss, 1", "reference", p, np.logaddexp(0, -z))
    yield Panel("Loss of a label", "probability of 1", (log_loss, *_of_both(p, values)))
    try:
        slopes = [mine.gradient(y, prediction, kind)[:, 0] for y in there]
    except NotImplementedError:
        return
    x, by = (z, "logit") if kind == "logits" else (p, "probability")
    log_loss = Curve("log loss, 1", "reference", x, p - 1 if kind == "logits" else -1 / p)
    yield Panel(f"Derivative by the {by}", f"{by} of 1", (log_loss, *_of_both(x, slopes)))


def _of_both(x: Floats, values: list[Floats]) -> tuple[Curve, Curve]:
    return Curve("label 1", "own", x, values[0]), Curve("label 0", "second", x, values[1])


def of_distributions(loss: Loss) -> Iterator[Panel]:
    """Two classes, one sure truth and one in between."""
    mine = drawn(loss)
    z = np.linspace(-5.3, 5.3, STEPS)
    p = 1 / (1 + np.exp(-z))
    log_p = np.column_stack([-np.logaddexp(0, -z), -np.logaddexp(0, z)])
    kind = next(k for k in CLASS_ORDER if k in loss.kinds)
    prediction = np.exp(log_p) if kind == "probs" else log_p
    truths = {"truth (0.7, 0.3)": ("own", [0.7, 0.3]), "truth (1, 0)": ("second", [1.0, 0.0])}
    tiled = {name: (role, np.tile(t, (STEPS, 1))) for name, (role, t) in truths.items()}
    curves = (Curve(n, role, p, mine.value(t, prediction, kind)) for n, (role, t) in tiled.items())
    yield Panel("Loss of a row", "probability of the first class", tuple(curves))
    if "logits" in loss.kinds:
        curves = (
            Curve(n, role, z, mine.gradient(t, log_p, "logits")[:, 0]) for n, (role, t) in tiled.items()
        )
        yield Panel("Derivative by the first logit", "first logit − second", tuple(curves))


# --- numbers ----------------------------------------------------------------------------------------------


def of_numbers(loss: Loss) -> Iterator[Panel]:
    """What happens moves past one or two fixed forecasts."""
    mine, kind = drawn(loss), loss.kinds[0]
    y, x_label = _outcomes(loss.target)
    values, slopes = [], []
    for (label, row), role in zip(_forecasts(kind, mine), ("own", "second"), strict=False):
        prediction = np.tile(row if row.size > 1 or kind in ("quantiles", "samples") else row[0], (y.size, 1))
        prediction = prediction[:, 0] if kind in ("point", "rate", "log_rate") else prediction
        values.append(Curve(label, role, y, mine.value(y, prediction, kind)))
        try:
            slope = mine.gradient(y, prediction, kind)
        except NotImplementedError:
            continue
        slopes.append(Curve(label, role, y, slope if slope.ndim == 1 else slope[:, _moved(kind)].sum(axis=1)))
    points = loss.target == "count"
    yield Panel("Loss of a row", x_label, tuple(values), points)
    if slopes:
        yield Panel(f"Derivative by {_MOVED.get(kind, 'the prediction')}", x_label, tuple(slopes), points)


def _outcomes(target: str) -> tuple[Floats, str]:
    if target == "count":
        return np.arange(0.0, 16.0), "what happened, a count"
    if target == "positive":
        return np.linspace(0.05, 6.0, STEPS), "what happened"
    return np.linspace(-4.0, 4.0, STEPS), "what happened − centre of the forecast"


def _forecasts(kind: str, loss: Loss) -> list[tuple[str, Floats]]:
    """Forecasts to draw, with names: one of width 1 and one of width 2 where a kind has a width."""
    target = loss.target
    if kind in PARAMETERS:
        return [_of_parameters(PARAMETERS[kind], target, width) for width in (1.0, 2.0)]
    if kind in ("rate", "log_rate"):
        return [(f"rate {r:g}", np.array([r if kind == "rate" else np.log(r)])) for r in (4.0, 8.0)]
    if kind == "mixture":
        return [("two normal components", np.array([0.5, 0.5, -1.5, 1.5, 0.6, 0.6]))]
    if kind == "point":
        return [("prediction 0" if target == "real" else "prediction 1", np.array([float(target != "real")]))]
    levels = getattr(loss, "levels", None) or [(k + 1) / (FEW + 1) for k in range(FEW)]
    spread = np.array([NormalDist().inv_cdf(level) for level in levels])
    return [(f"{spread.size} {kind}, width {w:g}", w * spread) for w in (1.0, 2.0)]


def _of_parameters(names: tuple[str, ...], target: str, width: float) -> tuple[str, Floats]:
    """A forecast by parameters: its centre at 0 (counts: 4), its width as asked for."""
    centre = 4.0 if target == "count" else 0.0
    shape = {"degrees of freedom": 3.0, "dispersion": 0.25 * width}
    row = []
    for name in names:
        if name in shape:
            row.append(shape[name])
        elif name.startswith(("mean", "location")):
            row.append(centre)
        elif name.endswith("logarithm"):
            row.append(0.5 * width)
        else:
            row.append(np.log(width) if name.startswith("log ") else width)
    shown = {n: v for n, v in zip(names, row, strict=True) if not n.startswith("log ")}
    if len(shown) < len(names):
        shown[names[-1].removeprefix("log ")] = width
    short = {
        "standard deviation of the logarithm": "σ",
        "mean of the logarithm": "μ",
        "degrees of freedom": "df",
    }
    return ", ".join(f"{short.get(n, n)} {v:g}" for n, v in shown.items()), np.array(row)


_MOVED = {
    "quantiles": "moving all quantiles",
    "samples": "moving all samples",
    "mixture": "moving all components",
    "rate": "the rate",
    "log_rate": "the logarithm of the rate",
    **{
        kind: f"the {next(n for n in names if n[:4] in ('mean', 'loca'))}"
        for kind, names in PARAMETERS.items()
    },
}


def _moved(kind: str) -> slice:
    """The columns that move the forecast as a whole."""
    if kind in PARAMETERS:
        column = next(k for k, name in enumerate(PARAMETERS[kind]) if name[:4] in ("mean", "loca"))
        return slice(column, column + 1)
    return slice(2, 4) if kind == "mixture" else slice(None)


_BY_TARGET = {
    "class": of_classes,
    "ordinal": of_ordered_classes,
    "distribution": of_distributions,
    "indicators": of_indicators,
    "real": of_numbers,
    "positive": of_numbers,
    "count": of_numbers,
}
