"""What people use for cross-entropy on a CPU, as functions of one call each, for benchmarks/cpu.py.

A contender is made from the arrays of a case and returns the mean loss, or the losses of the rows where it is
made for these (and keeps its gradient until then), so that no peer is timed on less than the whole. Arrays of
a peer's own type, compiled functions and one-hot labels are made beforehand. What is not installed is left
out.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

Contender = Callable[[], Any]


@dataclass(frozen=True)
class Arrays:
    """One case: predictions (N, K), labels (N,), threads that may be used, and whether compiling is fine."""

    x: Any
    labels: Any
    threads: int
    compile: bool = True


def installed(*names: str) -> bool:
    return all(importlib.util.find_spec(name) is not None for name in names)


# --- crossent --------------------------------------------------------------------------------------------


def with_every_set(name: str, call: Contender) -> Iterator[tuple[str, Contender]]:
    """The call by the best instruction set of this processor, and by each of the others."""
    from crossent.kernels import choice, instruction_sets
    from crossent.kernels.choice import VARIABLE

    def forced(wanted: str) -> Any:
        os.environ[VARIABLE] = wanted
        choice.cache_clear()
        try:
            return call()
        finally:
            del os.environ[VARIABLE]
            choice.cache_clear()

    yield name, call
    if VARIABLE not in os.environ:
        for other in instruction_sets()[1:]:
            yield f"{name}, {other} only", partial(forced, other)


def ours_probs(a: Arrays) -> Iterator[tuple[str, Contender]]:
    import crossent
    from crossent import kernels

    yield from with_every_set("crossent", lambda: float(crossent.log_loss(a.labels, a.x)))
    yield "crossent, no checks", lambda: float(kernels.log_loss_from_probs(a.labels, a.x).mean())


def ours_logits(a: Arrays) -> Iterator[tuple[str, Contender]]:
    from crossent import kernels

    yield from with_every_set("crossent", lambda: kernels.log_loss_from_logits(a.labels, a.x))
    yield "crossent, mean", lambda: float(kernels.log_loss_from_logits(a.labels, a.x).mean())


def ours_gradient(a: Arrays) -> Iterator[tuple[str, Contender]]:
    from crossent import kernels

    out = np.zeros_like(a.x)
    both = kernels.loss_and_gradient_from_logits
    yield from with_every_set("crossent", lambda: both(a.labels, a.x, out=out)[0])
    yield "crossent, new gradient", lambda: both(a.labels, a.x)[0]


# --- NumPy, SciPy, scikit-learn --------------------------------------------------------------------------


def numpy_probs(a: Arrays) -> Iterator[tuple[str, Contender]]:
    rows = np.arange(len(a.x))
    onehot = np.zeros(a.x.shape, a.x.dtype)
    onehot[rows, a.labels] = 1

    def clipped() -> float:
        """The function most introductions print."""
        p = np.clip(a.x, 1e-15, 1 - 1e-15)
        return float(-np.sum(onehot * np.log(p)) / len(p))

    yield "NumPy −log(p[rows, y])", lambda: float(-np.log(a.x[rows, a.labels]).mean())
    yield "NumPy clip, one-hot, sum", clipped


def numpy_logits(a: Arrays) -> Iterator[tuple[str, Contender]]:
    rows = np.arange(len(a.x))

    def naive() -> float:
        z = a.x - a.x.max(axis=1, keepdims=True)
        return float((np.log(np.exp(z).sum(axis=1)) - z[rows, a.labels]).mean())

    yield "NumPy", naive


def numpy_gradient(a: Arrays) -> Iterator[tuple[str, Contender]]:
    rows = np.arange(len(a.x))

    def naive() -> float:
        z = a.x - a.x.max(axis=1, keepdims=True)
        p = np.exp(z)
        total = p.sum(axis=1, keepdims=True)
        p /= total
        p[rows, a.labels] -= 1
        return float((np.log(total[:, 0]) - z[rows, a.labels]).mean())

    yield "NumPy", naive


def scipy_logits(a: Arrays) -> Iterator[tuple[str, Contender]]:
    if installed("scipy"):
        from scipy.special import log_softmax

        rows = np.arange(len(a.x))
        yield "SciPy log_softmax", lambda: float(-log_softmax(a.x, axis=1)[rows, a.labels].mean())


def sklearn_probs(a: Arrays) -> Iterator[tuple[str, Contender]]:
    if installed("sklearn"):
        from sklearn.metrics import log_loss

        classes = np.arange(a.x.shape[1])
        yield "scikit-learn log_loss", lambda: float(log_loss(a.labels, a.x, labels=classes))


def _half_multinomial(a: Arrays) -> tuple[Any, Any]:
    from sklearn._loss import HalfMultinomialLoss

    return HalfMultinomialLoss(n_classes=a.x.shape[1]), a.labels.astype(a.x.dtype)


def sklearn_logits(a: Arrays) -> Iterator[tuple[str, Contender]]:
    if installed("sklearn"):
        loss, y = _half_multinomial(a)
        yield (
            "scikit-learn HalfMultinomialLoss",
            lambda: float(loss.loss(y, a.x, n_threads=a.threads).mean(dtype=np.float64)),
        )


def sklearn_gradient(a: Arrays) -> Iterator[tuple[str, Contender]]:
    if installed("sklearn"):
        loss, y = _half_multinomial(a)
        yield (
            "scikit-learn HalfMultinomialLoss",
            lambda: float(loss.loss_gradient(y, a.x, n_threads=a.threads)[0].mean(dtype=np.float64)),
        )


# --- PyTorch ---------------------------------------------------------------------------------------------


def torch_probs(a: Arrays) -> Iterator[tuple[str, Contender]]:
    if not installed("torch"):
        return
    import torch
    import torch.nn.functional as F

    p, y = torch.from_numpy(a.x), torch.from_numpy(a.labels)
    yield "PyTorch gather, log", lambda: float(-p.gather(1, y[:, None]).log().mean())
    yield "PyTorch nll_loss(log p)", lambda: float(F.nll_loss(p.log(), y))


def torch_logits(a: Arrays) -> Iterator[tuple[str, Contender]]:
    if not installed("torch"):
        return
    import torch
    import torch.nn.functional as F

    z, y = torch.from_numpy(a.x), torch.from_numpy(a.labels)
    yield "PyTorch", lambda: float(F.cross_entropy(z, y))
    if a.compile:
        compiled = torch.compile(lambda z, y: F.cross_entropy(z, y), dynamic=False)
        yield "PyTorch, compiled", lambda: float(compiled(z, y))


def torch_gradient(a: Arrays) -> Iterator[tuple[str, Contender]]:
    if not installed("torch"):
        return
    import torch
    import torch.nn.functional as F

    z, y = torch.from_numpy(a.x).requires_grad_(), torch.from_numpy(a.labels)

    def through(function: Callable[[Any, Any], Any]) -> Contender:
        def both() -> float:
            z.grad = None
            loss = function(z, y)
            loss.backward()
            return float(loss.detach())

        return both

    yield "PyTorch", through(F.cross_entropy)
    if a.compile:
        yield "PyTorch, compiled", through(torch.compile(lambda z, y: F.cross_entropy(z, y), dynamic=False))


# --- JAX -------------------------------------------------------------------------------------------------


def _optax(a: Arrays) -> tuple[Any, Any, Callable[[Any, Any], Any]]:
    import jax
    import jax.numpy as jnp
    import optax

    jax.config.update("jax_enable_x64", True)
    return (
        jnp.asarray(a.x),
        jnp.asarray(a.labels),
        lambda z, y: optax.softmax_cross_entropy_with_integer_labels(z, y).mean(),
    )


def jax_probs(a: Arrays) -> Iterator[tuple[str, Contender]]:
    if not installed("jax", "optax"):
        return
    import jax
    import jax.numpy as jnp

    p, y, _ = _optax(a)
    loss = jax.jit(lambda p, y: -jnp.log(jnp.take_along_axis(p, y[:, None], axis=1)).mean())
    yield "JAX take_along_axis, log", lambda: float(loss(p, y))


def jax_logits(a: Arrays) -> Iterator[tuple[str, Contender]]:
    if installed("jax", "optax"):
        import jax

        z, y, loss = _optax(a)
        compiled = jax.jit(loss)
        yield "JAX, optax", lambda: float(compiled(z, y))


def jax_gradient(a: Arrays) -> Iterator[tuple[str, Contender]]:
    if installed("jax", "optax"):
        import jax

        z, y, loss = _optax(a)
        compiled = jax.jit(jax.value_and_grad(loss))
        yield "JAX, optax", lambda: float(jax.block_until_ready(compiled(z, y))[0])


# --- numba -----------------------------------------------------------------------------------------------


def numba_probs(a: Arrays) -> Iterator[tuple[str, Contender]]:
    if installed("numba"):
        import numba

        @numba.njit(parallel=True)
        def mean(p: Any, y: Any) -> float:
            total = 0.0
            for i in numba.prange(len(y)):
                total -= np.log(p[i, y[i]])
            return total / len(y)

        yield "numba −log(p[i, y])", lambda: float(mean(a.x, a.labels))


def numba_logits(a: Arrays) -> Iterator[tuple[str, Contender]]:
    if installed("numba"):
        import numba

        @numba.njit(parallel=True, fastmath={"reassoc", "contract"})
        def mean(z: Any, y: Any) -> float:
            total = 0.0
            for i in numba.prange(len(y)):
                m = z[i].max()
                total += np.log(np.exp(z[i] - m).sum()) + m - z[i, y[i]]
            return total / len(y)

        yield "numba", lambda: float(mean(a.x, a.labels))


TASKS: dict[str, tuple[Callable[[Arrays], Iterator[tuple[str, Contender]]], ...]] = {
    "probabilities, loss": (ours_probs, numpy_probs, sklearn_probs, torch_probs, jax_probs, numba_probs),
    "logits, loss": (
        ours_logits, numpy_logits, scipy_logits, sklearn_logits, torch_logits, jax_logits, numba_logits
    ),
    "logits, loss and gradient": (
        ours_gradient, numpy_gradient, sklearn_gradient, torch_gradient, jax_gradient
    ),
}  # fmt: skip


def contenders(task: str, arrays: Arrays) -> dict[str, Contender]:
    return {name: call for make in TASKS[task] for name, call in make(arrays)}
