"""Vocabulary-parallel cross-entropy of 2 and 4 gloo ranks, against one process by the formulas in float64."""

from __future__ import annotations

import importlib.util
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
if not torch.distributed.is_available():
    pytest.skip("this torch has no distributed package", allow_module_level=True)

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("parallel_ranks.py")
WORLDS = (2, 4)


def _script() -> Any:
    spec = importlib.util.spec_from_file_location("parallel_ranks", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


ranks = _script()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[dict[str, Any]]]:
    """What each rank of each group found, by case."""
    folder = tmp_path_factory.mktemp("ranks")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", str(SCRIPT), str(folder), *map(str, WORLDS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return {size: [torch.load(folder / f"{size}-{rank}.pt") for rank in range(size)] for size in WORLDS}


def joined(parts: list[dict[str, Any]], name: str, case: Any) -> Any:
    """The gradient of all classes, from those of the ranks."""
    if name == "gradient by input" and case.linear:
        return parts[0][name]
    return torch.cat([part[name] for part in parts], 0 if case.linear else -1)


def tolerance(case: Any, name: str) -> dict[str, float]:
    """float64 differs in the order of sums alone."""
    if case.dtype == torch.float64:
        return {"rtol": 1e-12, "atol": 1e-13}
    gradient = name.startswith("gradient")
    if case.dtype == torch.bfloat16 and gradient:
        # gradients are returned in bfloat16: 2^-8, and products of them
        return {"rtol": 2e-2, "atol": 2e-2}
    return {"rtol": 2e-6, "atol": 2e-6 if gradient else 1e-6}


@pytest.mark.parametrize("size", WORLDS)
@pytest.mark.parametrize("name", list(ranks.CASES))
def test_ranks_find_what_one_process_finds(found: Any, name: str, size: int) -> None:
    case = ranks.CASES[name]
    parts = [rank[name] for rank in found[size]]
    expected = ranks.alone(case)
    gradients = {key for key in expected if key.startswith("gradient")}
    assert set(parts[0]) == set(expected) and gradients
    for key, truth in expected.items():
        got = joined(parts, key, case) if key in gradients else parts[0][key]
        if key in gradients and got.shape != truth.shape:
            # what is no class has gradient 0
            assert got.shape[0] == ranks.V
            assert not got[case.classes :].any()
            got = got[: case.classes]
        torch.testing.assert_close(got.to(truth.dtype), truth, **tolerance(case, key))


@pytest.mark.parametrize("size", WORLDS)
def test_all_ranks_hold_the_same_bits(found: Any, size: int) -> None:
    first, *others = found[size]
    for name, case in ranks.CASES.items():
        for key, value in first[name].items():
            if not key.startswith("gradient") or (key == "gradient by input" and case.linear):
                for other in others:
                    assert torch.equal(value, other[name][key]), (name, key)


@pytest.mark.parametrize("size", WORLDS)
def test_a_second_run_gives_the_same_bits(found: Any, size: int) -> None:
    for rank in found[size]:
        for key, value in rank["linear-float32"].items():
            assert torch.equal(value, rank["extras"]["again"][key])


@pytest.mark.parametrize("size", WORLDS)
def test_one_gathering_forward_and_one_sum_backward(found: Any, size: int) -> None:
    """12 of the 14 rows count, with three numbers each; where classes are not said, two more a rank."""
    for rank in found[size]:
        extras = rank["extras"]
        assert extras["exchanges"] == [("all_gather", 12 * 3), ("all_reduce", 12 * ranks.D)]
        assert extras["exchanges of logits"] == [("all_gather", 2), ("all_gather", 12 * 3)]


@pytest.mark.parametrize("size", WORLDS)
def test_summands_of_the_input_gradient(found: Any, size: int) -> None:
    """Without the reduction each rank keeps its own; a DTensor says so."""
    own = sum(rank["extras"]["own summand"] for rank in found[size])
    torch.testing.assert_close(
        own, found[size][0]["linear-smoothing"]["gradient by input"], rtol=1e-13, atol=1e-14
    )
    assert all(rank["extras"]["partial"] for rank in found[size])


@pytest.mark.parametrize("size", WORLDS)
def test_a_graph_can_be_gone_through_twice(found: Any, size: int) -> None:
    for rank in found[size]:
        # the objective of the cases counts their one loss 0.5 · 1.4 times
        once = rank["linear-smoothing"]["gradient by linear_weight"] / (0.5 * 1.4)
        torch.testing.assert_close(rank["extras"]["twice"], 2 * once, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("size", WORLDS)
def test_memory_budget_changes_no_loss(found: Any, size: int) -> None:
    for rank in found[size]:
        for key, value in rank["linear-smoothing"].items():
            torch.testing.assert_close(rank["extras"]["small budget"][key], value, rtol=1e-12, atol=1e-13)


def test_autocast_takes_bfloat16_products_and_wide_losses(found: Any) -> None:
    for rank in found[2]:
        got = rank["extras"]["autocast"]
        assert got["losses"].dtype == torch.float32
        torch.testing.assert_close(got["losses"], rank["linear-float32"]["losses"], rtol=0.05, atol=0.05)
        assert got["gradient by linear_weight"].dtype == torch.float32


def test_confident_labels_keep_their_digits() -> None:
    """The case is what it says: losses so small that 1 − p is 0 in float32, and gradients with them."""
    expected = ranks.alone(ranks.CASES["logits-confident"])
    assert 0 < expected["loss"] / ranks.N < 1e-12
    assert expected["gradient by input"].abs().max() < 1e-10


def test_rows_that_are_all_ignored_have_loss_and_gradient_0(found: Any) -> None:
    for size in WORLDS:
        for rank in found[size]:
            for kind in ("logits", "linear"):
                assert all(not value.any() for value in rank[f"{kind}-all-ignored"].values())


@pytest.mark.parametrize("size", WORLDS)
def test_refusals(found: Any, size: int) -> None:
    for rank in found[size]:
        refused = dict(rank["extras"]["refusals"])
        assert "once_differentiable" in refused.pop("second derivative")
        assert refused == {
            "replicated logits": "bad-placement",
            "rows spread": "bad-placement",
            "mesh of two dimensions": "bad-placement",
            "input spread": "bad-placement",
            "mesh and first class": "bad-option",
            "overlap": "bad-option",
            "first class here only": "bad-option",
            "more classes than columns": "bad-option",
            "label": "label-out-of-range",
            "weights": "shape-mismatch",
            "target's gradient": "bad-option",
            "bias": "shape-mismatch",
        }


def test_one_process_without_a_group_is_one_shard() -> None:
    from crossent.torch.parallel import vocab_parallel_cross_entropy

    z = torch.tensor([[1.0, 2.0, math.inf], [0.5, 0.0, math.nan]])
    labels = torch.tensor([0, 1])
    found = vocab_parallel_cross_entropy(z, labels, classes=2, weight=torch.tensor([1.0, 3.0]))
    expected = torch.nn.functional.cross_entropy(z[:, :2], labels, weight=torch.tensor([1.0, 3.0]))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("linear", [False, True])
def test_logits_that_are_not_finite(linear: bool, dtype: Any) -> None:
    """−inf is a class of probability 0: of infinite loss where it is the label; nan is never lost."""
    from crossent.torch import linear_cross_entropy, parallel

    z = torch.randn(5, 6, dtype=dtype, generator=torch.Generator().manual_seed(3))
    z[0, 3] = z[1, 1] = -math.inf
    z[2, torch.arange(6) != 2] = -math.inf
    z[3, 0], z[4, 0] = math.inf, math.nan
    target = torch.arange(5)
    options: dict[str, Any] = {"reduction": "none", "outputs": ("lse", "entropy")}
    for row in range(5):
        one, label = z[row : row + 1].clone().requires_grad_(), target[row : row + 1]
        expected = torch.nn.functional.cross_entropy(one.detach(), label, reduction="none")
        if linear:
            # hidden states of 0, so that the bias is the logits
            nothing = torch.zeros(1, 2, dtype=dtype)
            found = linear_cross_entropy(
                nothing, torch.zeros(6, 2, dtype=dtype), label, linear_bias=one[0], **options
            )
        else:
            found = parallel.vocab_parallel_cross_entropy(one, label, **options)
        torch.testing.assert_close(found.loss, expected, equal_nan=True)
        if row < 3:
            torch.testing.assert_close(found.lse, one.detach().logsumexp(1))
            p = one.detach().softmax(1)
            torch.testing.assert_close(found.entropy, torch.special.entr(p).sum(1), rtol=1e-5, atol=1e-6)
            found.loss.sum().backward()
            slope = p - torch.nn.functional.one_hot(label, 6)
            torch.testing.assert_close(one.grad, slope, rtol=1e-5, atol=1e-6)
