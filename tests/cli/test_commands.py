"""Evaluate, select, merge and report on good data: documents, files, gates, names, and what goes where."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import crossent
from crossent.cli.output import Progress

from .helpers import ROWS, Files, Run, changed, good, mean_log_loss, tokens

ONE, TWO = good(), good(shift=1)
FILES = ("one.csv", "two.parquet")


@pytest.fixture
def models(put: Files) -> Files:
    """Two models in two formats."""
    put("one.csv", ONE)
    put("two.parquet", TWO)
    return put


def numbers_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Everything but what names the run."""
    return {name: value for name, value in document.items() if name != "provenance"}


def test_evaluate_prints_the_document(models: Files, run: Run) -> None:
    outcome = run("evaluate", "one.csv", "--json", "--cluster", "day", "--group", "region")
    document = outcome.document
    assert (outcome.code, outcome.err) == (0, "")
    assert (document["format"], document["version"]) == ("crossent-result", 1)
    assert document["data"]["rows"] == ROWS and document["data"]["clusters"] == 6
    assert [name for name, _ in outcome.model("one")["groups"]] == ["region"]
    assert outcome.model("one")["loss"]["value"] == pytest.approx(mean_log_loss(ONE), rel=1e-14)
    assert document["comparison"] is None and document["chosen"] is None


def test_select_prints_the_document(models: Files, run: Run) -> None:
    outcome = run("select", *FILES, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert [m["name"] for m in outcome.document["models"]] == ["one", "two"]
    assert outcome.document["chosen"] == "one"
    difference = outcome.document["comparison"]["differences"][0]["difference"]["value"]
    assert difference == pytest.approx(mean_log_loss(TWO) - mean_log_loss(ONE), rel=1e-12)


def test_the_command_says_what_the_function_returns(models: Files, run: Run) -> None:
    options = {"cluster": "day", "weight": "weight"}
    words = ["--cluster", "day", "--weight", "weight"]
    report = crossent.select(list(FILES), **options)
    assert numbers_of(run("select", *FILES, "--json", *words).document) == json.loads(
        json.dumps(numbers_of(report.to_dict()))
    )


def test_options_change_the_number_they_should(models: Files, run: Run) -> None:
    weighted = run("evaluate", "one.csv", "--json", "--weight", "weight").model("one")
    assert weighted["loss"]["value"] == pytest.approx(mean_log_loss(ONE, ONE["weight"]), rel=1e-14)
    north = {name: values[::2] for name, values in ONE.items()}
    chosen = run("evaluate", "one.csv", "--json", "--where", "region=north").model("one")
    assert chosen["loss"]["value"] == pytest.approx(mean_log_loss(north), rel=1e-14)
    left_out = run("evaluate", "one.csv", "--json", "--where", "region!=south").model("one")
    assert left_out["loss"] == chosen["loss"]
    prior = run("evaluate", "one.csv", "--json", "--prior", "a=0.5,b=0.25,c=0.25").model("one")
    assert "given prior" in [s["reference"] for s in prior["skill"]]
    brier = run("evaluate", "one.csv", "--json", "--loss", "brier")
    assert brier.document["loss"] == "brier"


@pytest.mark.parametrize("threads", ["1", "3"])
def test_threads_change_nothing(models: Files, run: Run, threads: str) -> None:
    alone = numbers_of(run("select", *FILES, "--json").document)
    assert numbers_of(run("select", *FILES, "--json", "--threads", threads).document) == alone


@pytest.mark.parametrize("width", [80, 100])
def test_text_holds_the_verdict(models: Files, run: Run, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    outcome = run("select", *FILES)
    statement = run("select", *FILES, "--json").document["statements"][0]
    assert statement in " ".join(outcome.out.split())
    assert max(len(line.rstrip()) for line in outcome.out.splitlines()) <= width
    assert outcome.err == ""


def test_markdown_holds_the_verdict(models: Files, run: Run) -> None:
    outcome = run("select", *FILES, "--markdown")
    statement = run("select", *FILES, "--json").document["statements"][0]
    assert outcome.out.startswith("# ") and f"**{statement}**" in outcome.out


def test_a_page_is_written_and_named(models: Files, run: Run) -> None:
    pytest.importorskip("altair")
    outcome = run("select", *FILES, "--html", "page.html", "--json")
    assert outcome.code == 0 and outcome.err.strip() == "page: page.html"
    page = Path("page.html").read_text(encoding="utf-8")
    assert page.lower().startswith("<!doctype html") and outcome.document["title"] in page
    assert run("select", *FILES, "--html", "page.html", "--quiet").err == ""


# --- saved evaluations -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["s.json", "s.json.gz"])
@pytest.mark.parametrize("options", [[], ["--rule", "one-se", "--complexity", "two,one"], ["--level", "0.9"]])
def test_a_saved_evaluation_gives_the_same_results(
    models: Files, run: Run, name: str, options: list[str]
) -> None:
    direct = run("select", *FILES, "--json", "--cluster", "day", *options)
    run("select", *FILES, "--cluster", "day", "--state", name, "--quiet")
    for command in ("report", "merge"):
        assert numbers_of(run(command, name, "--json", *options).document) == numbers_of(direct.document)


def test_merged_parts_give_what_the_whole_gives(put: Files, run: Run) -> None:
    for part in range(3):
        rows = slice(part * 8, part * 8 + 8)
        for name, columns in (("one", ONE), ("two", TWO)):
            put(f"{part}/{name}.csv", {column: values[rows] for column, values in columns.items()})
            put(f"all/{name}/{part}.csv", {column: values[rows] for column, values in columns.items()})
        inputs = [f"{name}={part}/{name}.csv" for name in ("one", "two")]
        assert run("select", *inputs, "--state", f"{part}.json", "--cluster", "day").code == 0
    whole = run("select", "all/one", "all/two", "--json", "--cluster", "day").document
    for order in (("0.json", "1.json", "2.json"), ("2.json", "0.json", "1.json")):
        merged = run("merge", *order, "--json").document
        assert merged["models"] == whole["models"] and merged["comparison"] == whole["comparison"]


def test_equal_runs_write_equal_files(models: Files, run: Run) -> None:
    for name in ("a.json.gz", "b.json.gz"):
        run("select", *FILES, "--state", name)
    assert Path("a.json.gz").read_bytes() == Path("b.json.gz").read_bytes()


# --- gates -----------------------------------------------------------------------------------------------


def worse() -> dict[str, Any]:
    """A model that is clearly worse than ONE."""
    return changed(ONE, p_a=ONE["p_b"], p_b=ONE["p_c"], p_c=ONE["p_a"])


def test_gate(put: Files, run: Run) -> None:
    put("good.csv", ONE)
    put("bad.csv", worse())
    passed = run("select", "good.csv", "--baseline", "bad.csv", "--fail-if-worse")
    assert (passed.code, passed.err) == (0, "")
    failed = run("select", "bad.csv", "--baseline", "good.csv", "--fail-if-worse", "--json")
    assert failed.code == 3 and failed.err.startswith("gate failed: ")
    assert failed.document["gate"]["failed"] is True
    assert run("select", "bad.csv", "--baseline", "good.csv").code == 0
    run("select", "bad.csv", "good.csv", "--state", "s.json")
    assert run("report", "s.json", "--baseline", "good", "--fail-if-worse").code == 3


def test_a_baseline_is_a_model_of_its_own_name(put: Files, run: Run) -> None:
    put("new/a.csv", worse())
    put("old/a.csv", ONE)
    put("new/b.csv", TWO)
    outcome = run("select", "new/a.csv", "new/b.csv", "--baseline", "old/a.csv", "--json")
    assert {m["name"] for m in outcome.document["models"]} == {"new/a", "new/b", "old/a"}
    assert (outcome.document["gate"]["baseline"], outcome.document["chosen"]) == ("old/a", "new/b")
    named = run("select", "new/a.csv", "new/b.csv", "--baseline", "now=old/a.csv", "--json")
    assert named.document["gate"]["baseline"] == "now"
    listed = run("select", "new/a.csv", "new/b.csv", "--baseline", "new/a.csv", "--json")
    assert len(listed.document["models"]) == 2 and listed.document["gate"]["baseline"] == "a"


# --- names and places ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["x=one.csv", "two.csv"], {"x", "two"}),
        (["run/one.csv", "old/one.csv"], {"run/one", "old/one"}),
        (["day=1/one.csv", "two.csv"], {"one", "two"}),
        (["m=day=1/one.csv", "two.csv"], {"m", "two"}),
        (["day=1", "two.csv"], {"day=1", "two"}),
        (["./run", "old/*.csv"], {"run", "*"}),
    ],
)
def test_names_of_models(put: Files, run: Run, arguments: list[str], names: set[str]) -> None:
    for path in ("one.csv", "run/one.csv", "day=1/one.csv"):
        put(path, ONE)
    put("two.csv", TWO)
    put("old/one.csv", TWO)
    outcome = run("select", *arguments, "--json")
    assert outcome.code == 0, outcome.err
    assert {m["name"] for m in outcome.document["models"]} == names


def test_folders_of_partitions_are_columns(put: Files, run: Run) -> None:
    for day in (1, 2):
        put(
            f"runs/day={day}/p.parquet",
            {name: values[day * 8 :: 2] for name, values in changed(ONE, day=None).items()},
        )
    outcome = run("evaluate", "runs", "--group", "day", "--id", "region", "--json")
    assert outcome.code == 1 and "duplicate-ids" in outcome.err
    put("runs/day=2/p.parquet", {name: values[:8] for name, values in changed(ONE, day=None).items()})
    groups = run("evaluate", "runs", "--group", "day", "--where", "day=2", "--json").model("runs")["groups"]
    assert [part["value"] for part in dict(groups)["day"]] == ["2"]


def test_columns_of_one_file_are_models(put: Files, run: Run) -> None:
    columns = {"y": [1, 0] * 12, "m": [0.8, 0.3] * 12, "n": [0.6, 0.4] * 12, "z": ["x"] * ROWS}
    put("games.csv", columns)
    outcome = run("select", "games.csv", "--positive", "1", "--model", "m", "--model", "n", "--json")
    assert outcome.document["chosen"] == "m"
    expected = crossent.log_loss([1, 0], [[0.2, 0.8], [0.7, 0.3]])
    assert outcome.model("m")["loss"]["value"] == pytest.approx(expected, rel=1e-14)


def test_lists_in_json_lines(put: Files, run: Run) -> None:
    lists = [[ONE[f"p_{c}"][i] for c in "abc"] for i in range(ROWS)]
    put("one.jsonl", {"label": ONE["label"], "probs": [[1, 0, 0], *lists[1:]]})
    outcome = run("evaluate", "one.jsonl", "--classes", "a,b,c", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.document["data"]["classes"] == ["a", "b", "c"]


def test_units_of_tokens(put: Files, run: Run) -> None:
    put("one.parquet", tokens())
    put(
        "two.parquet",
        {
            n: [v for v in values for _ in "ab"]
            for n, values in changed(tokens(), token_bytes=lambda c: [b / 2 for b in c]).items()
        },
    )
    outcome = run(
        "select", "one.parquet", "two.parquet", "--unit", "doc_id", "--bytes", "token_bytes", "--json"
    )
    assert (outcome.code, outcome.document["unit"]) == (0, "bits per byte")
    assert outcome.model("two")["loss"]["value"] == pytest.approx(
        2 * outcome.model("one")["loss"]["value"], rel=1e-12
    )


# --- what goes where -------------------------------------------------------------------------------------


def test_hints_go_to_stderr_and_can_be_silenced(models: Files, run: Run) -> None:
    models("three.csv", {name: values[::-1] for name, values in ONE.items()})
    loud = run("select", "three.csv", "two.parquet", "--json")
    quiet = run("select", "three.csv", "two.parquet", "--json", "--quiet")
    assert "joining them on disk" in loud.err and quiet.err == ""
    assert numbers_of(loud.document) == numbers_of(quiet.document)


class Terminal:
    """A stderr that says it is a terminal."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("quiet", "patience", "shown"), [(False, 0.0, True), (True, 0.0, False), (False, 60.0, False)]
)
def test_progress_is_for_terminals_and_long_work(
    monkeypatch: pytest.MonkeyPatch, quiet: bool, patience: float, shown: bool
) -> None:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("crossent.cli.output.PATIENCE", patience)
    with Progress(quiet=quiet) as progress:
        progress.start(100)
        progress.advance(50)
    assert ("rows/s" in terminal.text) is shown


@pytest.mark.parametrize("order", [("--version", "--verbose"), ("--verbose", "--version")])
def test_version_says_what_computes(run: Run, order: tuple[str, str]) -> None:
    assert run("--version").out == f"crossent {crossent.__version__}\n"
    first, *facts = run(*order).out.splitlines()
    assert first == f"crossent {crossent.__version__}"
    assert [fact.split(": ")[0] for fact in facts] == [
        "Python", "NumPy", "kernels", "instruction sets", "threads"
    ]  # fmt: skip
    assert f"kernels: {crossent.kernels.explain()}" in facts


def test_version_prints_nothing_where_the_environment_is_wrong(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSENT_THREADS", "none")
    outcome = run("--version", "--verbose")
    assert (outcome.code, outcome.out) == (2, "")
    assert "[bad-option]" in outcome.err


@pytest.mark.parametrize("command", ["evaluate", "select", "merge", "report"])
def test_every_command_explains_itself(run: Run, command: str) -> None:
    assert run(command, "--help").out.startswith(f"Usage: crossent {command} ")
    missing = run(command)
    assert (missing.code, missing.out) == (2, "") and "Usage: " in missing.err


def test_wrong_usage(run: Run) -> None:
    for words in (
        ["nope"],
        ["evaluate", "x", "--nope"],
        ["select", "x", "--rule", "luck"],
        ["evaluate", "x", "--where", "=1"],
    ):
        outcome = run(*words)
        assert (outcome.code, outcome.out) == (2, "")


def test_the_program_as_a_child(models: Files) -> None:
    source = str(Path(__file__).parents[2] / "src")
    done = subprocess.run(
        [sys.executable, "-c", "from crossent.cli import main; main()", "select", *FILES, "--json"],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": source},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["chosen"] == "one"
