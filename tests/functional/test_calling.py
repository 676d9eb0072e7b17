"""The functions of losses on arrays: reductions, weights, masks, axes, kinds, and what they refuse."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import crossent
from crossent.errors import DataError, UsageError
from crossent.losses.categorical import LogLoss

RNG = np.random.default_rng(3)
Z = RNG.normal(size=(5, 3))
Y = np.array([0, 2, 1, 1, 0])
W = np.array([1.0, 0.5, 0.0, 2.0, 3.0])
CLASS_WEIGHTS = np.array([0.5, 2.0, 1.0])
torch_ce = torch.nn.functional.cross_entropy


# --- against PyTorch ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("class_weights", [None, CLASS_WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("ignore_index", [None, 1, -100])
def test_cross_entropy_and_its_gradient_are_those_of_torch(reduction, class_weights, ignore_index):
    z = torch.tensor(Z, requires_grad=True)
    y = np.where(Y == 2, -100, Y) if ignore_index == -100 else Y
    theirs = torch_ce(
        z,
        torch.tensor(y),
        weight=None if class_weights is None else torch.tensor(class_weights),
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
    )
    theirs.sum().backward()
    options = {"kind": "logits", "reduction": reduction}
    options |= {"class_weights": class_weights, "ignore_index": ignore_index}
    np.testing.assert_allclose(crossent.loss(y, Z, **options), theirs.detach(), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(crossent.gradient(y, Z, **options), z.grad, rtol=1e-13, atol=1e-15)


def test_images_have_their_classes_along_axis_1():
    z, y = RNG.normal(size=(2, 3, 4, 5)), RNG.integers(0, 3, (2, 4, 5))
    y[0, 0, :2] = 255
    options = {"kind": "logits", "axis": 1, "ignore_index": 255}
    tensor = torch.tensor(z, requires_grad=True)
    theirs = torch_ce(tensor, torch.tensor(y), ignore_index=255)
    theirs.backward()
    assert crossent.loss(y, z, **options) == pytest.approx(theirs.item(), rel=1e-14)
    np.testing.assert_allclose(crossent.gradient(y, z, **options), tensor.grad, rtol=1e-12, atol=1e-17)
    rows = crossent.loss(y, z, reduction="none", **options)
    assert rows.shape == y.shape
    assert (rows[0, 0, :2] == 0).all()


# --- laws ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["log_loss", "brier"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_gradient_is_that_of_the_reduced_loss(name, reduction):
    options = {"loss": name, "kind": "logits", "weights": W, "class_weights": CLASS_WEIGHTS}
    options |= {"where": np.array([True, True, True, True, False]), "reduction": reduction}
    if name == "log_loss":
        options["base"] = "bits"
    h = 1e-6

    def numeric(i: int, k: int) -> float:
        step = np.zeros_like(Z)
        step[i, k] = h
        up, down = crossent.loss(Y, Z + step, **options), crossent.loss(Y, Z - step, **options)
        return (up - down) / (2 * h)

    expected = [[numeric(i, k) for k in range(3)] for i in range(5)]
    np.testing.assert_allclose(crossent.gradient(Y, Z, **options), expected, atol=1e-8)
    assert (crossent.gradient(Y, Z, **options)[[2, 4]] == 0).all(), "rows of weight 0 and outside of where"


@settings(max_examples=50)
@given(st.lists(st.booleans(), min_size=5, max_size=5).filter(any))
def test_a_mask_leaves_out_what_leaving_out_leaves_out(mask):
    mask = np.array(mask)
    options = {"kind": "logits", "class_weights": CLASS_WEIGHTS}
    left = crossent.loss(Y[mask], Z[mask], weights=W[mask] + 1, **options)
    spoiled = np.where(mask[:, None], Z, np.nan)
    assert crossent.loss(Y, spoiled, weights=W + 1, where=mask, **options) == left
    marked = np.where(mask, Y, 77)
    assert crossent.loss(marked, spoiled, weights=W + 1, ignore_index=77, **options) == left


@settings(max_examples=50)
@given(st.permutations(range(5)))
def test_the_mean_does_not_depend_on_the_order_of_rows(order):
    order = list(order)
    options = {"kind": "logits"}
    assert crossent.loss(Y[order], Z[order], weights=W[order], **options) == crossent.loss(
        Y, Z, weights=W, **options
    )


def test_whole_weights_are_repeated_rows():
    repeats = np.array([1, 0, 2, 3, 1])
    options = {"kind": "logits", "loss": "brier"}
    repeated = crossent.loss(np.repeat(Y, repeats), np.repeat(Z, repeats, axis=0), **options)
    assert crossent.loss(Y, Z, weights=repeats, **options) == pytest.approx(repeated, rel=1e-15)


def test_one_row_is_a_row():
    assert crossent.loss(2, Z[0], kind="logits") == crossent.loss([2], Z[:1], kind="logits")
    assert crossent.gradient(2, Z[0], kind="logits").shape == (3,)


def test_kinds_without_classes_have_rows_of_any_shape():
    log_p = np.log([[0.5, 0.25], [1.0, 0.125]])
    values = crossent.loss(np.zeros((2, 2), int), log_p, kind="label_logprob", base=2, reduction="none")
    np.testing.assert_allclose(values, [[1, 2], [0, 3]], rtol=1e-15)


def test_parameters_belong_to_the_loss():
    with pytest.raises(UsageError, match=r"no parameter 'gama'.*\[bad-option\]"):
        crossent.loss(Y, Z, kind="logits", gama=2.0)


# --- limits -------------------------------------------------------------------------------------------------


def test_a_certain_mistake_is_infinite_unless_its_weight_is_zero():
    p, y = np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([1, 0])
    assert crossent.loss(y, p) == math.inf
    assert crossent.loss(y, p, weights=[0.0, 1.0]) == math.log(2)
    assert crossent.loss(y, p, reduction="none").tolist() == [math.inf, math.log(2)]
    assert crossent.gradient(y, p, weights=[0.0, 1.0]).tolist() == [[0.0, 0.0], [-2.0, 0.0]]


def test_no_rows():
    empty = np.empty((0, 3))
    assert crossent.loss(Y[:0], empty, reduction="none").shape == (0,)
    assert crossent.loss(Y[:0], empty, reduction="sum") == 0.0
    assert crossent.gradient(Y[:0], empty, reduction="sum").shape == (0, 3)
    for labels, prediction in ((Y[:0], empty), (np.full(5, 9), Z)):
        with pytest.raises(DataError, match="no-rows"):
            crossent.gradient(labels, prediction, kind="logits", ignore_index=9)


def test_a_million_classes_and_a_single_one():
    z = np.zeros((1, 10**6))
    assert crossent.loss([7], z, kind="logits") == pytest.approx(math.log(10**6), rel=1e-15)
    assert crossent.loss([0, 0], np.zeros((2, 1)), kind="logits") == 0.0


# --- what is refused ----------------------------------------------------------------------------------------

LOGITS = {"kind": "logits"}


@dataclass(frozen=True)
class NanInRow3(LogLoss):
    def value(self, labels, prediction, kind):
        return np.where(np.arange(len(labels)) == 3, np.nan, 0.0)


AT_3_1 = np.arange(15).reshape(5, 3) == 10
FAULTS = {
    "nan-prediction": lambda: crossent.loss(Y, np.where(AT_3_1, np.nan, Z), **LOGITS),
    "not-a-probability": lambda: crossent.loss(Y, Z),
    "infinite-logit": lambda: crossent.loss(Y, np.where(AT_3_1, np.inf, Z), **LOGITS),
    "impossible-row": lambda: crossent.loss(Y, np.where(np.arange(5)[:, None] == 3, -np.inf, Z), **LOGITS),
    "positive-log-probability": lambda: crossent.loss([0, 0, 0, 0], [0, -1, -2, 0.5], kind="label_logprob"),
    "label-out-of-range": lambda: crossent.loss([0, 1, 2, 3, 0], Z, class_weights=[1, 1, 1], **LOGITS),
    "label-type": lambda: crossent.loss(Y.astype(float), Z, **LOGITS),
    "label-not-finite": lambda: crossent.loss([0, 1, 2, np.nan], np.zeros(4), "squared_error", kind="point"),
    "shape-mismatch": lambda: crossent.loss(Y[:4], Z, **LOGITS),
    "bad-weight": lambda: crossent.loss(Y, Z, class_weights=[1, -1, 1], **LOGITS),
    "no-weight": lambda: crossent.loss(Y, Z, weights=np.zeros(5), **LOGITS),
    "not-a-number": lambda: crossent.loss(Y, [["a"] * 3] * 5, **LOGITS),
    "unknown-loss": lambda: crossent.loss(Y, Z, "crossentropy", **LOGITS),
    "unknown-kind": lambda: crossent.loss(Y, Z, kind="scores"),
    "no-derivative": lambda: crossent.gradient(Y, Z, "zero_one", **LOGITS),
    "undefined-loss": lambda: crossent.loss(Y, Z, NanInRow3(), **LOGITS),
}
WITH_ROW = {
    "nan-prediction",
    "infinite-logit",
    "impossible-row",
    "positive-log-probability",
    "label-out-of-range",
    "label-not-finite",
    "undefined-loss",
}


@pytest.mark.parametrize("slug", FAULTS)
def test_a_fault_is_named_with_its_row(slug):
    with pytest.raises((DataError, UsageError), match=rf"\[{slug}\]") as caught:
        FAULTS[slug]()
    if slug in WITH_ROW:
        assert caught.value.row == 3


def test_rows_are_numbered_before_some_are_left_out():
    z = Z.copy()
    z[3, 1] = np.nan
    for options in ({"where": Y != 2}, {"ignore_index": 2}):
        with pytest.raises(DataError, match=r"^row 3, .*nan-prediction"):
            crossent.loss(Y, z, **LOGITS, **options)
        with pytest.raises(DataError, match=r"^row 3, .*label-out-of-range"):
            crossent.loss([0, 2, 1, 3, 0], Z, **LOGITS, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"axis": 2},
        {"base": "nits"},
        {"reduction": "median"},
        {"loss": "brier", "base": "bits"},
        {"reduction": "none", "weights": W},
        {"where": np.ones(5)},
    ],
    ids=str,
)
def test_options_that_mean_nothing(options):
    with pytest.raises(UsageError, match="bad-option"):
        crossent.loss(Y, Z, **{"kind": "logits", **options})
