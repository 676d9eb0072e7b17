"""How far losses and gradients of single rows of logits are from exact, ours and others'.

    python benchmarks/accuracy.py

Judged by mpmath: rows by chance in units in the last place of the logits' type, rows whose label leads by a
margin by the relative error of the loss and of the gradient at the label. Beside it stands what the precision
of confident rows costs. Libraries that are not installed are left out.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any

import mpmath as mp
import numpy as np

from common import interleave, write_json, write_section
from crossent import kernels
from crossent.kernels import instruction_sets, row_losses
from crossent.kernels.choice import _core

MARGINS = (1, 5, 10, 20, 60, 300, 700)
LOST_IN_FLOAT32 = 100
"""From this margin on a gradient is below what float32 holds."""
SCALES = (0.1, 1.0, 10.0)
TYPES = ("float32", "float64")
Answer = tuple[Any, Any]
"""Losses, and the gradients' entries at the labels; None where a library has none."""
Contender = Callable[[Any, Any], Answer]


def inputs(dtype: str, rows: int, classes: int = 10) -> Iterator[tuple[str, Any, Any]]:
    """Labels and logits: by chance at several scales, and with the label ahead by a margin."""
    rng = np.random.default_rng(0)
    labels, noise = rng.integers(0, classes, rows), rng.normal(size=(rows, classes))
    for scale in SCALES:
        yield "by chance", labels, (noise * scale).astype(dtype)
    for margin in MARGINS:
        z = noise.copy()
        z[np.arange(rows), labels] = z.max(axis=1) + margin
        yield str(margin), labels, z.astype(dtype)


def exact(labels: Any, z: Any) -> tuple[list[Any], list[Any]]:
    """Losses, and what the others have of the probability: minus the gradient at the label."""
    with mp.workdps(50):
        others = [
            mp.fsum(mp.exp(mp.mpf(float(v)) - mp.mpf(float(row[y]))) for v in np.delete(row, y))
            for row, y in zip(z, labels, strict=True)
        ]
        return [mp.log1p(s) for s in others], [s / (1 + s) for s in others]


# --- contenders ------------------------------------------------------------------------------------------


def at_labels(x: Any, labels: Any) -> Any:
    return np.asarray(x)[np.arange(len(labels)), labels]


def by_core(native: Any, y: Any, z: Any) -> Answer:
    loss, gradient = np.empty(len(z)), np.empty_like(z)
    native.losses_from_logits(z, y, loss, gradient, None, 1.0, 1)
    return loss, at_labels(gradient, y)


def by_reference(y: Any, z: Any) -> Answer:
    loss, gradient = row_losses.loss_and_gradient_from_logits(y, z)
    return loss, at_labels(gradient, y)


def naive(y: Any, z: Any) -> Answer:
    """The usual lines: log-sum-exp less the label's logit, softmax less one."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    loss = np.log(e.sum(axis=1)) + z.max(axis=1) - at_labels(z, y)
    return loss, at_labels(e / e.sum(axis=1, keepdims=True), y) - 1


def by_scipy(y: Any, z: Any) -> Answer:
    from scipy.special import log_softmax, softmax

    return -at_labels(log_softmax(z, axis=1), y), at_labels(softmax(z, axis=1), y) - 1


def by_torch(y: Any, z: Any) -> Answer:
    import torch

    logits = torch.tensor(z, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(y), reduction="none")
    loss.sum().backward()
    return loss.detach().numpy(), at_labels(logits.grad, y)


def by_optax(y: Any, z: Any) -> Answer:
    import jax
    import optax

    with jax.enable_x64(True):
        losses = partial(optax.softmax_cross_entropy_with_integer_labels, labels=y)
        return np.asarray(losses(z)), at_labels(jax.grad(lambda x: losses(x).sum())(z), y)


def by_log_loss(y: Any, z: Any) -> Answer:
    """scikit-learn's metric, a row at a time, of SciPy's softmax."""
    from scipy.special import softmax
    from sklearn.metrics import log_loss

    p, classes = softmax(z, axis=1), np.arange(z.shape[1])
    return np.array([log_loss(y[i : i + 1], p[i : i + 1], labels=classes) for i in range(len(z))]), None


def by_half_multinomial(y: Any, z: Any) -> Answer:
    """The loss that scikit-learn fits by."""
    from sklearn._loss import HalfMultinomialLoss

    model = HalfMultinomialLoss(n_classes=z.shape[1])
    loss, gradient = model.loss_gradient(y.astype(z.dtype), np.ascontiguousarray(z))
    return loss, at_labels(gradient, y)


def contenders() -> dict[str, Contender]:
    core = _core()
    found: dict[str, Contender] = {
        f"crossent, {name}": partial(by_core, core.find(name)) for name in instruction_sets()
    }
    found |= {"crossent without its core": by_reference, "NumPy, the usual lines": naive}
    others: dict[str, tuple[str, Contender]] = {
        "SciPy log_softmax": ("scipy", by_scipy),
        "scikit-learn log_loss": ("sklearn", by_log_loss),
        "scikit-learn HalfMultinomialLoss": ("sklearn", by_half_multinomial),
        "PyTorch cross_entropy": ("torch", by_torch),
        "optax": ("optax", by_optax),
    }
    return found | {name: call for name, (package, call) in others.items() if find_spec(package)}


# --- errors ----------------------------------------------------------------------------------------------


def in_ulps(got: Any, want: list[Any], dtype: str) -> float:
    """The largest distance in units in the last place of the type."""
    steps = np.spacing(np.array([float(w) for w in want]).astype(dtype)).astype(float)
    return max(abs(float((mp.mpf(float(g)) - w) / s)) for g, w, s in zip(got, want, steps, strict=True))


def relative(got: Any, want: list[Any]) -> float:
    return max(abs(float((mp.mpf(float(g)) - w) / w)) for g, w in zip(got, want, strict=True))


def errors(dtype: str, rows: int) -> dict[str, dict[str, dict[str, float]]]:
    """What is compared → contender → case → error; of rows by chance ulps, else relative."""
    found: dict[str, dict[str, dict[str, float]]] = {"loss": {}, "gradient at the label": {}}
    for case, labels, z in inputs(dtype, rows):
        losses, rest = exact(labels, z)
        for name, call in contenders().items():
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                loss, slope = call(labels, z)
            pairs = {"loss": (loss, losses)}
            if slope is not None and not (
                dtype == "float32" and case.isdigit() and int(case) > LOST_IN_FLOAT32
            ):
                pairs["gradient at the label"] = -np.asarray(slope), rest
            for what, (got, want) in pairs.items():
                error = relative(got, want) if case.isdigit() else in_ulps(got, want, dtype)
                own = found[what].setdefault(name, {})
                own[case] = max(error, own.get(case, 0.0))
    return found


# --- what it costs ---------------------------------------------------------------------------------------


def cost_of_confidence(classes: int, dtype: str, entries: int, rounds: int) -> float:
    """CPU time of rows whose label leads by 20, over that of rows where it does not; medians, one thread."""
    rng = np.random.default_rng(1)
    z = rng.normal(size=(max(1, entries // classes), classes)).astype(dtype)
    labels = rng.integers(0, classes, len(z))
    sure = z.copy()
    sure[np.arange(len(z)), labels] = z.max(axis=1) + 20.0

    def seconds(logits: Any) -> float:
        start = time.process_time()
        kernels.log_loss_from_logits(labels, logits)
        return time.process_time() - start

    with kernels.using(threads=1):
        times = interleave({"sure": lambda: seconds(sure), "not": lambda: seconds(z)}, rounds)
    return statistics.median(times["sure"]) / statistics.median(times["not"])


# --- the page --------------------------------------------------------------------------------------------


def shown(error: float | None, case: str) -> str:
    if error is None:
        return ""
    if not case.isdigit():
        return f"{error:.2f}" if error < 100 else power(error)
    if error < 0.01:
        return power(error)
    return f"{100 * error:.0f} %" if error < 10 else f"{power(1 + error)} times"


def power(x: float) -> str:
    """One digit and a power of ten."""
    return f"{x:.0e}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")


def table(found: dict[str, dict[str, float]]) -> str:
    cases = list(next(iter(found.values())))
    heads = [f"ahead by {case}" if case.isdigit() else f"{case}, ulp" for case in cases]
    lines = [f"| | {' | '.join(heads)} |", f"|---{'|--:' * len(cases)}|"]
    for name, own in found.items():
        lines.append(f"| {name} | {' | '.join(shown(own.get(case), case) for case in cases)} |")
    return "\n".join(lines)


def text(found: dict[str, Any], costs: dict[str, dict[str, float]], rows: int) -> str:
    parts = [
        f"### {what[0].upper()}{what[1:]}, {dtype} logits\n\n{table(found[dtype][what])}"
        for dtype in TYPES
        for what in found[dtype]
    ]
    heads = next(iter(costs.values()))
    lines = [f"| {dtype} | {' | '.join(f'{c:.2f}' for c in own.values())} |" for dtype, own in costs.items()]
    head = f"| | {' | '.join(f'{k} classes' for k in heads)} |\n|---{'|--:' * len(heads)}|"
    cost = "### Time of rows whose label is ahead by 20, as a multiple of rows by chance"
    return "\n\n".join([f"{rows} rows of 10 classes a case.", *parts, "\n".join([cost, "", head, *lines])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--entries", type=int, default=10_000_000, help="logits in a measured call")
    parser.add_argument("--no-page", action="store_true", help="leave the documentation as it is")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    found = {dtype: errors(dtype, options.rows) for dtype in TYPES}
    costs = {
        dtype: {
            str(classes): cost_of_confidence(classes, dtype, options.entries, options.rounds)
            for classes in (2, 10, 100, 1000, 32_000)
        }
        for dtype in TYPES
    }
    page = text(found, costs, options.rows)
    print(page)
    document = {"kernels": kernels.explain(), "errors": found, "cost_of_confident_rows": costs}
    print(f"written to {write_json('accuracy', document)}")
    if not options.no_page:
        write_section("accuracy", page)


if __name__ == "__main__":
    main()
