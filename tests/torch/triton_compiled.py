"""The kernels compiled for GPUs that need not be there, down to machine code. Run by test_triton.py.

The interpreter takes more than the compiler does: loops that change a type, for one.
"""

from __future__ import annotations

from typing import Any

import pytest
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from crossent.torch.triton import linear_kernels, rows_kernels, team
from crossent.torch.triton.available import LAUNCH

HOPPER, AMPERE = 90, 80
OPTIONS = {"num_warps": 4, **LAUNCH}
NUMBERS = ("smoothing", "softcap", "inverse_temperature")
WHOLE = ("rows", "classes", "blocks", "tiles", "width", "ignore_index")
TYPES = {
    "label_ptr": "*i64",
    "argmax_ptr": "*i64",
    "redo_ptr": "*i8",
    "counter_ptr": "*i32",
    "z_ptr": "*bf16",
    "out_ptr": "*bf16",
    **dict.fromkeys(("x", "w", "x_ptr", "w_ptr", "bias_ptr", "e_ptr"), "*bf16"),
    **dict.fromkeys(NUMBERS, "fp32"),
    **dict.fromkeys(WHOLE, "i32"),
    **dict.fromkeys(("z_stride", "out_stride", "x_stride", "w_stride", "e_stride"), "i64"),
}


def compiled(kernel: Any, target: int, constants: dict[str, Any], **types: str) -> str:
    """The PTX of a kernel; other pointers are to float32, and addresses are multiples of 16."""
    names = kernel.arg_names
    known = TYPES | types
    signature = {n: "constexpr" if n in constants else known.get(n, "*fp32") for n in names}
    even = [i for i, n in enumerate(names) if signature[n][0] == "*" or "stride" in n or n == "width"]
    source = ASTSource(
        kernel,
        signature,
        {(names.index(n),): value for n, value in constants.items()},
        {(i,): [["tt.divisibility", 16]] for i in even},
    )
    found = triton.compile(source, target=GPUTarget("cuda", target, 32), options=OPTIONS)
    assert found.asm["cubin"]
    return str(found.asm["ptx"])


def flags(on: bool, *names: str, absent: tuple[str, ...] = ()) -> dict[str, Any]:
    """Switches all on or all off, with what they need passed as None when off."""
    return dict.fromkeys(names, on) | ({} if on else dict.fromkeys(absent))


WEIGHTS = ("weight_ptr", "weight_sum_ptr")
FACTORS = ("out_ptr", "factor_ptr", "square_ptr")
ROWS_FLAGS = ("CAPPED", "SMOOTHED", "WEIGHTED", "GRADIENT", "ENTROPY", "ARGMAX")
ROWS_ABSENT = (*WEIGHTS, *FACTORS, "entropy_ptr", "argmax_ptr")


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize(("name", "rows"), [("one_visit", 4), ("walk", 1)])
def test_rows(name: str, rows: int, on: bool) -> None:
    constants = flags(on, *ROWS_FLAGS, absent=ROWS_ABSENT)
    compiled(getattr(rows_kernels, name), HOPPER, constants | {"ROWS": rows, "BLOCK": 256})


def test_late_gradient() -> None:
    constants = flags(True, "CAPPED", "ENTROPY", "SMOOTHED", "WEIGHTED")
    compiled(rows_kernels.late_gradient, HOPPER, constants | {"BLOCK": 256})


def test_a_team_of_eight() -> None:
    constants = flags(True, "CAPPED", "SMOOTHED", "WEIGHTED", "GRADIENT")
    sizes = {"entropy_ptr": None, "argmax_ptr": None, "MEMBERS": 8, "SLOTS": 8, "BLOCK": 512}
    assert "atom" in compiled(team.team, HOPPER, constants | sizes)


@pytest.mark.parametrize(
    ("target", "on", "instruction", "copy"),
    [(HOPPER, True, "wgmma.mma_async", "cp.async.bulk.tensor"), (AMPERE, False, "mma.sync", "cp.async")],
)
def test_product_uses_what_the_hardware_has(target: int, on: bool, instruction: str, copy: str) -> None:
    described = target == HOPPER
    constants = flags(on, "BIASED", "CAPPED", "SMOOTHED", "WEIGHTED", absent=("bias_ptr", "weight_ptr"))
    constants |= {} if on else {"spread_ptr": None}
    constants |= {"DESCRIBED": described, "WIDEN": False, "PRECISION": "tf32x3"}
    constants |= {"BM": 64, "BN": 64, "BK": 64, "GROUP": 8}
    types = dict.fromkeys(("x", "w"), "tensordesc<bf16[64,64]>") if described else {}
    ptx = compiled(linear_kernels.product, target, constants, **types)
    assert instruction in ptx and copy in ptx


@pytest.mark.parametrize("on", [True, False])
def test_what_goes_with_the_product(on: bool) -> None:
    switches = flags(on, "CAPPED", "SMOOTHED", "WEIGHTED", absent=(*WEIGHTS, "spread_ptr"))
    compiled(linear_kernels.finish, HOPPER, switches | {"ROWS": 32, "TILES": 32})
    stream = flags(on, "BIASED", "CAPPED", "SMOOTHED", "WEIGHTED", absent=(*WEIGHTS, "bias_ptr"))
    compiled(linear_kernels.stream, HOPPER, stream | {"BLOCK": 512}, z_ptr="*fp32")
    own = flags(on, "BIASED", "CAPPED", absent=("bias_ptr",))
    compiled(linear_kernels.own_logits, HOPPER, own | {"ROWS": 4, "BLOCK": 128})


def test_times() -> None:
    compiled(rows_kernels.times, HOPPER, {"BLOCK": 256}, gradient_ptr="*bf16", count="i32")


def test_weighted_columns() -> None:
    compiled(linear_kernels.weighted_columns, HOPPER, {"ROWS": 32, "BLOCK": 128})
