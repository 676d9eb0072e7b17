"""What can be handed to evaluate, select, merge and read, and what they hand back."""

from __future__ import annotations

import os
import platform
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import crossent
from crossent import Report, UsageError, evaluate, merge, read, select
from crossent.api import named, provenance, read_options
from crossent.data.conditions import Condition
from crossent.data.options import ReadOptions
from crossent.preparing import RunOptions

LABELS = ["a", "b", "a", "b"]
SURE: dict[str, Any] = {"label": LABELS, "p_a": [0.9, 0.2, 0.8, 0.3], "p_b": [0.1, 0.8, 0.2, 0.7]}
UNSURE: dict[str, Any] = {"label": LABELS, "p_a": [0.5] * 4, "p_b": [0.5] * 4}


def refused(slug: str, function: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(UsageError) as error:
        function(*arguments, **options)
    assert error.value.slug == slug
    return str(error.value)


# --- names --------------------------------------------------------------------------------------------------

NAMES: dict[str, tuple[Any, list[str]]] = {
    "files": (["a.parquet", "b.csv"], ["a", "b"]),
    "one path": ("runs/a.parquet", ["a"]),
    "one object": (Path("runs/a.parquet"), ["a"]),
    "any path": ([PurePosixPath("x/a.arrow")], ["a"]),
    "compressed": (["a.csv.gz", "b.jsonl.zst", "c.tsv.bz2", "d.gz"], ["a", "b", "c", "d"]),
    "one suffix is cut": (["model.v1.2.parquet", "model.v1.3.parquet"], ["model.v1.2", "model.v1.3"]),
    "no suffix": (["folder/", "other"], ["folder", "other"]),
    "hidden": ([".hidden"], [".hidden"]),
    "folders tell them apart": (["x/preds.parquet", "y/preds.parquet"], ["x/preds", "y/preds"]),
    "only as deep as it takes": (
        ["/r/x/1/p.parquet", "/r/y/1/p.parquet", "/r/x/2/p.parquet"],
        ["x/1/p", "y/1/p", "x/2/p"],
    ),
    "all get the folder": (["x/p.csv", "y/p.csv", "y/q.csv"], ["x/p", "y/p", "y/q"]),
    "one name, two formats": (["x/p.csv", "y/p.parquet"], ["x/p", "y/p"]),
    "unicode and blanks": (["é 1/мод ель.parquet"], ["мод ель"]),
    "patterns": (["runs/a-*.parquet", "runs/b-*.parquet"], ["a-*", "b-*"]),
    "tables": ([SURE, pa.table(UNSURE)], ["model 1", "model 2"]),
    "a table beside files": (["a.csv", SURE, "b.csv"], ["a", "model 2", "b"]),
    "up and down": (["runs/../a.csv", "./b.csv"], ["a", "b"]),
    "the root": (["/"], ["model"]),
    "nothing": ([], []),
    "a tuple": (("a.csv", "b.csv"), ["a", "b"]),
    "names of one's own": ({"x": "a.csv", 3: "b.csv"}, ["x", "3"]),
}


@pytest.mark.parametrize(("models", "names"), NAMES.values(), ids=NAMES.keys())
def test_names(models: Any, names: list[str]) -> None:
    found = named(models)
    assert list(found) == names
    if isinstance(models, list):
        assert all(mine is given for mine, given in zip(found.values(), models, strict=True))


@pytest.mark.parametrize(
    ("models", "twice"),
    [
        (["a.csv", "./a.csv"], "a is given twice"),
        (["x/a.csv", "b.csv", "x/a.csv"], "a is given twice"),
        (["a.csv", "a.csv.gz"], "a is given twice"),
    ],
)
def test_one_file_twice(models: list[str], twice: str) -> None:
    assert twice in refused("model-twice", named, models)


@pytest.mark.parametrize("columns", [SURE | {"label": np.array(LABELS)}, {"p": 0.5}, {"label": None}])
def test_a_table_is_no_dictionary_of_models(columns: dict[str, Any]) -> None:
    if all(isinstance(v, list) for v in columns.values()):
        return
    columns = {k: np.array(v) for k, v in columns.items()}
    assert "evaluate(table)" in refused("not-models", named, columns)


def test_no_models() -> None:
    for nothing in ([], {}, ()):
        refused("no-models", select, nothing)


def test_the_name_of_a_single_model(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    path = tmp_path / "runs" / "best.csv"
    path.write_text("label,p_a,p_b\na,0.5,0.5\nb,0.25,0.75\n")
    for data, name, expected in (
        (path, None, "best"),
        (os.fspath(path), "mine", "mine"),
        (SURE, None, "model"),
        (pa.table(SURE), "ü", "ü"),
    ):
        results = evaluate(data, name=name).results
        assert [m.name for m in results.models] == [expected]
        assert results.title == f"{expected} evaluated"
        assert (results.comparison, results.rule, results.chosen, results.gate) == (None, None, None, None)


# --- options ------------------------------------------------------------------------------------------------

READ: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing": ({}, {}),
    "classes in a text": ({"classes": "a, b"}, {"classes": ("a", "b")}),
    "a range of classes": ({"classes": "0..2"}, {"classes": ("0", "1", "2")}),
    "a list of classes": ({"classes": [0, 1, "x"]}, {"classes": ("0", "1", "x")}),
    "classes of a range": ({"classes": range(2)}, {"classes": ("0", "1")}),
    "no classes": ({"classes": None}, {}),
    "a condition": (
        {"where": {"split": "test", "fold": 3}},
        {"where": (Condition("split", "test"), Condition("fold", "3"))},
    ),
    "conditions as pairs": ({"where": (("split", "test"),)}, {"where": (Condition("split", "test"),)}),
    "a condition as text": ({"where": "label!=255"}, {"where": (Condition("label", "255", "!="),)}),
    "one group": ({"groups": "region"}, {"groups": ("region",)}),
    "groups": ({"groups": ["region", "age"]}, {"groups": ("region", "age")}),
    "a number as positive": ({"positive": 1}, {"positive": "1"}),
    "no positive": ({"positive": None}, {}),
    "the rest as it is": ({"weight": "w", "floor": 1e-7}, {"weight": "w", "floor": 1e-7}),
}


@pytest.mark.parametrize(("given", "meant"), READ.values(), ids=READ.keys())
def test_options_as_people_write_them(given: dict[str, Any], meant: dict[str, Any]) -> None:
    before = dict(given)
    assert read_options(**given) == ReadOptions(**meant)
    assert given == before


@pytest.mark.parametrize("function", [read_options, lambda **o: select([SURE, UNSURE], **o)])
def test_options_that_there_are_not(function: Any) -> None:
    said = refused("unknown-option", function, wieght="w", colour=1)
    assert "colour, wieght" in said and "cluster" in said and "weight" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"threads": 0}, "threads is 0"),
        ({"threads": -2}, "threads is -2"),
        ({"memory": (1 << 20) - 1}, "memory is below 1 MB"),
        ({"floor": 0.5}, "floor is 0.5"),
        ({"floor": 0.01, "loss": "brier"}, "a floor has no meaning for Brier score"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], said: str) -> None:
    assert said in refused("bad-option", evaluate, SURE, **options)


def test_options_at_their_limits_change_nothing() -> None:
    expected = evaluate(SURE).evaluation.to_dict()
    for options in ({"threads": 1}, {"threads": 64}, {"memory": 1 << 20}, {"memory": None}):
        assert evaluate(SURE, **options).evaluation.to_dict() == expected
    assert RunOptions(threads=1, memory=1 << 20).threads == 1


def test_columns_of_one_table_are_models() -> None:
    wide = {"label": LABELS, "x": SURE["p_a"], "m": [0.5] * 4}
    report = select({"wide": wide}, columns=["m", "x"], positive="a")
    assert report.evaluation.names == ("m", "x")
    assert report.results.data.pairing == "same row"
    expected = evaluate(SURE).results.models[0].loss
    assert report.results.model("x").loss.value == pytest.approx(expected.value, rel=1e-14)
    refused("columns-of-several", select, {"a": wide, "b": wide}, columns=["x"], positive="a")
    refused("model-twice", select, {"a": wide}, columns=["x", "m", "x"], positive="a")
    assert select({"a": wide}, columns=["x", "m"], positive="a", baseline="m").chosen == "x"
    refused("unknown-baseline", select, {"a": wide}, columns=["x", "m"], positive="a", baseline="a")


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"classes": "a,b"}, "classes"),
        ({"positive": "a"}, "positive"),
        ({"renormalise": True}, "renormalise"),
        ({"unknown_label": "zero"}, "unknown-label"),
    ],
)
def test_options_about_classes_where_there_are_none(options: dict[str, Any], name: str) -> None:
    assert f"--{name} " in refused("no-classes", evaluate, {"logprob": [-1.0, -2.0]}, **options)


def test_a_positive_class_that_there_is_not() -> None:
    assert "choose from a, b" in refused("unknown-positive", evaluate, SURE, positive="c")


@pytest.mark.parametrize(
    ("names", "positive", "events"),
    [
        (("0", "1"), None, ["1"]),
        (("no", "yes"), None, ["yes"]),
        (("1", "0"), None, ["1"]),
        (("neg", "pos"), None, ["pos"]),
        (("ant", "bee"), None, ["ant", "bee"]),
        (("true", "yes"), None, ["true", "yes"]),
        (("no", "yes"), "no", ["no"]),
        (("x", "y", "1"), None, []),
        (("x", "y", "z"), "y", ["y"]),
    ],
)
def test_whose_reliability_is_followed(
    names: tuple[str, ...], positive: str | None, events: list[str]
) -> None:
    table: dict[str, Any] = {"label": list(names)}
    table |= {f"p_{name}": [1 / len(names)] * len(names) for name in names}
    report = evaluate(table, positive=positive)
    assert [r.event for r in report.results.models[0].calibration] == ["top label", *events]
    assert report.evaluation.setup.positive == (events[0] if len(events) == 1 else None)


# --- while it runs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 3])
def test_progress_counts_the_rows_of_all_models(threads: int, tmp_path: Path) -> None:
    ids = {"row_id": [1, 2, 3, 4]}
    back = {k: v[::-1] for k, v in (UNSURE | ids).items()}
    for second, passes in ((UNSURE | ids, 1), (back, 2)):
        started: list[int | None] = []
        done: list[int] = []
        told: list[str] = []
        select(
            [SURE | ids, second],
            threads=threads,
            started=started.append,
            progress=done.append,
            notify=told.append,
        )
        assert started == [8]
        assert sum(done) == 8
        assert told == (["row ids are in different orders: joining them on disk"] if passes == 2 else [])
    (tmp_path / "a.csv").write_text("label,p_a,p_b\na,0.5,0.5\n")
    evaluate(tmp_path / "a.csv", started=started.append)
    assert started == [8, None]


# --- the report ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report() -> Report:
    return select({"sure": SURE, "unsure": UNSURE}, loss="brier", where=(), cluster=None)


def test_what_a_report_says(report: Report, tmp_path: Path) -> None:
    assert report.chosen == report.results.chosen == "sure"
    assert report.statements == report.results.statements
    assert str(report) == "\n".join(report.statements)
    assert report.to_dict()["statements"] == list(report.statements)
    assert report._repr_markdown_() == report.to_markdown()
    assert report.statements[0] in report.to_markdown()
    assert read(report.evaluation).statements == merge(report.evaluation).statements == report.statements


def test_a_page_is_saved_whole(report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Report, "to_html", lambda self: "<p>ü ∞</p>")
    report.save_html(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes() == "<p>ü ∞</p>".encode()

    def fail(self: Report) -> str:
        raise RuntimeError

    monkeypatch.setattr(Report, "to_html", fail)
    with pytest.raises(RuntimeError):
        report.save_html(tmp_path / "page.html")
    assert os.listdir(tmp_path) == ["page.html"]


def test_provenance() -> None:
    said = dict(provenance(ReadOptions(weight="w", floor=1e-7)))
    assert said["options"] == "weight=w, floor=1e-07"
    assert said["crossent"] == crossent.__version__
    assert (said["Python"], said["NumPy"]) == (platform.python_version(), np.__version__)
    assert list(said) == ["crossent", "Python", "NumPy", "kernels", "options"]
    assert dict(provenance())["options"] == "none"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "none"),
        ({"where": (), "cluster": None, "groups": [], "renormalise": False}, "none"),
        ({"groups": ["label", "p_a"], "floor": 0.01}, "groups=label,p_a, floor=0.01"),
        ({"where": {"label": "a", "p_a": 0.9}}, "where=label=a,p_a=0.9"),
        ({"where": ["label!=c", "p_a=0.9"]}, "where=label!=c,p_a=0.9"),
        ({"classes": np.array(["a", "b"]), "positive": np.str_("b")}, "classes=a,b, positive=b"),
        ({"tolerance": 0}, "tolerance=0"),
        ({"on_missing": "error", "unknown_label": "zero"}, "unknown_label=zero"),
    ],
)
def test_reports_carry_their_options(options: dict[str, Any], said: str) -> None:
    assert dict(evaluate(SURE, **options).results.provenance)["options"] == said


def test_of_many_names_the_first_and_last_are_said() -> None:
    for count, said in ((10, "0,1,2,3,4,5,6,7,8,9"), (11, "0,1,2,…,10"), (1000, "0,1,2,…,999")):
        options = read_options(classes=range(count))
        assert dict(provenance(options))["options"] == f"classes={said}"
