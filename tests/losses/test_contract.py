"""Every registered loss keeps the contract, one is added in one place, each check catches its fault."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from crossent import losses
from crossent.errors import UsageError
from crossent.losses import registry
from crossent.losses.categorical import Brier, LogLoss
from crossent.testing import check_loss
from crossent.testing.loss import CHECKS

PAIRS = [(loss, kind) for loss in losses.all_losses() for kind in loss.kinds]


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize(("loss", "kind"), PAIRS, ids=lambda v: getattr(v, "name", v))
def test_contract(loss, kind, check):
    check(loss, kind)


def test_the_three_of_this_version_are_found_by_listing_the_package():
    assert {"log_loss", "brier", "zero_one"} <= {loss.name for loss in losses.all_losses()}


# --- the registry -----------------------------------------------------------------------------------------


@pytest.fixture
def registered() -> Iterator[None]:
    kept = dict(registry._LOSSES)
    yield
    registry._LOSSES.clear()
    registry._LOSSES.update(kept)


@dataclass(frozen=True)
class Spherical(losses.Loss):
    """The spherical score as a loss: 1 − p_label / ‖p‖. All that a third party has to write."""

    name: ClassVar[str] = "spherical"
    title: ClassVar[str] = "spherical loss"
    unit: ClassVar[str] = "1"
    kinds: ClassVar[tuple[str, ...]] = ("probs",)
    strictly_proper: ClassVar[bool] = True
    elicits: ClassVar[str] = "distribution"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def value(self, labels, prediction, kind):
        if kind != "probs":
            raise UsageError("unknown-kind", kind)
        p = prediction.astype(np.float64)
        return np.array([1 - row[k] / np.sqrt(np.sum(row * row)) for k, row in zip(labels, p, strict=True)])


@pytest.mark.usefixtures("registered")
def test_a_loss_is_added_in_one_place():
    toy = losses.register(Spherical())
    assert losses.get("spherical") is toy
    assert toy in losses.all_losses()
    check_loss(toy)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(UsageError, match=r"'logloss'.*brier, .*log_loss, .*zero_one.*\[unknown-loss\]"):
        losses.get("logloss")


@pytest.mark.usefixtures("registered")
def test_a_name_belongs_to_one_loss():
    assert losses.register(LogLoss()) == LogLoss(), "an equal loss may be registered again"

    class Impostor(Brier):
        name = "log_loss"

    with pytest.raises(UsageError, match="duplicate-loss"):
        losses.register(Impostor())
    assert type(losses.get("log_loss")) is LogLoss


# --- each check catches what it is for --------------------------------------------------------------------


@dataclass(frozen=True)
class Sound(Brier):
    """The parent of the broken ones: passes, so that each fails by its own fault only."""

    kinds = ("probs", "logits")


class UnknownKind(Sound):
    kinds = ("percent",)


class BackwardBounds(Sound):
    bounds = (2.0, 0.0)


class Nameless(Sound):
    name = "Brier score"


class Mutable(Sound):
    """Python lets a subclass that is not itself declared frozen take new attributes."""


class Unpicklable(Sound):
    def __reduce__(self):
        return Brier, ()


class Summed(Sound):
    def value(self, labels, prediction, kind):
        return super().value(labels, prediction, kind).sum()


class Single(Sound):
    def value(self, labels, prediction, kind):
        return super().value(labels, prediction, kind).astype(np.float32)


class RemembersLabels(Sound):
    memory: ClassVar[list[np.ndarray]] = []

    def value(self, labels, prediction, kind):
        self.memory.append(labels)
        return super().value(self.memory[0], prediction, kind)


class Centred(Sound):
    def value(self, labels, prediction, kind):
        value = super().value(labels, prediction, kind)
        return value - value.mean()


class Overwrites(Sound):
    def value(self, labels, prediction, kind):
        value = super().value(labels, prediction, kind)
        prediction[:] = 0
        return value


class NeedsWritable(Sound):
    def value(self, labels, prediction, kind):
        if not prediction.flags.writeable:
            prediction = np.zeros_like(prediction)
        return super().value(labels, prediction, kind)


class RoundsInFloat16(Sound):
    def value(self, labels, prediction, kind):
        value = super().value(labels, prediction, kind)
        return np.float64(np.float16(value)) if prediction.dtype == np.float32 else value


class OutOfBounds(Sound):
    bounds = (0.0, 1.0)


class Undefined(Sound):
    def value(self, labels, prediction, kind):
        return np.full(labels.shape, np.nan)


@dataclass(frozen=True)
class KindsDiffer(Sound):
    def value(self, labels, prediction, kind):
        return super().value(labels, prediction, "probs" if kind in self.kinds else kind)


class Improper(Sound):
    """Absolute error: minimised by the mode, not by the truth."""

    def value(self, labels, prediction, kind):
        return np.abs(prediction - np.eye(prediction.shape[1])[labels]).sum(axis=1)


class TakesAnything(Sound):
    def value(self, labels, prediction, kind):
        return super().value(labels, prediction, kind if kind in self.kinds else "probs")


class NotZeroTimesInfinity(Sound):
    """0·log 0 is nan."""

    def value(self, labels, prediction, kind):
        value = super().value(labels, prediction, kind)
        with np.errstate(divide="ignore", invalid="ignore"):
            return value + 0 * np.log(prediction).min(axis=1, initial=1.0) if kind == "probs" else value


class ClaimsTooLittle(Sound):
    strictly_proper = False


class WrongGradient(Sound):
    def gradient(self, labels, prediction, kind):
        return super().gradient(labels, prediction, kind) * 1.001


class GradientOfTheLabelOnly(Sound):
    def gradient(self, labels, prediction, kind):
        return super().gradient(labels, prediction, kind).max(axis=1)


class WrongHessian(Sound):
    def hessian_diagonal(self, labels, prediction, kind):
        return super().hessian_diagonal(labels, prediction, kind) + 1e-3


SABOTEURS = {
    UnknownKind: "declarations",
    BackwardBounds: "declarations",
    Nameless: "declarations",
    Mutable: "immutable",
    Unpicklable: "pickles",
    Summed: "shape_and_type",
    Single: "shape_and_type",
    RemembersLabels: "stateless",
    Centred: "rows_stand_alone",
    Overwrites: "inputs_stay",
    NeedsWritable: "inputs_stay",
    RoundsInFloat16: "float32_is_widened",
    OutOfBounds: "within_bounds",
    Undefined: "within_bounds",
    KindsDiffer: "kinds_agree",
    Improper: "proper",
    ClaimsTooLittle: "proper",
    TakesAnything: "refuses_other_kinds",
    NotZeroTimesInfinity: "extremes",
    WrongGradient: "gradient",
    GradientOfTheLabelOnly: "gradient",
    WrongHessian: "hessian_diagonal",
}


def test_the_parent_of_the_broken_is_sound():
    check_loss(Sound())


@pytest.mark.parametrize(("broken", "check"), SABOTEURS.items(), ids=lambda v: getattr(v, "__name__", v))
def test_each_fault_is_caught(broken, check):
    by_name = {c.__name__: c for c in CHECKS}
    with pytest.raises(AssertionError):
        by_name[check](broken(), "probs" if check == "extremes" else broken.kinds[-1])


def test_every_check_has_a_saboteur():
    assert {c.__name__ for c in CHECKS} == {*SABOTEURS.values()}


def test_the_message_names_loss_kind_and_check():
    with pytest.raises(AssertionError, match=r"^brier, logits, within bounds: \[2\.\d+\] is outside"):
        check_loss(KindsDiffer())


def test_equal_after_pickling_means_the_same_loss():
    for loss in losses.all_losses():
        assert pickle.loads(pickle.dumps(loss)) == loss
        assert [other == loss for other in losses.all_losses()].count(True) == 1
