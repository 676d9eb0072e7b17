"""What a place means: which files are found, in which order, each once, and what is said when none is."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest

from crossent.data.readers import open_source, register_reader, registry
from crossent.data.readers.registry import format_named, format_of
from crossent.errors import DataError


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Makes files of one row that holds the file's number; the folder is the current one."""
    monkeypatch.chdir(tmp_path)

    def making(*names: str) -> Path:
        for number, name in enumerate(names):
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(f"n\n{number}\n" if ".csv" in name else f'{{"n": {number}}}\n')
        return tmp_path

    return making


def numbers(data: object, **options: str) -> list[int]:
    """Numbers of the files in the order in which they are read."""
    chunks = open_source(data, **options).batches(["n"], 10, {"n": pa.int64()})
    return [number for chunk in chunks for number in chunk.table.column("n").to_pylist()]


def fault(data: object, **options: str) -> DataError:
    with pytest.raises(DataError) as caught:
        open_source(data, **options)
    assert caught.value.cure
    return caught.value


FILES = ("run/b.csv", "run/a/2.csv", "run/a/10.csv", "run/ä ö.csv", "run/a.csv", "run/Z.csv")


@pytest.mark.parametrize(
    ("data", "order"),
    [
        ("run", [5, 2, 1, 4, 0, 3]),
        ("run/", [5, 2, 1, 4, 0, 3]),
        ("./run/../run", [5, 2, 1, 4, 0, 3]),
        (Path("run"), [5, 2, 1, 4, 0, 3]),
        ("run/*.csv", [5, 4, 0, 3]),
        ("run/**/*.csv", [5, 2, 1, 4, 0, 3]),
        ("**", [5, 2, 1, 4, 0, 3]),
        ("run/**", [5, 2, 1, 4, 0, 3]),
        ("r[tuv]n/?.csv", [5, 4, 0]),
        ("run/a*", [2, 1, 4]),
        ("run/ä ö.csv", [3]),
        (("run/b.csv", Path("run/a")), [0, 2, 1]),
        (["run/a/*", "run/Z.csv", "run/[ab].csv"], [2, 1, 5, 4, 0]),
    ],
    ids=str,
)
def test_places_give_their_files_in_the_order_of_paths(place, data, order):
    place(*FILES)
    assert numbers(data) == order


def test_absolute_places_are_the_same_files(place):
    folder = place(*FILES)
    assert numbers(folder / "run") == numbers(str(folder / "ru?")) == numbers("run")


def test_a_name_with_the_signs_of_a_pattern_is_first_a_name(place):
    place("we[i]rd/1.csv", "wei/rd.csv", "a?.csv", "ab.csv", "what*/2.csv", "whatever/3.csv")
    assert numbers("we[i]rd") == [0]
    assert numbers("a?.csv") == [2]
    assert numbers("what*") == [4]
    assert numbers("we[[]i]rd/*.csv") == [0]


def test_a_folder_whose_name_ends_like_a_file_is_a_folder(place):
    place("run.csv/part-1.csv", "run.csv/part-0.csv", "run.csv/_SUCCESS")
    assert numbers("run.csv") == numbers("*.csv") == [1, 0]


@pytest.mark.parametrize("data", [".hidden", "_kept", ".hidden/1.csv", "_kept/.2.csv", "_kept/*.csv"])
def test_bookkeeping_is_read_when_it_is_named_itself(place, data):
    place(".hidden/1.csv", "_kept/1.csv", "_kept/.2.csv", "_kept/_3/4.csv")
    assert len(numbers(data)) == 1


# --- links --------------------------------------------------------------------------------------------------


def test_linked_files_and_folders_are_read_like_their_targets(place):
    place("store/1.csv", "store/day=2/2.csv", "run/3.csv")
    Path("run/0.csv").symlink_to("../store/1.csv")
    assert numbers("run") == [0, 2]
    Path("run/0.csv").unlink()
    Path("run/more").symlink_to("../store/day=2")
    assert numbers("run") == [2, 1]
    Path("link").symlink_to("run")
    assert numbers("link") == [2, 1]


@pytest.mark.parametrize(
    ("link", "target"), [("run/again", "."), ("run/a/up", ".."), ("run/a/b/top", "../..")]
)
def test_a_link_to_a_folder_around_it_is_not_walked(place, link, target):
    place("run/1.csv", "run/a/b/2.csv")
    Path(link).symlink_to(target)
    assert numbers("run") == [0, 1]


def _link(name: str, target: str) -> None:
    Path(name).symlink_to(target)


@pytest.mark.parametrize(
    ("data", "make", "second", "first"),
    [
        (["run/1.csv", "run/1.csv"], None, "run/1.csv", "run/1.csv"),
        (["run", "run/2.csv"], None, "run/2.csv", "run/2.csv"),
        (["run/1.csv", "run/../run/1.csv"], None, "run/../run/1.csv", "run/1.csv"),
        (["run/[12].csv", "run/2*"], None, "run/2.csv", "run/2.csv"),
        ("run", lambda: _link("run/3.csv", "1.csv"), "run/3.csv", "run/1.csv"),
        (["run", "again"], lambda: _link("again", "run"), "again/1.csv", "run/1.csv"),
    ],
    ids=["named", "inside", "dots", "patterns", "link", "linked-folder"],
)
def test_a_file_counts_once(place, data, make, second, first):
    place("run/1.csv", "run/2.csv")
    if make is not None:
        make()
    error = fault(data)
    assert (error.slug, error.file) == ("file-twice", second)
    assert first in error.problem


def test_a_copy_is_another_file(place):
    place("run/1.csv")
    Path("run/2.csv").write_bytes(Path("run/1.csv").read_bytes())
    os.link("run/1.csv", "run/3.csv")
    assert numbers("run") == [0, 0, 0]


# --- nothing there ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("", "no such file or folder"),
        ("absent.csv", "no such file or folder"),
        ("run/1.csv/", "no such file or folder"),
        ("run/1.csv/2.csv", "no such file or folder"),
        ("x" * 5000, "no such file or folder"),
        ("run\0.csv", "no such file or folder"),
        ("~/1.csv", "no such file or folder"),
        ("absent/*.csv", "no file matches the pattern"),
        ("run/[0-9][0-9].csv", "no file matches the pattern"),
        ("RUN/*.csv", "no file matches the pattern"),
    ],
)
def test_what_is_not_there_is_named(place, data, problem):
    place("run/1.csv")
    for given in (data, ["run/1.csv", data]):
        error = fault(given)
        assert (error.slug, error.file) == ("source-not-found", data)
        assert problem in error.problem


@pytest.mark.parametrize(
    ("options", "said", "unsaid"),
    [({}, ".jsonl.zst", "notes"), ({"format": "parquet"}, ".parquet, .pq", ".csv")],
    ids=["any", "one"],
)
def test_a_folder_without_data_says_what_it_looked_for(place, options, said, unsaid):
    place("run/notes.txt", "run/sub/_1.csv", "run/.parquet")
    error = fault("run", **options)
    assert (error.slug, error.file) == ("no-data-files", "run")
    assert said in error.problem and unsaid not in error.problem


def test_a_file_of_no_known_format_says_its_suffix(place):
    place("run/1.xlsx")
    for data in ("run/1.xlsx", "run/*"):
        error = fault(data)
        assert (error.slug, error.file) == ("unknown-format", "run/1.xlsx")
        assert "'.xlsx'" in error.problem and ".parquet" in error.problem


def test_a_named_format_overrides_every_suffix_but_not_what_a_folder_leaves_out(place):
    place("run/1.txt", "run/2.csv", "run/3.jsonl")
    assert numbers("run/3.jsonl") == [2]
    assert numbers(["run/2.csv"], format="csv") == [1]
    assert numbers("run", format="jsonl") == [2]
    Path("run/1.txt").write_text("n\n7\n")
    assert numbers("run/*.txt", format="csv") == [7]
    assert fault("run/*").slug == "unknown-format"


def test_mixed_formats_are_named_with_a_file_of_each(place):
    place("run/1.csv", "run/2.jsonl", "run/3.csv")
    error = fault(["run", "run/../run/1.csv"][:1])
    assert error.slug == "mixed-formats"
    assert "run/2.jsonl is jsonl" in error.problem and ".csv is csv" in error.problem


# --- suffixes -----------------------------------------------------------------------------------------------


@pytest.fixture
def registered():
    kept = dict(registry._FORMATS)
    yield register_reader
    registry._FORMATS.clear()
    registry._FORMATS.update(kept)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x.csv", "csv"),
        ("x.csv.GZ", "csv"),
        ("X.TAB.zst", "tsv"),
        ("x.ndjson", "jsonl"),
        ("x.feather", "arrow"),
        (".pq", "parquet"),
        ("x.parquet.gz", None),
        ("x.gz", None),
        ("csv", None),
        ("x.csv.bak", None),
        ("x.csv/y", None),
    ],
)
def test_formats_by_suffix(name, expected):
    found = format_of(Path(name))
    assert (found and found.name) == expected


def test_the_longest_suffix_wins(registered):
    registered("zipped", (".gz",))(lambda path: None)
    registered("special", (".mine.csv",))(lambda path: None)
    named = {
        name: format_of(Path(name)).name for name in ("x.gz", "x.csv.gz", "x.csv", "x.mine.csv", "mine.csv")
    }
    assert named == {
        "x.gz": "zipped",
        "x.csv.gz": "csv",
        "x.csv": "csv",
        "x.mine.csv": "special",
        "mine.csv": "csv",
    }
    assert format_named("special").suffixes == (".mine.csv",)


# --- key=value folders --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folders", "columns"),
    [
        (("k=1", "k=2"), {"k": [1, 2]}),
        (("k=__HIVE_DEFAULT_PARTITION__", "k=__HIVE_DEFAULT_PARTITION__/x"), {"k": [None, None]}),
        (("k=-0", "k=1"), {"k": ["-0", "1"]}),
        (("k=+1", "k=1"), {"k": ["+1", "1"]}),
        (("k=999999999999999999", "k=1"), {"k": [999999999999999999, 1]}),
        (("k=1.5", "k=2"), {"k": ["1.5", "2"]}),
        (("a%3Db=%C3%A9", "a%3Db=e"), {"a=b": ["é", "e"]}),
        (("=1", "=2"), {}),
        (("k=/l=x", "k=/l=y"), {"k": ["", ""], "l": ["x", "y"]}),
        (("year=2024/day=02", "year=2024/day=11"), {"year": [2024, 2024], "day": ["02", "11"]}),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value[0],
)
def test_values_of_key_value_folders(place, read, folders, columns):
    place(*(f"run/{folder}/1.csv" for folder in folders))
    in_order = [f"run/{folder}/1.csv" for folder in folders]
    source = open_source([f"r[u]n/{folder}/1.csv" for folder in folders])
    assert [info.path for info in source.files] == in_order
    assert source.schema.names == ["n", *columns]
    expected = {name: pa.array(values).type for name, values in columns.items()}
    expected |= {name: pa.string() for name, values in columns.items() if values == [None, None]}
    assert {name: source.schema.field(name).type for name in columns} == expected
    assert read(source).to_pydict() == {"n": ["0", "1"], **columns}


def test_folders_that_differ_are_said_with_their_keys(place):
    place("run/1.csv", "run/k=1/l=2/2.csv")
    error = fault("run")
    assert (error.slug, error.file) == ("partition-mismatch", "run/k=1/l=2/2.csv")
    assert error.problem == "its key=value folders are k/l where run/1.csv has none"
