"""Mixtures of files: the weights of arrays, rows in any order, predictions that every command reads."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import crossent
from crossent import DataError, UsageError
from crossent.cli import cli
from crossent.combining import mixture_gain, stacking_weights
from crossent.engines import passes
from crossent.mixing import combine

ROWS = 600


@pytest.fixture
def truth():
    return np.random.default_rng(11)


def predictions(rng, kind="probs"):
    """A model of three classes: somewhat right, in its own way."""
    label = np.arange(ROWS) % 3
    z = rng.normal(0.0, 1.0, (ROWS, 3))
    z[np.arange(ROWS), label] += 0.8
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    columns = {"row_id": np.arange(ROWS) * 7, "label": label, "day": np.arange(ROWS) // 20}
    columns["note"] = [f"n{i}" for i in range(ROWS)]
    prefix, values = {"probs": ("p_", p), "logits": ("z_", z), "log_probs": ("lp_", np.log(p))}[kind]
    return pa.table(columns | {f"{prefix}{k}": values[:, k] for k in range(3)}), p


@pytest.fixture
def given(truth):
    """Three models, of three kinds of prediction, and the (N, K) log-probabilities of what happened."""
    kinds = ("probs", "logits", "log_probs")
    made = {kind: predictions(truth, kind) for kind in kinds}
    p = np.stack([made[kind][1] for kind in kinds])
    log_p = np.log(p[:, np.arange(ROWS), np.arange(ROWS) % 3]).T
    return {kind: table for kind, (table, _) in made.items()}, p, log_p


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("batch", [37, 1 << 17])
@pytest.mark.parametrize("memory", [1 << 20, 1 << 28])
def test_weights_are_those_of_the_arrays(given, monkeypatch, threads, batch, memory) -> None:
    models, _, log_p = given
    monkeypatch.setattr(passes, "BATCH_ROWS", batch)
    monkeypatch.setattr("crossent.mixing.collecting.ARRAYS", 3 if memory > 1 << 20 else 1000)
    found = combine(models, threads=threads, memory=memory)
    expected = stacking_weights(log_p)
    np.testing.assert_allclose(found.combination.weights, expected.weights, atol=1e-12)
    assert found.combination.log_loss == pytest.approx(-expected.log_score, abs=1e-14)
    assert found.rows == ROWS and found.on_disk == (memory == 1 << 20)


def test_gain_is_that_of_the_arrays_where_clusters_are_folds(given) -> None:
    """Each fold is a set of days; with a fold a day, both deal the same ones."""
    models, _, log_p = given
    mine = combine(models, cluster="day", folds=30).combination.gain
    theirs = mixture_gain(log_p, clusters=np.arange(ROWS) // 20, folds=30, models=list(models)).gain
    assert mine is not None and theirs is not None
    assert (mine.best, mine.folds, mine.unit_name) == (theirs.best, 30, "day")
    assert mine.gain.value == pytest.approx(theirs.gain.value, rel=1e-12)
    assert mine.gain.se == pytest.approx(theirs.gain.se, rel=1e-12) and mine.gain.units == 30


READ = {".parquet": pq.read_table, ".csv": pa_csv.read_csv, ".arrow": feather.read_table}


@pytest.mark.parametrize("suffix", list(READ))
@pytest.mark.parametrize("shuffled", [False, True])
def test_the_mixture_is_written_with_the_other_columns(given, tmp_path, truth, suffix, shuffled) -> None:
    models, p, _ = given
    if shuffled:
        models = models | {"logits": models["logits"].take(pa.array(truth.permutation(ROWS)))}
    out = tmp_path / f"mixture{suffix}"
    found = combine(models, out=out).combination
    table = READ[suffix](out)
    assert table.column_names == ["row_id", "label", "day", "note", "p_0", "p_1", "p_2"]
    assert table["row_id"].to_pylist() == [7 * i for i in range(ROWS)]
    assert table["note"][5].as_py() == "n5"
    written = np.column_stack([table[f"p_{k}"].to_numpy() for k in range(3)])
    np.testing.assert_allclose(written, np.tensordot(found.weights, p, 1), rtol=1e-13)
    again = crossent.select({"mixture": out, **models})
    assert again.results.model("mixture").loss.value == pytest.approx(found.log_loss, rel=1e-12)


def test_rows_in_other_orders_that_do_not_fit_into_memory(given, truth) -> None:
    models, _, _ = given
    large = {
        name: pa.concat_tables([table] * 80).set_column(0, "row_id", pa.array(np.arange(80 * ROWS)))
        for name, table in models.items()
    }
    large["probs"] = large["probs"].take(pa.array(truth.permutation(80 * ROWS)))
    with pytest.raises(DataError, match=r"sort every file by row id, or give --memory \d+ .mixture-order"):
        combine(large, memory=1 << 20)


def test_log_probabilities_of_the_label_alone_can_be_mixed(tmp_path) -> None:
    rng = np.random.default_rng(0)
    logs = rng.uniform(-3.0, -0.1, size=(200, 2)) - 800.0  # no exponential of these is a float
    models = {str(k): {"token": np.arange(200), "logprob": logs[:, k]} for k in range(2)}
    out = tmp_path / "mixture.parquet"
    found = combine(models, out=out).combination
    theirs = stacking_weights(logs)
    np.testing.assert_allclose(found.weights, theirs.weights, atol=1e-10)
    written = pq.read_table(out)["logprob"].to_numpy()
    np.testing.assert_allclose(written, np.logaddexp.reduce(logs + np.log(found.weights), axis=1), rtol=1e-15)


def test_densities_have_weights_but_no_file(tmp_path) -> None:
    y = np.random.default_rng(1).normal(size=300)
    models = {
        "narrow": {"label": y, "mean": np.zeros(300), "std": np.full(300, 0.5)},
        "wide": {"label": y, "mean": np.zeros(300), "std": np.full(300, 2.0)},
    }
    found = combine(models).combination
    assert 0.1 < found.weights[0] < 0.9 and found.log_loss < min(found.losses)
    with pytest.raises(UsageError, match="mixture-not-writable"):
        combine(models, out=tmp_path / "mixture.parquet")


@pytest.mark.parametrize(
    ("options", "slug"),
    [
        ({"unit": "day"}, "mixture-needs-rows"),
        ({"loss": "brier"}, "mixture-needs-log-loss"),
        ({"floor": 0.01}, "mixture-needs-log-loss"),
        ({"out": "mixture.txt"}, "unknown-suffix"),
        ({"method": "voting"}, "bad-option"),
    ],
)
def test_what_cannot_be_mixed_says_so(given, options, slug) -> None:
    with pytest.raises(UsageError, match=slug):
        combine(given[0], **options)
    with pytest.raises(UsageError, match="mixture-of-one"):
        combine({"one": given[0]["probs"]})


def test_a_row_that_no_model_thinks_possible_is_named(given, tmp_path) -> None:
    table = given[0]["probs"]
    sure = table.set_column(table.column_names.index("p_2"), "p_2", pa.array(np.zeros(ROWS)))
    paths = {name: tmp_path / f"{name}.parquet" for name in "ab"}
    for path in paths.values():
        pq.write_table(sure, path)
    with pytest.raises(DataError, match="impossible-for-all") as error:
        combine(paths)
    assert (error.value.row, error.value.file) == (2, str(paths["a"]))


def test_weights_of_some_rows_are_used_on_others(given, tmp_path) -> None:
    models, _, log_p = given
    half = {name: table.slice(0, ROWS // 2) for name, table in models.items()}
    rest = {name: table.slice(ROWS // 2) for name, table in models.items()}
    saved = tmp_path / "weights.json"
    made = combine(half, weights=saved).combination
    used = combine(rest, apply=saved).combination
    assert used.method == "given" and used.gap is None
    np.testing.assert_allclose(used.weights, made.weights, rtol=1e-15)
    mixture = np.log(np.exp(log_p[ROWS // 2 :]) @ np.array(made.weights))
    assert used.log_loss == pytest.approx(-mixture.mean(), rel=1e-13)
    assert used.gain is not None and used.gain.gain.value == pytest.approx(used.gain.in_sample, rel=1e-12)
    with pytest.raises(UsageError, match="other-models"):
        combine({f"new {name}": table for name, table in rest.items()}, apply=saved)
    saved.write_text("{}")
    with pytest.raises(DataError, match="not-weights"):
        combine(rest, apply=saved)


def test_the_command_says_what_the_function_finds(given, tmp_path) -> None:
    paths = [tmp_path / f"{name}.parquet" for name in given[0]]
    for path, table in zip(paths, given[0].values(), strict=True):
        pq.write_table(table, path)
    words = [*map(str, paths), "--cluster", "day", "--method", "greedy"]
    found = combine(paths, cluster="day", method="greedy").to_dict()
    answer = CliRunner().invoke(cli, ["combine", *words, "--json", "--quiet"])
    assert json.loads(answer.output) == json.loads(json.dumps(found))
    text = CliRunner().invoke(cli, ["combine", *words, "--out", str(tmp_path / "m.csv"), "--quiet"]).output
    assert "Mixing" in text and "cross-validated" in " ".join(text.split()) and (tmp_path / "m.csv").exists()
