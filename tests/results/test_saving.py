"""Evaluations as files: what is saved comes back, and only parts of one question are added up."""

from __future__ import annotations

import gzip
import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from crossent import DataError, Evaluation, MergeError, UsageError, merge, read, select
from crossent.evaluation import FORMAT, VERSION, replacing

from .plain import Plain, draw

SAVED = Path(__file__).parents[1] / "data" / "saved"
DESIGN = draw(50, rows=60, zeros=0.1)
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "everything": {"weight": "weight", "cluster": "day", "groups": ("region", "age"), "bytes": "size"},
    "units": {"unit": "day", "bytes": "size"},
    "floor": {"floor": 0.01, "renormalise": True},
    "brier": {"loss": "brier", "cluster": "day"},
    "some rows": {"where": {"region": "north"}, "groups": "age"},
}
each_question = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())


def evaluation(rows: slice = slice(None), **options: Any) -> Evaluation:
    start, stop, _ = rows.indices(60)
    tables = {n: t.slice(start, stop - start) for n, t in DESIGN.tables().items()}
    return select(tables, **options).evaluation


# --- save and load ------------------------------------------------------------------------------------------


@each_question
@pytest.mark.parametrize("name", ["e.json", "e.json.gz", "ü ber.gz", "no suffix"])
def test_what_is_saved_comes_back(options: dict[str, Any], name: str, tmp_path: Path) -> None:
    report = select(DESIGN.tables(), **options)
    report.evaluation.save(tmp_path / name)
    raw = (tmp_path / name).read_bytes()
    assert (raw[:2] == b"\x1f\x8b") == name.endswith(".gz")
    text = gzip.decompress(raw) if name.endswith(".gz") else raw
    assert json.loads(text) == json.loads(json.dumps(report.evaluation.to_dict()))
    loaded = Evaluation.load(str(tmp_path / name))
    assert (loaded.setup, loaded.spec, loaded.names) == (
        report.evaluation.setup,
        report.evaluation.spec,
        report.evaluation.names,
    )
    assert read(loaded).to_dict()["models"] == report.to_dict()["models"]
    assert read(loaded).statements == report.statements
    assert os.listdir(tmp_path) == [name]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "e.json"
    evaluation(slice(0, 30)).save(path)
    os.chmod(path, 0o600)
    whole = evaluation()
    whole.save(path)
    assert Evaluation.load(path).to_dict() == whole.to_dict()
    umask = os.umask(0o022)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_while_writing_leaves_the_old_file(error: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")
    with pytest.raises(error), replacing(path) as temporary:
        assert temporary.parent == tmp_path
        temporary.write_text("half")
        raise error
    assert (path.read_text(), os.listdir(tmp_path)) == ("old", ["page.html"])


@pytest.mark.parametrize("place", ["no/such/folder/e.json", "folder"])
def test_a_place_that_cannot_be_written(place: str, tmp_path: Path) -> None:
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(DataError) as error:
        evaluation(slice(0, 9)).save(tmp_path / place)
    assert (error.value.slug, error.value.file) == ("cannot-write", str(tmp_path / place))
    assert os.listdir(tmp_path) == ["folder"]


def test_infinite_and_negative_numbers_are_valid_json(tmp_path: Path) -> None:
    """No Infinity or NaN, which are no JSON."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    table = {"logprob": [-math.inf, -1e100, 9e-4, -0.0], "size": [1, 0, 3, 4]}
    report = select({"m": table}, bytes="size", tolerance=1e-3)
    report.evaluation.save(tmp_path / "e.json")
    json.loads((tmp_path / "e.json").read_text(), parse_constant=refuse)
    assert read(Evaluation.load(tmp_path / "e.json")).to_dict()["models"] == report.to_dict()["models"]


# --- damage -------------------------------------------------------------------------------------------------


def edited(change: Any) -> bytes:
    data = evaluation(slice(0, 9), cluster="day").to_dict()
    data = json.loads(json.dumps(data))
    change(data)
    return json.dumps(data).encode()


def whole_file() -> bytes:
    return json.dumps(evaluation(slice(0, 9)).to_dict()).encode()


DAMAGED: dict[str, tuple[Any, str, str]] = {
    "no JSON": (lambda: b"label,p_a\n", "not-an-evaluation", "Expecting value"),
    "binary": (lambda: bytes(range(256)), "not-an-evaluation", "not a saved evaluation"),
    "cut gzip": (lambda: gzip.compress(whole_file())[:-100], "not-an-evaluation", "not a saved evaluation"),
    "flipped gzip": (
        lambda: gzip.compress(whole_file())[:-8] + b"\0" * 8,
        "not-an-evaluation",
        "not a saved evaluation",
    ),
    "version in text": (
        lambda: edited(lambda d: d.update(version="1")),
        "not-an-evaluation",
        "something else",
    ),
    "a bool as version": (
        lambda: edited(lambda d: d.update(version=True)),
        "not-an-evaluation",
        "something else",
    ),
    "a later version": (
        lambda: edited(lambda d: d.update(version=VERSION + 1)),
        "newer-format",
        f"written in format {VERSION + 1}, this crossent knows {VERSION}",
    ),
    "a model less": (
        lambda: edited(lambda d: d["models"].pop("first")),
        "not-an-evaluation",
        "sums are missing",
    ),
    "an accumulator less": (
        lambda: edited(lambda d: d["models"]["second"].pop("clusters")),
        "not-an-evaluation",
        "sums are missing",
    ),
    "an unknown field": (
        lambda: edited(lambda d: d["setup"].update(colour="red")),
        "not-an-evaluation",
        "TypeError",
    ),
    "a number for a table": (
        lambda: edited(lambda d: d["models"]["first"].update(worst=3)),
        "not-an-evaluation",
        "damaged",
    ),
}


@pytest.mark.parametrize(("content", "slug", "said"), DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_files_say_so(content: Any, slug: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "e.json"
    path.write_bytes(content())
    with pytest.raises(DataError) as error:
        Evaluation.load(path)
    assert (error.value.slug, error.value.file) == (slug, str(path))
    assert said in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(DataError) as error:
            merge(path)
        assert (error.value.slug, error.value.file) == ("cannot-read", str(path))


def test_accumulators_that_this_version_does_not_know_are_left_out() -> None:
    """A later version of format 1 may add sums; what is known is read."""
    known = evaluation(slice(0, 20))
    data = known.to_dict()
    for saved in data["models"].values():
        saved["temperature"] = {"version": 1, "state": {"t": 3}}
    assert Evaluation.from_dict(json.loads(json.dumps(data))).to_dict() == known.to_dict()
    assert (data["format"], data["version"]) == (FORMAT, 1)


def test_a_file_of_format_1_opens_for_ever() -> None:
    """Written by version 0.1.0: weights, clusters, groups, bytes, and a model of infinite loss."""
    report = merge(SAVED / "format_1.json.gz")
    assert [m.name for m in report.results.models] == ["sure", "half", "zero"]
    sure, half, zero = report.results.models
    nats = -(math.log(0.9) + 2 * math.log(0.8)) / 3.5
    assert sure.loss.value == pytest.approx(nats, rel=1e-14)
    assert (half.loss.value, half.loss.units) == (pytest.approx(math.log(2), rel=1e-14), 2)
    assert (zero.loss.value, zero.n_infinite) == (math.inf, 1)
    assert sure.bits_per_byte.value == pytest.approx(nats * 3.5 / 5.5 / math.log(2), rel=1e-14)
    assert [(s.value, s.rows) for s in sure.groups[0][1]] == [("x", 2), ("y", 0), ("z", 1)]
    assert report.results.data.sources[0].layout == "2 columns: p_a, p_b"
    saved = json.loads(gzip.decompress((SAVED / "format_1.json.gz").read_bytes()))
    assert json.loads(json.dumps(report.evaluation.to_dict())) == saved


# --- merge --------------------------------------------------------------------------------------------------


@each_question
def test_parts_add_up_to_the_whole(options: dict[str, Any]) -> None:
    parts = [evaluation(slice(0, 20), **options), evaluation(slice(20, 41), **options)]
    parts.append(evaluation(slice(41, 60), **options))
    before = [p.to_dict() for p in parts]
    report = merge(*parts, level=0.9)
    whole = select(DESIGN.tables(), level=0.9, **options)
    for part in ("models", "comparison", "statements", "unit", "chosen"):
        assert report.to_dict()[part] == whole.to_dict()[part]
    assert report.results.data.rows == whole.results.data.rows
    assert [p.to_dict() for p in parts] == before
    again = parts[2].merge(parts[1]).merge(parts[0])
    assert again.to_dict()["models"] == report.evaluation.to_dict()["models"]


OTHER_QUESTIONS: dict[str, dict[str, Any]] = {
    "loss": {"loss": "brier"},
    "floor": {"floor": 1e-7},
    "renormalised": {"renormalise": True},
    "weight": {"weight": "weight"},
    "cluster": {"cluster": "day"},
    "groups": {"groups": "region"},
    "bytes": {"bytes": "size"},
    "unit": {"unit": "day"},
    "positive": {"positive": "cat"},
    "label": {"label": "region", "unknown_label": "zero"},
}


@pytest.mark.parametrize("options", OTHER_QUESTIONS.values(), ids=OTHER_QUESTIONS.keys())
def test_parts_of_other_questions_do_not_add_up(options: dict[str, Any]) -> None:
    one, two = evaluation(slice(0, 30)), evaluation(slice(30, 60), **options)
    for a, b in ((one, two), (two, one)):
        with pytest.raises(MergeError) as error:
            merge(a, b)
        assert error.value.slug == "merge-different"


def test_other_models_or_another_order_of_them_do_not_add_up() -> None:
    one = evaluation(slice(0, 30))
    tables = {n: t.slice(30) for n, t in DESIGN.tables().items()}
    others = (
        dict(reversed(tables.items())),
        {n: tables[n] for n in ("first", "second")},
        dict(zip(("first", "second", "fourth"), tables.values(), strict=True)),
    )
    for other in others:
        with pytest.raises(MergeError, match="first, second, third") as error:
            one.merge(select(other).evaluation)
        assert error.value.slug == "merge-different"


def test_merging_nothing() -> None:
    with pytest.raises(MergeError) as error:
        merge()
    assert error.value.slug == "merge-nothing"
    one = evaluation(slice(0, 30))
    assert merge(one).evaluation.to_dict() == one.to_dict()


# --- the same rows twice ------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """A file a model, and the same in a second place."""
    paths = {}
    for name, table in DESIGN.tables().items():
        for folder in ("one", "two"):
            (tmp_path / folder).mkdir(exist_ok=True)
            pq.write_table(table, tmp_path / folder / f"{name}.parquet")
        paths[name] = str(tmp_path / "one" / f"{name}.parquet")
    return paths


Where = dict[str, str] | list[str] | str

CONDITIONS: list[tuple[Where, Where, bool]] = [
    ({}, {}, False),
    ({"region": "north"}, {}, False),
    ({"region": "north"}, {"region": "north"}, False),
    ({"region": "north"}, {"age": "old"}, False),
    ({"region": "north"}, {"region": "south"}, True),
    ({"region": "north", "age": "old"}, {"region": "north", "age": "young"}, True),
    ({"region": "north", "age": "old"}, {"age": "young"}, True),
    ({"region": "north", "age": "old"}, {"region": "north"}, False),
    ({"region": "north"}, "region!=north", True),
    ("region!=north", "region!=south", False),
    ("region!=north", {"region": "south"}, False),
    (["region!=north", "age=old"], "age!=old", True),
    ({}, "region!=north", False),
]


@pytest.mark.parametrize(("one", "two", "apart"), CONDITIONS)
def test_the_same_file_is_added_only_where_conditions_exclude_each_other(
    files: dict[str, str], one: Where, two: Where, apart: bool
) -> None:
    a, b = (select(files, where=where).evaluation for where in (one, two))
    copies = {n: p.replace("/one/", "/two/") for n, p in files.items()}
    copied = select(copies, where=two).evaluation
    for other in (b, copied):
        if apart:
            total = a.merge(other)
            rows = [read(e).results.data.rows for e in (a, other, total)]
            assert rows[0] + rows[1] == rows[2]
            continue
        with pytest.raises(MergeError) as error:
            a.merge(other)
        assert error.value.slug == "merge-overlap"
        assert files["first"] in str(error.value)


def test_what_is_kept_of_the_setups(files: dict[str, str]) -> None:
    """Files and rows left out add up; a condition stays where both parts were chosen by its column."""
    north = select(files, where={"region": "north", "age": "old"}).evaluation
    south = select(files, where={"region": "south"}).evaluation
    left = [replace(e, setup=replace(e.setup, dropped=d)) for e, d in ((north, (("first", 2),)), (south, ()))]
    total = left[0].merge(left[1]).setup
    assert total.where == (("region", "north"), ("region", "south"))
    assert total.dropped == (("first", 2),)
    assert [s.files for s in total.sources] == [s.files for s in north.setup.sources]
    more = replace(south, setup=replace(south.setup, dropped=(("second", 1), ("first", 3))))
    assert left[0].merge(more).setup.dropped == (("first", 5), ("second", 1))
    assert total.pairing == "row id"


@pytest.mark.parametrize(
    ("one", "two", "where", "where_not"),
    [
        ("region=north", "region!=north", (), ()),
        ("region=north", "region=south", (("region", "north"), ("region", "south")), ()),
        (["region=north", "age!=old"], ["region=south", "age!=old"], None, (("age", "old"),)),
        (["region=north", "age!=old"], ["region=south", "age=young"], None, (("age", "old"),)),
        (["region=north", "age!=old"], "region=south", None, ()),
    ],
)
def test_what_is_kept_of_conditions_holds_for_the_rows_of_both(
    files: dict[str, str],
    one: Where,
    two: Where,
    where: tuple[tuple[str, str], ...] | None,
    where_not: tuple[tuple[str, str], ...],
) -> None:
    a, b = (select(files, where=condition).evaluation for condition in (one, two))
    for total in (a.merge(b).setup, b.merge(a).setup):
        assert total.where_not == where_not
        assert where is None or total.where == where


def test_rows_left_out_by_value_are_saved(files: dict[str, str], tmp_path: Path) -> None:
    report = select(files, where=["region=north", "age!=young"])
    same = select(files, where={"region": "north", "age": "old"})
    assert report.results.models == same.results.models
    assert report.results.data.where == (("region", "north"),)
    assert report.results.data.where_not == (("age", "young"),)
    report.evaluation.save(tmp_path / "e.json")
    assert json.loads((tmp_path / "e.json").read_text())["version"] == 2
    assert merge(tmp_path / "e.json").results.data == report.results.data
    assert same.evaluation.to_dict()["version"] == 1


# --- reading again ------------------------------------------------------------------------------------------


def test_all_that_reading_decides_is_decided_again(tmp_path: Path) -> None:
    saved = evaluation(cluster="day")
    saved.save(tmp_path / "e.gz")
    prior = {"ant": 0.2, "bee": 0.3, "cat": 0.5}
    complexity = ("third", "first", "second")
    asked: dict[str, Any] = {"level": 0.8, "prior": prior, "rule": "mcs", "complexity": complexity}
    again = merge(tmp_path / "e.gz", **asked)
    direct = select(DESIGN.tables(), cluster="day", **asked)
    for part in ("models", "comparison", "statements", "rule", "chosen", "notes"):
        assert again.to_dict()[part] == direct.to_dict()[part]
    assert read(saved, baseline="second").results.gate.baseline == "second"
    with pytest.raises(UsageError) as error:
        read(saved, rule="one-se")
    assert error.value.slug == "no-complexity"
    base, expected = Plain(DESIGN, clustered=True).skill("second", prior)
    (_, skill) = again.results.model("second").skill
    assert (skill.base, skill.skill.value) == (pytest.approx(base), pytest.approx(expected.value))
