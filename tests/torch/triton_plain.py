"""cross_entropy by the Triton kernels in the interpreter: run by test_triton.py in a process of its own."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from crossent.torch import cross_entropy, explain

# 0·(−inf) beside the row's end, which the interpreter's NumPy remarks on
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
OPTIONS: list[dict[str, Any]] = [
    {},
    {"reduction": "none"},
    {"reduction": "sum", "label_smoothing": 0.1, "weight": torch.tensor([0.5, 1.0, 2.0, 0.7, 0.1])},
    {"z_loss": 0.1, "softcap": 3.0, "temperature": 2.0},
    {"z_loss": 0.1, "reduction": "none", "token_weight": torch.tensor([1.0, 2.0, 0.0, 0.5])},
]
OUTPUTS = ("losses", "lse", "logprob", "entropy", "argmax", "correct")


def problem() -> tuple[Any, Any]:
    z = torch.randn(4, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    return z, torch.tensor([0, 4, 2, -100])


def slopes(loss: Any, z: Any, **options: Any) -> Any:
    return torch.autograd.grad(loss, z, torch.arange(1.0, loss.numel() + 1).view_as(loss), **options)[0]


@pytest.mark.parametrize("options", OPTIONS, ids="+".join)
def test_losses_first_and_second_derivatives(options: dict[str, Any]) -> None:
    z, y = problem()
    mine, truth = (cross_entropy(z, y, implementation=name, **options) for name in ("triton", "torch"))
    assert torch.allclose(mine, truth, rtol=1e-5)
    for _ in range(2):
        found = slopes(mine, z, retain_graph=True)
        assert torch.allclose(found, slopes(truth, z, retain_graph=True), rtol=1e-4, atol=1e-6)
    first = [slopes(loss, z, create_graph=True) for loss in (mine, truth)]
    second = [torch.autograd.grad(x.square().sum(), z)[0] for x in first]
    assert torch.allclose(*second, rtol=1e-4, atol=1e-6)


def test_outputs() -> None:
    z, y = problem()
    mine, truth = (cross_entropy(z, y, outputs=OUTPUTS, implementation=name) for name in ("triton", "torch"))
    for name in OUTPUTS:
        found, exact = getattr(mine, name), getattr(truth, name)
        assert torch.allclose(found.double(), exact.double(), rtol=1e-5), name
        if name not in ("argmax", "correct"):
            gradients = (slopes(x, z, retain_graph=True) for x in (found, exact))
            assert torch.allclose(*gradients, rtol=1e-4, atol=1e-6), name


def test_in_place_and_compiled() -> None:
    z, y = problem()
    truth = slopes(cross_entropy(z, y), z)
    logits = z * 1
    loss = cross_entropy(logits, y, implementation="triton", inplace=True)
    assert torch.allclose(logits, truth, rtol=1e-4, atol=1e-6)
    assert torch.equal(slopes(loss, z), logits)
    for reduction in ("mean", "none"):

        def compiled(x: Any, reduction: str = reduction) -> Any:
            return cross_entropy(x * 1, y, implementation="triton", reduction=reduction)

        found = torch.compile(compiled, fullgraph=True, backend="aot_eager")(z)
        assert torch.allclose(slopes(found, z), slopes(compiled(z), z), rtol=1e-5)


def test_the_interpreter_is_taken_by_name_only() -> None:
    assert not explain().startswith('"triton"')
