"""Cross-entropy of logits beside that of torch.nn.functional in float64: every argument, shape and type."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from crossent.errors import CrossentError
from crossent.torch import TopK, cross_entropy

torch = pytest.importorskip("torch")
F = torch.nn.functional

C = 7
SHAPES = [(C,), (5, C), (5, C, 3), (2, C, 3, 2)]
BOTH = ("core", "torch")
TOLERANCE = {torch.float64: 1e-12, torch.float32: 3e-6, torch.bfloat16: 1e-2, torch.float16: 1.5e-3}


def normal(*shape: int, seed: int = 0) -> Any:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def problem(shape: tuple[int, ...], soft: bool, ignore_index: int = -100) -> tuple[Any, Any]:
    """Logits in float64 and a target; of several labels one is ignored."""
    axis = min(len(shape) - 1, 1)
    if soft:
        return normal(*shape), torch.softmax(normal(*shape, seed=1), axis)
    rows = shape[:axis] + shape[axis + 1 :]
    y = torch.randint(3, C, rows, generator=torch.Generator().manual_seed(2))
    if rows:
        y.reshape(-1)[:2] = torch.tensor([1, ignore_index])
    return normal(*shape), y


def slopes(loss: Any, z: Any) -> Any:
    """Gradient of a sum of the results, each times another number."""
    up = torch.arange(1.0, loss.numel() + 1.0, dtype=loss.dtype).view_as(loss)
    return torch.autograd.grad(loss, z, up, retain_graph=True)[0]


def distance(found: Any, truth: Any) -> float:
    """Relative to the largest number."""
    return float((found.double() - truth).abs().max() / truth.abs().max().clamp(min=1e-30))


# --- a drop-in --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("soft", [False, True], ids=["labels", "probabilities"])
@pytest.mark.parametrize("implementation", BOTH)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_gives_what_torch_gives_in_float64(
    shape: tuple[int, ...], soft: bool, implementation: str, dtype: Any
) -> None:
    for reduction, smoothing, weighted, index in itertools.product(
        ("mean", "sum", "none"), (0.0, 0.3), (False, True), (-100, 2)
    ):
        z, y = problem(shape, soft, index)
        weight = torch.rand(C, dtype=torch.float64) + 0.1 if weighted else None
        options: dict[str, Any] = {"reduction": reduction, "label_smoothing": smoothing, "weight": weight}
        if not soft:
            options["ignore_index"] = index
        mine = z.to(dtype).requires_grad_()
        theirs = mine.detach().double().requires_grad_()
        loss = cross_entropy(mine, y, implementation=implementation, **options)
        truth = F.cross_entropy(theirs, y, **options)
        assert loss.shape == truth.shape
        assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        assert distance(loss.detach(), truth.detach()) < min(TOLERANCE[dtype], 3e-6), options
        gradient = slopes(loss, mine)
        assert gradient.dtype == dtype
        assert distance(gradient, slopes(truth, theirs)) < TOLERANCE[dtype], options


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"size_average": False}, "sum"),
        ({"size_average": True}, "mean"),
        ({"reduce": False}, "none"),
        ({"size_average": False, "reduce": True}, "sum"),
    ],
)
def test_old_names_of_the_reduction(old: dict[str, bool], new: str) -> None:
    z, y = problem((5, C), soft=False)
    assert torch.equal(cross_entropy(z, y, **old), cross_entropy(z, y, reduction=new))


@pytest.mark.parametrize("layout", ["transposed", "channels last", "every second"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_any_layout_in_memory(layout: str, dtype: Any) -> None:
    z, y = normal(4, C, 3, 2).to(dtype), torch.randint(0, C, (4, 3, 2))
    if layout == "channels last":
        other = z.contiguous(memory_format=torch.channels_last)
    else:
        z, y = z[:, :, 0, 0], y[:, 0, 0]
        other = (
            z.t().contiguous().t() if layout == "transposed" else torch.cat([z, z], 1).reshape(4, 2, C)[:, 0]
        )
    for options in ({}, {"label_smoothing": 0.1}, {"temperature": 2.0}, {"z_loss": 0.1}):
        a, b = z.clone().requires_grad_(), other.clone(memory_format=torch.preserve_format).requires_grad_()
        first, second = (cross_entropy(t, y, implementation="core", **options) for t in (a, b))
        assert torch.equal(first, second)
        assert torch.equal(slopes(first, a), slopes(second, b))


# --- what torch has not -----------------------------------------------------------------------------------

MORE = [
    {"z_loss": 0.1},
    {"z_loss": 0.1, "label_smoothing": 0.1},
    {"softcap": 2.0},
    {"temperature": 3.0},
    {"softcap": 2.0, "temperature": 0.5, "z_loss": 0.01, "label_smoothing": 0.2},
]


def written_out(z: Any, y: Any, token: Any, weight: Any, options: dict[str, Any]) -> Any:
    """The definition, in float64."""
    cap, t, eps = options.get("softcap"), options.get("temperature", 1.0), options.get("label_smoothing", 0.0)
    z = (z if cap is None else cap * torch.tanh(z / cap)) / t
    each = F.cross_entropy(z, y, weight, reduction="none", label_smoothing=eps)
    valid = (y != -100).double() if y.ndim == 1 else torch.ones(len(z))
    count = token * valid * (weight[y.clamp(min=0)] if y.ndim == 1 else 1.0)
    square = z.logsumexp(1).square() * valid * token
    return (each * token).sum() / count.sum() + options.get("z_loss", 0.0) * square.sum() / (
        token * valid
    ).sum()


@pytest.mark.parametrize("options", MORE, ids="+".join)
@pytest.mark.parametrize("soft", [False, True], ids=["labels", "probabilities"])
@pytest.mark.parametrize("implementation", BOTH)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_more_options_are_their_definition(
    options: dict[str, Any], soft: bool, implementation: str, dtype: Any
) -> None:
    z, y = problem((6, C), soft)
    weight, token = torch.rand(C, dtype=torch.float64) + 0.1, torch.rand(6, dtype=torch.float64)
    mine = z.to(dtype).requires_grad_()
    theirs = mine.detach().double().requires_grad_()
    loss = cross_entropy(mine, y, weight, token_weight=token, implementation=implementation, **options)
    truth = written_out(theirs, y, token, weight, options)
    assert distance(loss.detach(), truth.detach()) < min(TOLERANCE[dtype], 3e-6)
    assert distance(slopes(loss, mine), slopes(truth, theirs)) < TOLERANCE[dtype]


@pytest.mark.parametrize("implementation", BOTH)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_outputs_have_values_and_gradients(shape: tuple[int, ...], implementation: str) -> None:
    z, y = problem(shape, soft=False)
    z.requires_grad_()
    names = ("losses", "lse", "logprob", "entropy", "argmax", "correct")
    found = cross_entropy(z, y, z_loss=0.1, outputs=names, implementation=implementation)
    axis, valid = min(len(shape) - 1, 1), y != -100
    log_p = torch.log_softmax(z, axis)
    lse = torch.where(valid, z.logsumexp(axis), 0)
    own = torch.where(valid, log_p.gather(axis, y.clamp(min=0).unsqueeze(axis)).squeeze(axis), 0)
    truth = {
        "losses": (0.1 * lse.square() - own) / valid.sum(),
        "lse": lse,
        "logprob": own,
        "entropy": torch.where(valid, -(log_p.exp() * log_p).sum(axis), 0),
    }
    for name, value in truth.items():
        mine = getattr(found, name)
        assert mine.shape == y.shape
        assert distance(mine.detach(), value.detach()) < 1e-12, name
        assert distance(slopes(mine, z), slopes(value, z)) < 1e-11, name
    assert torch.equal(found.argmax, z.argmax(axis))
    assert torch.equal(found.correct, z.argmax(axis) == y)
    assert cross_entropy(z, y, outputs=("lse",)).entropy is None


def test_a_teachers_top_k_and_gradients_by_targets_go_by_the_formulas() -> None:
    z, q = problem((5, C), soft=True)
    probs, ids = q.topk(3, dim=1)
    some = torch.zeros_like(q).scatter(1, ids, probs)
    assert torch.allclose(cross_entropy(z, TopK(ids, probs)), F.cross_entropy(z, some), rtol=1e-12)
    q.requires_grad_()
    mine, theirs = (torch.autograd.grad(f(z, q), q)[0] for f in (cross_entropy, F.cross_entropy))
    assert torch.allclose(mine, theirs, rtol=1e-12)


# --- precision --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gap", [0.0, 8.0, 16.0], ids=["random", "peaked", "very peaked"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("implementation", BOTH)
def test_confident_rows_keep_their_precision(gap: float, dtype: Any, implementation: str) -> None:
    """Each row's loss and gradient relative to their own size, however small."""
    z, y = normal(64, 501, seed=3), torch.randint(0, 501, (64,), generator=torch.Generator().manual_seed(4))
    z = z.scatter_add(1, y[:, None], torch.full((64, 1), gap, dtype=z.dtype)).to(dtype)
    mine, truth = z.clone().requires_grad_(), z.double().requires_grad_()
    loss = cross_entropy(mine, y, reduction="none", implementation=implementation)
    own = truth.gather(1, y[:, None])
    exact = torch.log1p(torch.exp(truth - own).scatter(1, y[:, None], 0).sum(1))
    assert distance((loss / exact).detach(), torch.ones_like(exact)) < {torch.float64: 1e-13}.get(dtype, 1e-5)
    loss.sum().backward()
    exact.sum().backward()
    # the least float16 above 0 is 6e-8
    lost = 3e-8 * 501**0.5 if dtype == torch.float16 else 0.0
    rest = ((mine.grad.double() - truth.grad).norm(dim=1) - lost) / truth.grad.norm(dim=1)
    assert float(rest.max()) < {torch.float64: 1e-13, torch.float32: 1e-5}.get(dtype, 5e-3)


# --- autograd ---------------------------------------------------------------------------------------------

GRADED = [
    {},
    {"reduction": "none"},
    {"label_smoothing": 0.1, "weight": torch.tensor([0.5, 1.0, 2.0, 0.7], dtype=torch.float64)},
    {"z_loss": 0.1},
    {"z_loss": 0.1, "label_smoothing": 0.1},
    {"softcap": 3.0, "temperature": 2.0},
]


@pytest.mark.parametrize("options", GRADED, ids=lambda o: "+".join(o) or "plain")
@pytest.mark.parametrize("soft", [False, True], ids=["labels", "probabilities"])
def test_first_and_second_derivatives(options: dict[str, Any], soft: bool) -> None:
    z = normal(4, 4).requires_grad_()
    y = torch.softmax(normal(4, 4, seed=1), 1) if soft else torch.tensor([0, 3, -100, 2])

    def loss(x: Any) -> Any:
        return cross_entropy(x, y, implementation="core", **options)

    assert torch.autograd.gradcheck(loss, z)
    assert torch.autograd.gradgradcheck(loss, z)


@pytest.mark.parametrize("output", ["losses", "lse", "logprob", "entropy"])
def test_derivatives_of_outputs(output: str) -> None:
    z, y = normal(3, 4).requires_grad_(), torch.tensor([0, 3, -100])

    def value(x: Any) -> Any:
        return getattr(cross_entropy(x, y, outputs=(output,), implementation="core"), output)

    assert torch.autograd.gradcheck(value, z)
    assert torch.autograd.gradgradcheck(value, z)


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("options", [{}, {"z_loss": 0.1}, {"label_smoothing": 0.1}], ids="+".join)
def test_backward_again_and_with_another_factor(inplace: bool, dtype: Any, options: dict[str, float]) -> None:
    z, y = problem((5, C), soft=False)
    z = z.to(dtype).requires_grad_()
    loss = cross_entropy(z * 1, y, inplace=inplace, **options)
    kept = [
        torch.autograd.grad(loss, z, torch.tensor(up), retain_graph=True)[0] for up in (1.0, 1.0, 0.5, 1.0)
    ]
    assert torch.equal(kept[0], kept[1]) and torch.equal(kept[0], kept[3])
    assert torch.allclose(kept[2], kept[0] * 0.5, rtol=1e-2, atol=1e-7)
    kept[0].zero_()
    assert torch.equal(torch.autograd.grad(loss, z)[0], kept[1])


def test_what_a_caller_was_given_is_the_callers() -> None:
    z, y = problem((5, C), soft=False)
    z.requires_grad_()
    loss = cross_entropy(z, y)
    loss.backward(retain_graph=True)
    once = z.grad.clone()
    z.grad.zero_()
    loss.backward()
    assert torch.equal(z.grad, once)


@pytest.mark.parametrize("options", [*GRADED, {"outputs": ("entropy", "lse", "correct")}], ids="+".join)
def test_arguments_are_never_written_to(options: dict[str, Any]) -> None:
    z, y = normal(4, 4), torch.tensor([0, 3, -100, 2])
    given = [z.clone().requires_grad_(), y.clone(), torch.rand(4, dtype=torch.float64)]
    versions = [t._version for t in given]
    kept = [t.detach().clone() for t in given]
    result = cross_entropy(given[0], given[1], token_weight=given[2], **options)
    (result.loss if "outputs" in options else result).sum().backward()
    assert [t._version for t in given] == versions
    assert all(torch.equal(a, b) for a, b in zip(given, kept, strict=True))


def test_in_place_overwrites_logits_that_were_computed_and_says_so() -> None:
    z, y = problem((5, C), soft=False)
    z.requires_grad_()
    truth = torch.autograd.grad(F.cross_entropy(z, y), z)[0]
    logits = z * 1
    loss = cross_entropy(logits, y, inplace=True)
    assert torch.allclose(logits.detach(), truth, rtol=1e-12)
    assert torch.allclose(torch.autograd.grad(loss, z)[0], truth, rtol=1e-12)
    cross_entropy(z, y, inplace=True).backward()  # a leaf stays as it is
    assert torch.equal(z.detach(), problem((5, C), soft=False)[0])
    logits = z.exp()  # whose gradient needs the result
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        cross_entropy(logits, y, inplace=True).backward()


def test_under_checkpoints_autocast_and_without_gradients() -> None:
    from torch.utils.checkpoint import checkpoint

    z, y = problem((5, C), soft=False)
    z.requires_grad_()
    truth = torch.autograd.grad(cross_entropy(2 * z, y), z)[0]
    loss = checkpoint(lambda x: cross_entropy(2 * x, y), z, use_reentrant=False)
    assert torch.equal(torch.autograd.grad(loss, z)[0], truth)
    with torch.no_grad():
        assert torch.equal(cross_entropy(2 * z, y), loss)
    with torch.autocast("cpu", torch.bfloat16):
        half = torch.nn.Linear(3, C)(torch.ones(5, 3))
        assert half.dtype == torch.bfloat16
        for implementation in BOTH:
            loss = cross_entropy(half, y, label_smoothing=0.1, implementation=implementation)
            truth = F.cross_entropy(half.double(), y, label_smoothing=0.1)
            assert distance(loss.detach(), truth.detach()) < 1e-6


@pytest.mark.parametrize(
    "options",
    [{}, {"reduction": "none"}, {"z_loss": 0.1}, {"outputs": ("losses", "lse", "entropy", "correct")}],
    ids=lambda o: "+".join(o) or "plain",
)
@pytest.mark.parametrize("implementation", BOTH)
def test_compiles_without_a_graph_break(options: dict[str, Any], implementation: str) -> None:
    torch.compiler.reset()
    z, y = problem((5, C), soft=False)
    z.requires_grad_()

    def loss(x: Any) -> Any:
        found = cross_entropy(x * 2, y, implementation=implementation, **options)
        return found.losses.sum() + found.lse.sum() if "outputs" in options else found.sum() * 3

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    for found, truth in zip((compiled(z),), (loss(z),), strict=True):
        assert torch.allclose(found, truth, rtol=1e-12)
        assert torch.allclose(slopes(found, z), slopes(truth, z), rtol=1e-12)


def test_transforms_of_torch_func_go_by_the_formulas() -> None:
    z, y = normal(4, C), torch.tensor([0, 1, 2, 6])

    def slope(f: Any) -> Any:
        return torch.func.vmap(torch.func.grad(lambda x, label: f(x[None], label[None])))(z, y)

    assert torch.allclose(slope(cross_entropy), slope(F.cross_entropy), rtol=1e-12)
    mine, theirs = (
        torch.func.jacrev(torch.func.grad(lambda x, f=f: f(x, y)))(z)
        for f in (cross_entropy, F.cross_entropy)
    )
    assert torch.allclose(mine, theirs, rtol=1e-10, atol=1e-15)


# --- nothing to average, and what is refused --------------------------------------------------------------


@pytest.mark.parametrize("implementation", BOTH)
@pytest.mark.parametrize(
    "options", [{}, {"z_loss": 0.1}, {"label_smoothing": 0.1}, {"weight": torch.ones(C)}]
)
def test_no_rows_and_only_ignored_rows(implementation: str, options: dict[str, Any]) -> None:
    for z, y in (
        (torch.empty(0, C), torch.empty(0, dtype=torch.long)),
        (torch.randn(3, C), torch.tensor([-100] * 3)),
    ):
        for reduction in ("mean", "sum", "none"):
            mine = z.clone().requires_grad_()
            loss = cross_entropy(mine, y, reduction=reduction, implementation=implementation, **options)
            assert torch.equal(loss.detach(), torch.zeros(loss.shape))
            loss.sum().backward()
            assert torch.equal(mine.grad, torch.zeros_like(z))


def test_an_ignored_row_may_hold_anything() -> None:
    z, y = problem((5, C), soft=False)
    z[1] = float("nan")
    for options in ({}, {"z_loss": 0.1}, {"z_loss": 0.1, "label_smoothing": 0.1}, {"reduction": "none"}):
        mine = z.clone().requires_grad_()
        loss = cross_entropy(mine, y, implementation="core", **options)
        loss.sum().backward()
        assert bool(loss.isfinite().all()) and bool(mine.grad.isfinite().all())
        assert not bool(mine.grad[1].any())


@pytest.mark.parametrize(
    ("slug", "arguments"),
    [
        ("shape-mismatch", {"target": torch.zeros(4, dtype=torch.long)}),
        ("shape-mismatch", {"target": torch.rand(5, C + 1)}),
        ("shape-mismatch", {"weight": torch.ones(C + 1)}),
        ("shape-mismatch", {"token_weight": torch.ones(4)}),
        ("shape-mismatch", {"input": torch.tensor(1.0)}),
        ("label-out-of-range", {"target": torch.full((5,), C)}),
        ("label-out-of-range", {"target": torch.full((5,), -1)}),
        ("label-type", {"target": torch.ones(5, dtype=torch.bool)}),
        ("not-a-mass", {"target": -torch.rand(5, C)}),
        ("bad-option", {"reduction": "median"}),
        ("bad-option", {"outputs": "lse"}),
        ("bad-option", {"implementation": "numpy"}),
        ("implementation-unavailable", {"implementation": "triton"}),
        (
            "implementation-unavailable",
            {"implementation": "core", "token_weight": torch.ones(5).requires_grad_()},
        ),
    ],
)
def test_refusals(slug: str, arguments: dict[str, Any]) -> None:
    given: dict[str, Any] = {"input": torch.zeros(5, C), "target": torch.zeros(5, dtype=torch.long)}
    with pytest.raises(CrossentError) as caught:
        cross_entropy(**given | arguments)
    assert caught.value.slug == slug
