"""Reading that stops when the best model is decided: what is read, what is concluded, and that it holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from crossent import UsageError, select
from crossent.data.readers import open_source
from crossent.data.readers.contract import Window
from crossent.statistics.stopping import STRATA, drawing_order, edges_of_windows, separations

ROWS = 60_000


def tables(rows: int = ROWS, seed: int = 1) -> dict[str, pa.Table]:
    """A calibrated model and two that are overconfident."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.02, 0.98, rows)
    label = (rng.random(rows) < p).astype(np.int8)
    z = np.log(p / (1.0 - p))
    models = {"fair": p, "bold": 1.0 / (1.0 + np.exp(-1.6 * z - 0.2)), "wide": 1.0 / (1.0 + np.exp(-2.5 * z))}
    return {
        name: pa.table({"row_id": np.arange(rows), "label": label, "p_1": value})
        for name, value in models.items()
    }


@pytest.fixture(scope="module")
def models() -> dict[str, pa.Table]:
    return tables()


@pytest.fixture(scope="module")
def stopped(models):
    return select(models, stop_when_decided=True, seed=3, threads=2).results


def losses_of(table: pa.Table) -> np.ndarray:
    y, p = table["label"].to_numpy(), table["p_1"].to_numpy()
    return -np.log(np.where(y == 1, p, 1.0 - p))


# --- what is read -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["parquet", "arrow", "memory"])
def test_windows_of_a_source_are_these_rows(form, tmp_path) -> None:
    table = pa.table({"x": np.arange(1000)})
    if form == "parquet":
        pq.write_table(table, tmp_path / "t.parquet", row_group_size=300)
    elif form == "arrow":
        feather.write_feather(table, tmp_path / "t.arrow", chunksize=300)
    source = open_source(table if form == "memory" else str(tmp_path / f"t.{form}"), name="t")
    spans = [(3, 5), (290, 310), (310, 311), (500, 950), (999, 1000)]
    part = source.part([Window(0, *span) for span in spans])
    for batch_rows in (7, 64, 5000):
        chunks = list(part.batches(["x"], batch_rows))
        numbers = [c.first_row + i for c in chunks for i in range(c.table.num_rows)]
        found = np.concatenate([c.table.column("x").to_numpy() for c in chunks])
        assert found.tolist() == numbers == [i for span in spans for i in range(*span)]


def test_windows_are_alike_and_every_round_has_one_of_each_stratum() -> None:
    for rows in (24_000, 25_165, 5_000_000, 10**10):
        edges = np.array(edges_of_windows(rows))
        assert (edges[0], edges[-1]) == (0, rows) and np.ptp(np.diff(edges)) <= 1
        assert (edges.size - 1) % STRATA == 0
    assert edges_of_windows(23_999) == []
    order = drawing_order(800, 7)
    assert sorted(order.ravel().tolist()) == list(range(800))
    assert all(sorted((row // 10).tolist()) == list(range(STRATA)) for row in order)
    assert (drawing_order(800, 7) == order).all() and (drawing_order(800, 8) != order).any()


def test_what_is_reported_is_what_the_drawn_windows_say(models, stopped) -> None:
    found = stopped.stopping
    edges = np.array(edges_of_windows(ROWS))
    rounds = found.windows // STRATA
    drawn = np.sort(drawing_order(edges.size - 1, 3)[:rounds].ravel())
    rows = np.concatenate([np.arange(edges[i], edges[i + 1]) for i in drawn])
    assert (found.rows, found.rows_of_all, stopped.data.rows) == (rows.size, ROWS, rows.size)
    assert (found.windows_of_all, stopped.data.clusters) == (edges.size - 1, drawn.size)
    by_window = np.repeat(np.arange(drawn.size), np.diff(edges)[drawn])
    sums = np.stack([np.bincount(by_window, losses_of(t)[rows]) for t in models.values()])
    for name, total in zip(models, sums, strict=True):
        loss = stopped.model(name).loss
        assert loss.value == pytest.approx(total.sum() / rows.size, rel=1e-12)
        residual = total - loss.value * np.diff(edges)[drawn]
        se = np.sqrt(drawn.size / (drawn.size - 1) * (residual**2).sum()) / rows.size
        assert loss.se == pytest.approx(se, rel=1e-9)
    sizes = np.diff(edges)[drawn].astype(float)
    expected = separations(list(models), sums, sizes, edges.size - 1, 0.95)
    for pair, other in zip(found.pairs, expected, strict=True):
        assert (pair.better, pair.worse) == (other.better, other.worse)
        assert (pair.low, pair.high) == pytest.approx((other.low, other.high), rel=1e-9)


def test_files_memory_and_threads_give_the_same(models, stopped, tmp_path) -> None:
    for name, table in models.items():
        folder = tmp_path / name
        folder.mkdir()
        cuts = [0, 20_011, 20_012, ROWS] if name == "fair" else [0, ROWS]
        for i in range(len(cuts) - 1):
            part = table.slice(cuts[i], cuts[i + 1] - cuts[i])
            pq.write_table(part, folder / f"{i}.parquet", row_group_size=7000)
    again = select({n: str(tmp_path / n) for n in models}, stop_when_decided=True, seed=3, threads=1).results
    decoded = again.stopping.rows_decoded
    assert decoded >= stopped.stopping.rows
    assert replace(again.stopping, rows_decoded=stopped.stopping.rows_decoded) == stopped.stopping
    assert [m.loss for m in again.models] == [m.loss for m in stopped.models]


# --- what is concluded ------------------------------------------------------------------------------------


def test_the_best_is_named_and_nothing_pretends_to_be_a_planned_test(stopped) -> None:
    found = stopped.stopping
    assert found.decided and found.leader == stopped.chosen == "fair"
    assert found.rows < ROWS / 2 and [p.worse for p in found.against_leader] == ["bold", "wide"]
    assert stopped.comparison.confidence_set is None
    assert all(d.p is None and d.p_adjusted is None for d in stopped.comparison.pairwise)
    assert {d.verdict for d in stopped.comparison.differences} == {"worse"}
    assert "stopped-early" in {note.slug for note in stopped.notes}
    assert stopped.statements[0].startswith("fair is the best model: ")


def test_what_is_never_decided_is_read_to_the_end(models) -> None:
    twins = {"one": models["fair"], "two": models["fair"]}
    results, plain = select(twins, stop_when_decided=True).results, select(twins).results
    assert not results.stopping.decided and results.stopping.rows == ROWS
    assert (results.models, results.comparison) == (plain.models, plain.comparison)
    assert results.statements[: len(plain.statements)] == plain.statements
    few = select({n: t.slice(0, 100) for n, t in models.items()}, stop_when_decided=True).results
    assert not few.stopping.decided and few.data.rows == 100


def test_an_impossible_label_decides_against_a_model(models) -> None:
    p = models["wide"]["p_1"].to_numpy().copy()
    p[models["wide"]["label"].to_numpy() == 1] = 0.0
    broken = models["wide"].set_column(2, "p_1", pa.array(p))
    results = select({"fair": models["fair"], "broken": broken}, stop_when_decided=True).results
    assert results.stopping.leader == "fair" and results.stopping.pairs[0].difference == np.inf
    assert any("probability 0" in sentence for sentence in results.statements)


def test_weights_and_conditions_count(models) -> None:
    odd = {n: t.append_column("w", pa.array(np.arange(ROWS) % 2 * 1.0)) for n, t in models.items()}
    # a row of weight 0 counts nothing, not even where it is infinite
    p = odd["wide"]["p_1"].to_numpy().copy()
    p[::2] = 1.0 - odd["wide"]["label"].to_numpy()[::2]
    odd["wide"] = odd["wide"].set_column(2, "p_1", pa.array(p))
    weighted = select(odd, weight="w", stop_when_decided=True).results
    chosen = select(odd, where={"w": "1"}, stop_when_decided=True).results
    for a, b in zip(weighted.stopping.pairs, chosen.stopping.pairs, strict=True):
        assert a.difference == pytest.approx(b.difference, rel=1e-12)
        assert a.low == pytest.approx(b.low, rel=1e-9)
    assert chosen.data.rows < chosen.stopping.rows


def differences(kind: str, rng: np.random.Generator, rows: int) -> np.ndarray:
    """Differences of two models that are alike over all rows, and in few places."""
    if kind == "rare class":
        rest = rows // 50
        return np.concatenate([rng.exponential(1.0, rows - rest), -rng.exponential(49.0, rest)])
    if kind == "sorted":
        return np.sort(rng.pareto(2.5, rows))
    if kind == "range of 36.8":
        return np.where(rng.random(rows) < 1e-3, 36.8, 0.01 * rng.normal(size=rows))
    return np.cumsum(rng.normal(size=rows))


@pytest.mark.parametrize("kind", ["rare class", "sorted", "range of 36.8", "walk"])
def test_data_in_any_order_are_ever_misjudged_in_at_most_a_twentieth(kind) -> None:
    rows, runs, missed = 80_000, 300, 0
    edges = edges_of_windows(rows)
    exposure = np.diff(edges).astype(float)
    d = differences(kind, np.random.default_rng(6), rows)
    d -= d.mean()
    sums = np.add.reduceat(np.stack([np.zeros(rows), d]), edges[:-1], axis=1)
    for seed in range(runs):
        order = drawing_order(exposure.size, seed)
        for rounds in (1, 2, 4, 8):
            drawn = order[:rounds].ravel()
            (pair,) = separations(["a", "b"], sums[:, drawn], exposure[drawn], exposure.size, 0.95)
            if pair.low > 1e-9:
                missed += 1
                break
    assert missed / runs <= 0.05


def test_sentences_and_section_say_how_much_was_read(stopped) -> None:
    from crossent.report.sections.differences import differences
    from crossent.report.sections.stopping import stopping

    shown, found = stopping(stopped), stopped.stopping
    assert f"after {found.rows:,} of 60,000 rows" in shown.lead and differences(stopped) is None
    assert [row[0].text for row in shown.blocks[1].rows] == ["bold", "wide", "wide"]
    bold = found.pairs[0]
    assert f"bold by {bold.difference:.3f} ({bold.low:.3f} to {bold.high:.3f})" in stopped.statements[1]


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"cluster": "row_id"},
        {"rule": "mcs"},
        {"baseline": "bold"},
        {"deep": True},
        {"on_missing": "intersect"},
        {"engine": "processes"},
        {"select_where": {"label": "1"}},
    ],
)
def test_what_needs_all_rows_is_refused(models, options) -> None:
    with pytest.raises(UsageError, match="cannot-stop-early"):
        select(models, stop_when_decided=True, **options)


def test_rows_that_cannot_be_entered_or_do_not_correspond_are_refused(models, tmp_path) -> None:
    few = {n: t.slice(0, 30_000) for n, t in models.items()}
    path = tmp_path / "fair.csv"
    few["fair"].to_pandas().to_csv(path, index=False)
    turned = few["fair"].take(pa.array(np.arange(30_000)[::-1]))
    for data in (
        {"fair": few["fair"]},
        {"fair": str(path), "bold": few["bold"]},
        {"fair": turned, "bold": few["bold"]},
        {"fair": few["fair"], "bold": few["bold"].slice(1)},
    ):
        with pytest.raises(UsageError, match="cannot-stop-early"):
            select(data, stop_when_decided=True)


def test_the_command_says_it_and_refuses_to_save_the_sums(models, tmp_path, monkeypatch) -> None:
    from click.testing import CliRunner

    from crossent.cli import cli

    monkeypatch.chdir(tmp_path)
    for name, table in models.items():
        pq.write_table(table, f"{name}.parquet")
    words = ["select", *(f"{name}.parquet" for name in models), "--stop-when-decided", "--quiet"]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0 and done.stdout.splitlines()[1].startswith("fair is the best model: ")
    saved = CliRunner().invoke(cli, [*words, "--state", "s.json"])
    assert isinstance(saved.exception, UsageError) and saved.exception.slug == "state-of-a-part"
