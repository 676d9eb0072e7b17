"""Which loss is the headline, and what stands beside it: by the kinds of prediction, never by values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

from crossent import losses
from crossent.data.layout import UNSEEN_MASS, Layout
from crossent.data.readers import Source
from crossent.engines.figures import figure_names
from crossent.errors import DataError, UsageError
from crossent.losses import Loss
from crossent.losses.contract import CLASS_KINDS

DEFAULTS = {
    **dict.fromkeys(CLASS_KINDS, "log_loss"),
    "mean_std": "gaussian_nll",
    "quantiles": "pinball",
    "samples": "crps",
    "point": "squared_error",
}
"""The headline loss of each kind of prediction where none is asked for."""
CLASS_COMPANIONS = ("log_loss", "brier", "zero_one")
"""Losses that stand beside the headline loss where whole distributions over classes are known."""
NUMBER_COMPANIONS = {
    "mean_std": ("crps", "squared_error"),
    "quantiles": (),
    "samples": ("crps", "crps_fair", "squared_error"),
    "point": ("squared_error", "absolute_error"),
}
"""The same for predictions about a number, by their kind."""


def headline(
    name: str | None, layouts: Sequence[Layout], sources: Sequence[Source], levels: tuple[float, ...]
) -> Loss:
    """The loss of that name, or the default of the models' kinds, with what parameters the data give it.

    Raises UsageError where the kinds have no default in common, and DataError where the loss cannot be
    computed from a model's kind of prediction.
    """
    kinds = tuple(dict.fromkeys(layout.kind for layout in layouts))
    if name is None:
        defaults = dict.fromkeys(DEFAULTS[kind] for kind in kinds)
        if len(defaults) > 1:
            raise UsageError(
                "no-common-loss",
                f"the models' predictions are {' and '.join(kinds)}, whose usual losses are "
                f"{' and '.join(defaults)}",
                cure=_choose_from(kinds),
            )
        (name,) = defaults
    loss = losses.get(name)
    for layout, source in zip(layouts, sources, strict=True):
        if not _fits(loss, layout.kind):
            raise _does_not_fit(loss, layout, source, kinds)
    if not _exact_for_all(loss, kinds):
        raise UsageError(
            "approximate-crps",
            f"the {loss.title} of quantiles is approximated from their levels, that of "
            f"{' and '.join(kind for kind in kinds if kind != 'quantiles')} is exact: the difference would "
            "say more about the levels than about the models",
            cure=_choose_from(kinds),
        )
    return _with_levels(loss, levels)


def _fits(loss: Loss, kind: str) -> bool:
    targets = ("class", "ordinal") if kind in CLASS_KINDS else ("real",)
    return kind in loss.kinds and loss.target in targets


def _exact_for_all(loss: Loss, kinds: Sequence[str]) -> bool:
    """Whether the loss is the same score for all kinds; seven quantiles of the diabetes data have a CRPS
    that is too low by a fifth.
    """
    return loss.name != "crps" or "quantiles" not in kinds or len(kinds) == 1


def _does_not_fit(loss: Loss, layout: Layout, source: Source, kinds: Sequence[str]) -> DataError:
    if layout.kind == "label_logprob":
        return DataError(
            "loss-needs-distribution",
            f"{loss.title} needs whole distributions, there is only {layout.kind}",
            file=source.name,
            cure="use --loss log_loss",
        )
    return DataError(
        "loss-and-kind",
        f"{loss.title} cannot be computed from {layout.kind}",
        file=source.name,
        cure=_choose_from(kinds),
    )


def _choose_from(kinds: Sequence[str]) -> str:
    allowed = sorted(
        loss.name
        for loss in losses.all_losses()
        if all(_fits(loss, kind) for kind in kinds) and _exact_for_all(loss, kinds)
    )
    if not allowed:
        return "no loss can be computed from all of them: compare the models of one kind"
    return f"choose one that all of them allow with --loss: {', '.join(allowed)}"


def _with_levels(loss: Loss, levels: tuple[float, ...]) -> Loss:
    if all(field.name != "levels" for field in fields(loss)):
        return loss
    if levels:
        return replace(loss, levels=levels)  # type: ignore[call-arg]
    if loss.name == DEFAULTS["quantiles"]:
        raise UsageError(
            "no-levels",
            f"{loss.title} is that of quantiles, and no model has any",
            cure="compare with a model of quantiles, or choose another --loss",
        )
    return loss


def companions(loss: Loss, layouts: Sequence[Layout]) -> tuple[str, ...]:
    """Losses that every model shows beside the headline."""
    if not layouts[0].about_numbers:
        tokens = any(layout.shape == "scalar" for layout in layouts)
        return () if tokens else tuple(name for name in CLASS_COMPANIONS if name != loss.name)
    first, *others = (NUMBER_COMPANIONS[layout.kind] for layout in layouts)
    return tuple(n for n in first if n != loss.name and all(n in other for other in others))


def figures(loss: Loss, shared: Sequence[str], layout: Layout) -> tuple[str, ...]:
    """What one model shows beyond that: losses that only its kind has, and figures of its calibration."""
    if not layout.about_numbers:
        return () if layout.unseen is None else (UNSEEN_MASS,)
    own = (name for name in NUMBER_COMPANIONS[layout.kind] if name != loss.name and name not in shared)
    return (*own, *figure_names(layout.kind, layout.levels))
