"""Modules: two functions with all their options, and the losses of the registry with their derivatives."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import fields
from typing import Any

import pytest

import crossent
from crossent.errors import CrossentError
from crossent.losses import Loss, all_losses
from crossent.testing.samples import prepared
from crossent.torch.registered import trainable

torch = pytest.importorskip("torch")
nn = torch.nn
F = torch.nn.functional
ct: Any = crossent.torch  # type: ignore[attr-defined]

FUNCTIONS = {"CrossEntropyLoss": "cross_entropy", "LinearCrossEntropyLoss": "linear_cross_entropy"}


def test_every_name_is_there_and_a_derivative_makes_a_module() -> None:
    assert all(hasattr(ct, name) for name in ct.__all__)
    assert set(trainable()) <= set(ct.__all__)
    left_out = {loss.name for loss in all_losses()} - {loss.name for loss in trainable().values()}
    assert left_out == {"zero_one", "crps_student"}
    with pytest.raises(AttributeError):
        _ = ct.HingeLoss


# --- of functions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("module", "function"), FUNCTIONS.items())
def test_constructor_and_call_share_the_arguments_of_the_function(module: str, function: str) -> None:
    told = inspect.signature(getattr(ct, module)).parameters
    every = inspect.signature(getattr(ct, function)).parameters
    assert set(told) < set(every)
    assert all(told[name].default is every[name].default for name in told)
    data = {"input", "target", "token_weight"}
    assert set(every) - set(told) - data <= {"linear_weight", "linear_bias", "accumulate_grad_into"}
    with pytest.raises(TypeError):
        getattr(ct, module)(gamma=2.0)


def test_modules_give_what_the_functions_give() -> None:
    x, y = torch.randn(5, 3), torch.tensor([0, 3, -100, 2, 1])
    head, weight, token = nn.Linear(3, 4), torch.rand(4), torch.rand(5)
    options: dict[str, Any] = {"weight": weight, "label_smoothing": 0.1, "z_loss": 0.01}
    plain = ct.CrossEntropyLoss(**options)(head(x), y, token_weight=token)
    linear = ct.LinearCrossEntropyLoss(**options)(
        x, head.weight, y, linear_bias=head.bias, token_weight=token
    )
    assert torch.equal(plain, ct.cross_entropy(head(x), y, token_weight=token, **options))
    assert torch.allclose(plain, linear)
    theirs = nn.CrossEntropyLoss(weight, label_smoothing=0.1)(head(x), y)
    assert torch.allclose(ct.CrossEntropyLoss(weight, label_smoothing=0.1)(head(x), y), theirs)


def test_modules_are_like_other_modules() -> None:
    loss = ct.CrossEntropyLoss(torch.ones(3), z_loss=0.1)
    assert list(loss.state_dict()) == ["weight"]
    assert loss.double().weight.dtype == torch.float64
    assert not list(loss.parameters())
    for other in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss)), torch.nn.Sequential(loss)[0]):
        assert other.z_loss == 0.1 and torch.equal(other.weight, loss.weight)
    assert "z_loss=0.1" in repr(loss)
    assert ct.CrossEntropyLoss().state_dict() == {}


# --- of the registry --------------------------------------------------------------------------------------


def kinds() -> list[Any]:
    return [pytest.param(n, k, id=f"{n}-{k}") for n, loss in trainable().items() for k in loss.kinds]


def made(name: str, kind: str, **options: Any) -> tuple[Any, Any, Any]:
    """The module with the parameters it needs, rows of predictions and targets."""
    loss, y, prediction = prepared(trainable()[name], kind, rows=4, spread=1.0)
    given = {field.name: getattr(loss, field.name) for field in fields(loss)}
    module = getattr(ct, name)(**given, kind=kind, **options)
    return module, torch.tensor(prediction), torch.tensor(y)


def rows_of_one_sum(kind: str, p: Any) -> Any:
    """From free numbers to rows that sum to one, so that differences stay in the domain."""
    return torch.softmax(p, -1) if kind == "probs" else torch.log_softmax(p, -1) if kind == "log_probs" else p


@pytest.mark.parametrize(("name", "kind"), kinds())
def test_values_and_derivatives_of_every_loss(name: str, kind: str) -> None:
    weight = torch.tensor([1.0, 0.0, 2.0, 0.5], dtype=torch.float64)
    for reduction in ("mean", "sum", "none"):
        module, prediction, y = made(name, kind, reduction=reduction)
        truth = torch.tensor(module.loss.value(y.numpy(), prediction.numpy(), kind)) * weight
        reduced = {"none": truth, "sum": truth.sum(), "mean": truth.sum() / weight.sum()}[reduction]
        assert torch.allclose(module(prediction, y, weight), reduced, rtol=1e-12)
    # the reductions are PyTorch's own arithmetic: one is differentiated
    together = module.loss.target != "indicators"
    free = prediction.log() if kind == "probs" and together else prediction
    free = free.clone().requires_grad_()

    def value(x: Any) -> Any:
        return module(rows_of_one_sum(kind, x) if together else x, y, weight)

    assert torch.autograd.gradcheck(value, free, eps=1e-6, atol=1e-6, rtol=1e-5)


def test_a_module_has_the_parameters_of_its_loss() -> None:
    for name, loss in trainable().items():
        module = getattr(ct, name)
        told = inspect.signature(module).parameters
        assert list(told) == [*(f.name for f in fields(loss)), "kind", "reduction", "ignore_index"]
        assert loss.title[1:] in module.__doc__
    focal = ct.FocalLoss(gamma=1.0, alpha=torch.tensor([1.0, 2.0]))
    assert (focal.loss.gamma, focal.loss.alpha, focal.kind) == (1.0, (1.0, 2.0), "logits")
    again = pickle.loads(pickle.dumps(focal))
    assert type(again) is ct.FocalLoss and again.loss == focal.loss
    assert repr(focal) == "FocalLoss(Focal(gamma=1.0, alpha=(1.0, 2.0)), kind='logits', reduction='mean')"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_images_narrow_types_and_ignored_labels(dtype: Any) -> None:
    z, y = torch.randn(2, 4, 3, 3).to(dtype), torch.randint(0, 4, (2, 3, 3))
    y[0, 0, 0] = -100
    mine, theirs = z.clone().requires_grad_(), z.double().requires_grad_()
    loss = ct.FocalLoss(gamma=0.0)(mine, y)
    truth = F.cross_entropy(theirs, y)
    assert loss.dtype == torch.float32 and torch.allclose(loss.double(), truth, rtol=1e-6)
    loss.backward()
    truth.backward()
    assert mine.grad.dtype == dtype
    assert torch.allclose(mine.grad.double(), theirs.grad, rtol=1e-2, atol=1e-5)


def test_nothing_that_counts_gives_zero() -> None:
    for y in (torch.tensor([-100, -100]), torch.empty(0, dtype=torch.long)):
        z = torch.randn(len(y), 3, requires_grad=True)
        loss = ct.FocalLoss()(z, y)
        loss.backward()
        assert loss.item() == 0.0 and not z.grad.any()


def test_compiles_without_a_graph_break_and_refuses_second_derivatives() -> None:
    torch.compiler.reset()
    z, y, loss = torch.randn(6, 3, requires_grad=True), torch.randint(0, 3, (6,)), ct.Poly1Loss(epsilon=2.0)
    compiled = torch.compile(lambda x: loss(x * 2, y), backend="aot_eager", fullgraph=True)
    found, truth = compiled(z), loss(z * 2, y)
    assert torch.allclose(found, truth)
    assert torch.allclose(torch.autograd.grad(found, z)[0], torch.autograd.grad(truth, z)[0])
    (slopes,) = torch.autograd.grad(loss(z, y), z, create_graph=True)
    with pytest.raises(CrossentError, match="no-derivative"):
        torch.autograd.grad(slopes.sum(), z)


@pytest.mark.parametrize(
    ("slug", "options", "target"),
    [
        ("bad-option", {"gamma": -1.0}, torch.tensor([0])),
        ("bad-option", {"reduction": "median"}, torch.tensor([0])),
        ("unknown-kind", {"kind": "quantiles"}, torch.tensor([0])),
        ("label-out-of-range", {}, torch.tensor([3])),
        ("label-type", {}, torch.tensor([0.0])),
        ("shape-mismatch", {}, torch.tensor([0, 1])),
    ],
)
def test_refusals(slug: str, options: dict[str, Any], target: Any) -> None:
    with pytest.raises(CrossentError) as caught:
        ct.FocalLoss(**options)(torch.zeros(1, 3), target)
    assert caught.value.slug == slug


def test_a_new_loss_needs_nothing_more() -> None:
    from crossent.torch.losses import module_for

    loss: Loss = trainable()["BrierLoss"]
    module: Any = module_for("MyBrierLoss", loss)
    assert module()(torch.zeros(1, 2), torch.tensor([0])).item() == 0.5
