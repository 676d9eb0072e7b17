"""An evaluation of files in a bucket is that of the same files here, to the byte but for their names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import crossent
from crossent.api import named
from crossent.cli import main

from .server import BUCKET, Bucket


def essence(report: crossent.Report, folder: str, query: str = "\0") -> str:
    """The results as JSON, less where the files are and what computed it."""
    found = report.to_dict()
    del found["provenance"]
    return json.dumps(found, indent=1).replace(folder, "").replace(query, "")


@pytest.fixture(scope="module")
def near(models: Path) -> str:
    return essence(crossent.select([str(models / "old"), str(models / "new")], groups=["day"]), str(models))


@pytest.mark.parametrize(
    "how",
    [{}, {"engine": "processes", "threads": 2, "fragment_rows": 250}],
    ids=["threads", "processes"],
)
def test_select_gives_the_same_bytes(bucket: Bucket, near: str, how: dict[str, object]) -> None:
    report = crossent.select([bucket.uri("models/old"), bucket.uri("models/new")], groups=["day"], **how)
    assert essence(report, f"s3://{BUCKET}/models", bucket.query) == near


def test_models_are_named_by_their_files(bucket: Bucket) -> None:
    assert list(named([bucket.uri("models/old"), bucket.uri("a.b/part 0.csv.gz")])) == ["old", "part 0"]
    both = ["models/old/day=1", bucket.uri("models/new/day=1/")]
    assert list(named(both)) == ["old/day=1", "new/day=1"]


def test_the_command_takes_uris_and_names(
    bucket: Bucket, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["select", f"a={bucket.uri('models/old/*/*.parquet')}", bucket.uri("models/new"), "--quiet"])
    out, err = capsys.readouterr()
    assert left.value.code == 0, err
    assert {"a", "new"} <= set(out.split())
