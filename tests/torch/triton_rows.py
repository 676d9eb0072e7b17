"""Kernels over rows of logits against the formulas in float64. Run by test_triton.py, or by itself on a GPU:

pytest -n 0 tests/torch/triton_rows.py
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from crossent.errors import UsageError
from crossent.torch import reference
from crossent.torch.options import Options
from crossent.torch.targets import Rows
from crossent.torch.triton import rows as kernels
from crossent.torch.triton.available import interpreted

# what NumPy, in whose arithmetic the interpreter computes, says of rows that hold infinities
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

DEVICE = "cpu" if interpreted() else "cuda"
EPS = {torch.float32: 2.0**-24, torch.bfloat16: 2.0**-9, torch.float16: 2.0**-11}
FORMS = ("one visit", "walk")
ASKED = {
    "plain": (Options(), False),
    "weights": (Options(), True),
    "smoothing": (Options(label_smoothing=0.1), False),
    "smoothing and weights": (Options(label_smoothing=0.3), True),
    "temperature": (Options(temperature=1.7), False),
    "softcap": (Options(softcap=4.0, temperature=0.8), True),
    "softcap and smoothing": (Options(softcap=30.0, label_smoothing=0.2), True),
}


@pytest.fixture
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether rows are walked over in blocks of 64, rather than held at once."""
    if request.param == "walk":
        monkeypatch.setattr(kernels, "ONE_VISIT", 16)
        monkeypatch.setattr(kernels, "WALK", 128)
        monkeypatch.setattr(kernels, "LATE", 64)
    return str(request.param)


both_forms = pytest.mark.parametrize("form", FORMS, indirect=True)


def batch(rows: int, classes: int, *, lead: float = 0.0, dtype: torch.dtype = torch.float32) -> Any:
    """Logits, labels of which every fifth is −1, and factors of loss and lse²; the label leads by `lead`."""
    generator = torch.Generator().manual_seed(classes)
    z = torch.randn(rows, classes, generator=generator) * 3
    y = torch.randint(0, classes, (rows,), generator=generator)
    z[torch.arange(rows), y] += lead
    y[2::5] = -1
    factors = torch.rand(rows, generator=generator), torch.rand(rows, generator=generator) / 10
    return z.to(DEVICE, dtype), y.to(DEVICE), tuple(f.to(DEVICE) for f in factors)


def weights(classes: int, wanted: bool) -> Tensor | None:
    return torch.linspace(0, 2, classes, device=DEVICE) if wanted else None


def truth(
    z: Tensor, y: Tensor, weight: Tensor | None, options: Options
) -> tuple[Tensor, reference.RowValues]:
    """Float64 logits that gradients are taken by, and what the formulas say."""
    z = z.detach().double().requires_grad_()
    rows = Rows((len(z),), labels=y)
    return z, reference.row_values(reference.shaped_logits(z, options), rows, weight, options)


def gradient_of(z: Tensor, values: reference.RowValues, factors: tuple[Tensor, Tensor]) -> Tensor:
    loss = (values.loss * factors[0]).sum() + (values.lse.square() * factors[1]).sum()
    return torch.autograd.grad(loss, z)[0]


def close(found: Tensor | None, wanted: Tensor, *, unit: float = 2.0**-24, of: int = 16) -> None:
    """Within `of` roundings of each number; small entries of a gradient, of a fiftieth of the largest."""
    assert found is not None
    wanted = wanted.detach()
    scale = wanted.abs().clamp(min=float(wanted.abs().max()) * 0.02 + 1e-30)
    worst = float(((found.double() - wanted).abs() / scale).max()) / unit
    assert worst < of


@both_forms
@pytest.mark.parametrize("name", ASKED)
def test_every_option(form: str, name: str) -> None:
    options, weighted = ASKED[name]
    z, y, factors = batch(4, 173)
    v = weights(173, weighted)
    found = kernels.loss_rows(z, y, options, weight=v, factors=factors, entropy=True, argmax=True)
    exact, values = truth(z, y, v, options)
    close(found.loss, values.loss)
    close(found.lse, values.lse)
    close(found.entropy, values.entropy, of=64)
    close(found.gradient, gradient_of(exact, values, factors), of=64)
    assert torch.equal(found.argmax, values.argmax)  # type: ignore[arg-type]


@both_forms
@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("lead", [0.0, 25.0, 200.0, -60.0])
def test_confident_rows_keep_their_digits(form: str, dtype: torch.dtype, lead: float) -> None:
    z, y, (factor, square) = batch(4, 90, lead=lead, dtype=dtype)
    found = kernels.loss_rows(z, y, Options(), factors=(factor, square * 0))
    exact, values = truth(z, y, None, Options())
    close(found.loss, values.loss, of=64)
    wanted = gradient_of(exact, values, (factor, square * 0))
    assert found.gradient is not None and found.gradient.dtype == dtype
    if dtype != torch.float16:
        at = y.clamp(min=0)[:, None]
        own, true = found.gradient.gather(1, at).double(), wanted.gather(1, at)
        # float32 has nothing below 1e-45
        assert ((own - true).abs() <= 64 * EPS[dtype] * true.abs() + 1e-44).all()


@both_forms
@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize(("rows", "classes"), [(1, 1), (17, 5), (2, 129)])
def test_ragged_shapes(form: str, dtype: torch.dtype, rows: int, classes: int) -> None:
    z, y, factors = batch(rows, classes, dtype=dtype)
    found = kernels.loss_rows(z, y, Options(), factors=factors)
    exact, values = truth(z, y, None, Options())
    close(found.loss, values.loss, of=64)
    close(found.gradient, gradient_of(exact, values, factors), unit=2 * EPS[dtype], of=32)


@both_forms
@pytest.mark.parametrize("name", ASKED)
def test_late_derivatives_of_everything(form: str, name: str) -> None:
    options, weighted = ASKED[name]
    z, y, (a, b) = batch(4, 150)
    v = weights(150, weighted)
    up = kernels.Derivatives(a, b, a - b, b - a)
    found = kernels.loss_rows(z, y, options, weight=v, entropy=True)
    exact, values = truth(z, y, v, options)
    assert values.logprob is not None
    parts = zip((values.loss, values.lse, values.logprob, values.entropy), up, strict=True)
    wanted = torch.autograd.grad(sum((x * u).sum() for x, u in parts if u is not None), exact)[0]
    close(kernels.late_gradient(z, y, found, up, options, weight=v), wanted, of=512)


@both_forms
def test_in_place_and_strided_rows_give_the_same_bits(form: str) -> None:
    z, y, factors = batch(6, 100)
    wide = torch.full((6, 131), 7.0, device=DEVICE)
    view = wide[:, 3:103].copy_(z)
    known = kernels.loss_rows(z, y, Options(), factors=factors)
    again = kernels.loss_rows(view, y, Options(), factors=factors, out=view)
    assert torch.equal(view, known.gradient)  # type: ignore[arg-type]
    assert torch.equal(again.loss, known.loss)
    assert bool((wide[:, :3] == 7).all()) and bool((wide[:, 103:] == 7).all())


@both_forms
def test_ignored_rows_are_zero_whatever_they_hold(form: str) -> None:
    z, y, factors = batch(5, 40)
    z[2] = torch.nan
    out = torch.full_like(z, 9.0)
    found = kernels.loss_rows(
        z, y.masked_fill(y < 0, -100), Options(), factors=factors, out=out, ignored=-100
    )
    assert found.loss[2] == found.lse[2] == 0 and not out[2].any()
    assert found.loss.isfinite().all() and out.isfinite().all()
    none = kernels.loss_rows(z, torch.full_like(y, -1), Options(), factors=factors)
    assert not none.loss.any() and none.gradient is not None and not none.gradient.any()


@both_forms
def test_a_label_that_is_no_class_makes_its_row_nan(form: str) -> None:
    z, y, factors = batch(3, 40)
    y[:] = torch.tensor([5, 40, -7])
    found = kernels.loss_rows(z, y, Options(), factors=factors)
    assert found.loss.isnan().tolist() == [False, True, True]


@both_forms
def test_classes_of_probability_zero(form: str) -> None:
    """Logits of −inf: of other classes, of all of them, and of the label."""
    z, y, factors = batch(3, 70)
    y[:] = torch.tensor([3, 3, 3])
    z[0, 10:] = -torch.inf
    z[1, :3] = z[1, 4:] = -torch.inf
    z[2, 3] = -torch.inf
    found = kernels.loss_rows(z, y, Options(), factors=(factors[0], factors[1] * 0), entropy=True)
    wanted = torch.nn.functional.cross_entropy(z.double(), y, reduction="none")
    assert torch.allclose(found.loss.double(), wanted, rtol=1e-5)
    assert found.gradient is not None and found.gradient.isfinite().all()
    assert found.entropy is not None and found.entropy.isfinite().all() and found.entropy[1] == 0


def test_rows_further_apart_than_32_bits() -> None:
    """Two rows of a tensor that is never touched between them."""
    apart = 2**31 + 64
    room = torch.empty(apart + 64, dtype=torch.bfloat16, device=DEVICE)
    z = room.as_strided((2, 50), (apart, 1))
    values, y, factors = batch(2, 50, dtype=torch.bfloat16)
    z.copy_(values)
    found = kernels.loss_rows(z, y, Options(), factors=factors, out=z)
    assert torch.equal(found.loss, kernels.loss_rows(values, y, Options()).loss)
    known = kernels.loss_rows(values, y, Options(), factors=factors).gradient
    assert torch.equal(z, known)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ASKED)
def test_a_team_of_one(name: str) -> None:
    """More would wait for each other in an interpreter that runs one after another."""
    options, weighted = ASKED[name]
    z, y, factors = batch(5, 100)
    v = weights(100, weighted)
    found = kernels.loss_rows(z, y, options, weight=v, factors=factors, implementation="triton-team")
    known = kernels.loss_rows(z, y, options, weight=v, factors=factors)
    close(found.loss, known.loss.double())
    close(found.gradient, known.gradient.double())  # type: ignore[union-attr]


def test_a_team_refuses_what_it_does_not_give() -> None:
    z, y, _ = batch(2, 4)
    with pytest.raises(UsageError, match="triton-team"):
        kernels.loss_rows(z, y, Options(), entropy=True, implementation="triton-team")


@pytest.mark.parametrize("up", [1.0, -2.5])
def test_times_a_number_on_the_device(up: float) -> None:
    g = torch.randn(5, 41, generator=torch.Generator().manual_seed(0)).to(DEVICE, torch.bfloat16)
    known = g.float() * up
    found = kernels.times(g, torch.tensor(up, device=DEVICE))
    # the interpreter cuts off the bits that a GPU rounds
    assert torch.allclose(found.float(), known, rtol=2**-7 if up != 1 else 0)
