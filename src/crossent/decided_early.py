"""Results of a part of the rows, read until the best model was decided: what may be said of them.

The tests of a fixed number of rows do not hold where reading stops because of what was seen; their p-values
are taken out, and verdicts come from intervals that hold at every look.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from crossent.results import Comparison, Note, Results
from crossent.statistics.paired import Difference
from crossent.statistics.stopping import Separation, Stopping
from crossent.wording import confidence, count, percent, plain, things, with_error

SHOWN = 4
"""Models named in one sentence; the others are counted."""


def with_stopping(results: Results, stopping: Stopping) -> Results:
    """The results as they may be read where reading was to stop when the best model is decided."""
    if not stopping.decided:
        read = things(stopping.rows_of_all, "row")
        sentence = f"All {read} were read: no model was decided to be the best before."
        return replace(results, stopping=stopping, statements=(*results.statements, sentence))
    assert results.comparison is not None
    note = Note(
        "stopped-early",
        f"Reading stopped after {count(stopping.rows)} of {things(stopping.rows_of_all, 'row')}: every "
        "figure is an estimate from these, ± by windows of rows. There are no p-values, as tests of a fixed "
        "number of rows do not hold where reading stops because of what was seen.",
    )
    return replace(
        results,
        comparison=_by_sequence(results.comparison, stopping),
        stopping=stopping,
        chosen=stopping.leader,
        statements=tuple(_sentences(results, stopping)),
        notes=(note, *results.notes),
    )


def share_read(stopping: Stopping) -> str:
    """What part of the rows was read, in per cent.

    >>> share_read(Stopping(0, .95, 163_640, 100_000_000, 0, 0, 0, 0, 1, None, ()))
    '0.16 %'
    """
    share = stopping.rows / stopping.rows_of_all
    return percent(share, max(0, 1 - math.floor(math.log10(100 * share)))) if share < 0.1 else percent(share)


def _amount(pair: Separation) -> str:
    """How much worse the worse one is, with the ends of its interval."""
    width = pair.high - pair.low
    places = min(8, max(0, 1 - math.floor(math.log10(width)))) if width > 0.0 else 6
    ends = f"{plain(pair.low, places)} to {plain(pair.high, places)}"
    return f"{pair.worse} by {plain(pair.difference, places)} ({ends})"


def _by_sequence(comparison: Comparison, stopping: Stopping) -> Comparison:
    """The comparison without tests, its verdicts those of the intervals that hold at every look."""
    verdicts = {}
    for pair in stopping.pairs:
        told = pair.low > 0.0
        verdicts[pair.worse, pair.better] = "worse" if told else "not told apart"
        verdicts[pair.better, pair.worse] = "better" if told else "not told apart"

    def read(d: Difference) -> Difference:
        kept = d.verdict if d.verdict in ("identical", "infinite") else verdicts[d.model, d.reference]
        return replace(d, p=None, p_holm=None, p_adjusted=None, detectable=None, verdict=kept)

    return replace(
        comparison,
        differences=tuple(map(read, comparison.differences)),
        pairwise=tuple(map(read, comparison.pairwise)),
        confidence_set=None,
        adjustment="bonferroni",
        if_independent=(),
        serial=(),
        optimism=None,
        treatments=(),
    )


def _sentences(results: Results, stopping: Stopping) -> Iterator[str]:
    read = f"{count(stopping.rows)} of {things(stopping.rows_of_all, 'row')} ({share_read(stopping)})"
    yield f"{stopping.leader} is the best model: {read} were enough to decide it."
    finite = [p for p in stopping.against_leader if math.isfinite(p.difference)]
    if finite:
        shown = [_amount(p) for p in finite[:SHOWN]]
        if len(finite) > SHOWN:
            shown.append(f"{len(finite) - SHOWN} more")
        names = shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
        sure = f"at {confidence(stopping.level)} for all pairs together, however often one looks"
        yield f"Worse on all rows{results.in_unit}: {names}; {sure}."
    for model in results.models:
        if model.n_infinite:
            zeros = things(model.n_infinite, "label")
            yield f"{model.name} gave {zeros} probability 0, so its {results.loss_title} is infinite."
    best = results.model(stopping.leader or "").loss
    drawn = f"{things(stopping.windows, 'window')} of rows drawn by chance with seed {stopping.seed}"
    yield f"The {results.loss_title} of {stopping.leader} is {with_error(best)}, estimated from {drawn}."
