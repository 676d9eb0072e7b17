"""What the models have in common: classes, or the levels of their quantiles."""

from __future__ import annotations

from collections.abc import Sequence

from crossent.data.fields import shown
from crossent.data.labels import natural_order
from crossent.data.layout import Layout
from crossent.data.readers.contract import Source
from crossent.errors import DataError


def about_numbers(layouts: Sequence[Layout], sources: Sequence[Source]) -> bool:
    """Whether the predictions are about a number; DataError where only some are."""
    for layout, source in zip(layouts[1:], sources[1:], strict=True):
        if layout.about_numbers != layouts[0].about_numbers:
            raise DataError(
                "kinds-differ",
                f"holds {layout.kind}, {sources[0].name} {layouts[0].kind}: one is about a number, the other "
                "about classes",
                file=source.name,
                cure="compare predictions of the same thing; --kind says what a column holds",
            )
    return layouts[0].about_numbers


def common_levels(layouts: Sequence[Layout], sources: Sequence[Source]) -> tuple[float, ...]:
    """The levels of all models' quantiles; () where no model has any."""
    found = [(la.levels, source) for la, source in zip(layouts, sources, strict=True) if la.levels]
    for levels, source in found[1:]:
        first, first_source = found[0]
        if levels != first:
            only, other = (
                shown([f"{x:g}" for x in sorted(a)]) or "none" for a in _differences(levels, first)
            )
            raise DataError(
                "levels-differ",
                f"levels only here: {only}; only in {first_source.name}: {other}",
                file=source.name,
                cure="quantile losses can be compared at the same levels only: leave the other columns out",
            )
    return found[0][0] if found else ()


def _differences(one: tuple[float, ...], two: tuple[float, ...]) -> tuple[set[float], set[float]]:
    return set(one) - set(two), set(two) - set(one)


def common_classes(layouts: Sequence[Layout], sources: Sequence[Source]) -> tuple[str, ...] | None:
    """The classes of all models: the columns' order where all agree, else natural order; None for tokens.

    Where all have a single column this is the positive class alone; single-column layouts fit any other
    layout of two classes.
    """
    if all(layout.shape == "scalar" for layout in layouts):
        return None
    first_source, first = _first_full(layouts, sources)
    if first is None:
        return _common_positive(layouts, sources)
    assert first.classes is not None
    order = first.classes
    for layout, source in zip(layouts, sources, strict=True):
        if layout.shape == "scalar":
            raise DataError(
                "kinds-differ",
                f"holds only the log-probability of the label, {first_source.name} whole distributions",
                file=source.name,
                cure="evaluate the two kinds apart, or write label_logprob for all models",
            )
        if layout.shape == "single":
            _fits_two(layout, source, order)
        elif layout.classes != order:
            _same_set(source, layout, first_source, first)
            order = natural_order(order)
    return order


def _first_full(layouts: Sequence[Layout], sources: Sequence[Source]) -> tuple[Source, Layout | None]:
    for layout, source in zip(layouts, sources, strict=True):
        if layout.shape in ("columns", "list"):
            return source, layout
    return sources[0], None


def _common_positive(layouts: Sequence[Layout], sources: Sequence[Source]) -> tuple[str, ...]:
    first = layouts[0].classes
    for layout, source in zip(layouts, sources, strict=True):
        if layout.classes != first:
            raise DataError(
                "classes-differ",
                f"its column is the probability of {layout.classes}, that of {sources[0].name} of {first}",
                file=source.name,
                cure="name the class with --positive",
            )
    assert first is not None
    return first


def _fits_two(layout: Layout, source: Source, order: tuple[str, ...]) -> None:
    assert layout.classes is not None
    if len(order) != 2 or layout.classes[0] not in order:
        raise DataError(
            "classes-differ",
            f"one probability, of {layout.classes[0]}, where another model has the classes {shown(order)}",
            file=source.name,
            cure="a single column fits only two classes, one of which it names",
        )


def _same_set(source: Source, layout: Layout, first_source: Source, first: Layout) -> None:
    here, there = set(layout.classes or ()), set(first.classes or ())
    if here != there:
        raise DataError(
            "classes-differ",
            f"classes only here: {shown(sorted(here - there)) or 'none'}; "
            f"only in {first_source.name}: {shown(sorted(there - here)) or 'none'}",
            file=source.name,
            cure="all models need the same classes; a class a model does not know has probability 0",
        )
