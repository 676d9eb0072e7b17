"""The pieces that benchmarks share measure what they say."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def run_script(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a benchmark with the packages of this process."""
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": paths}
    whole = [sys.executable, *command]
    return subprocess.run(whole, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def common() -> ModuleType:
    path = BENCHMARKS / "common.py"
    spec = importlib.util.spec_from_file_location("benchmarks_common", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_peak_memory_is_the_childs_not_the_parents(common: ModuleType) -> None:
    ballast = b"1" * 200_000_000
    small = common.measure_child([sys.executable, "-c", "pass"])
    large = common.measure_child([sys.executable, "-c", "x = b'1' * 100_000_000"])
    assert len(ballast) > small.peak_rss
    assert 90e6 < large.peak_rss - small.peak_rss < 120e6


def test_cpu_and_wall_are_told_apart(common: ModuleType) -> None:
    asleep = common.measure_child([sys.executable, "-c", "import time; time.sleep(0.5)"])
    assert asleep.wall > 0.5
    assert asleep.cpu < 0.4


def test_environment_and_output_pass_through(common: ModuleType) -> None:
    code = "import os; print(os.environ['CROSSENT_TEST'])"
    assert common.measure_child([sys.executable, "-c", code], env={"CROSSENT_TEST": "42"}).stdout == "42\n"


@pytest.mark.parametrize(
    "command", [["no-such-program"], [sys.executable, "-c", "import sys; print('said'); sys.exit(3)"]]
)
def test_a_failing_command_is_an_error(common: ModuleType, command: list[str]) -> None:
    with pytest.raises(RuntimeError, match=r"no-such-program|ended with 3:\nsaid"):
        common.measure_child(command)


def test_interleaving_rotates_and_drops_the_first_round(common: ModuleType) -> None:
    calls: list[str] = []

    def contender(name: str) -> Callable[[], int]:
        def call() -> int:
            calls.append(name)
            return len(calls)

        return call

    kept = common.interleave({name: contender(name) for name in "abc"}, rounds=3)
    assert "".join(calls) == "abc" + "bca" + "cab" + "abc"
    assert kept == {"a": [6, 8, 10], "b": [4, 9, 11], "c": [5, 7, 12]}


def test_results_carry_the_machine(
    common: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common, "RESULTS", tmp_path / "results")
    measured = common.Measured(wall=2.0, cpu=1.0, peak_rss=3, stdout="")
    path = common.write_json("toy", {"runs": [measured], "medians": common.medians([measured] * 2)})
    document = json.loads(path.read_text())
    assert document["benchmark"] == "toy"
    assert document["machine"]["cores"] > 0 and document["machine"]["numpy"]
    assert document["results"]["runs"][0]["wall"] == 2.0
    assert document["results"]["medians"] == {
        "runs": 2,
        "wall": 2.0,
        "wall_min": 2.0,
        "cpu": 1.0,
        "peak_rss": 3,
    }


def test_the_cpu_benchmark_measures_every_contender(tmp_path: Path) -> None:
    """Each task on one small shape: what is installed runs, agrees on the mean, stands beside the limit."""
    script = BENCHMARKS / "cpu.py"
    out = tmp_path / "found.json"
    command = [script, "--quick", "--only", "(20000, 10)", "--threads", "1", "--out", out]
    done = run_script(*command)
    assert done.returncode == 0, done.stderr
    cases = json.loads(out.read_text())
    assert [(case["task"], case["dtype"]) for case in cases] == [
        ("probabilities, loss", "float64"),
        ("probabilities, loss", "float32"),
        ("logits, loss", "float32"),
        ("logits, loss and gradient", "float32"),
    ]
    for case in cases:
        assert {"limit", *case["means"]} == set(case["times"])
        assert any(name.startswith("crossent") for name in case["means"])
        assert case["times"]["limit"]["wall_ratio"] == 1
    assert "another mean" not in done.stdout


@pytest.mark.parametrize("case", ["binary", "multiclass"])
def test_the_end_to_end_benchmark_measures_what_is_installed(case: str, tmp_path: Path) -> None:
    """A few rows: those that run agree on the means, those that cannot say why."""
    for name in ("end_to_end.py", "whole_tools.py", "common.py"):
        (tmp_path / name).write_text((BENCHMARKS / name).read_text())
    options = [case, "--rows", "3000", "--rounds", "1", "--no-page"]
    done = run_script(tmp_path / "end_to_end.py", *options)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "results" / f"end_to_end_{case}.json").read_text())["results"]
    assert found["rows"] == 3000
    assert {"crossent", "pyarrow, reading only"} <= found["contenders"].keys()
    assert found["contenders"].keys().isdisjoint(found["left_out"])
    assert all(why in done.stdout for why in found["left_out"].values())
    assert "crossent: 400 MB met" in done.stdout


def test_the_benchmark_of_exact_sums_compares_equal_sums(tmp_path: Path) -> None:
    for name in ("exact_sum.py", "common.py"):
        (tmp_path / name).write_text((BENCHMARKS / name).read_text())
    done = run_script(tmp_path / "exact_sum.py", "--numbers", "50000", "--rounds", "1", "--no-page")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "results" / "exact_sum.json").read_text())["results"]["cpu_seconds"]
    assert len(found) == 4 and all(
        {"reading once", "crossent", "math.fsum"} <= f.keys() for f in found.values()
    )


def test_the_benchmark_of_accuracy_finds_ours_exact_and_writes_its_table(tmp_path: Path) -> None:
    for name in ("accuracy.py", "common.py"):
        (tmp_path / "benchmarks" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "benchmarks" / name).write_text((BENCHMARKS / name).read_text())
    page = tmp_path / "docs" / "performance.md"
    page.parent.mkdir()
    page.write_text("before\n<!-- accuracy: begin -->\n<!-- accuracy: end -->\nafter\n")
    options = ["--rows", "5", "--rounds", "1", "--entries", "2000"]
    done = run_script(tmp_path / "benchmarks" / "accuracy.py", *options)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "benchmarks" / "results" / "accuracy.json").read_text())["results"]
    for dtype, allowed in (("float32", 1.0), ("float64", 4.0)):
        for what, errors in found["errors"][dtype].items():
            ours = [own for name, own in errors.items() if name.startswith("crossent")]
            ulps = allowed if what == "loss" else 2 * allowed
            assert ours and all(own["by chance"] <= ulps and own["60"] < 1e-6 for own in ours)
            assert errors["NumPy, the usual lines"]["60"] == 1.0
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "| NumPy, the usual lines |" in text


@pytest.mark.parametrize(
    ("script", "said"),
    [("torch_losses.py", "| crossent |"), ("huggingface.py", "the losses of 3 steps are")],
)
def test_the_benchmarks_of_training_run(script: str, said: str) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    done = run_script(BENCHMARKS / script, "--quick")
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


def test_the_benchmark_of_alignment_joins_what_is_in_different_orders() -> None:
    done = run_script(BENCHMARKS / "alignment.py", "--quick", "--models", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("2 worker processes") == 2
    assert "memory of worker processes: met" in done.stdout


def copied(folder: Path, *names: str) -> Path:
    """Benchmarks in a folder of their own, where their results go."""
    for name in ("common.py", *names):
        (folder / name).write_text((BENCHMARKS / name).read_text())
    return folder


def test_the_benchmark_of_scaling_measures_engines_states_and_the_driver(tmp_path: Path) -> None:
    folder = copied(tmp_path, "scaling.py", "cost_model.py")
    done = run_script(folder / "scaling.py", "--quick", "--no-page", "--engines", "local")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "results" / "scaling.json").read_text())["results"]
    assert found["engines"].keys() == {"local"}
    assert found["states"][1]["bytes"] > found["states"][0]["bytes"] > 0
    assert "driver under 300 MB met" in done.stdout
    # the same work a row: time and money grow with the rows
    costs = {(p["rows"], p["classes"]): p["dollars"] for p in found["projections"]}
    assert costs[10**13, 2] > 50 * costs[10**11, 2]


def test_the_cost_model_foretells_what_the_driver_does(tmp_path: Path) -> None:
    """Within 15 % where there are fifty fragments for each worker, lost and slow ones included."""
    folder = copied(tmp_path, "scaling_simulation.py", "cost_model.py")
    done = run_script(folder / "scaling_simulation.py", "--fragments", "1000", "--no-page")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "results" / "scaling_simulation.json").read_text())["results"]
    asked = [case for case in found if case["lost"]]
    assert asked and all(case["asked again"] > 0 for case in asked if not case["retries"])
    for case in found:
        if case["workers"] == 20:
            assert case["simulated"] == pytest.approx(case["predicted"], rel=0.15), case


def test_the_benchmark_of_temperatures_agrees_with_scikit_learn(tmp_path: Path) -> None:
    for name in ("temperature.py", "common.py"):
        (tmp_path / name).write_text((BENCHMARKS / name).read_text())
    options = ["--rows", "2000", "--classes", "3", "--rounds", "1", "--skip", "probmetrics"]
    done = run_script(tmp_path / "temperature.py", *options)
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "results" / "temperature.json").read_text())
    found = document["results"]["contenders"]["2000 x 3"]
    assert {"crossent", "scikit-learn"} <= found.keys()
    assert found["crossent"]["relative_error"] < 1e-10
    assert all(figures["relative_error"] < 1e-6 for figures in found.values())
