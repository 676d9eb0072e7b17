"""Every engine, and saved states merged, give the bytes of one process: on real data and on much of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossent import Report, merge, select
from crossent.cli import main

from .helpers import bits, document

ROOT = Path(__file__).parents[2]
MORE = os.environ.get("CROSSENT_CASES")
ENGINES = ("local", "processes", "ray", "dask")


@dataclass(frozen=True)
class Case:
    """Models of the same rows. `parts` are values of `column` that are evaluated apart from the rest."""

    name: str
    folder: Path | None
    models: tuple[str, ...]
    options: dict[str, Any]
    column: str
    parts: tuple[str, str]
    fragment_rows: int
    inputs: dict[str, str] = field(default_factory=dict)


FLIGHTS = {"cluster": "day", "positive": "late"}
TOKENS = {"unit": "doc_id", "bytes": "token_bytes", "groups": "source"}
LANGUAGE_MODELS = ("smollm2_full", "smollm2_ctx64", "ngram5_bytes", "gru_bytes")
ALL_FLIGHTS = ("gbdt", "knn15", "logistic", "naive_bayes", "prior", "random_forest")
IDENTIFIERS = ("fasttext_lid176", "langdetect", "langid_py", "lingua_high", "lingua_low", "py3langid")
DAYS = ("2013-10-07", "2013-12-24")
CASES = (
    Case("flights", ROOT / "examples/flights", ALL_FLIGHTS[:2], FLIGHTS, "day", DAYS, 20_000),
    Case("language_models", ROOT / "tests/data/language_models", LANGUAGE_MODELS, TOKENS, "source",
         ("licences", "debian-faq"), 40_000),
    Case("large", None, ("a", "b"), {"cluster": "group", "groups": "part"}, "part", ("3", "7"), 9_001),
    Case("1a_binary_flights", None, ALL_FLIGHTS, FLIGHTS, "day", DAYS, 30_000),
    Case("3_language_id", None, IDENTIFIERS, {"cluster": "package"}, "package", ("tar", "django"), 4_000),
    Case("5_language_models", None, LANGUAGE_MODELS, TOKENS, "source", ("licences", "debian-faq"), 40_000),
)  # fmt: skip
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models in ten partitions each, of which rows, clusters and row groups differ in number."""
    folder = tmp_path_factory.mktemp("large")
    rng = np.random.default_rng(7)
    for part in range(10):
        rows = 5_000 + 500 * part
        label = rng.integers(0, 2, rows).astype(np.int8)
        for k, name in enumerate("ab"):
            p = rng.integers(1, 256, rows).astype(np.float32) / np.float32(256)
            table = pa.table(
                {
                    "row_id": np.arange(rows) + part * 10_000,
                    "label": label,
                    "group": (np.arange(rows) * 7 % 1000).astype(np.int32),
                    "p_1": np.where(rng.random(rows) < 0.7, np.abs(1 - label - p), p).astype(np.float32),
                }
            )
            place = folder / name / f"part={part}"
            place.mkdir(parents=True)
            pq.write_table(table, place / "data.parquet", row_group_size=1_000 + 700 * k)
    return folder


@pytest.fixture
def inputs(case: Case, large: Path) -> dict[str, str]:
    """The files of a case, which may be left out."""
    if case.name == "large":
        return {name: str(large / name) for name in case.models}
    folder = case.folder
    if folder is None:
        folder = Path(MORE or "") / case.name
        if MORE is None or not folder.is_dir():
            pytest.skip(f"CROSSENT_CASES names no folder that holds {case.name}")
    return {name: str(folder / f"{name}.parquet") for name in case.models}


@cache
def _in_one(files: tuple[tuple[str, str], ...], options: tuple[tuple[str, Any], ...]) -> Report:
    return select(dict(files), **dict(options))


def in_one(inputs: dict[str, str], case: Case) -> Report:
    """The evaluation in one stream."""
    return _in_one(tuple(inputs.items()), tuple(case.options.items()))


@pytest.fixture
def address(request: pytest.FixtureRequest) -> Callable[[str], str | None]:
    """Starts what the engine needs."""

    def found(engine: str) -> str | None:
        if engine == "ray":
            request.getfixturevalue("ray_cluster")
        return request.getfixturevalue("dask_address") if engine == "dask" else None

    return found


def require_same(found: Report, expected: Report) -> None:
    assert bits(found.evaluation) == bits(expected.evaluation)
    assert document(found) == document(expected)


@pytest.mark.parametrize("engine", ENGINES)
@each_case
def test_engines(case, engine, inputs, address):
    options = {"engine": engine, "address": address(engine), "threads": 2, **case.options}
    found = select(inputs, fragment_rows=case.fragment_rows, **options)
    require_same(found, in_one(inputs, case))


@each_case
def test_merged_states(case, inputs, tmp_path, capsys):
    """Parts by the values of a column, each saved by a command of its own."""
    first, second = case.parts
    column = case.column
    wheres = ([f"{column}={first}"], [f"{column}={second}"], [f"{column}!={first}", f"{column}!={second}"])
    asked = [f"--{'group' if k == 'groups' else k}={v}" for k, v in case.options.items()]
    saved = []
    for k, where in enumerate(wheres):
        saved.append(str(tmp_path / f"{k}.json.gz"))
        files = [f"{name}={path}" for name, path in inputs.items()]
        with pytest.raises(SystemExit) as left:
            main(
                ["select", *files, *asked, *(f"--where={w}" for w in where), "--state", saved[-1], "--quiet"]
            )
        assert left.value.code == 0, capsys.readouterr().err
    require_same(merge(saved[1], saved[2], saved[0]), in_one(inputs, case))


@pytest.mark.parametrize("engine", ENGINES)
def test_rows_in_other_orders(engine, large, address, tmp_path):
    """One model's rows shuffled: joined through the exchange on every engine."""
    table = pq.read_table(large / "b" / "part=2" / "data.parquet")
    other = pq.read_table(large / "a" / "part=2" / "data.parquet")
    order = np.random.default_rng(1).permutation(table.num_rows)
    for name, rows in (("b", table.take(order)), ("a", other)):
        pq.write_table(rows, tmp_path / f"{name}.parquet", row_group_size=997)
    models = {name: str(tmp_path / f"{name}.parquet") for name in "ab"}
    expected = select(models, cluster="group")
    found = select(
        models, cluster="group", engine=engine, address=address(engine), threads=2, fragment_rows=1_501
    )
    require_same(found, expected)
    assert bits(select({"a": other, "b": table}, cluster="group").evaluation, files=False) == bits(
        expected.evaluation, files=False
    )
