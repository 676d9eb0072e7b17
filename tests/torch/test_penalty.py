"""The gradient penalty: closed forms, its own derivatives through a network, and what it refuses."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from crossent.errors import DataError, MissingExtra, UsageError
from crossent.torch import gradient_penalty

torch = pytest.importorskip("torch")
F = torch.nn.functional

NORMS = ("squared", "l2", "l1")


@pytest.fixture
def rows() -> tuple[Any, Any]:
    """(6, 4) inputs in float64 with their gradient recorded, and labels of 3 classes."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(6, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    return x, torch.tensor([0, 1, 2, 2, 1, 0])


def network(seed: int = 1) -> Any:
    torch.manual_seed(seed)
    layers = (torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3))
    return torch.nn.Sequential(*layers).double()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_linear_softmax_model_has_a_closed_form(rows: Any, norm: str, reduction: str) -> None:
    """∂ℓ/∂x = W(p − onehot)."""
    x, y = rows
    w = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2), requires_grad=True)
    losses = F.cross_entropy(x @ w, y, reduction="none")
    found = gradient_penalty(losses, x, weight=0.3, norm=norm, reduction=reduction)

    slopes = (torch.softmax(x @ w, 1) - F.one_hot(y, 3)) @ w.T
    length = {
        "squared": (slopes**2).sum(1),
        "l2": (slopes**2).sum(1).sqrt(),
        "l1": slopes.abs().sum(1),
    }[norm]
    expected = 0.3 * (length.mean() if reduction == "mean" else length)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=0)
    # and so has the gradient that training follows
    mine, theirs = (torch.autograd.grad(value.sum(), (w, x)) for value in (found, expected))
    torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("norm", NORMS)
def test_derivatives_through_a_network(rows: Any, norm: str) -> None:
    """First and second derivatives of the penalty by inputs and parameters, against finite differences."""
    x, y = rows
    model = network()
    names, parameters = zip(*model.named_parameters(), strict=True)

    def penalty(inputs: Any, *values: Any) -> Any:
        z = torch.func.functional_call(model, dict(zip(names, values, strict=True)), (inputs,))
        losses = F.cross_entropy(z, y, reduction="none")
        return gradient_penalty(losses, inputs, norm=norm)

    arguments = (x, *(p.detach().requires_grad_() for p in parameters))
    assert torch.autograd.gradcheck(penalty, arguments)
    assert torch.autograd.gradgradcheck(penalty, arguments)


def test_training_with_it_lowers_the_slopes() -> None:
    """Of 40 rows whose labels are noise, which a network learns by heart as far as it is let."""
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(40, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    y = torch.randint(0, 3, (40,), generator=generator)

    def trained(weight: float) -> tuple[float, float]:
        model = network()
        optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
        for _ in range(60):
            optimiser.zero_grad()
            losses = F.cross_entropy(model(x), y, reduction="none")
            (losses.mean() + gradient_penalty(losses, x, weight=weight)).backward()
            optimiser.step()
        losses = F.cross_entropy(model(x), y, reduction="none")
        return losses.mean().item(), gradient_penalty(losses, x).item()

    (loss, slope), (penalised_loss, penalised_slope) = trained(0.0), trained(0.3)
    assert penalised_slope < slope / 3
    assert penalised_loss > loss


def test_a_row_is_a_row_whatever_its_batch(rows: Any) -> None:
    x, y = rows
    model = network()
    together = gradient_penalty(F.cross_entropy(model(x), y, reduction="none"), x, reduction="none")
    for i in range(len(x)):
        one = x[i : i + 1].detach().requires_grad_()
        alone = gradient_penalty(F.cross_entropy(model(one), y[i : i + 1], reduction="none"), one)
        torch.testing.assert_close(together[i], alone, rtol=1e-12, atol=0)


def test_images_and_several_inputs_are_one_vector_a_row() -> None:
    a = torch.full((2, 1, 2, 2), 0.5, requires_grad=True)
    b = torch.full((2, 3), 2.0, requires_grad=True)
    losses = a.sum((1, 2, 3)) + (b**2).sum(1)
    found = gradient_penalty(losses, (a, b), reduction="none")
    assert found.tolist() == [4 * 1.0 + 3 * 16.0] * 2


def test_it_leaves_the_gradients_of_the_model_alone(rows: Any) -> None:
    x, y = rows
    model = network()
    gradient_penalty(F.cross_entropy(model(x), y, reduction="none"), x)
    assert x.grad is None and all(p.grad is None for p in model.parameters())


def test_half_precision_is_widened_before_squaring() -> None:
    x = torch.ones(2, 3, dtype=torch.float16, requires_grad=True)
    found = gradient_penalty((300 * x).sum(1), x)  # 300² overflows float16
    assert found.dtype == torch.float32 and found.item() == 3 * 300.0**2


@pytest.mark.parametrize("norm", NORMS)
def test_where_the_slope_is_zero_the_penalty_pulls_nowhere(norm: str) -> None:
    x = torch.zeros(2, 3, requires_grad=True)
    w = torch.zeros(3, requires_grad=True)
    found = gradient_penalty(x @ w, x, norm=norm)
    assert found.item() == 0 and torch.autograd.grad(found, w)[0].tolist() == [0.0] * 3


REFUSED: list[tuple[Callable[[Any], Any], str]] = [
    (lambda x: gradient_penalty(x.sum(1).mean(), x), "shape-mismatch"),
    (lambda x: gradient_penalty(x.sum(1)[:1], x), "shape-mismatch"),
    (lambda x: gradient_penalty(x.sum(1), [x, torch.tensor(1.0)]), "shape-mismatch"),
    (lambda x: gradient_penalty(x.sum(1), x.detach()), "no-input-gradient"),
    (lambda x: gradient_penalty(x.sum(1).detach(), x), "no-input-gradient"),
    (lambda x: gradient_penalty(x.sum(1), x.detach().requires_grad_()), "no-input-gradient"),
    (lambda x: gradient_penalty(x.sum(1), x, norm="max"), "bad-option"),  # type: ignore[arg-type]
    (lambda x: gradient_penalty(x.sum(1), x, reduction="sum"), "bad-option"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("call", "slug"), REFUSED)
def test_what_it_refuses(call: Callable[[Any], Any], slug: str) -> None:
    with pytest.raises((DataError, UsageError)) as caught:
        call(torch.ones(2, 3, requires_grad=True))
    assert caught.value.slug == slug


def test_other_errors_of_the_model_come_through() -> None:
    x = torch.ones(2, 3, requires_grad=True)
    losses = x.sum(1) ** 2
    losses.sum().backward()  # frees the graph
    with pytest.raises(RuntimeError, match="second time"):
        gradient_penalty(losses, x)


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.ones(2, 3, requires_grad=True)
    losses = x.sum(1)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"crossent\[torch\]"):
        gradient_penalty(losses, x)
