"""What recalibration gains, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from crossent.statistics.recalibration import Recalibration, verdict_of
from crossent.wording import plain, things, with_error


def verdict(found: Recalibration) -> str:
    """What recalibration does for a model, in a sentence or two."""
    choice, best = found.choice, found.best
    gain = f"{with_error((choice or best).gain)} nats a row"
    if choice is None:
        if best.gain.value <= 0.0:
            return "No map makes the predictions better than they are."
        return (
            "No map is better than the predictions as they are by more than its standard error: the best, "
            f"{best.title}, gains {gain}."
        )
    change = "lowers" if choice.gain.value > 0.0 else "does not lower"
    return (
        f"{choice.title[0].upper()}{choice.title[1:]} {change} the log loss on rows it was not fitted to "
        f"from {plain(found.before)} to {plain(choice.loss)}, a gain of {gain}: {found.sentence}."
    )


def summary(found: Sequence[Recalibration]) -> tuple[str, ...]:
    """What recalibration would do for several models."""
    gains = [r for r in found if r.choice is not None]
    if not gains:
        return ("The probabilities are as good as they are: no map improves them by more than its error.",)
    best = max(gains, key=lambda r: r.choice.gain.value if r.choice is not None else 0.0)
    choice = best.choice
    assert choice is not None
    lower = f"It would lower the log loss of {best.model} from {plain(best.before)} to {plain(choice.loss)}"
    if len(found) == 1:
        return (f"{lower} by {choice.title}.",)
    which = "every model" if len(gains) == len(found) else f"{len(gains)} of {things(len(found), 'model')}"
    return (f"Recalibration would improve {which}. {lower} ({choice.title}), the largest gain.",)


def confidence(temperature: float) -> str:
    """Whether predictions are too sure of themselves, by the temperature that suits them.

    >>> confidence(1.8), confidence(1.001)
    ('1.80: over-confident', '1.00: rightly confident')
    """
    digits = f"{temperature:.2f}" if 0.01 <= temperature < 1000 else f"{temperature:.2g}"
    return f"{digits}: {verdict_of(temperature)}"


def recommended(found: Recalibration) -> str:
    """What to do with a model: a map, or nothing."""
    if found.choice is None:
        return "none: no gain beyond chance"
    return found.choice.title + ("" if found.chosen == found.best.name else ", as good and simpler")
