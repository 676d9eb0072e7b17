"""Cases of vocabulary-parallel cross-entropy, and what ranks and one process find for each.

Run as a script with a folder and numbers of ranks: the ranks are forked, meet over gloo and leave what each
found in the folder. Nothing of a test runner is loaded in them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import Partial, Replicate, Shard, distribute_tensor, init_device_mesh

from crossent.errors import CrossentError
from crossent.torch import TopK, linear_cross_entropy
from crossent.torch.parallel import vocab_parallel_cross_entropy, vocab_parallel_linear_cross_entropy

N, D, V, K = 14, 6, 23, 3
SIZES = {2: (15, 8), 4: (9, 0, 11, 3)}
ROW_OUTPUTS = ("losses", "lse", "logprob", "entropy")
ALL_OUTPUTS = (*ROW_OUTPUTS, "argmax", "correct")

Found = dict[str, Tensor]


@dataclass(frozen=True)
class Case:
    """One call. `padding` of the V columns are no class; `explicit` says first_class and classes."""

    linear: bool = False
    target: str = "labels"
    options: dict[str, Any] = field(default_factory=dict)
    weight: str = ""
    token_weight: bool = False
    padding: int = 0
    explicit: bool = False
    dtensor: bool = False
    margin: float = 0.0
    dtype: torch.dtype = torch.float64
    shape: tuple[int, ...] = (N,)

    @property
    def classes(self) -> int:
        return V - self.padding


def _cases() -> dict[str, Case]:
    smooth, every = {"label_smoothing": 0.1}, {"outputs": ALL_OUTPUTS}
    soft_every = {"outputs": tuple(name for name in ALL_OUTPUTS if name not in ("logprob", "correct"))}
    shaped = {"softcap": 3.0, "temperature": 0.7}
    both: dict[str, dict[str, Any]] = {
        "mean": {},
        "sum": {"options": {"reduction": "sum"}},
        "none": {"options": {"reduction": "none"}, "shape": (2, 7)},
        "smoothing": {"options": smooth},
        "weight": {"weight": "full"},
        "weight-shard-smoothing": {"weight": "shard", "options": smooth},
        "z-loss": {"options": {"z_loss": 0.01}},
        "softcap-temperature": {"options": shaped},
        "token-weight": {"token_weight": True, "options": {"z_loss": 0.01}},
        "everything": {
            "weight": "full",
            "token_weight": True,
            "options": {**smooth, **shaped, **every, "z_loss": 0.01, "ignore_index": 5},
        },
        "outputs": {"options": every},
        "soft": {"target": "probs"},
        "soft-everything": {
            "target": "probs-shard",
            "weight": "shard",
            "token_weight": True,
            "options": {**smooth, **shaped, **soft_every, "z_loss": 0.01},
        },
        "top-k": {"target": "topk", "weight": "full", "options": {"outputs": ROW_OUTPUTS, **shaped}},
        "padding": {"padding": 5, "options": {**smooth, **every}, "weight": "shard"},
        "padding-soft": {"padding": 5, "target": "probs", "options": {**smooth, **soft_every}},
        "padded-shard": {"padding": 9, "explicit": True, "options": smooth, "weight": "full"},
        "explicit": {"explicit": True, "options": {"reduction": "none"}},
        "all-ignored": {"target": "ignored", "options": {"z_loss": 0.01}},
        "no-rows": {"shape": (0,), "options": smooth},
        "confident": {"margin": 40.0, "options": {"reduction": "sum"}},
        "float32": {"dtype": torch.float32, "options": {**smooth, **every}, "weight": "full"},
        "bfloat16": {"dtype": torch.bfloat16, "options": {"reduction": "none"}},
        "dtensor": {"dtensor": True, "options": {**smooth, **every}, "weight": "full"},
        "dtensor-soft": {"dtensor": True, "target": "probs", "weight": "shard", "token_weight": True},
    }
    kinds = {"logits": False, "linear": True}
    return {f"{kind}-{name}": Case(linear, **c) for kind, linear in kinds.items() for name, c in both.items()}


CASES = _cases()


@dataclass(frozen=True)
class Problem:
    """The tensors of a case, of all classes: `input` are logits or hidden states."""

    input: Tensor
    linear_weight: Tensor
    bias: Tensor
    target: Tensor | TopK
    weight: Tensor | None
    token_weight: Tensor | None


def problem(case: Case) -> Problem:
    g = torch.Generator().manual_seed(7)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    labels = torch.randint(0, case.classes, case.shape, generator=g)
    linear_weight, bias, x = normal(V, D), normal(V), normal(*case.shape, D)
    if case.margin:
        # the label's direction, so long that the others are e^−margin of it
        linear_weight = torch.nn.functional.normalize(linear_weight, dim=1)
        x = case.margin * 5 * linear_weight[labels]
    if not case.linear:
        x = x @ linear_weight.T + bias
    q = torch.softmax(2 * normal(*case.shape, case.classes), -1)
    target: Tensor | TopK = q
    if case.target == "topk":
        target = TopK(*reversed(q.topk(K, -1)))
    elif case.target == "ignored":
        target = torch.full_like(labels, -100)
    elif case.target == "labels":
        target = labels
        if labels.numel():
            target.view(-1)[[1, 4]] = case.options.get("ignore_index", -100)
    weight = torch.rand(case.classes, generator=g, dtype=torch.float64) + 0.5
    token_weight = torch.rand(case.shape, generator=g, dtype=torch.float64)
    return Problem(
        x.to(case.dtype),
        linear_weight.to(case.dtype),
        bias.to(case.dtype),
        target,
        weight if case.weight else None,
        token_weight if case.token_weight else None,
    )


def alone(case: Case) -> Found:
    """What one process finds by the formulas in float64, from the same numbers."""
    p = problem(case)
    x = p.input.double().requires_grad_()
    if case.linear:
        w, b = (t.double()[: case.classes].requires_grad_() for t in (p.linear_weight, p.bias))
    else:
        # logits are hidden states under the identity
        w, b = torch.eye(case.classes, V, dtype=torch.float64), None
    found = linear_cross_entropy(
        x,
        w,
        p.target,
        linear_bias=b,
        weight=p.weight,
        token_weight=p.token_weight,
        implementation="torch",
        **case.options,
    )
    out = values(found)
    objective(out).backward()
    if "argmax" in out and isinstance(p.target, Tensor) and not p.target.is_floating_point():
        # rows that are left out are not looked at
        out["argmax"][p.target == case.options.get("ignore_index", -100)] = 0
    grads = {"input": x} if b is None else {"input": x, "linear_weight": w, "bias": b}
    return {name: t.detach() for name, t in out.items()} | {
        f"gradient by {name}": torch.zeros_like(t) if t.grad is None else t.grad for name, t in grads.items()
    }


def values(found: Any) -> Found:
    if isinstance(found, Tensor):
        return {"loss": found}
    return {name: value for name, value in found._asdict().items() if value is not None}


def objective(found: Found) -> Tensor:
    """One number in which every value that has a gradient counts, each of its elements differently."""
    total = torch.zeros((), dtype=torch.float64)
    for name, value in found.items():
        if value.requires_grad:
            factors = torch.linspace(0.5, 1.5, max(value.numel(), 1), dtype=torch.float64)[: value.numel()]
            total = total + (value.double().reshape(-1) * factors).sum() * (1 + len(name) / 10)
    return total


class Rank:
    """One of `size` ranks, and the classes it holds."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size
        self.mesh = init_device_mesh("cpu", (size,))

    def columns(self, dtensor: bool = False) -> slice:
        step = -(-V // self.size)
        sizes = [len(range(V)[i * step : (i + 1) * step]) for i in range(self.size)]
        sizes = sizes if dtensor else list(SIZES[self.size])
        return slice(sum(sizes[: self.rank]), sum(sizes[: self.rank + 1]))

    def shard(self, x: Tensor, dim: int, case: Case) -> Tensor:
        """A leaf of this rank's part of x."""
        if case.dtensor:
            return distribute_tensor(x.detach(), self.mesh, [Shard(dim)]).requires_grad_()
        held = self.columns().stop - self.columns().start
        return x.detach().narrow(dim, self.columns().start, held).clone().requires_grad_()

    def arguments(self, case: Case, p: Problem) -> dict[str, Any]:
        """Everything but input, weight and bias."""
        found: dict[str, Any] = {**case.options, "token_weight": p.token_weight, "weight": p.weight}
        target: Any = p.target
        if case.target == "probs-shard":
            target = target[..., self.columns()]
        if case.dtensor:
            if case.target == "probs":
                target = distribute_tensor(target, self.mesh, [Shard(target.ndim - 1)])
            if p.token_weight is not None:
                found["token_weight"] = distribute_tensor(p.token_weight, self.mesh, [Replicate()])
        if case.weight == "shard" and p.weight is not None:
            padded = torch.cat([p.weight, p.weight.new_full((case.padding,), torch.nan)])
            found["weight"] = self.shard(padded, 0, case).detach()
        if case.padding or case.explicit:
            found["classes"] = case.classes
        if case.explicit:
            found["first_class"] = self.columns().start
        return {"target": target, **found}

    def call(self, case: Case, **changes: Any) -> tuple[Any, dict[str, Tensor]]:
        """What the function gives, and the leaves it was given."""
        p = problem(case)
        arguments = {**self.arguments(case, p), **changes}
        if not case.linear:
            z = p.input.clone()
            # nothing that stands in padding counts
            z[..., case.classes :] = torch.inf
            leaf = self.shard(z, z.ndim - 1, case)
            return vocab_parallel_cross_entropy(leaf, **arguments), {"input": leaf}
        x = p.input.clone().requires_grad_()
        if case.dtensor:
            x = distribute_tensor(x.detach(), self.mesh, [Replicate()]).requires_grad_()
        leaves = {
            "input": x,
            "linear_weight": self.shard(p.linear_weight, 0, case),
            "bias": self.shard(p.bias, 0, case),
        }
        found = vocab_parallel_linear_cross_entropy(
            x, leaves["linear_weight"], linear_bias=leaves["bias"], **arguments
        )
        return found, leaves

    def run(self, case: Case, **changes: Any) -> Found:
        found, leaves = self.call(case, **changes)
        out = values(found)
        objective(out).backward()
        grads = {name: torch.zeros_like(t) if t.grad is None else t.grad for name, t in leaves.items()}
        for name, grad in grads.items():
            if case.dtensor:
                assert grad.placements == leaves[name].placements
                grads[name] = grad.to_local()
        return {name: t.detach() for name, t in out.items()} | {
            f"gradient by {name}": grad for name, grad in grads.items()
        }


# --- what is not a comparison with one process ------------------------------------------------------------


@contextmanager
def exchanges() -> Iterator[list[tuple[str, int]]]:
    """(name, elements) of the collective operations that are called."""
    seen: list[tuple[str, int]] = []
    real = {name: getattr(dist, name) for name in ("all_gather", "all_reduce")}

    def counting(name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            tensor = args[1] if name == "all_gather" else args[0]
            seen.append((name, tensor.numel()))
            return real[name](*args, **kwargs)

        return call

    for name in real:
        setattr(dist, name, counting(name))
    yield seen
    for name, function in real.items():
        setattr(dist, name, function)


def extras(rank: Rank) -> dict[str, Any]:
    linear = CASES["linear-smoothing"]
    with exchanges() as seen:
        rank.run(CASES["linear-explicit"])
    found: dict[str, Any] = {"exchanges": seen}
    with exchanges() as seen:
        rank.run(CASES["logits-mean"])
    found["exchanges of logits"] = seen
    found["own summand"] = rank.run(linear, reduce_input_gradient=False)["gradient by input"]
    found["small budget"] = rank.run(linear, memory_budget=1)
    found["again"] = rank.run(CASES["linear-float32"])
    with torch.autocast("cpu", torch.bfloat16):
        found["autocast"] = rank.run(CASES["linear-float32"])
    found["twice"] = _twice(rank, linear)
    found["partial"] = _partial(rank)
    found["refusals"] = refusals(rank)
    return found


def _twice(rank: Rank, case: Case) -> Tensor:
    """The gradient of the weight after two passes back through one graph."""
    loss, leaves = rank.call(case)
    loss.backward(retain_graph=True)
    loss.backward()
    grad = leaves["linear_weight"].grad
    assert grad is not None
    return grad


def _partial(rank: Rank) -> bool:
    """Whether the gradient of a replicated input is left to the mesh to add up."""
    case = CASES["linear-dtensor"]
    loss, leaves = rank.call(case, reduce_input_gradient=False, outputs=())
    loss.backward()
    grad: Any = leaves["input"].grad
    return bool(grad.placements == (Partial(),))


def refusals(rank: Rank) -> dict[str, str]:
    """The slug or the message with which each is refused."""
    labels = torch.zeros(4, dtype=torch.long)
    z = torch.randn(4, 8)
    replicated = distribute_tensor(z, rank.mesh, [Replicate()])
    sharded = distribute_tensor(z, rank.mesh, [Shard(1)])
    by_rows = distribute_tensor(z, rank.mesh, [Shard(0)])
    square = init_device_mesh("cpu", (rank.size // 2, 2))
    two = distribute_tensor(z, square, [Replicate(), Shard(1)])
    plain, linear = vocab_parallel_cross_entropy, vocab_parallel_linear_cross_entropy
    attempts: dict[str, Callable[[], Any]] = {
        "replicated logits": lambda: plain(replicated, labels),
        "rows spread": lambda: plain(by_rows, labels),
        "mesh of two dimensions": lambda: plain(two, labels),
        "input spread": lambda: linear(by_rows, sharded, labels),
        "mesh and first class": lambda: plain(sharded, labels, first_class=0),
        "overlap": lambda: plain(z, labels, first_class=0),
        "first class here only": lambda: plain(z, labels, first_class=0 if rank.rank == 0 else None),
        "more classes than columns": lambda: plain(z, labels, classes=8 * rank.size + 1),
        "label": lambda: plain(z, labels + 8 * rank.size),
        "weights": lambda: plain(z, labels, weight=torch.ones(3)),
        "target's gradient": lambda: plain(
            z, torch.full((4, 8 * rank.size), 0.1, requires_grad=True), outputs=("losses",)
        ),
        "bias": lambda: linear(z, torch.ones(3, 8), labels, linear_bias=torch.ones(4)),
    }
    found = {}
    for name, attempt in attempts.items():
        try:
            attempt()
        except CrossentError as error:
            found[name] = error.slug
    leaf = z.clone().requires_grad_()
    (slope,) = torch.autograd.grad(plain(leaf, labels), leaf, create_graph=True)
    try:
        slope.sum().backward()
    except RuntimeError as error:
        found["second derivative"] = str(error)
    return found


def work(rank: int, size: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet-{size}", rank=rank, world_size=size)
    me = Rank(rank, size)
    found = {name: me.run(case) for name, case in CASES.items()} | {"extras": extras(me)}
    torch.save(found, folder / f"{size}-{rank}.pt")
    dist.destroy_process_group()


def main(size: int, folder: Path) -> int:
    processes = [get_context("fork").Process(target=work, args=(r, size, folder)) for r in range(size)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return max(abs(process.exitcode or 0) for process in processes)


if __name__ == "__main__":
    sys.exit(max(main(int(size), Path(sys.argv[1])) for size in sys.argv[2:]))
