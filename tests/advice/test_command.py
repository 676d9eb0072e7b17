"""The command: text for people, a document for machines, and where errors go."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

from crossent.advice import advise
from crossent.advice.libraries import LIBRARIES
from crossent.advice.reading import TASKS
from crossent.cli import cli, main

from .cases import CASES, Case

Command = Callable[..., tuple[int, str, str]]
SHAPE = {
    "": {
        "format",
        "version",
        "task",
        "facts",
        "reading",
        "training",
        "evaluation",
        "alternatives",
        "libraries",
        "reasons",
        "would_change",
        "warnings",
        "sources",
    },
    "facts": {
        "type",
        "rows",
        "missing",
        "distinct",
        "classes",
        "numbers",
        "lists",
        "weights",
        "declared_order",
        "recognised_order",
    },
    "facts.classes": {"count", "largest", "smallest", "entropy", "listed", "singles"},
    "facts.numbers": {
        "smallest",
        "largest",
        "mean",
        "variance",
        "skewness",
        "excess_kurtosis",
        "median",
        "zeros",
        "negatives",
        "whole",
        "gaps",
        "smooth",
        "tail_index",
        "log_skewness",
        "exact",
    },
    "facts.lists": {"form", "labels", "a_row", "empty", "rarest", "commonest"},
    "facts.weights": {"smallest", "largest", "total", "effective", "zeros", "by_class"},
    "reading": {"task", "because", "otherwise", "order"},
}
"""Fields of version 1; they may grow in number within a version, never shrink."""  # fmt: skip


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["advise", *words])
        captured = capsys.readouterr()
        return int(left.value.code or 0), captured.out, captured.err

    return run


def write(rows: int = 300) -> None:
    rng = np.random.default_rng(1)
    names, numbers = rng.choice(["low", "mid", "high"], rows), rng.integers(0, 2, (rows, 2))
    columns = zip(names, rng.poisson(3, rows), rng.random(rows) + 0.5, *numbers.T, strict=True)
    lines = [",".join(map(str, row)) for row in columns]
    Path("data.csv").write_text("label,visits,w,red,round\n" + "\n".join(lines) + "\n")


def test_json_is_what_the_function_returns(command: Command) -> None:
    write()
    code, out, err = command("data.csv", "--weight", "w", "--ordered", "low, mid, high", "--json")
    assert (code, err) == (0, "")
    expected = advise("data.csv", weight="w", ordered=["low", "mid", "high"])
    assert json.loads(out) == json.loads(json.dumps(expected.to_dict()))
    assert json.loads(out)["reading"]["order"] == ["low", "mid", "high"]


@pytest.mark.parametrize(
    ("words", "task"),
    [
        (("--label", "visits"), "count"),
        (("--label", "visits", "--task", "real"), "real"),
        (("--label", "red", "--label", "round"), "multilabel"),
        (("--label", "red", "--format", "csv"), "binary"),
    ],
)
def test_options(command: Command, words: tuple[str, ...], task: str) -> None:
    write()
    assert json.loads(command("data.csv", *words, "--json")[1])["task"] == task


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_document_has_the_fields_of_its_version(case: Case) -> None:
    document = json.loads(json.dumps(advise(case.y, **case.options).to_dict(), allow_nan=False))
    assert (document["format"], document["version"]) == ("crossent-advice", 1)
    for path, fields in SHAPE.items():
        part: Any = document
        for key in path.split(".") if path else ():
            part = part[key]
        assert part is None or set(part) >= fields, path
    assert [entry["package"] for entry in document["libraries"]] == list(LIBRARIES)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_text_fits_a_narrow_terminal_and_says_everything(case: Case) -> None:
    advice = advise(case.y, **case.options)
    text = str(advice)
    assert max(map(len, text.splitlines())) <= 100
    words = text.replace("\n", " ")
    flat = " ".join(words.split())
    for sentence in (*advice.reasons, *advice.would_change, *advice.warnings):
        assert sentence in flat.replace("• ", "").replace("! ", "")
    for spelling in advice.libraries:
        assert spelling.package in text
        assert all(code in "".join(words.split()) for code in map(_dense, (spelling.train, spelling.score)))
    assert all(f"{a.option} if" in flat for a in advice.alternatives)


def _dense(code: str) -> str:
    return "".join(code.split())


def test_a_wide_terminal_shows_training_and_score_side_by_side(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    write()
    narrow = command("data.csv")[1]
    monkeypatch.setenv("COLUMNS", "160")
    wide = command("data.csv")[1]
    assert any("LightGBM" in line and "multi_logloss" in line for line in wide.splitlines())
    assert not any("LightGBM" in line and "multi_logloss" in line for line in narrow.splitlines())


def test_the_choices_of_the_option_are_those_of_the_function() -> None:
    (option,) = [p for p in cli.commands["advise"].params if p.name == "task"]
    assert isinstance(option.type, click.Choice) and tuple(option.type.choices) == TASKS


def test_names_cannot_drive_the_terminal(command: Command) -> None:
    Path("data.csv").write_text("label\n" + "a\x1b[31m\nb\n[bold]c\n" * 40)
    _, out, _ = command("data.csv")
    assert "\x1b" not in out and "[bold]c" in out


@pytest.mark.parametrize(
    ("words", "code", "slug"),
    [
        (("missing.csv",), 1, "source-not-found"),
        (("data.csv", "--label", "visits", "--task", "fraction"), 2, "task-unfit"),
        (("data.csv", "--ordered", "low,high"), 2, "order-incomplete"),
        (("data.csv", "--label", "w", "--task", "multilabel"), 2, "task-unfit"),
    ],
)
def test_errors_go_to_stderr(command: Command, words: tuple[str, ...], code: int, slug: str) -> None:
    write()
    left, out, err = command(*words)
    assert (left, out) == (code, "") and f"[{slug}]" in err


def test_a_damaged_file_is_no_advice(command: Command) -> None:
    Path("data.parquet").write_bytes(b"PAR1 and nothing else")
    code, out, err = command("data.parquet")
    assert (code, out) == (1, "") and "[file-corrupt]" in err
