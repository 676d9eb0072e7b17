"""Predictions about numbers from table to result: plain definitions, equal bits on every road, saved sums."""

from __future__ import annotations

import csv
import gzip
import json
import math
from functools import partial
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossent import Evaluation, MergeError, evaluate, merge, read, select
from crossent.engines import passes

SAVED = Path(__file__).parents[1] / "data" / "saved" / "format_2.json.gz"
LEVELS = (0.1, 0.5, 0.8)
KINDS = ("mean_std", "quantiles", "samples", "point")
DEFAULT = {"mean_std": "gaussian_nll", "quantiles": "pinball", "samples": "crps", "point": "squared_error"}


# --- the plain definitions ----------------------------------------------------------------------------------


def pinball(y: float, q: float, level: float) -> float:
    return max(level * (y - q), (level - 1.0) * (y - q))


def gaussian(y: float, mean: float, std: float) -> dict[str, float]:
    """Loss and figures of one row."""
    if std == 0.0:
        found = {"loss": math.inf, "crps": abs(y - mean), "pit": float(y > mean)}
        inside = {0.5: 0.0, 0.9: 0.0}
    else:
        z, normal = (y - mean) / std, NormalDist()
        found = {"loss": -math.log(NormalDist(mean, std).pdf(y)) if abs(z) < 30 else math.nan}
        found["crps"] = std * (z * (2 * normal.cdf(z) - 1) + 2 * normal.pdf(z) - 1 / math.sqrt(math.pi))
        found["pit"] = normal.cdf(z)
        inside = {share: float(abs(2 * normal.cdf(z) - 1) <= share) for share in (0.5, 0.9)}
    return {**found, "squared_error": (y - mean) ** 2, **{f"in {s}": v for s, v in inside.items()}}


def ensemble(y: float, samples: list[float]) -> dict[str, float]:
    m = len(samples)
    spread = math.fsum(abs(a - b) for a in samples for b in samples)
    error = math.fsum(abs(a - y) for a in samples) / m
    inside = {}
    for share in (0.5, 0.9):
        low, high = np.quantile(samples, [(1 - share) / 2, (1 + share) / 2])
        inside[f"in {share}"] = float(low <= y <= high)
    return {
        "loss": error - spread / (2 * m * m),
        "crps_fair": error - spread / (2 * m * (m - 1)),
        "squared_error": (math.fsum(samples) / m - y) ** 2,
        **inside,
    }


def plain(kind: str, table: pa.Table) -> dict[str, np.ndarray]:
    """Every column of a model, row by row."""
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    y = columns["label"]
    if kind == "mean_std":
        rows = [gaussian(*row) for row in zip(y, columns["mean"], columns["std"], strict=True)]
    elif kind == "samples":
        rows = [ensemble(*row) for row in zip(y, columns["samples"], strict=True)]
    elif kind == "point":
        errors = [p - v for p, v in zip(columns["point"], y, strict=True)]
        rows = [{"loss": e * e, "absolute_error": abs(e), "error": e} for e in errors]
    else:
        rows = []
        for i, v in enumerate(y):
            q = {level: columns[f"q_{level}"][i] for level in LEVELS}
            row = {f"pinball {level}": pinball(v, q[level], level) for level in LEVELS}
            row |= {f"below {level}": float(v <= q[level]) for level in LEVELS}
            rows.append({"loss": math.fsum(pinball(v, q[x], x) for x in LEVELS) / 3, **row})
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def mean_and_se(values: np.ndarray, weight: np.ndarray, cluster: list[str] | None) -> tuple[float, float]:
    """Σwx / Σw with its standard error, between rows or between clusters."""
    used = weight > 0
    mean = float(np.sum(weight * np.where(used, values, 0.0)) / weight.sum())
    residuals = np.where(used, weight * (np.where(used, values, 0.0) - mean), 0.0)
    if cluster is None:
        parts = residuals[used]
    else:
        names = np.array(cluster)
        parts = np.array([residuals[names == n].sum() for n in np.unique(names[used])])
    n = parts.size
    return mean, math.sqrt(n / (n - 1) * float(parts @ parts)) / weight.sum()


def shown(model) -> dict[str, object]:
    """The estimates of a model by the names that `plain` gives them."""
    n = model.numbers
    found = {"loss": model.loss, "pit": n.pit_mean, "error": n.bias, **dict(model.companions)}
    found |= {f"in {share}": estimate for share, estimate in n.coverage}
    for level in n.levels:
        found |= {f"pinball {level.level}": level.pinball, f"below {level.level}": level.below}
    return {name: estimate for name, estimate in found.items() if estimate is not None}


SCATTER = {
    "plain": {},
    "weights": {"weight": "weight"},
    "clusters": {"cluster": "day"},
    "both": {"weight": "weight", "cluster": "day"},
}


@pytest.mark.parametrize("options", SCATTER.values(), ids=SCATTER)
@pytest.mark.parametrize("kind", KINDS)
def test_plain_definitions(tables, kind, options):
    made = tables(kind, zeros=False)
    results = select(made, **options).results
    assert results.loss == DEFAULT[kind]
    for name, table in made.items():
        model, expected = results.model(name), plain(kind, table)
        estimates = shown(model)
        assert estimates.keys() == expected.keys()
        weight = table.column("weight").to_numpy() if "weight" in options else np.ones(table.num_rows)
        cluster = table.column("day").to_pylist() if "cluster" in options else None
        for what, values in expected.items():
            value, se = mean_and_se(values, weight, cluster)
            assert estimates[what].value == pytest.approx(value, rel=1e-9, abs=1e-12), what
            assert estimates[what].se == pytest.approx(se, rel=1e-7, abs=1e-12), what


def test_counts(tables):
    made = tables("mean_std", models=1)["a"]
    model = evaluate(made, groups="region").results.models[0]
    std = made.column("std").to_numpy()
    zero = int((std == 0).sum())
    assert (
        (model.n_infinite, model.numbers.std_zero, model.quality.label_zero) == (zero, zero, zero) != (0,) * 3
    )
    assert (model.numbers.std_min, model.numbers.std_max) == (0.0, std.max())
    finite = plain("mean_std", made)["loss"]
    assert model.mean_of_finite == pytest.approx(finite[np.isfinite(finite)].mean(), rel=1e-12)
    assert (model.perplexity, model.tails.shares, model.tails.histogram) == (None, (), ())
    assert [(s.value, s.n_infinite) for s in model.groups[0][1]] == [
        (r, int(((std == 0) & (np.array(made.column("region")) == r)).sum())) for r in ("north", "south")
    ]
    quantiles = tables("quantiles", models=1)["a"]
    q = np.stack([quantiles.column(f"q_{level}").to_numpy() for level in LEVELS], axis=1)
    numbers = evaluate(quantiles).results.models[0].numbers
    assert numbers.rows_crossing == int((np.diff(q) < 0).any(axis=1).sum()) > 0
    lists = {"label": [1.0, 2.0, 3.0], "samples": [[1.0, 1.0], [2.0, 2.0, 2.0], [1.0, 4.0, 1.0, 1.0]]}
    numbers = evaluate(lists).results.models[0].numbers
    assert (numbers.samples_min, numbers.samples_max, numbers.rows_of_equal_samples) == (2, 4, 2)
    ties = {"label": [1.0, 2.0], "q_0.1": [0.0, 3.0], "q_0.5": [0.0, 1.0], "q_0.9": [0.0, 1.0]}
    assert evaluate(ties).results.models[0].numbers.tied_quantiles == 3


def test_pit_histogram():
    """Every twentieth holds its weight; values of 0 and 1 are in the outermost ones."""
    normal = NormalDist()
    u = [0.0, 0.001, 0.051, 0.49, 0.51, 0.51, 0.999, 1.0]
    y = [-1e9 if v == 0 else 1e9 if v == 1 else normal.inv_cdf(v) for v in u]
    table = {
        "label": y,
        "mean": [0.0] * 8,
        "std": [1.0] * 8,
        "w": [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0],
    }
    for weight, expected in (
        (None, {0: 2, 1: 1, 9: 1, 10: 2, 19: 2}),
        ("w", {0: 3, 1: 4, 9: 8, 10: 48, 19: 192}),
    ):
        histogram = evaluate(table, weight=weight).results.models[0].numbers.pit_histogram
        assert {k: n for k, (_, _, n) in enumerate(histogram) if n} == expected
        assert [low for low, _, _ in histogram] == [k / 20 for k in range(20)]


# --- the same bits ------------------------------------------------------------------------------------------


def bits(evaluation: Evaluation) -> str:
    data = evaluation.to_dict()
    del data["setup"]["sources"]
    return json.dumps(data, allow_nan=False)


EVERYTHING = {"weight": "weight", "cluster": "day", "groups": ("region",)}
each_kind = pytest.mark.parametrize("kind", KINDS)


@each_kind
def test_batches_threads_and_order(tables, kind, monkeypatch):
    made = tables(kind, 150)
    expected = bits(select(made, **EVERYTHING).evaluation)
    for rows, threads in ((150, 2), (31, 1), (7, 3), (1, 2)):
        with monkeypatch.context() as patch:
            patch.setattr(passes.Job, "batch_rows", lambda job, models, rows=rows: rows)
            assert bits(select(made, threads=threads, **EVERYTHING).evaluation) == expected, rows
    order = np.random.default_rng(3).permutation(150)
    together = {name: table.take(order) for name, table in made.items()}
    joined = {"a": made["a"], "b": made["b"].take(order)}
    assert bits(select(together, **EVERYTHING).evaluation) == expected
    assert bits(select(joined, **EVERYTHING).evaluation) == expected


@each_kind
def test_parts_add_up(tables, kind, tmp_path):
    made = tables(kind, 160)
    whole = select(made, **EVERYTHING)
    parts = []
    for k, rows in enumerate(np.array_split(np.random.default_rng(1).permutation(160), 3)):
        path = tmp_path / f"{k}.json.gz"
        select({n: t.take(rows) for n, t in made.items()}, **EVERYTHING).evaluation.save(path)
        parts.append(path)
    together = merge(*parts)
    assert bits(together.evaluation) == bits(whole.evaluation)
    assert together.to_dict()["models"] == whole.to_dict()["models"]


@each_kind
def test_every_format(tables, kind, tmp_path):
    """Text and lists in each way that files hold them."""
    made = tables(kind, 40, models=1)["a"]
    expected = evaluate(made, name="m").to_dict()["models"]
    rows = made.to_pylist()
    pq.write_table(made, tmp_path / "m.parquet")
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    names = ["m.parquet", "m.jsonl"]
    if kind != "samples":
        with (tmp_path / "m.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, made.column_names)
            writer.writeheader()
            writer.writerows(rows)
        np.savez(tmp_path / "m.npz", **{n: np.array(made.column(n).to_pylist()) for n in made.column_names})
        names += ["m.csv", "m.npz"]
    for name in names:
        assert evaluate(str(tmp_path / name), name="m").to_dict()["models"] == expected, name


def test_samples_of_one_length_are_a_matrix(tmp_path):
    samples = np.random.default_rng(0).normal(size=(30, 8))
    common = {"row_id": np.arange(30), "label": np.arange(30.0)}
    np.savez(tmp_path / "m.npz", **common, samples=samples)
    lists = {**common, "samples": samples.tolist()}
    expected = bits(evaluate(lists, name="m").evaluation)
    assert bits(evaluate(str(tmp_path / "m.npz"), name="m").evaluation) == expected
    assert bits(evaluate({**common, "samples": samples}, name="m").evaluation) == expected


# --- saved --------------------------------------------------------------------------------------------------


def test_a_file_of_format_2_opens_for_ever():
    """Weights, clusters, groups and a standard deviation of 0."""
    saved = json.loads(gzip.decompress(SAVED.read_bytes()))
    report = merge(SAVED)
    assert saved["version"] == 2
    assert json.loads(json.dumps(report.evaluation.to_dict())) == saved
    first, second = report.results.models
    assert (first.name, first.n_infinite, second.name, second.n_infinite) == ("sure", 0, "zero", 1)
    nats = [
        0.5 * math.log(2 * math.pi) + math.log(s) + 0.5 * (e / s) ** 2 for e, s in ((1, 1), (0, 2), (-3, 2))
    ]
    expected = (nats[0] + 2 * nats[1] + 0.5 * nats[2]) / 3.5
    assert first.loss.value == pytest.approx(expected, rel=1e-14)
    assert sum(weight for _, _, weight in first.numbers.pit_histogram) == 3.5
    assert second.numbers.std_zero == 1


def saved_table(std: list[float]) -> pa.Table:
    columns = {"label": [3.0, 5.0, 8.0], "mean": [2.0, 5.0, 11.0], "std": std, "w": [1.0, 2.0, 0.5]}
    return pa.table({"row_id": [1, 2, 3], **columns, "day": ["x", "x", "z"]})


def test_the_saved_file_is_what_is_written_today():
    made = {"sure": saved_table([1.0, 2.0, 2.0]), "zero": saved_table([0.0, 1.0, 1.0])}
    evaluation = select(made, weight="w", cluster="day", groups="day").evaluation
    saved = json.loads(gzip.decompress(SAVED.read_bytes()))
    today = json.loads(json.dumps(evaluation.to_dict()))
    assert (today["models"], today["moments"], today["spec"]) == (
        saved["models"],
        saved["moments"],
        saved["spec"],
    )


def test_other_levels_or_kinds_do_not_merge(tables):
    parts = partial(tables, "quantiles", 20, models=1)
    one = evaluate(parts(seed=1)["a"], name="m").evaluation
    other = evaluate(parts(seed=2)["a"].drop_columns(["q_0.5"]), name="m").evaluation
    samples = evaluate(tables("samples", 20, models=1)["a"], name="m", loss="crps").evaluation
    for two in (other, samples):
        with pytest.raises(MergeError) as error:
            one.merge(two)
        assert error.value.slug == "merge-different"


def test_read_again_at_another_level(tables):
    evaluation = select(tables("samples", 60)).evaluation
    assert read(evaluation, level=0.5).results.comparison.level == 0.5
