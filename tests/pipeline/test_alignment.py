"""The same rows of several models: found in any order, and never found where they are not the same."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pytest

from crossent import DataError, UsageError, select
from crossent.engines import passes

ROWS = 60


def fault(error) -> str:
    return error.value.slug


def sums(report) -> str:
    return json.dumps({k: v for k, v in report.evaluation.to_dict().items() if k != "setup"})


def with_column(table: pa.Table, name: str, values) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, pa.array(values))


def changed(table: pa.Table, name: str, row: int, value) -> pa.Table:
    """The table with one entry replaced."""
    values = table.column(name).to_pylist()
    values[row] = value
    return with_column(table, name, values)


def reverse(table: pa.Table) -> pa.Table:
    return table.take(np.arange(table.num_rows)[::-1])


@pytest.fixture
def pair(models) -> dict[str, pa.Table]:
    return models(ROWS, 2)


@pytest.fixture(params=["zip", "join"])
def road(request):
    """What is done to the second model's table: nothing, or its rows reversed so that they are joined."""
    return (lambda table: table) if request.param == "zip" else reverse


# --- missing, extra and repeated ids ----------------------------------------------------------------------


def test_missing_and_extra_ids_are_counted_with_examples(pair, road):
    ids = pair["a"].column("row_id").to_pylist()
    other = road(pair["b"].slice(2))
    extra = pair["b"].slice(0, 3)
    extra = with_column(extra, "row_id", [9001, 9002, 9003])
    with pytest.raises(DataError) as error:
        select({"a": pair["a"], "b": pa.concat_tables([other, extra])})
    assert fault(error) == "rows-differ"
    assert f"2 rows of a are not in every other file (ids {ids[0]}, {ids[1]})" in str(error.value)
    assert "3 rows of b are not in every other file" in str(error.value)
    for k in ("9001", "9002", "9003"):
        assert k in str(error.value)
    assert "--on-missing=intersect" in str(error.value)


def test_many_missing_ids_are_counted_across_partitions(models, monkeypatch):
    monkeypatch.setattr(passes, "partitions_for", lambda size, memory: 11)
    tables = models(500, 2)
    with pytest.raises(DataError, match=r"200 rows of a are not in .*\(ids (-?\d+, ){4}-?\d+\)"):
        select({"a": tables["a"], "b": tables["b"].slice(200)})


def test_no_common_id_at_all(pair):
    other = with_column(pair["b"], "row_id", range(5000, 5000 + ROWS))
    with pytest.raises(DataError) as error:
        select({"a": pair["a"], "b": other})
    assert fault(error) == "rows-differ"
    with pytest.raises(DataError) as error:
        select({"a": pair["a"], "b": other}, on_missing="intersect")
    assert fault(error) in ("rows-differ", "no-common-rows")


@pytest.mark.parametrize("which", ["both", "second"])
def test_repeated_ids(pair, road, which):
    """A copy in both files zips; a copy in one does not. Either way it is found, named and counted."""
    twice = {n: pa.concat_tables([t, t.slice(4, 2)]) for n, t in pair.items()}
    first = twice["a"] if which == "both" else pair["a"]
    ids = pair["a"].column("row_id").to_pylist()
    with pytest.raises(DataError) as error:
        select({"a": first, "b": road(twice["b"])})
    assert fault(error) == "duplicate-ids"
    assert "2 rows repeat a row id" in str(error.value)
    assert str(ids[4]) in str(error.value)
    assert str(ids[5]) in str(error.value)


def test_repeated_ids_of_a_single_model(pair):
    with pytest.raises(DataError) as error:
        select({"a": pa.concat_tables([pair["a"], pair["a"].slice(0, 1)])})
    assert fault(error) == "duplicate-ids"


def test_unsorted_ids_with_gaps_are_fine(pair):
    order = np.random.default_rng(0).permutation(ROWS)
    assert sums(select({n: t.take(order) for n, t in pair.items()})) == sums(select(pair))


# --- intersect --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", [{}, {"region": "south"}])
def test_intersect_is_evaluating_the_common_rows(models, road, where):
    tables = models(200, 3)
    kept = {"a": np.arange(0, 180), "b": np.arange(30, 200), "c": np.delete(np.arange(200), [50, 60, 70])}
    common = np.setdiff1d(np.arange(30, 180), [50, 60, 70])
    cut = {n: tables[n].take(rows) for n, rows in kept.items()}
    cut["b"] = road(cut["b"])
    options = {"weight": "weight", "cluster": "day", "groups": "region", "where": where}
    mine = select(cut, on_missing="intersect", **options)
    alone = select({n: t.take(common) for n, t in tables.items()}, **options)
    assert sums(mine) == sums(alone)
    region = np.array(tables["a"].column("region").to_pylist())
    counted = (region == "south") if where else np.ones(200, bool)
    dropped = tuple((n, int(counted[np.setdiff1d(rows, common)].sum())) for n, rows in kept.items())
    assert mine.results.data.dropped == dropped
    said = [note.text for note in mine.results.notes if note.slug == "rows-left-out"]
    assert len(said) == sum(count > 0 for _, count in dropped)


def test_intersect_of_equal_rows_drops_nothing(pair):
    mine = select(pair, on_missing="intersect")
    assert mine.results.data.dropped == (("a", 0), ("b", 0))
    assert sums(mine) == sums(select(pair))
    assert not [note for note in mine.results.notes if note.slug == "rows-left-out"]


def test_intersect_still_finds_repeated_ids(pair, road):
    extra = with_column(pair["b"].slice(0, 9), "row_id", range(9001, 9010))
    other = road(pa.concat_tables([extra, pair["b"].slice(1), pair["b"].slice(20, 1)]))
    with pytest.raises(DataError) as error:
        select({"a": pair["a"], "b": other}, on_missing="intersect")
    assert fault(error) == "duplicate-ids"
    assert f"such as {pair['b'].column('row_id')[20].as_py()} " in str(error.value)


def test_intersect_needs_ids(pair):
    with pytest.raises(UsageError) as error:
        select({n: t.drop_columns("row_id") for n, t in pair.items()}, on_missing="intersect")
    assert fault(error) == "intersect-needs-ids"


# --- the same id, other facts -----------------------------------------------------------------------------


def test_labels_that_differ(pair, road):
    row = 17
    label = pair["b"].column("label")[row].as_py()
    other = changed(pair["b"], "label", row, "ant" if label != "ant" else "bee")
    with pytest.raises(DataError) as error:
        select({"a": pair["a"], "b": road(other)})
    assert fault(error) == "labels-differ"
    assert error.value.row == (row if road(other) is other else ROWS - 1 - row)
    assert error.value.file == "b"


@pytest.mark.parametrize(
    ("column", "value", "options"),
    [
        ("weight", 0.123, {"weight": "weight"}),
        ("day", "elsewhen", {"cluster": "day"}),
        ("region", "elsewhere", {"groups": "region"}),
        ("text", 77, {"bytes": "text"}),
    ],
)
def test_other_facts_that_differ(pair, road, column, value, options):
    row = 23
    other = road(changed(pair["b"], column, row, value))
    with pytest.raises(DataError) as error:
        select({"a": pair["a"], "b": other}, **options)
    assert fault(error) == "facts-differ"
    assert error.value.row == (row if road(pair["b"]) is pair["b"] else ROWS - 1 - row)
    select({"a": pair["a"], "b": other})


def test_swapped_clusters_are_found(pair, road):
    """Clusters exchanged between two rows leave every cluster's size as it was."""
    days = pair["b"].column("day").to_pylist()
    i, j = 0, next(k for k, d in enumerate(days) if d != days[0])
    other = changed(changed(pair["b"], "day", i, days[j]), "day", j, days[i])
    with pytest.raises(DataError) as error:
        select({"a": pair["a"], "b": road(other)}, cluster="day")
    assert fault(error) == "facts-differ"


# --- without ids ------------------------------------------------------------------------------------------


@pytest.fixture
def anonymous(pair):
    return {n: t.drop_columns("row_id") for n, t in pair.items()}


def test_by_position(pair, anonymous):
    mine = select(anonymous)
    assert mine.results.data.pairing == "position"
    assert "paired-by-position" in [note.slug for note in mine.results.notes]
    theirs = select(pair)
    for name in pair:
        assert mine.results.model(name).loss == theirs.results.model(name).loss
    # as text: what is not a number is not equal to itself
    assert repr(mine.results.comparison) == repr(theirs.results.comparison)


def test_by_position_with_other_lengths(anonymous):
    with pytest.raises(DataError, match=f"{ROWS} in a, {ROWS - 5} in b") as error:
        select({"a": anonymous["a"], "b": anonymous["b"].slice(0, ROWS - 5)})
    assert fault(error) == "lengths-differ"


def test_by_position_with_labels_in_another_order(anonymous):
    with pytest.raises(DataError, match="position") as error:
        select({"a": anonymous["a"], "b": reverse(anonymous["b"])})
    assert fault(error) == "labels-differ"


def test_ids_in_one_file_only(pair, anonymous):
    with pytest.raises(DataError) as error:
        select({"a": pair["a"], "b": anonymous["b"]})
    assert fault(error) == "id-only-in-some"


def test_a_column_of_another_name_as_id(pair):
    renamed = {n: t.rename_columns(["key", *t.column_names[1:]]) for n, t in pair.items()}
    renamed["b"] = reverse(renamed["b"])
    assert sums(select(renamed, id="key")) == sums(select(pair))


# --- types of ids -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("type_", [pa.int8(), pa.uint16(), pa.int64(), pa.float64(), pa.uint64()])
def test_whole_numbers_of_any_type_are_the_same_ids(pair, road, type_):
    tables = {n: with_column(t, "row_id", range(ROWS)) for n, t in pair.items()}
    other = tables["b"].set_column(0, "row_id", tables["b"].column("row_id").cast(type_))
    assert sums(select({"a": tables["a"], "b": road(other)})) == sums(select(tables))


@pytest.mark.parametrize("type_", [pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_texts_of_any_type_are_the_same_ids(pair, road, type_):
    ids = [f"row {i:03d}" for i in range(ROWS)]
    tables = {n: with_column(t, "row_id", ids) for n, t in pair.items()}
    other = tables["b"].set_column(0, "row_id", tables["b"].column("row_id").cast(type_))
    assert sums(select({"a": tables["a"], "b": road(other)})) == sums(select(tables))


def test_numbers_and_texts_are_not_the_same_ids(pair):
    texts = with_column(pair["b"], "row_id", [str(i) for i in pair["b"].column("row_id").to_pylist()])
    with pytest.raises(DataError) as error:
        select({"a": pair["a"], "b": texts})
    assert fault(error) == "id-types-differ"


def test_fractions_are_no_ids(pair):
    tables = {n: with_column(t, "row_id", np.arange(ROWS) / 2) for n, t in pair.items()}
    with pytest.raises(DataError) as error:
        select(tables)
    assert fault(error) == "id-type"


@pytest.mark.parametrize("whole", [True, False])
def test_ids_of_csv_and_parquet(pair, road, whole, write, tmp_path):
    if not whole:
        pair = {n: with_column(t, "row_id", [f"x{i}" for i in range(ROWS)]) for n, t in pair.items()}
    pair = {n: t.select([c for c in t.column_names if c != "weight"]) for n, t in pair.items()}
    # float64 in text keeps its digits; the second model's float32 does not
    pair["b"] = pa.table({c: pair["b"].column(c).cast(pa.float64()) if c[:2] == "p_" else pair["b"].column(c)
                          for c in pair["b"].column_names})  # fmt: skip
    files = write({"a": pair["a"]})
    pyarrow.csv.write_csv(road(pair["b"]), tmp_path / "b.csv")
    mine = select({"a": files["a"], "b": str(tmp_path / "b.csv")}, cluster="day")
    assert sums(mine) == sums(select(pair, cluster="day"))


# --- where ------------------------------------------------------------------------------------------------


def test_where_is_the_filtered_table(pair, road):
    keep = {n: t.filter(pc.equal(t.column("region"), "west")) for n, t in pair.items()}
    options = {"cluster": "day", "groups": "region"}
    mine = select({"a": pair["a"], "b": road(pair["b"])}, where={"region": "west"}, **options)
    assert sums(mine) == sums(select(keep, **options))
    assert mine.results.data.rows == keep["a"].num_rows


def test_several_conditions_hold_together(pair):
    day = pair["a"].column("day")[0].as_py()
    region = pair["a"].column("region")[0].as_py()
    meets = pc.and_(pc.equal(pair["a"]["region"], region), pc.equal(pair["a"]["day"], day))
    both = {n: t.filter(meets) for n, t in pair.items()}
    assert sums(select(pair, where={"region": region, "day": day})) == sums(select(both))


def test_where_nothing_matches(pair):
    with pytest.raises(DataError, match=r"no row has region=east; region has .*south") as error:
        select(pair, where={"region": "east"})
    assert fault(error) == "no-rows"


def test_where_of_numbers_and_bools(pair):
    flags = {n: t.append_column("flag", pa.array([i % 3 == 0 for i in range(ROWS)])) for n, t in pair.items()}
    thirds = {n: t.take(np.arange(0, ROWS, 3)) for n, t in pair.items()}
    assert sums(select(flags, where={"flag": "true"})) == sums(select(thirds))
    numbered = {n: t.append_column("fold", pa.array(np.arange(ROWS) % 3)) for n, t in pair.items()}
    assert sums(select(numbered, where={"fold": "0"})) == sums(select(thirds))


@pytest.mark.parametrize("column", ["day", "region", "label"])
def test_categories_without_rows_do_not_count(pair, column):
    """A dictionary keeps values that a filter removed: they are no clusters, groups or labels."""
    options = {"where": {"region": "south"}, "cluster": "day", "groups": ("region",)}
    expected = select(pair, **options)
    values = [*dict.fromkeys(pair["a"].column(column).to_pylist()), "never"]
    type_ = pa.dictionary(pa.int8(), pa.string())
    tables = {}
    for name, table in pair.items():
        codes = pa.array([values.index(v) for v in table.column(column).to_pylist()], pa.int8())
        encoded = pa.DictionaryArray.from_arrays(codes, pa.array(values)).cast(type_)
        tables[name] = table.set_column(table.column_names.index(column), column, encoded)
    mine = select(tables, **options)
    assert sums(mine) == sums(expected)
    assert mine.results.data.clusters == expected.results.data.clusters


# --- tokens and units -------------------------------------------------------------------------------------


def tokens(rng, sizes, per_document) -> pa.Table:
    """A token file: documents of the given bytes, cut into as many tokens."""
    documents = [d for d, count in enumerate(per_document) for _ in range(count)]
    cuts = [np.linspace(0, size, count + 1) for size, count in zip(sizes, per_document, strict=True)]
    sizes = np.concatenate([np.diff(cut.astype(int)) for cut in cuts])
    return pa.table(
        {
            "row_id": np.arange(len(documents)),
            "doc": [f"doc{d}" for d in documents],
            "token_bytes": sizes,
            "logprob": -rng.exponential(2.0, len(documents)),
        }
    )


@pytest.fixture
def language():
    rng = np.random.default_rng(8)
    sizes = rng.integers(40, 90, 12)
    return {"words": tokens(rng, sizes, rng.integers(5, 12, 12)), "letters": tokens(rng, sizes, sizes)}


def test_tokens_of_two_tokenizers_are_not_the_same_rows(language):
    with pytest.raises(DataError, match="--unit") as error:
        select(language)
    assert fault(error) == "rows-differ"


def test_units_pair_what_rows_cannot(language):
    mine = select(language, unit="doc", bytes="token_bytes")
    results = mine.results
    assert (results.data.pairing, results.unit, results.data.clusters) == ("unit", "bits per byte", 12)
    per_byte = {}
    for name, table in language.items():
        nats = np.array([-sum(g) for g in grouped(table, "logprob")])
        size = np.array([sum(g) for g in grouped(table, "token_bytes")])
        rate = nats.sum() / size.sum()
        residual = nats - rate * size
        se = np.sqrt(12 / 11 * (residual**2).sum()) / size.sum()
        per_byte[name] = rate, residual
        model = results.model(name)
        assert model.loss.value == pytest.approx(rate / np.log(2), rel=1e-12)
        assert model.loss.se == pytest.approx(se / np.log(2), rel=1e-12)
        assert model.bits_per_byte == model.loss
        assert not model.companions
        mean = -np.mean(table.column("logprob").to_numpy())
        assert model.perplexity == pytest.approx(np.exp(mean), rel=1e-12)
    (d,) = results.comparison.differences
    (worse, r1), (better, r0) = per_byte[d.model], per_byte[d.reference]
    assert d.difference.value == pytest.approx((worse - better) / np.log(2), rel=1e-12)
    total = sum(language["words"].column("token_bytes").to_pylist())
    se = np.sqrt(12 / 11 * ((r1 - r0) ** 2).sum()) / total / np.log(2)
    assert d.difference.se == pytest.approx(se, rel=1e-11)


def grouped(table: pa.Table, column: str) -> list[list[float]]:
    values: dict[str, list[float]] = {}
    pairs = zip(table.column("doc").to_pylist(), table.column(column).to_pylist(), strict=True)
    for document, value in pairs:
        values.setdefault(document, []).append(value)
    return list(values.values())


def test_units_without_bytes_weigh_documents_alike(language):
    results = select(language, unit="doc").results
    for name, table in language.items():
        nats = [-sum(g) for g in grouped(table, "logprob")]
        assert results.model(name).loss.value == pytest.approx(np.mean(nats), rel=1e-12)
        assert results.model(name).loss.se == pytest.approx(np.std(nats, ddof=1) / np.sqrt(12), rel=1e-12)


def test_units_must_be_the_same(language):
    fewer = language["letters"].filter(pc.not_equal(language["letters"].column("doc"), "doc3"))
    with pytest.raises(DataError, match="doc3") as error:
        select({"words": language["words"], "letters": fewer}, unit="doc", bytes="token_bytes")
    assert fault(error) == "clusters-differ"


def test_units_must_have_the_same_bytes(language):
    other = changed(language["letters"], "token_bytes", 0, 5)
    with pytest.raises(DataError, match="doc0") as error:
        select({"words": language["words"], "letters": other}, unit="doc", bytes="token_bytes")
    assert fault(error) == "exposure-differs"


def test_no_bytes_at_all(language):
    table = with_column(language["words"], "token_bytes", [0] * language["words"].num_rows)
    for options in ({"unit": "doc"}, {"cluster": "doc"}, {}):
        with pytest.raises(DataError) as error:
            select({"words": table}, bytes="token_bytes", **options)
        assert fault(error) == "no-bytes"


def test_two_unknown_labels_of_a_row_are_two_labels(pair, road):
    one, other = changed(pair["a"], "label", 3, "dog"), pair["b"]
    with pytest.raises(DataError) as error:
        select({"a": one, "b": road(changed(other, "label", 3, "fox"))}, unknown_label="zero")
    assert fault(error) == "labels-differ"
    same = select({"a": one, "b": road(changed(other, "label", 3, "dog"))}, unknown_label="zero").results
    assert [model.quality.unknown_labels for model in same.models] == [1, 1]
