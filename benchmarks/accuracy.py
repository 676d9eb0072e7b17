"""How far row losses from float32 logits are from exact, ours on every instruction set and others'.

    python benchmarks/accuracy.py

prints the largest distance in float32 units in the last place, with `mpmath` as judge, and what rows cost
whose label is ahead by 20, as a multiple of rows where no label leads. Libraries that are not installed are
left out.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import mpmath as mp
import numpy as np

from crossent import kernels
from crossent.kernels import reference

Losses = Callable[[Any, Any], Any]
MARGINS = (1.0, 5.0, 10.0, 20.0, 60.0)


def inputs(classes: int = 10, rows: int = 200) -> dict[str, tuple[Any, Any]]:
    """Labels and float32 logits: by chance at several scales, and with the label ahead by a margin."""
    rng = np.random.default_rng(0)
    labels, noise = rng.integers(0, classes, rows), rng.normal(size=(rows, classes))
    found = {f"normal × {s:g}": (labels, (noise * s).astype(np.float32)) for s in (0.1, 1.0, 10.0)}
    for margin in MARGINS:
        z = noise.copy()
        z[np.arange(rows), labels] = z.max(axis=1) + margin
        found[f"ahead by {margin:g}"] = labels, z.astype(np.float32)
    return found


def exact(labels: Any, z: Any) -> list[Any]:
    with mp.workdps(50):
        return [
            mp.log1p(mp.fsum(mp.exp(mp.mpf(float(v)) - mp.mpf(float(row[y]))) for v in np.delete(row, y)))
            for row, y in zip(z, labels, strict=True)
        ]


def naive(labels: Any, z: Any) -> Any:
    m = z.max(axis=1)
    return np.log(np.exp(z - m[:, None]).sum(axis=1)) + m - z[np.arange(len(z)), labels]


def contenders() -> dict[str, Losses]:
    from crossent.kernels.choice import _core

    found: dict[str, Losses] = {"crossent, NumPy": reference.log_loss_from_logits}
    core = _core()
    for name in () if core is None else core.available():
        found[f"crossent, {name}"] = partial(by_core, core.find(name))
    found["NumPy float32"] = naive
    found["NumPy float64"] = lambda y, z: naive(y, z.astype(np.float64))
    if find_spec("scipy"):
        from scipy.special import log_softmax

        found["SciPy"] = lambda y, z: -log_softmax(z, axis=1)[np.arange(len(z)), y]
    if find_spec("torch"):
        import torch

        def by_torch(y: Any, z: Any) -> Any:
            loss = torch.nn.functional.cross_entropy(torch.tensor(z), torch.tensor(y), reduction="none")
            return loss.numpy()

        found["PyTorch"] = by_torch
    if find_spec("optax"):
        import optax

        found["optax"] = lambda y, z: np.asarray(optax.softmax_cross_entropy_with_integer_labels(z, y))
    return found


def by_core(native: Any, labels: Any, z: Any) -> Any:
    loss = np.empty(len(z))
    native.losses_from_logits(z, labels, loss, None, None, 1.0, 1)
    return loss


def worst(got: Any, want: list[Any]) -> float:
    """The largest distance in float32 units in the last place."""
    steps = [float(np.spacing(np.float32(float(w)))) for w in want]
    return max(abs(float((mp.mpf(float(g)) - w) / s)) for g, w, s in zip(got, want, steps, strict=True))


def cost_of_confidence(classes: int, numbers: int = 20_000_000) -> float:
    """CPU time of rows whose label leads by 20, over that of rows where it does not; medians, one thread."""
    rng = np.random.default_rng(1)
    z = rng.normal(size=(numbers // classes, classes)).astype(np.float32)
    labels = rng.integers(0, classes, len(z))
    sure = z.copy()
    sure[np.arange(len(z)), labels] = z.max(axis=1) + 20.0
    times: dict[bool, list[float]] = {False: [], True: []}
    with kernels.using(threads=1):
        for _ in range(9):
            for confident in (False, True):
                start = time.process_time()
                kernels.log_loss_from_logits(labels, sure if confident else z)
                times[confident].append(time.process_time() - start)
    return statistics.median(times[True]) / statistics.median(times[False])


def main() -> None:
    found: dict[str, dict[str, float]] = {name: {} for name in contenders()}
    for case, (labels, z) in inputs().items():
        want = exact(labels, z)
        for name, losses in contenders().items():
            found[name][case] = round(worst(losses(labels, z), want), 3)
    confident = {str(classes): round(cost_of_confidence(classes), 2) for classes in (2, 10, 1000)}
    print(json.dumps({"float32 ulp": found, "confident rows, times the cost": confident}, indent=1))


if __name__ == "__main__":
    main()
