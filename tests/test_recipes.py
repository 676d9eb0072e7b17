"""The recipes of docs/scaling.md: parts on machines that know nothing of each other, and Spark."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import crossent

ROOT = Path(__file__).parents[1]
MODELS = ("gbdt", "logistic")
PARTS, ROWS = 3, 1000

missing = [name for name in ("pyspark", "pandas") if importlib.util.find_spec(name) is None]
missing += ["Java"] * (shutil.which("java") is None)
COMMAND = ("-c", "from crossent.cli import main; main()")
SPARK = "--master local[2] --conf spark.ui.enabled=false --conf spark.sql.shuffle.partitions=3 pyspark-shell"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder a model with the last of the flights, in three files."""
    made = {}
    for name in MODELS:
        made[name] = tmp_path_factory.mktemp("parts") / name
        made[name].mkdir()
        table = pq.read_table(ROOT / "examples" / "flights" / f"{name}.parquet")
        for part in range(PARTS):
            some = table.slice(table.num_rows - (part + 1) * ROWS, ROWS)
            pq.write_table(some, made[name] / f"{part}.parquet")
    return made


def run(*command: str | Path, **environment: str) -> None:
    paths = os.pathsep.join([str(ROOT / "src"), *(path for path in sys.path if path)])
    whole = {**os.environ, "PYTHONPATH": paths, **environment}
    done = subprocess.run(
        [sys.executable, *map(str, command)], env=whole, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def without_files(state: Path) -> str:
    """What was saved, less the names of the files that were read."""
    saved = json.loads(json.dumps(crossent.Evaluation.load(state).to_dict()))
    for source in saved["setup"]["sources"]:
        del source["files"]
    return json.dumps(saved)


@pytest.fixture(scope="module")
def whole(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    state = tmp_path_factory.mktemp("whole") / "whole.json"
    crossent.select(folders, cluster="day").evaluation.save(state)
    return state


def test_parts_of_machines_make_the_whole(folders: dict[str, Path], whole: Path, tmp_path: Path) -> None:
    states = [tmp_path / f"part{part}.json.gz" for part in range(PARTS)]
    for part, state in enumerate(states):
        files = [f"{name}={folder / f'{part}.parquet'}" for name, folder in folders.items()]
        run(*COMMAND, "select", *files, "--cluster", "day", "--state", state)
    run(*COMMAND, "merge", *reversed(states), "--state", tmp_path / "merged.json")
    assert (tmp_path / "merged.json").read_bytes() == whole.read_bytes()


@pytest.mark.skipif(bool(missing), reason=f"Spark cannot run: {', '.join(missing)} is not installed")
def test_partitions_of_spark_make_the_whole(folders: dict[str, Path], whole: Path, tmp_path: Path) -> None:
    state = tmp_path / "spark.json"
    models = [f"{name}={folder}" for name, folder in folders.items()]
    environment = {"PYSPARK_SUBMIT_ARGS": SPARK, "PYSPARK_PYTHON": sys.executable}
    script = ROOT / "examples" / "on_spark.py"
    run(script, *models, "--cluster", "day", "--state", state, **environment)
    assert without_files(state) == without_files(whole)
