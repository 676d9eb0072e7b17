"""What the labels are taken to be: which reading, why, and the option that changes it.

Types and names of classes decide as far as they go. Whole numbers may be codes of classes, a scale or counts;
which of these is a guess, and is therefore always said, together with what would change it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crossent.advice.facts import Facts, Numbers
from crossent.errors import DataError, UsageError
from crossent.wording import count, plain, things

TASKS = ("classes", "ordered", "count", "fraction", "real", "multilabel")
"""What may be asked for. A reading is one of these, "binary" (two classes) or "distribution"."""

_MANY = 20
_LONGEST_SCALE = 11
"""From 0 to 10; longer scales are quantities."""
_SMOOTH = -1.645
"""Below this, one order of class codes in 20 would look as smooth as that."""
_WIDE = 1000.0
"""Standard deviation from which on whole numbers are as good as any number."""


@dataclass(frozen=True)
class Otherwise:
    """Another reading the labels allow: the value of `--task` that asks for it, and when to."""

    task: str
    when: str


@dataclass(frozen=True)
class Reading:
    """The reading taken: `task`, `because` in a few words, and the other readings there are."""

    task: str
    because: str
    otherwise: tuple[Otherwise, ...] = ()
    order: tuple[str, ...] | None = None


def understand(facts: Facts, task: str | None, ordered: Sequence[str] | None, where: str) -> Reading:
    """The reading of the labels, as asked for or from the facts.

    Errors: UsageError (bad-option, task-unfit, order-incomplete) where the labels cannot be what was asked
    for; DataError constant-label, label-is-id, labels-not-classes where nothing can be learnt from them.
    """
    if task is not None and task not in TASKS:
        raise UsageError("bad-option", f"task is {task!r}", cure=f"use {', '.join(TASKS)}")
    if facts.distinct == 1 and facts.lists is None:
        _constant(facts, where)
    if ordered is not None and task not in (None, "ordered"):
        raise UsageError(
            "bad-option", f"an order is given and the task is {task}", cure="give one of the two"
        )
    if task is not None or ordered is not None:
        return _asked(facts, task or "ordered", ordered)
    if facts.lists is not None:
        return _of_lists(facts)
    if facts.numbers is None:
        return _of_names(facts, where)
    return _of_numbers(facts, facts.numbers, where)


def _constant(facts: Facts, where: str) -> None:
    value = (
        facts.classes.largest[0] if facts.classes else plain(facts.numbers.mean if facts.numbers else None)
    )
    raise DataError(
        "constant-label",
        f"all {count(facts.rows)} labels are {value}: nothing can be learnt from them",
        column=where,
        cure="check the column, and that the rows of other labels were not filtered out",
    )


def _asked(facts: Facts, task: str, ordered: Sequence[str] | None) -> Reading:
    numbers, lists = facts.numbers, facts.lists
    fits = {
        "classes": lists is None,
        "ordered": facts.classes is not None,
        "count": numbers is not None and numbers.whole and numbers.negatives == 0,
        "fraction": numbers is not None and numbers.smallest >= 0 and numbers.largest <= 1,
        "real": numbers is not None,
        "multilabel": lists is not None and lists.form != "distributions",
    }
    if not fits[task]:
        raise UsageError(
            "task-unfit",
            f"the labels cannot be read as {task}: {described(facts)}",
            cure="choose another --task, or leave it out",
        )
    if task == "ordered":
        return _ordered(facts, ordered)
    binary = task == "classes" and facts.distinct == 2
    return Reading("binary" if binary else task, f"{described(facts)}, as asked")


def _ordered(facts: Facts, ordered: Sequence[str] | None) -> Reading:
    assert facts.classes is not None
    names = [name for name, _ in facts.classes.listed]
    if ordered is not None:
        order = tuple(str(name) for name in ordered)
        unknown = [name for name in names if name not in order]
        if unknown or not names or len(set(order)) < len(order):
            raise UsageError(
                "order-incomplete",
                f"the order does not name {', '.join(unknown[:5]) or 'each label once'}",
                cure="name every label once, from low to high: --ordered low,medium,high",
            )
        return _in_order(facts, tuple(n for n in order if n in names), "the order is given")
    if facts.declared_order:
        return _in_order(facts, facts.declared_order, "the type of the column states the order")
    if facts.numbers is not None:
        return _in_order(facts, tuple(names), "in the order of the numbers, as asked")
    if facts.recognised_order:
        return _in_order(facts, facts.recognised_order, "as asked, in the order that the names have")
    raise UsageError(
        "order-incomplete",
        f"nothing says how {', '.join(_some(names))} are ordered",
        cure="name every label once, from low to high: --ordered low,medium,high",
    )


def _in_order(facts: Facts, order: tuple[str, ...], because: str) -> Reading:
    shown = " < ".join(_some(order))
    task = "binary" if len(order) == 2 else "ordered"
    return Reading(task, f"{described(facts)}; {because}: {shown}", order=order)


def _of_lists(facts: Facts) -> Reading:
    assert facts.lists is not None
    because = described(facts)
    if facts.lists.form == "one-hot":
        task = "binary" if facts.lists.labels == 2 else "classes"
        return Reading(
            task,
            f"{because}, exactly one 1 in every row",
            (Otherwise("multilabel", "several could be 1 in one row"),),
        )
    if facts.lists.form == "distributions":
        return Reading("distribution", f"{because} that sum to 1")
    return Reading("multilabel", because)


def _of_names(facts: Facts, where: str) -> Reading:
    if facts.declared_order and len(facts.declared_order) > 2:
        return _in_order(facts, facts.declared_order, "the type of the column states the order")
    if facts.distinct is None or (facts.distinct > _MANY and facts.distinct > facts.rows / 2):
        distinct = "more than 200,000" if facts.distinct is None else count(facts.distinct)
        raise DataError(
            "labels-not-classes",
            f"{distinct} different texts in {things(facts.rows, 'row')} look like ids or free text, not "
            "classes",
            column=where,
            cure="name the right column with --label; for real classes add --task classes",
        )
    if facts.distinct == 2:
        return Reading("binary", described(facts))
    otherwise: tuple[Otherwise, ...] = ()
    if facts.recognised_order:
        order = " < ".join(_some(facts.recognised_order))
        otherwise = (Otherwise("ordered", f"these names are an order: {order}"),)
    return Reading("classes", f"{described(facts)}, which state no order", otherwise)


def _of_numbers(facts: Facts, numbers: Numbers, where: str) -> Reading:
    if facts.distinct == 2:
        codes = numbers.largest - numbers.smallest == 1 or numbers.largest == -numbers.smallest
        return Reading("binary", described(facts), () if codes else _unless(facts, "real"))
    if not numbers.whole:
        within = numbers.smallest >= 0 and numbers.largest <= 1
        return Reading(
            "fraction" if within else "real", described(facts), _unless(facts, "real") if within else ()
        )
    every = facts.distinct is not None and not numbers.gaps
    if every and facts.distinct == facts.rows >= _MANY:
        raise DataError(
            "label-is-id",
            f"every whole number from {short(numbers.smallest)} to {short(numbers.largest)} occurs once: "
            "these are row numbers",
            column=where,
            cure="name the right column with --label; for a quantity add --task real",
        )
    return _of_whole_numbers(facts, numbers)


def _of_whole_numbers(facts: Facts, numbers: Numbers) -> Reading:
    """Codes of classes, a scale, counts or a quantity: by range, gaps and frequencies of neighbours."""
    smooth = numbers.smooth is not None and numbers.smooth < _SMOOTH
    few = facts.distinct is not None and facts.distinct <= _MANY
    if smooth:
        because = "neighbouring numbers have similar frequencies"
    elif numbers.gaps:
        because = f"{'few' if few else 'many'} values, with gaps"
    elif numbers.smooth is None:
        because = "too few values to tell codes of classes from a scale or counts"
    else:
        because = "neighbouring numbers have unlike frequencies, as codes of classes have"
    because = f"{described(facts)}; {because}"
    if not smooth and (few or not numbers.gaps):
        return Reading("classes", because, _unless(facts, "ordered", "count"))
    if numbers.smallest == 0 and numbers.variance < _WIDE**2:
        return Reading("count", because, _unless(facts, "ordered", "classes", "real"))
    if numbers.smallest > 0 and facts.distinct is not None and facts.distinct <= _LONGEST_SCALE:
        order = tuple(name for name, _ in facts.classes.listed) if facts.classes else None
        return Reading("ordered", because, _unless(facts, "classes", "count", "real"), order)
    return Reading("real", because, _unless(facts, "count", "classes"))


_MEANINGS = {
    "classes": "the numbers are codes of classes without an order",
    "ordered": "the numbers are steps of a scale",
    "count": "the numbers count something",
    "real": "the numbers measure something",
}


def _unless(facts: Facts, *tasks: str) -> tuple[Otherwise, ...]:
    """The other readings that the numbers allow and that are not far-fetched."""
    numbers, distinct = facts.numbers, facts.distinct
    allowed = {
        "classes": numbers is not None and numbers.whole,
        "ordered": distinct is not None and distinct <= _LONGEST_SCALE,
        "count": numbers is not None and numbers.whole and numbers.negatives == 0,
        "real": True,
    }
    return tuple(Otherwise(task, _MEANINGS[task]) for task in tasks if allowed[task])


def described(facts: Facts) -> str:
    """The labels in a few words."""
    if facts.lists is not None:
        return facts.type
    if facts.classes is not None and facts.numbers is None:
        return f"{things(facts.classes.count, 'different name')} ({facts.type})"
    numbers = facts.numbers
    if numbers is None:
        return facts.type
    many = f"{count(facts.distinct)} different " if facts.distinct is not None else ""
    return f"{many}{facts.type} from {short(numbers.smallest)} to {short(numbers.largest)}"


def short(value: float) -> str:
    """A number as few digits as it needs.

    >>> short(9.0), short(0.25), short(1234.5678)
    ('9', '0.2500', '1,235')
    """
    return f"{value:,.0f}".replace("-", "−") if value.is_integer() and abs(value) < 1e9 else plain(value)


def _some(names: Sequence[str]) -> list[str]:
    return list(names) if len(names) <= 8 else [*names[:3], "…", names[-1]]
