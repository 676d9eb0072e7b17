"""Which kernels compute: the compiled core for this processor, or NumPy; chosen once, with a reason."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from crossent.errors import UsageError

VARIABLE = "CROSSENT_KERNELS"
"""Environment variable: reference, or an instruction set of the compiled core (avx512, avx2, baseline)."""
THREADS = "CROSSENT_THREADS"
"""Environment variable: how many threads a call may use at most."""


@dataclass(frozen=True)
class Choice:
    """The kernels of the compiled core, None for NumPy; and why."""

    native: Any
    reason: str


def instruction_sets() -> tuple[str, ...]:
    """Names of the compiled sets that this processor has, best first; none where there is no core."""
    core = _core()
    return () if core is None else tuple(core.available())


@cache
def choice() -> Choice:
    """The kernels that compute, by the environment and the processor.

    Errors: `UsageError` (kernels-unavailable) where the environment names what is not there; a choice by name
    never falls back.
    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted == "reference":
        return Choice(None, f"NumPy reference kernels, because {VARIABLE} asks for them")
    core = _core()
    if core is None:
        if wanted:
            raise _unavailable(wanted, ("reference",))
        return Choice(
            None,
            f"NumPy reference kernels, because {_missing()}; "
            "results are the same, ten to a hundred times slower",
        )
    names = instruction_sets()
    native = core.find(wanted)
    if native is None:
        raise _unavailable(wanted, (*names, "reference"))
    why = f"{VARIABLE} asks for them" if wanted else "this processor has no better set"
    return Choice(native, f"compiled kernels for {native.name}, because {why} (of {', '.join(names)})")


class _Here(threading.local):
    threads: int | None = None
    precise = False


_here = _Here()


@contextmanager
def using(*, threads: int | None = None, precise: bool = False) -> Iterator[None]:
    """Within this, calls from this thread keep to these terms.

    threads : how many threads a call may use at most; 1 for callers that have threads of their own.
    precise : float32, float16 and bfloat16 logits are computed with as if they were float64, so that results
        do not depend on the type that numbers are stored in. Without it their row losses are within a float32
        unit in the last place of the exact value, at a third of the cost.
    """
    before = _here.threads, _here.precise
    _here.threads, _here.precise = threads or _here.threads, precise or _here.precise
    try:
        yield
    finally:
        _here.threads, _here.precise = before


def precise() -> bool:
    """Whether narrow logits are to be computed with in float64."""
    return _here.precise


def threads() -> int:
    """How many threads a call may use: those of the processor that this process may run on, or as limited."""
    if _here.threads is not None:
        return _here.threads
    limit = os.environ.get(THREADS, "")
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not limit:
        return available
    if not limit.isdecimal() or int(limit) < 1:
        raise UsageError("bad-option", f"{THREADS} is {limit!r}", cure="set it to a whole number from 1")
    return int(limit)


def borrow_team(address: int) -> None:
    """Share rows among the threads of an OpenMP runtime, whose `GOMP_parallel` is at this address; 0 ends it.

    Threads of a runtime that is in use beside the core go on looking for work for milliseconds after each of
    its calls; threads of our own would have to share the processor with them.
    """
    core = _core()
    if core is not None:
        core.borrow_team(address)


def _core() -> Any:
    """The compiled module, None where it was not built or cannot be loaded."""
    try:
        from crossent.kernels import _native  # type: ignore[attr-defined]
    except ImportError:
        return None
    return _native


def _missing() -> str:
    """Why there is no compiled core."""
    if find_spec("crossent.kernels._native") is None:
        return "this installation has no compiled core (it is built where a C++ compiler is)"
    try:
        import_module("crossent.kernels._native")
    except ImportError as error:
        return f"the compiled core of this installation cannot be loaded ({error})"
    return "the compiled core was not there when the program started"


def _unavailable(wanted: str, names: tuple[str, ...]) -> UsageError:
    return UsageError(
        "kernels-unavailable",
        f"{VARIABLE} is {wanted!r}, which is not available here",
        cure=f"set it to one of {', '.join(names)}, or unset it",
    )
