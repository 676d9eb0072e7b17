"""Linear cross-entropy in Triton against the formulas in float64. Run by test_triton.py, or on a GPU:

pytest -n 0 tests/torch/triton_linear.py
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from crossent.errors import UsageError
from crossent.torch import linear_cross_entropy, reference
from crossent.torch.options import Options
from crossent.torch.targets import Rows
from crossent.torch.triton import linear
from crossent.torch.triton.available import interpreted

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

DEVICE = "cpu" if interpreted() else "cuda"
ASKED = {
    "plain": (Options(), False),
    "weights": (Options(), True),
    "smoothing and weights": (Options(label_smoothing=0.3), True),
    "smoothing": (Options(label_smoothing=0.1), False),
    "softcap": (Options(softcap=5.0, temperature=1.3), True),
    "softcap and smoothing": (Options(softcap=30.0, label_smoothing=0.2), True),
}


def batch(
    rows: int, width: int, classes: int, *, lead: float = 0.0, scale: float = 1.0, dtype: Any = torch.float32
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """x, W, b, labels of which every fifth is −1, row weights; labels lead by `lead` where it is given."""
    generator = torch.Generator().manual_seed(classes)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    x, w, b = normal(rows, width) * scale, normal(classes, width), normal(classes)
    y = torch.randint(0, classes, (rows,), generator=generator)
    if lead:
        x = lead * w[y] / w[y].norm(dim=1, keepdim=True) ** 2 + x / 50
    y[3::5] = -1
    f = torch.rand(rows, generator=generator)
    return x.to(DEVICE, dtype), w.to(DEVICE, dtype), b.to(DEVICE, dtype), y.to(DEVICE), f.to(DEVICE)


def truth(
    x: Tensor,
    w: Tensor,
    b: Tensor | None,
    y: Tensor,
    factors: tuple[Tensor, Tensor],
    options: Options,
    v: Tensor | None,
) -> tuple[reference.RowValues, list[Tensor]]:
    """Row values and gradients by the formulas in float64."""
    by = [t.double().requires_grad_() for t in (x, w, b) if t is not None]
    z = reference.linear_logits(by[0], by[1], None if b is None else by[2], options)
    values = reference.row_values(z, Rows((len(x),), labels=y), v, options)
    loss = (values.loss * factors[0]).sum() + (values.lse.square() * factors[1]).sum()
    by = list(torch.autograd.grad(loss, by))
    plain = (values.loss.detach(), values.lse.detach(), None, values.entropy.detach(), values.argmax)
    return reference.RowValues(*plain), by


def error(found: Tensor | None, wanted: Tensor) -> float:
    """‖found − wanted‖ / ‖wanted‖."""
    assert found is not None
    return float((found.double() - wanted).norm() / wanted.norm().clamp(min=1e-300))


def weights(classes: int, wanted: bool) -> Tensor | None:
    return torch.linspace(0, 2, classes, device=DEVICE) if wanted else None


@pytest.mark.parametrize("method", linear.METHODS)
@pytest.mark.parametrize("name", ASKED)
def test_every_option(method: str, name: str) -> None:
    """In two ragged chunks, with z-loss."""
    options, weighted = ASKED[name]
    x, w, b, y, f = batch(6, 20, 75)
    v, square = weights(75, weighted), f.flip(0) / 10
    found = linear.linear_cross_entropy_tlo(
        x, w, b, y, f, options=options, class_weight=v, square=square, rows_at_once=4, method=method
    )
    values, by = truth(x, w, b, y, (f, square), options, v)
    assert error(found.losses, values.loss) < 1e-6 and error(found.lse, values.lse) < 1e-6
    for one, wanted in zip((found.input, found.weight, found.bias), by, strict=True):
        assert error(one, wanted) < 2e-6


@pytest.mark.parametrize("method", linear.METHODS)
@pytest.mark.parametrize("lead", [0.0, 20.0, 60.0])
def test_bfloat16_keeps_what_confident_rows_have_to_learn(method: str, lead: float) -> None:
    x, w, _, y, f = batch(6, 24, 70, lead=lead, dtype=torch.bfloat16)
    found = linear.linear_cross_entropy_tlo(x, w, None, y, f, options=Options(), method=method)
    values, by = truth(x, w, None, y, (f, f * 0), Options(), None)
    own = values.loss > 0
    assert ((found.losses - values.loss)[own] / values.loss[own]).abs().max() < 1e-5
    assert found.bias is None and found.input is not None and found.input.dtype == torch.bfloat16
    # E, r·x and the result are each rounded to 8 bits (by the interpreter, E has its others cut off), and one
    # row is nearly all of the gradient
    assert error(found.input, by[0]) < 4 * 2**-9 and error(found.weight, by[1]) < 4 * 2**-9


@pytest.mark.parametrize("method", linear.METHODS)
def test_rows_too_far_off_for_the_offset(method: str) -> None:
    """Losses of 200 nats, where exp(z − z_y) is no number of float32."""
    x, w, b, y, f = batch(6, 20, 60, scale=12)
    found = linear.linear_cross_entropy_tlo(x, w, b, y, f, options=Options(), method=method)
    values, by = truth(x, w, b, y, (f, f * 0), Options(), None)
    assert values.loss.max() > 120
    assert error(found.losses, values.loss) < 1e-6
    for one, wanted in zip((found.input, found.weight, found.bias), by, strict=True):
        assert error(one, wanted) < 2e-6


@pytest.mark.parametrize("method", linear.METHODS)
@pytest.mark.parametrize(("rows", "width", "classes"), [(1, 1, 1), (3, 16, 2), (9, 7, 65)])
def test_ragged_shapes(method: str, rows: int, width: int, classes: int) -> None:
    x, w, b, y, f = batch(rows, width, classes)
    found = linear.linear_cross_entropy_tlo(x, w, b, y, f, options=Options(), method=method)
    values, by = truth(x, w, b, y, (f, f * 0), Options(), None)
    assert error(found.losses, values.loss) < 1e-5
    assert error(found.input, by[0]) < 1e-5 and error(found.bias, by[2]) < 1e-5


@pytest.mark.parametrize("method", linear.METHODS)
def test_only_what_is_wanted_and_into_what_is_given(method: str) -> None:
    x, w, b, y, f = batch(6, 16, 40)
    known = linear.linear_cross_entropy_tlo(x, w, b, y, f, options=Options(), method=method)
    into = torch.ones_like(w)
    found = linear.linear_cross_entropy_tlo(
        x, w, b, y, f, options=Options(), method=method, gradients=(False, True, False), into=into
    )
    assert found.input is found.weight is found.bias is None
    assert known.weight is not None and torch.allclose(into, known.weight + 1, atol=1e-6)
    assert torch.equal(found.losses, known.losses)


@pytest.mark.parametrize("method", linear.METHODS)
def test_losses_do_not_depend_on_the_chunk_nor_on_the_run(method: str) -> None:
    x, w, b, y, f = batch(5, 16, 50, dtype=torch.bfloat16)
    one, two, again = (
        linear.linear_cross_entropy_tlo(
            x, w, b, y, f, options=Options(), method=method, rows_at_once=rows, sum_dtype=torch.float32
        )
        for rows in (5, 3, 3)
    )
    if method == "fused":
        assert torch.equal(one.losses, two.losses)
    assert torch.allclose(one.losses, two.losses, rtol=1e-6)
    for a, b_ in zip(two, again, strict=True):
        assert torch.equal(a, b_)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", linear.METHODS)
def test_ignored_rows(method: str) -> None:
    x, w, b, y, f = batch(4, 16, 30)
    y[:] = -100
    found = linear.linear_cross_entropy_tlo(x, w, b, y, f, options=Options(), ignored=-100, method=method)
    assert not any(t is None or bool(t.any()) for t in found)


def test_no_rows() -> None:
    x, w, b, y, f = batch(1, 3, 4)
    found = linear.linear_cross_entropy_tlo(x[:0], w, b, y[:0], f[:0], options=Options())
    assert found.input is not None and found.input.shape == (0, 3)
    assert found.weight is not None and not found.weight.any()


@pytest.mark.parametrize("into", [False, True])
def test_is_what_the_public_function_takes_by_name(into: bool) -> None:
    x, w, b, y, _ = batch(20, 16, 70)
    given = [t.requires_grad_() for t in (x, w, b)]
    options: dict[str, Any] = {"linear_bias": b, "ignore_index": -1, "z_loss": 0.01, "label_smoothing": 0.1}
    expected = linear_cross_entropy(x, w, y, implementation="torch", **options)
    slopes = torch.autograd.grad(expected, given)
    if into:
        options["accumulate_grad_into"] = torch.ones_like(w)
    loss = linear_cross_entropy(x, w, y, implementation="triton", **options)
    torch.testing.assert_close(loss, expected)
    found = list(torch.autograd.grad(loss, given, allow_unused=True))
    if into:
        found[1] = options["accumulate_grad_into"] - 1
    for mine, right in zip(found, slopes, strict=True):
        torch.testing.assert_close(mine, right, rtol=1e-4, atol=1e-6)


def test_the_public_function_says_what_it_refuses() -> None:
    x, w, _, y, _ = batch(8, 16, 70)
    with pytest.raises(UsageError, match="takes class indices"):
        linear_cross_entropy(x, w, y, ignore_index=-1, reduction="none", implementation="triton")


def test_names_its_methods() -> None:
    x, w, b, y, f = batch(2, 3, 4)
    with pytest.raises(UsageError, match="stream, fused, logits"):
        linear.linear_cross_entropy_tlo(x, w, b, y, f, options=Options(), method="best")
