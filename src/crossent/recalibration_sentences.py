"""What recalibration gains, in sentences."""

from __future__ import annotations

from crossent.statistics.recalibration import Recalibration
from crossent.wording import plain, with_error


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
