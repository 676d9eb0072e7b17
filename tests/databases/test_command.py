"""`--sql` and `--uri` on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import crossent
from crossent.cli import main
from crossent.cli.options import query_inputs

from .conftest import Fill, into_file

ROWS = pa.table(
    {"row_id": [0, 1, 2], "label": ["a", "b", "a"], "p_a": [0.9, 0.2, 0.6], "p_b": [0.1, 0.8, 0.4]}
)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def running(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(list(arguments))
        code = left.value.code
        assert isinstance(code, int)
        return (code, *capsys.readouterr())

    return running


def test_evaluate(fill: Fill, run: Any) -> None:
    uri = fill("logs", ROWS)
    code, out, _ = run("evaluate", "--sql", "SELECT * FROM logs WHERE row_id = 1", "--uri", uri, "--json")
    assert code == 0
    expected = crossent.evaluate(ROWS.slice(1, 1)).results.models[0].loss.value
    assert json.loads(out)["models"][0]["loss"]["value"] == expected


def test_select_queries_files_and_a_baseline(fill: Fill, run: Any, tmp_path: Path) -> None:
    uri = fill("logs", ROWS)
    pq.write_table(ROWS, tmp_path / "new.parquet")
    worse = "old=SELECT row_id, label, 0.5 AS p_a, 0.5 AS p_b FROM logs"
    given = ["--sql", worse, "--sql", "same=SELECT * FROM logs", "--uri", uri, "--json"]
    code, out, _ = run(
        "select", *given, str(tmp_path / "new.parquet"), "--baseline", "old", "--fail-if-worse"
    )
    assert code == 0
    document = json.loads(out)
    assert {model["name"] for model in document["models"]} == {"new", "old", "same"}
    code, out, _ = run("select", *given, "--rule", "one-se", "--complexity", "old,same")
    assert code == 0


@pytest.mark.parametrize(
    ("arguments", "slug"),
    [
        (["select", "--sql", "a=SELECT 1"], "sql-and-uri"),
        (["select", "a.parquet", "--uri", "sqlite:///logs.db"], "sql-and-uri"),
        (["evaluate", "--sql", "SELECT 1", "--sql", "SELECT 2", "--uri", "sqlite:///logs.db"], "one-query"),
        (["evaluate", "a.parquet", "--sql", "SELECT 2", "--uri", "sqlite:///logs.db"], "one-query"),
        (
            ["select", "--sql", "a=SELECT 1", "--sql", "a=SELECT 2", "--uri", "sqlite:///logs.db"],
            "model-twice",
        ),
        (["select", "a=x.csv", "--sql", "a=SELECT 2", "--uri", "sqlite:///logs.db"], "model-twice"),
        (["select", "--sql", "a=SELECT 1", "--uri", "logs.db"], "bad-uri"),
    ],
)
def test_wrong_usage(run: Any, arguments: list[str], slug: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "") and f"[{slug}]" in err


def test_no_password_reaches_the_terminal(run: Any) -> None:
    uri = "postgresql://ann:s3cr3t@127.0.0.1:1/db"
    code, out, err = run("evaluate", "--sql", "SELECT 1", "--uri", uri)
    assert (code, out) == (1, "") and "cannot-connect" in err
    assert "s3cr3t" not in err and "postgresql://ann@127.0.0.1:1/db" in err


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("gbdt=select * from t where a=1", "gbdt"),
        ("gradient-boosted.2= select 1", "gradient-boosted.2"),
        ("select * from t where a=1", None),
        ("select(a=1) from t", None),
        ("with\nt as (select 1) select * from t where a = 2", None),
    ],
)
def test_names_of_queries(text: str, name: str | None) -> None:
    named, unnamed = query_inputs([text], "sqlite:///logs.db")
    assert list(named) == ([] if name is None else [name])
    assert len(unnamed) == (name is None)


def test_a_relative_file_beside_the_command(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    into_file("sqlite", tmp_path / "logs.db", "t", ROWS)
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("select", "--sql", "SELECT * FROM t", "--uri", "sqlite:///logs.db", "--json")
    assert code == 0
    assert json.loads(out)["data"]["sources"][0]["files"][0]["path"] == "sqlite:///logs.db: SELECT * FROM t"
