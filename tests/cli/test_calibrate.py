"""`crossent calibrate`: maps fitted to files, saved, and applied to files of any format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from crossent import calibration

from .helpers import Files, Run

ROWS = 400
CLASSES = ("a", "b", "c")


def predictions(kind: str = "probs", labels: bool = True, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(ROWS, 3))
    y = (z + rng.gumbel(size=z.shape)).argmax(axis=1)
    z = 3.0 * z + np.array([0.5, 0.0, 0.0])
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    columns: dict[str, Any] = {"row_id": np.arange(ROWS) * 7, "day": np.arange(ROWS) // 4}
    if labels:
        columns["label"] = [CLASSES[k] for k in y]
    values = p if kind == "probs" else z
    columns |= {f"{'p' if kind == 'probs' else 'z'}_{name}": values[:, k] for k, name in enumerate(CLASSES)}
    return pa.table(columns)


def matrix(table: pa.Table) -> np.ndarray:
    return np.column_stack([table[f"p_{name}"].to_numpy() for name in CLASSES])


@pytest.fixture
def files(put: Files, tmp_path: Path) -> Path:
    pq.write_table(predictions(), tmp_path / "valid.parquet")
    return tmp_path


def test_fit_and_apply_are_the_map_on_arrays(files: Path, run: Run) -> None:
    outcome = run("calibrate", "fit", "valid.parquet", "--map", "vector", "--out", "map.json")
    assert outcome.code == 0, outcome.err
    assert "Vector scaling lowers the log loss" in outcome.out
    assert run("calibrate", "apply", "map.json", "valid.parquet", "--out", "new.parquet").code == 0
    table, new = predictions(), pq.read_table("new.parquet")
    assert new.column_names == ["row_id", "day", "label", "p_a", "p_b", "p_c"]
    assert new.select(["row_id", "day", "label"]).equals(table.select(["row_id", "day", "label"]))
    y = np.array([CLASSES.index(name) for name in table["label"].to_pylist()])
    expected = calibration.fit("vector", y, matrix(table)).transform(matrix(table))
    np.testing.assert_array_equal(matrix(new), expected)
    document = json.loads(Path("map.json").read_text())
    assert (document["format"], document["map"], document["classes"]) == (
        "crossent-calibration",
        "vector",
        list(CLASSES),
    )


def test_auto_chooses_and_says_what_the_others_gave(files: Path, run: Run) -> None:
    document = run("calibrate", "fit", "valid.parquet", "--out", "map.json", "--json").document
    tried = [score["name"] for score in document["figures"]["scores"]]
    assert sorted(tried) == ["isotonic", "matrix", "temperature", "vector"]
    assert document["map"] in ("temperature", "vector", "matrix")
    best = document["figures"]["scores"][0]["gain"]
    assert best["value"] > 3 * best["se"]


def test_order_of_rows_and_columns_changes_nothing(files: Path, run: Run) -> None:
    shuffled = predictions().take(pa.array(np.random.default_rng(1).permutation(ROWS)))
    shuffled = shuffled.select(["p_c", "label", "row_id", "p_a", "p_b", "day"])
    pq.write_table(shuffled, "shuffled.parquet")
    one, two = (
        run("calibrate", "fit", name, "--out", "m.json", "--json", "--classes", "a,b,c").document
        for name in ("valid.parquet", "shuffled.parquet")
    )
    assert one["map"] == two["map"]
    assert two["figures"]["before"] == pytest.approx(one["figures"]["before"], rel=1e-12)
    for mine, theirs in zip(one["figures"]["scores"], two["figures"]["scores"], strict=True):
        assert theirs["loss"] == pytest.approx(mine["loss"], rel=1e-6)


def test_without_labels_from_logits_in_csv_and_by_batches(
    files: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossent.recalibrating.applying.NUMBERS", 60)
    run("calibrate", "fit", "valid.parquet", "--map", "temperature", "--out", "map.json")
    pa.csv.write_csv(predictions("logits", labels=False).select(["z_c", "day", "z_a", "z_b"]), "new.csv")
    outcome = run("calibrate", "apply", "map.json", "new.csv", "--out", "out.csv", "--json")
    assert outcome.document["rows"] == ROWS
    run("calibrate", "apply", "map.json", "valid.parquet", "--out", "direct.arrow")
    with pa.ipc.open_file("direct.arrow") as reader:
        direct = matrix(reader.read_all())
    new = pa.csv.read_csv("out.csv")
    assert new.column_names == ["day", "p_a", "p_b", "p_c"]
    np.testing.assert_allclose(matrix(new), direct, rtol=1e-9)


def test_a_sample_still_gives_the_temperature_of_all_rows(files: Path, run: Run) -> None:
    fit = ("calibrate", "fit", "valid.parquet", "--map", "temperature", "--out", "m.json", "--json")
    whole, part = run(*fit).document, run(*fit, "--sample", "100").document
    assert part["figures"]["rows"] <= 100 < whole["figures"]["rows"] == ROWS
    assert part["parameters"]["temperature"] == pytest.approx(whole["parameters"]["temperature"], rel=1e-9)
    assert part["provenance"]["rows fitted to"] == str(ROWS)


def test_clusters_stay_together(files: Path, run: Run) -> None:
    document = run(
        "calibrate", "fit", "valid.parquet", "--cluster", "day", "--out", "m.json", "--json"
    ).document
    assert document["figures"]["unit"] == "day"
    assert document["figures"]["scores"][0]["gain"]["units"] == ROWS // 4


@pytest.mark.parametrize("method", ["em", "bbse", "a=0.2,b=0.3,c=0.5"])
def test_other_class_frequencies(files: Path, run: Run, method: str) -> None:
    rng = np.random.default_rng(8)
    true = np.array([0.7, 0.2, 0.1])
    y = rng.choice(3, 5000, p=true)
    x = y[:, None] == np.arange(3)
    z = 1.5 * x + rng.normal(size=(5000, 3))
    # of normal features with unit variance, equal frequencies: log p ∝ 1.5 z
    pq.write_table(pa.table({f"z_{name}": 1.5 * z[:, k] for k, name in enumerate(CLASSES)}), "new.parquet")
    y = np.arange(5000) % 3
    z = 1.5 * (y[:, None] == np.arange(3)) + rng.normal(size=(5000, 3))
    columns: dict[str, Any] = {f"z_{name}": 1.5 * z[:, k] for k, name in enumerate(CLASSES)}
    pq.write_table(pa.table(columns | {"label": [CLASSES[k] for k in y]}), "old.parquet")
    run("calibrate", "fit", "old.parquet", "--map", "temperature", "--out", "map.json")
    outcome = run(
        "calibrate",
        "apply",
        "map.json",
        "new.parquet",
        "--out",
        "o.parquet",
        "--target-prior",
        method,
        "--json",
    )
    found = np.array([outcome.document["prior"]["target"][name] for name in CLASSES])
    wanted = np.array([0.2, 0.3, 0.5]) if "=" in method else true
    np.testing.assert_allclose(found, wanted, atol=0.03)
    if method == "em":  # the mean of the corrected predictions is the estimate
        np.testing.assert_allclose(matrix(pq.read_table("o.parquet")).mean(axis=0), found, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "slug"),
    [
        (("fit", "valid.parquet", "--map", "platt", "--out", "m.json"), "unknown-map"),
        (("fit", "numbers.csv", "--out", "m.json"), "calibrate-needs-classes"),
        (("apply", "valid.parquet", "valid.parquet", "--out", "o.parquet"), "not-a-map"),
        (("apply", "none.json", "valid.parquet", "--out", "o.parquet"), "not-a-map"),
        (("apply", "map.json", "two.csv", "--out", "o.parquet"), "map-classes"),
        (("apply", "map.json", "valid.parquet", "--out", "o.xlsx"), "unknown-suffix"),
        (("apply", "map.json", "valid.parquet", "--out", "o.csv", "--target-prior", "a=1"), "prior-classes"),
        (("apply", "map.json", "valid.parquet", "--out", "o.csv", "--target-prior", "ml"), "bad-option"),
        (("fit", "zero.csv", "--map", "temperature", "--out", "m.json"), "label-impossible"),
    ],
)
def test_what_cannot_be_done_is_said(
    files: Path, put: Files, run: Run, arguments: tuple[str, ...], slug: str
) -> None:
    run("calibrate", "fit", "valid.parquet", "--map", "temperature", "--out", "map.json")
    put("numbers.csv", {"y": [1.0, 2.0], "mean": [1.0, 2.0], "std": [1.0, 1.0]})
    put("two.csv", {"p_a": [0.5], "p_x": [0.5]})
    put("zero.csv", {"label": ["a", "b"] * 50, "p_a": [0.0] * 100, "p_b": [1.0] * 100})
    outcome = run("calibrate", *arguments)
    assert outcome.code in (1, 2)
    assert outcome.err.rstrip().endswith(f"[{slug}]")
    assert not Path("o.parquet").exists() and not Path("m.json").exists()


def test_the_identity_is_a_map_too(put: Files, run: Run) -> None:
    put("flat.csv", {"label": ["a", "b"] * 100, "p_a": [0.5] * 200, "p_b": [0.5] * 200})
    outcome = run("calibrate", "fit", "flat.csv", "--out", "map.json")
    assert "No map" in outcome.out
    run("calibrate", "apply", "map.json", "flat.csv", "--out", "o.parquet")
    np.testing.assert_allclose(pq.read_table("o.parquet")["p_a"].to_numpy(), 0.5)
    assert json.loads(Path("map.json").read_text())["map"] == "identity"
