"""Rows read once more: all of them or a sample, in any order, are the rows that the sums were made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossent import DataError, UsageError, select
from crossent.api import read_options
from crossent.deep import gather
from crossent.preparing import RunOptions, prepare

ROWS = 500


def table(rng, ids=True, kind="probs", order=None):
    p = rng.dirichlet([1.0, 1.0, 1.0], ROWS)
    columns = {"label": np.arange(ROWS) % 3, "day": np.arange(ROWS) % 7}
    if ids:
        columns["row_id"] = np.arange(ROWS) * 3
    values = {"probs": p, "logits": np.log(p) + 1.5, "log_probs": np.log(p)}[kind]
    prefix = {"probs": "p_", "logits": "z_", "log_probs": "lp_"}[kind]
    columns |= {f"{prefix}{k}": values[:, k] for k in range(3)}
    made = pa.table(columns)
    return made if order is None else made.take(pa.array(order))


def gathered(models, limit=10**6, seed=0, **options):
    prepared = prepare(models, read_options(**options), run=RunOptions(threads=1))
    return gather(prepared.job, ROWS, limit, seed)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize("kind", ["probs", "logits", "log_probs"])
def test_all_rows_have_the_losses_of_the_sums(rng, kind) -> None:
    models = {"a": table(rng), "b": table(rng, kind=kind)}
    rows = gathered(models, cluster="day")
    assert rows is not None and not rows.sampled
    report = select(models, cluster="day")
    for k, name in enumerate(rows.names):
        assert rows.losses[:, k].mean() == pytest.approx(report.results.model(name).loss.value, rel=1e-14)
    np.testing.assert_allclose(rows.predictions[1].probabilities.sum(axis=1), np.ones(ROWS), rtol=1e-12)
    np.testing.assert_allclose(
        -rows.predictions[1].log_probabilities[np.arange(ROWS), rows.labels], rows.losses[:, 1], rtol=1e-12
    )
    assert rows.cluster is not None
    assert [rows.cluster.values[c] for c in rows.cluster.codes[:8]] == list("01234560")
    assert rows.row_names[2] == "6"


@pytest.mark.parametrize("limit", [10**6, 100])
def test_rows_in_another_order_stand_beside_the_same_rows(rng, limit) -> None:
    first, second = table(rng), table(rng)
    shuffled = second.take(pa.array(rng.permutation(ROWS)))
    one, other = (gathered({"a": first, "b": b}, limit, seed=3) for b in (second, shuffled))
    assert one is not None and other is not None
    np.testing.assert_array_equal(one.losses, other.losses)
    np.testing.assert_array_equal(one.predictions[1].values, other.predictions[1].values)
    assert one.row_names == other.row_names


def test_a_sample_is_of_about_the_size_and_changes_with_the_seed(rng) -> None:
    models = {"a": table(rng), "b": table(rng)}
    one, same, other = (gathered(models, 200, seed) for seed in (1, 1, 2))
    assert one is not None and same is not None and other is not None
    assert one.sampled and 120 < len(one) < 280
    assert one.row_names == same.row_names != other.row_names


@pytest.mark.parametrize("limit", [10**6, 100])
def test_without_ids_rows_are_paired_by_position(rng, limit) -> None:
    rows = gathered({"a": table(rng, ids=False), "b": table(rng, ids=False)}, limit)
    assert rows is not None and (rows.labels == rows.position % 3).all()


def test_conditions_hold_for_the_second_reading_too(rng) -> None:
    rows = gathered({"a": table(rng), "b": table(rng)}, where=["day=3"])
    assert rows is not None and len(rows) == len(range(3, ROWS, 7))


def test_a_file_that_changed_between_the_readings_is_an_error(rng, tmp_path) -> None:
    paths = {name: tmp_path / f"{name}.parquet" for name in "ab"}
    for path in paths.values():
        pq.write_table(table(rng), path)
    prepared = prepare(paths, read_options(), run=RunOptions(threads=1))
    shorter = {"a": table(rng), "b": table(rng).slice(1)}
    job = replace(prepared.job, models=prepare(shorter, read_options()).job.models)
    with pytest.raises(DataError, match="file-changed"):
        gather(job, ROWS, 10**6)


def test_rows_that_do_not_correspond_cannot_be_looked_at(rng) -> None:
    models = {"a": table(rng), "b": table(rng)}
    with pytest.raises(UsageError, match="deep-needs-rows"):
        select(models, unit="day", deep=True)


def test_findings_say_what_was_looked_at(rng) -> None:
    report = select({"a": table(rng), "b": table(rng)}, deep=True, sample=100, seed=5)
    found = report.results.findings
    assert found is not None and found.total == ROWS and found.seed == 5 and 50 < found.rows < 160
