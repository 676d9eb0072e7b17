"""Arrays of any library in, arrays of the same library out: the only module that knows array libraries.

Results have the same bits whatever library the numbers came from. Arrays of PyTorch, JAX, CuPy and of every
library with the array API standard are read without copying where they lie in main memory. Nothing here
imports such a library: an array brings its own.

https://data-apis.org/array-api, https://dmlc.github.io/dlpack
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, ParamSpec, overload

import numpy as np
from numpy.typing import NDArray

from crossent.errors import DataError, UsageError
from crossent.kernels.narrow import BFLOAT16

P = ParamSpec("P")
Array = NDArray[Any]


@overload
def same_kind(function: Callable[P, Any]) -> Callable[P, Any]: ...
@overload
def same_kind(*, bfloat16: bool) -> Callable[[Callable[P, Any]], Callable[P, Any]]: ...
def same_kind(function: Callable[P, Any] | None = None, *, bfloat16: bool = False) -> Any:
    """Let a function of NumPy arrays take arrays of other libraries and return arrays of theirs.

    Float64 results stay float64 where the library and device have it, and become float32 elsewhere. With
    `bfloat16` the function takes such tensors unwidened: see `kernels.narrow`.
    """
    if function is None:
        return partial(_same_kind, bfloat16=bfloat16)
    return _same_kind(function, bfloat16)


def _same_kind(function: Callable[P, Any], bfloat16: bool) -> Callable[P, Any]:
    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Any:
        library = library_of(*args, *kwargs.values())
        if library is None:
            return function(*args, **kwargs)
        values = [plain(value, bfloat16) for value in args]
        named = {name: plain(value, bfloat16) for name, value in kwargs.items()}
        return library.restored(function(*values, **named))

    return call


def plain(value: Any, bfloat16: bool = False) -> Any:
    """Arrays of other libraries as NumPy arrays, in tuples and lists too; everything else as it is."""
    if _family(value) is None:
        return value
    if isinstance(value, tuple | list):
        return type(value)(plain(part, bfloat16) for part in value)
    return as_numpy(value, bfloat16)


def as_numpy(array: Any, bfloat16: bool = False) -> Array:
    """An array of any library as a NumPy array, widened from bfloat16 unless that may stay.

    Errors: `UsageError` (traced-array) for an array without values, (recorded-gradient) for a tensor whose
    gradient is being recorded; `DataError` (unreadable-array) where the library refuses.
    """
    family = _family(array)
    if family == "torch":
        return _from_torch(array, bfloat16)
    if family == "jax":
        return _from_jax(array)
    try:
        if family == "cupy":
            return np.asarray(array.get())
        return np.asarray(array) if family is None else np.from_dlpack(array)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        if family is None:
            raise
        raise _unreadable(array, error) from None


@dataclass(frozen=True)
class Library:
    """Where arrays came from, and how results get back."""

    family: str
    example: Any

    def restored(self, result: Any) -> Any:
        """A NumPy result (a number, an array, or several of these) as arrays of this library."""
        if isinstance(result, tuple):
            return tuple(self.restored(part) for part in result)
        if isinstance(result, float | np.floating):
            result = np.float64(result)
        elif not isinstance(result, np.ndarray):
            return result
        return getattr(self, f"_{self.family}")(np.asarray(result))

    def _torch(self, result: Array) -> Any:
        torch, device = sys.modules["torch"], self.example.device
        tensor = torch.from_numpy(np.require(result, requirements=["C", "W"]))
        # Apple's GPUs have no float64
        return tensor.to(
            device, torch.float32 if device.type == "mps" and tensor.is_floating_point() else None
        )

    def _jax(self, result: Array) -> Any:
        jax = sys.modules["jax"]
        # without jax_enable_x64 this gives float32, the widest there is then
        return jax.device_put(result, next(iter(self.example.devices())))

    def _cupy(self, result: Array) -> Any:
        with self.example.device:
            return sys.modules["cupy"].asarray(result)

    def _standard(self, result: Array) -> Any:
        namespace = self.example.__array_namespace__()
        return namespace.asarray(result, device=self.example.device)


def library_of(*values: Any) -> Library | None:
    """The library of the arrays that are not NumPy's; None where there are none.

    Errors: `UsageError` (mixed-arrays) for arrays of two libraries; NumPy's go with any.
    """
    found: dict[str, Library] = {}
    for value in values:
        family = _family(value)
        if family is not None:
            array = _first(value)
            name = type(array).__module__.split(".")[0] if family == "standard" else family
            found.setdefault(name, Library(family, array))
    if len(found) > 1:
        raise UsageError(
            "mixed-arrays",
            f"arrays of {' and '.join(found)} are given together",
            cure="convert them to one library: the result is of the kind of its arguments",
        )
    return next(iter(found.values()), None)


def in_main_memory(array: Any) -> bool:
    """Whether what is written to its NumPy view is written to the array itself."""
    return isinstance(array, np.ndarray) or (_family(array) == "torch" and array.device.type == "cpu")


def _first(value: Any) -> Any:
    return _first(value[0]) if isinstance(value, tuple | list) else value


def _family(value: Any) -> str | None:
    """ "torch", "jax", "cupy", or "standard" for another library with the array API; None for all else."""
    if isinstance(value, tuple | list):
        # the first entry speaks for all: a list of a million numbers is not searched
        return _family(value[0]) if value else None
    if value is None or isinstance(value, np.ndarray | np.generic | str | int | float):
        return None
    for name, class_ in (("torch", "Tensor"), ("jax", "Array"), ("cupy", "ndarray")):
        module = sys.modules.get(name)
        if module is not None and isinstance(value, getattr(module, class_, ())):
            return name
    return "standard" if hasattr(value, "__array_namespace__") and hasattr(value, "__dlpack__") else None


def _from_torch(tensor: Any, bfloat16: bool) -> Array:
    torch = sys.modules["torch"]
    if tensor.requires_grad and torch.is_grad_enabled():
        raise UsageError(
            "recorded-gradient",
            "the gradient of this tensor is being recorded, and crossent's results carry none",
            cure="pass tensor.detach(), or work under torch.no_grad(); gradients come from crossent.gradient",
        )
    try:
        tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
        if tensor.dtype == torch.bfloat16:
            if bfloat16:
                return np.asarray(tensor.view(torch.int16).numpy().view(BFLOAT16))
            tensor = tensor.to(torch.float32)
        return np.asarray(tensor.numpy())
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise _unreadable(tensor, error) from None


def _from_jax(array: Any) -> Array:
    jax = sys.modules["jax"]
    if isinstance(array, jax.core.Tracer):
        raise UsageError(
            "traced-array",
            "this array stands for values that are not known yet",
            cure="call crossent outside of jax.jit, jax.grad and jax.vmap",
        )
    if array.dtype == jax.numpy.bfloat16:
        array = array.astype(jax.numpy.float32)
    return np.asarray(array)


def _unreadable(array: Any, error: Exception) -> DataError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(
        "unreadable-array",
        f"this {type(array).__module__}.{type(array).__name__} cannot be read: {reason}",
        cure="pass a dense array of real numbers in main memory",
    )
