"""Progress over all workers, the last line, the log, and the sentence where an engine is not installed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from crossent import CrossentError, UsageError, select
from crossent.cli import main
from crossent.distributed.engines import reaching

from .helpers import Careless, bits, in_parts, tables

ROWS = 40


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Two models of 40 rows."""
    paths = [tmp_path / f"{name}.parquet" for name in "ab"]
    for path, table in zip(paths, tables(ROWS).values(), strict=True):
        pq.write_table(table, path, row_group_size=11)
    return [str(path) for path in paths]


def left(*arguments: str) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as exit:
        main(list(arguments))
    assert isinstance(exit.value.code, int)
    return exit.value.code


def test_rows_are_told_as_fragments_come_home(files):
    told, totals = [], []
    select(files, fragment_rows=15, progress=told.append, started=totals.append)
    assert sorted(told) == [20, 30, 30] and totals == [80]


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("shuffled", [False, True])
def test_the_last_line(files, form, shuffled, tmp_path):
    """Rows are counted where files do not say how many they have, and once where they are read again."""
    if shuffled:
        table = pq.read_table(files[1])
        pq.write_table(table.take(list(range(ROWS))[::-1]), files[1])
    if form == "csv":
        for i, path in enumerate(files):
            files[i] = path.replace(".parquet", ".csv")
            pyarrow.csv.write_csv(pq.read_table(path), files[i])
    said: list[str] = []
    select(files, fragment_rows=15, notify=said.append)
    megabytes = sum(Path(path).stat().st_size for path in files) / 1e6
    line = rf"local: 80 rows, {megabytes:.1f} MB in \d+\.\d s \(\d+\.\d M rows/s\); \d+ fragments"
    assert re.fullmatch(line, said[-1])
    assert ("joining" in said[0]) is shuffled


def test_the_last_line_counts_what_was_tried_again(files):
    said: list[str] = []
    in_parts(files, Careless(seed=3), fragment_rows=3, notify=said.append)
    retried = re.search(r"14 fragments, (\d+) tried again$", said[-1])
    assert retried and int(retried[1]) > 1


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


def test_the_bar_of_a_terminal(files, monkeypatch):
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("crossent.cli.output.PATIENCE", 0.0)
    assert left("select", *files, "--fragment-rows", "9", "--json") == 0
    assert "80 rows" in terminal.text and "rows/s" in terminal.text
    assert "local: 80 rows" in terminal.text.replace("\n", "")


def test_the_log(files, tmp_path, capsys):
    path = tmp_path / "run.jsonl"
    asked = ["--fragment-rows", "15", "--checkpoint", str(tmp_path / "kept"), "--log", str(path)]
    assert left("select", *files, *asked, "--json", "--quiet") == 0
    assert capsys.readouterr().err == ""
    first, *middle, last = (json.loads(line) for line in path.read_text().splitlines())
    assert (first["event"], first["engine"], first["models"], first["files"]) == (
        "started",
        "local",
        ["a", "b"],
        2,
    )
    assert first["bytes"] == sum(Path(file).stat().st_size for file in files)
    assert sorted((e["event"], e["phase"], e["fragment"]) for e in middle) == [
        ("fragment", "rows", k) for k in range(3)
    ]
    assert (last["event"], last["rows"], last["fragments"], last["retried"]) == ("done", 80, 3, 0)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", e["time"]) for e in (first, *middle, last))
    assert left("select", *files, *asked, "--resume", "--json") == 0
    (_, last) = (json.loads(line) for line in path.read_text().splitlines())
    assert (last["resumed"], last["rows"]) == (3, 80)


def test_a_log_that_cannot_be_written(files, tmp_path, capsys):
    assert left("select", *files, "--log", str(tmp_path / "none" / "run.jsonl")) == 1
    assert "[cannot-write]" in capsys.readouterr().err


def test_a_fragment_that_was_lost_is_said_and_logged(files, caplog):
    with caplog.at_level("DEBUG", "crossent.distributed"):
        in_parts(files, Careless(seed=3), fragment_rows=3)
    lost = [record for record in caplog.records if vars(record).get("event") == "lost"]
    assert lost and all(
        "carelessly" in record.getMessage() and record.levelname == "WARNING" for record in lost
    )


@pytest.mark.skipif(os.name != "posix", reason="a group of processes is interrupted as by a terminal")
@pytest.mark.parametrize("engine", ["local", "processes"])
def test_an_interrupt_stops_at_once_and_loses_nothing(engine, tmp_path):
    """Ctrl-C reaches the workers, too; what had come home by then need not be done again."""
    path, kept = str(tmp_path / "a.parquet"), tmp_path / "kept"
    pq.write_table(tables(60_000, 1)["a"], path, row_group_size=2_000)
    options = {"engine": engine, "threads": 2, "fragment_rows": 1_000, "checkpoint": kept}
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    running = subprocess.Popen(
        [sys.executable, "-c", "from crossent.cli import main; main()", "evaluate", path, *words, "--json"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while running.poll() is None and len(list(kept.glob("rows/*.state"))) < 2:
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, ""), err
    assert f"what was found is in {kept}: --resume goes on from it" in err and "Traceback" not in err
    said: list[str] = []
    again = select([path], resume=True, notify=said.append, **options)
    assert bits(again.evaluation) == bits(select([path]).evaluation)
    resumed = re.search(r"60 fragments, (\d+) from the checkpoint", said[-1])
    assert resumed and 2 <= int(resumed[1]) < 60


@pytest.mark.parametrize(("engine", "package"), [("ray", "ray"), ("dask", "distributed")])
def test_an_engine_that_is_not_installed(engine, package, files, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CrossentError) as error:
        select(files, engine=engine)
    assert str(error.value) == (
        f"the engine {engine} needs packages that are not installed — install them with: "
        f"pip install 'crossent[{engine}]' [missing-extra]"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"engine": "spark"}, "engine is 'spark'"),
        ({"address": "tcp://there:8786"}, "the engine local has no address"),
        ({"resume": True}, "nothing to resume"),
        ({"fragment_rows": 0}, "fragment_rows is 0"),
    ],
)
def test_options_that_cannot_be(options, said, files):
    with pytest.raises(CrossentError, match=said) as error:
        select(files, **options)
    assert error.value.slug == "bad-option"


def test_a_cluster_without_workers_is_waited_for_and_then_given_up(monkeypatch, caplog) -> None:
    monkeypatch.setattr(reaching, "PATIENCE", 0.05)
    monkeypatch.setattr(reaching, "PAUSE", 0.01)
    with (
        caplog.at_level("WARNING", "crossent.distributed"),
        pytest.raises(UsageError, match="cluster-without-workers"),
    ):
        reaching.wait_for_workers("dask", "tcp://somewhere:8786", lambda: 0)
    assert [record.event for record in caplog.records] == ["waiting"]
    counts = iter([0, 0, 2])
    reaching.wait_for_workers("dask", None, lambda: next(counts))
