"""Losses that train, forward and backward, beside PyTorch's and others': time, memory, error.

    python benchmarks/torch_losses.py                  # on the CPU, about a quarter of an hour
    python benchmarks/torch_losses.py --device cuda    # on a GPU
    python benchmarks/torch_losses.py --quick          # only that it runs; nothing is written

Of a case all contenders are called in turn, in one process; the median of the rounds stands beside the
floor: for a linear map the time of its three products (6·N·D·V operations) by the fastest routine in the
same rounds, for logits that of a copy. Peak memory is that of a process of its own, over inputs and
gradients. Errors are those of loss and gradients by a float64 computation, where rows are random, peaked,
or so peaked that 1 − p is less than a bfloat16 holds.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

import common
from crossent.torch.products import linear
from torch_peers import linear_contenders, plain_contenders

ROUNDS, SECONDS = 5, 25.0
OURS, FLOOR = "crossent", "floor"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
REGIMES = {"random": 0.0, "peaked": 12.0, "very peaked": 40.0}
"""How far the label's logit stands above the others."""


@dataclass(frozen=True)
class Case:
    """N rows of D numbers and V classes; D = 0: the logits are given."""

    rows: int
    width: int
    classes: int
    dtype: str

    @property
    def name(self) -> str:
        what = (
            f"{self.rows:,} × {self.width:,} × {self.classes:,}"
            if self.width
            else f"{self.rows:,} × {self.classes:,}"
        )
        return f"{'linear' if self.width else 'logits'} {what} {self.dtype}"


CPU = [
    *(Case(2048, 1024, 32_000, dtype) for dtype in DTYPES),
    *(Case(512, 512, 128_256, dtype) for dtype in DTYPES),
    Case(2048, 1024, 128_256, "bfloat16"),
    *(Case(4096, 0, 32_000, dtype) for dtype in DTYPES),
    Case(100_000, 0, 1000, "float32"),
]
CUDA = [
    *(Case(8192, width, classes, "bfloat16") for width in (2304, 4096) for classes in (128_256, 256_000)),
    Case(16_384, 2048, 248_320, "bfloat16"),
    *(Case(8192, 0, classes, "bfloat16") for classes in (32_000, 128_256, 256_000)),
]
QUICK = [Case(64, 32, 2000, "bfloat16"), Case(64, 0, 2000, "float32")]
ACCURACY = Case(256, 256, 8192, "")


# --- measuring
# -------------------------------------------------------------------------------------------------


def inputs(case: Case, device: str) -> tuple[list[torch.Tensor], torch.Tensor]:
    """(what is differentiated by, target)."""
    g = torch.Generator().manual_seed(0)
    dtype = DTYPES[case.dtype]
    target = torch.randint(0, case.classes, (case.rows,), generator=g)
    shapes = (
        [(case.rows, case.width), (case.classes, case.width)] if case.width else [(case.rows, case.classes)]
    )
    scale = case.width**-0.25 if case.width else 2.0
    made = [(torch.randn(shape, generator=g) * scale).to(dtype) for shape in shapes]
    return [t.to(device).requires_grad_() for t in made], target.to(device)


def contenders(case: Case, device: str, compiles: bool) -> dict[str, Callable[..., Any]]:
    if case.width:
        return dict(linear_contenders(device, DTYPES[case.dtype], compiles))
    return dict(plain_contenders(device, compiles))


def timed(call: Callable[[], object], device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def step(loss: Callable[..., Any], given: list[torch.Tensor], target: torch.Tensor) -> float:
    for t in given:
        t.grad = None
    value = loss(*given, target)
    value.backward()
    return float(value.detach())


def floor(given: list[torch.Tensor]) -> Callable[[], object]:
    """Three products of the sizes of logits, and of the gradients; for logits a copy."""
    if len(given) == 1:
        out = torch.empty_like(given[0])
        return lambda: out.copy_(given[0].detach())
    x, w = (t.detach() for t in given)
    some = slice(0, min(1024, len(x)))
    parts = max(1, len(x) // 1024)

    def products() -> None:
        for _ in range(parts):
            z = linear(x[some], w)
            linear(z, w.t())
            linear(z.t(), x[some].t())

    return products


def measure(case: Case, device: str, compiles: bool, quick: bool) -> dict[str, Any]:
    """Median seconds of every contender, and the loss each found."""
    given, target = inputs(case, device)
    calls = {
        name: (lambda f=f: step(f, given, target)) for name, f in contenders(case, device, compiles).items()
    }
    losses, failed = {}, {}
    for name, call in calls.items():
        try:
            losses[name] = call()
        except Exception as error:  # a peer that cannot is told, not left out in silence
            failed[name] = f"{type(error).__name__}: {error}".splitlines()[0][:120]
    runs = {FLOOR: floor(given), **{name: calls[name] for name in losses}}
    once = sum(timed(call, device) for call in runs.values())
    rounds = 1 if quick else max(2, min(ROUNDS, int(SECONDS / once)))
    times = common.interleave({name: (lambda f=f: timed(f, device)) for name, f in runs.items()}, rounds)
    return {
        "case": asdict(case),
        "seconds": {name: statistics.median(found) for name, found in times.items()},
        "losses": losses,
        "failed": failed,
        "rounds": rounds,
    }


def peak(case: Case, device: str, name: str) -> float:
    """Bytes over inputs and gradients that one step took; to be called in a fresh process."""
    given, target = inputs(case, device)
    loss = contenders(case, device, compiles="compiled" in name or "compile" in name)[name]
    gradients = sum(t.numel() * t.element_size() for t in given)
    if device == "cuda":
        step(loss, given, target)
        for t in given:
            t.grad = None
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step(loss, given, target)
        return torch.cuda.max_memory_allocated() - before - gradients
    few = [t[:16].detach().clone().requires_grad_() for t in given[:1]] + given[1:]
    step(loss, few, target[:16])  # libraries take their own memory first
    for t in given:
        t.grad = None
    gc.collect()
    before = _reset_peak()
    step(loss, given, target)
    return _kilobytes("VmHWM") * 1024 - before - gradients


def _reset_peak() -> float:
    """Bytes in use now, from which the system counts the peak again (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")
    return _kilobytes("VmRSS") * 1024


def _kilobytes(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line for line in lines if line.startswith(name)).split()[1])


def peaks(case: Case, device: str, names: list[str]) -> dict[str, float]:
    found = {}
    for name in names:
        command = [sys.executable, __file__, "--device", device, "--peak", json.dumps([asdict(case), name])]
        found[name] = float(common.measure_child(command).stdout.splitlines()[-1])
    return found


def errors(dtype: str, device: str) -> Iterator[dict[str, Any]]:
    """Relative errors of the loss and of both gradients, by regime."""
    case = Case(ACCURACY.rows, ACCURACY.width, ACCURACY.classes, dtype)
    for regime, margin in REGIMES.items():
        given, target = inputs(case, device)
        with torch.no_grad():
            w = given[1]
            toward = w[target].double() / w[target].double().square().sum(1, keepdim=True)
            given[0].add_((margin * toward).to(w.dtype))
        wide = [t.detach().double().requires_grad_() for t in given]
        truth = functional.cross_entropy(functional.linear(*wide), target)
        right = torch.autograd.grad(truth, wide)
        for name, loss in linear_contenders(device, DTYPES[dtype], False):
            try:
                value = loss(*given, target)
                found = torch.autograd.grad(value, given)
            except Exception:
                continue
            yield {
                "dtype": dtype,
                "regime": regime,
                "contender": name,
                "loss": float((value.detach().double() - truth.detach()).abs() / truth.detach()),
                "input": distance(found[0], right[0]),
                "weight": distance(found[1], right[1]),
            }


def distance(found: torch.Tensor, right: torch.Tensor) -> float:
    return float((found.double() - right).norm() / right.norm())


# --- printing
# --------------------------------------------------------------------------------------------------


def time_table(found: Mapping[str, Any]) -> str:
    case = Case(**found["case"])
    least = found["seconds"][FLOOR]
    lines = [f"### {case.name}", "", "| | ms | × floor | MiB over gradients |", "|---|--:|--:|--:|"]
    for name, seconds in sorted(found["seconds"].items(), key=lambda item: item[1]):
        memory = found.get("peaks", {}).get(name)
        said = "" if memory is None else f"{max(memory, 0) / 2**20:,.0f}"
        label = "*floor*" if name == FLOOR else name
        lines.append(f"| {label} | {1e3 * seconds:,.1f} | {seconds / least:.2f} | {said} |")
    lines += [f"| {name} | {why} | | |" for name, why in found["failed"].items()]
    return "\n".join([*lines, ""])


def error_table(found: list[dict[str, Any]]) -> str:
    lines = ["### Relative errors, 256 × 256 × 8,192", "", "| type | rows | | loss | ∂input | ∂weight |"]
    lines.append("|---|---|---|--:|--:|--:|")
    for e in found:
        numbers = " | ".join(f"{e[name]:.0e}" for name in ("loss", "input", "weight"))
        lines.append(f"| {e['dtype']} | {e['regime']} | {e['contender']} | {numbers} |")
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="small sizes, one round; nothing is written")
    parser.add_argument("--only", default="", help="cases whose name holds this, such as 'linear 2,048'")
    parser.add_argument("--no-compile", action="store_true", help="leave out what torch.compile makes")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(options.threads)
    if options.peak:
        case, name = json.loads(options.peak)
        print(peak(Case(**case), options.device, name))
        return
    cases = QUICK if options.quick else CPU if options.device == "cpu" else CUDA
    results = []
    for case in (case for case in cases if options.only in case.name):
        found = measure(case, options.device, not (options.quick or options.no_compile), options.quick)
        found["peaks"] = peaks(case, options.device, list(found["losses"]))
        results.append(found)
        print(time_table(found), flush=True)
    wrong = [e for dtype in DTYPES for e in errors(dtype, options.device)]
    text = "\n".join([*(time_table(found) for found in results), error_table(wrong)])
    print(error_table(wrong))
    if not options.quick and not options.only:
        name = f"torch_losses_{options.device}"
        facts = {"torch": torch.__version__, "threads": options.threads}
        common.write_json(name, {"facts": facts, "cases": results, "errors": wrong})
        common.write_section(name, text, common.PAGE.with_name("training.md"))


if __name__ == "__main__":
    main()
