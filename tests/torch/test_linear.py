"""Linear cross-entropy by tiles beside the formulas in float64: options, precision, second derivatives."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from crossent.errors import DataError, UsageError
from crossent.torch import TopK, linear_cross_entropy

torch = pytest.importorskip("torch")
F = torch.nn.functional

N, D, V = 9, 6, 37
KINDS = ("labels", "probabilities", "top k")
FEW_ROWS, FEW_CLASSES = 16 * V * 4, 4000
"""Budgets in bytes: some rows of all classes, and (there is a least size) some classes of all rows."""


def problem(kind: str = "labels", seed: int = 0, classes: int = V) -> tuple[Any, Any, Any, Any]:
    """x, W, b in float64, and a target of this kind; one row of labels is ignored."""
    g = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Any:
        return torch.randn(*shape, dtype=torch.float64, generator=g)

    x, w, b = normal(N, D), normal(classes, D), normal(classes)
    if kind == "labels":
        target = torch.randint(0, classes, (N,), generator=g)
        target[3] = -100
    elif kind == "probabilities":
        target = torch.softmax(normal(N, classes), 1)
    else:
        ids = torch.stack([torch.randperm(classes, generator=g)[:4] for _ in range(N)])
        target = TopK(ids, torch.rand(N, 4, dtype=torch.float64, generator=g) / 4)
    return x, w, b, target


def with_gradients(x: Any, w: Any, b: Any, target: Any, dtype: Any, **options: Any) -> list[Any]:
    """The result, and the gradients of its sum by x, W and b."""
    given = [t.to(dtype).clone().requires_grad_() for t in (x, w, b)]
    result = linear_cross_entropy(given[0], given[1], target, linear_bias=given[2], **options)
    return [result.detach(), *torch.autograd.grad(result.sum(), given)]


def distance(found: list[Any], truth: list[Any]) -> float:
    """The largest difference, relative to the largest number of its tensor."""
    return max(
        float((a.double() - b).abs().max() / b.abs().max().clamp(min=1e-30))
        for a, b in zip(found, truth, strict=True)
    )


OPTIONS = [
    {},
    {"label_smoothing": 0.1},
    {"z_loss": 0.1},
    {"softcap": 3.0, "temperature": 1.3},
    {"label_smoothing": 0.2, "z_loss": 0.01, "softcap": 5.0},
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "+".join(o) or "plain")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 3e-6)])
def test_tiles_give_what_the_formulas_give(
    kind: str, options: dict[str, Any], weighted: bool, dtype: Any, tolerance: float
) -> None:
    if kind == "top k" and "label_smoothing" in options:
        options = {name: value for name, value in options.items() if name != "label_smoothing"}
    arrays = problem(kind)
    more: dict[str, Any] = dict(options)
    if weighted:
        more |= {
            "weight": torch.rand(V, dtype=torch.float64) + 0.1,
            "token_weight": torch.rand(N, dtype=torch.float64),
        }
    for reduction, budget in itertools.product(("mean", "sum", "none"), (None, FEW_ROWS, FEW_CLASSES)):
        more |= {"reduction": reduction}
        truth = with_gradients(*arrays, torch.float64, implementation="torch", **more)
        assert distance(with_gradients(*arrays, dtype, memory_budget=budget, **more), truth) < tolerance


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("kind", KINDS[:2])
def test_the_meaning_is_that_of_pytorch(reduction: str, smoothing: float, kind: str) -> None:
    x, w, b, target = problem(kind)
    weight = torch.rand(V, dtype=torch.float64)
    found = linear_cross_entropy(
        x, w, target, linear_bias=b, weight=weight, reduction=reduction, label_smoothing=smoothing
    )
    logits = F.linear(x, w, b)
    torch.testing.assert_close(
        found, F.cross_entropy(logits, target, weight, reduction=reduction, label_smoothing=smoothing)
    )


@pytest.mark.parametrize("margin", [0.0, 10.0, 40.0])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 3e-5), (torch.bfloat16, 5e-3)])
@pytest.mark.parametrize("budget", [None, 1])
def test_confident_rows_keep_their_gradient(
    margin: float, dtype: Any, tolerance: float, budget: int | None
) -> None:
    """Where the logits alone, rounded to the type of x, would say that nothing is left to learn."""
    g = torch.Generator().manual_seed(1)
    classes, width = 3000, 32
    w = torch.randn(classes, width, generator=g).to(dtype)
    target = torch.randint(0, classes, (24,), generator=g)
    x = (w[target].double() * (1 + margin) / w[target].double().square().sum(1, keepdim=True).sqrt()).to(
        dtype
    )
    b = torch.zeros(classes, dtype=dtype)
    truth = with_gradients(x, w, b, target, torch.float64, implementation="torch")
    found = with_gradients(x, w, b, target, dtype, memory_budget=budget)
    # what is left is the rounding of products of 80 to float32
    assert abs(found[0].double() - truth[0]) <= 3e-5 * truth[0]
    for mine, right in zip(found[1:], truth[1:], strict=True):
        assert (mine.double() - right).norm() <= tolerance * right.norm()


def test_losses_do_not_depend_on_the_budget_and_runs_repeat_bit_for_bit() -> None:
    x, w, b, target = problem(classes=3000)
    runs = [
        with_gradients(x, w, b, target, torch.float32, memory_budget=budget)
        for budget in (None, None, 16 * 3000 * 4, 1)
    ]
    for run in runs[1:]:
        assert torch.equal(run[0], runs[0][0])
        assert distance(run[1:], [t.double() for t in runs[0][1:]]) < 1e-6
    assert all(torch.equal(a, b) for a, b in zip(runs[0], runs[1], strict=True))


@pytest.mark.parametrize("kind", KINDS[:2])
def test_gradients_and_their_gradients_are_those_of_the_loss(kind: str) -> None:
    x, w, b, target = problem(kind, classes=7)
    given = [t.clone().requires_grad_() for t in (x[:4], w, b)]
    target = target[:4]

    def scalar(x: Any, w: Any, b: Any) -> Any:
        return linear_cross_entropy(
            x, w, target, linear_bias=b, label_smoothing=0.1, z_loss=0.01, softcap=4.0
        )

    names = ("losses", "lse", "entropy") + (("logprob",) if kind == "labels" else ())

    def rows(x: Any, w: Any, b: Any) -> Any:
        found = linear_cross_entropy(x, w, target, linear_bias=b, softcap=4.0, outputs=names)
        return tuple(getattr(found, name) for name in names)

    for function in (scalar, rows):
        assert torch.autograd.gradcheck(function, given)
        assert torch.autograd.gradgradcheck(function, given)


def test_outputs_are_those_of_the_logits() -> None:
    x, w, b, target = problem()
    names = ("losses", "lse", "logprob", "entropy", "argmax", "correct")
    found = linear_cross_entropy(x, w, target, linear_bias=b, outputs=names)
    log_p = torch.log_softmax(F.linear(x, w, b), 1)
    valid = target >= 0
    torch.testing.assert_close(found.loss, F.nll_loss(log_p, target))
    chosen = log_p.gather(1, target.clamp(min=0)[:, None])[:, 0]
    torch.testing.assert_close(found.logprob, torch.where(valid, chosen, 0))
    torch.testing.assert_close(found.losses.sum(), found.loss)
    torch.testing.assert_close(found.entropy[valid], -(log_p.exp() * log_p).sum(1)[valid])
    assert torch.equal(found.argmax[valid], log_p.argmax(1)[valid])
    assert torch.equal(found.correct[valid], (log_p.argmax(1) == target)[valid])


def test_ignored_rows_are_as_if_absent_and_nothing_is_left_of_none() -> None:
    x, w, b, target = problem()
    x[3] = float("nan")
    keep = target >= 0
    truth = with_gradients(x[keep], w, b, target[keep], torch.float64)
    found = with_gradients(x, w, b, target, torch.float64)
    assert torch.equal(found[1][3], torch.zeros(D, dtype=torch.float64))
    assert distance([found[0], found[1][keep], *found[2:]], truth) < 1e-14
    for rows in (0, 5):
        nothing = torch.full((rows,), -100)
        for part in with_gradients(x[:rows], w, b, nothing, torch.float64):
            assert torch.equal(part, torch.zeros_like(part))


def test_a_frozen_weight_gets_no_product_and_a_second_backward_gives_the_same() -> None:
    x, w, b, target = problem()
    x.requires_grad_()
    loss = linear_cross_entropy(x, w, target, linear_bias=b)
    first = torch.autograd.grad(3 * loss, x, retain_graph=True)[0]
    again = torch.autograd.grad(3 * loss, x)[0]
    assert torch.equal(first, again)
    torch.testing.assert_close(first, 3 * with_gradients(*problem(), torch.float64)[1])


@pytest.mark.parametrize("budget", [None, FEW_ROWS, FEW_CLASSES])
def test_the_gradient_may_be_added_to_a_tensor(budget: int | None) -> None:
    x, w, b, target = problem()
    truth = with_gradients(x, w, b, target, torch.float64)
    x.requires_grad_()
    w.requires_grad_()
    w.grad = torch.ones_like(w)
    loss = linear_cross_entropy(
        x, w, target, linear_bias=b, accumulate_grad_into=w.grad, memory_budget=budget
    )
    loss.backward()
    torch.testing.assert_close(w.grad, 1 + truth[2])
    torch.testing.assert_close(x.grad, truth[1])
    again = linear_cross_entropy(x, w, target, linear_bias=b, accumulate_grad_into=w.grad)
    with pytest.raises(UsageError, match="accumulated already"):
        (2 * again).backward()


def test_the_compiler_takes_it_without_a_break() -> None:
    x, w, b, target = problem()
    compiled: Callable[..., Any] = torch.compile(linear_cross_entropy, fullgraph=True, backend="aot_eager")
    given = [t.clone().requires_grad_() for t in (x, w, b)]
    loss = compiled(given[0], given[1], target, linear_bias=given[2], label_smoothing=0.1)
    truth = with_gradients(x, w, b, target, torch.float64, label_smoothing=0.1)
    assert distance([loss.detach(), *torch.autograd.grad(loss, given)], truth) < 1e-14


def test_autocast_and_checkpoints_give_the_same_loss() -> None:
    x, w, _, target = (t.float() if t.is_floating_point() else t for t in problem())
    w.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = linear_cross_entropy(x, w, target)
    truth = linear_cross_entropy(x.bfloat16(), w.bfloat16(), target)
    assert found.dtype == torch.float32
    assert torch.equal(found, truth)
    again = torch.utils.checkpoint.checkpoint(linear_cross_entropy, x, w, target, use_reentrant=False)
    assert torch.equal(again, linear_cross_entropy(x, w, target))
    assert torch.autograd.grad(again, w)[0].shape == w.shape


def test_what_cannot_be_is_refused() -> None:
    x, w, _, target = problem()
    wrong = target.clone()
    wrong[2] = V
    with pytest.raises(DataError, match=r"row 2.*label-out-of-range"):
        linear_cross_entropy(x, w, wrong)
    with pytest.raises(DataError, match="shape-mismatch"):
        linear_cross_entropy(x, w.t(), target)
    with pytest.raises(DataError, match="shape-mismatch"):
        linear_cross_entropy(x, w, target[1:])
    with pytest.raises(UsageError, match="implementation"):
        linear_cross_entropy(x, w, target, implementation="fastest")
    with pytest.raises(UsageError, match="softcap"):
        linear_cross_entropy(x, w, target, softcap=-1.0)
