"""Every column of every table shows its own field: results in which no two numbers are equal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass, replace
from itertools import count
from typing import Any, TypeVar

import pytest

from crossent.report.blocks import Cell, Table
from crossent.report.registry import build
from crossent.results import Floor, ModelResult, Results, Skill, Slice
from crossent.statistics.estimates import Estimate
from crossent.statistics.paired import Difference

Sample = Callable[[str], Results]
Record = TypeVar("Record")


def numbered(record: Record, numbers: Iterable[int], keep: tuple[str, ...] = ()) -> Record:
    """The record with another number in every field; None, text and `keep` stay."""
    source = iter(numbers)

    def changed(value: Any) -> Any:
        if is_dataclass(value) and not isinstance(value, type):
            names = [f.name for f in fields(value) if f.name not in keep]
            return replace(value, **{name: changed(getattr(value, name)) for name in names})
        if isinstance(value, tuple):
            return tuple(changed(item) for item in value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        # The sevenths keep floats off the whole numbers that integers get.
        return next(source) if isinstance(value, int) else next(source) / 7000

    changed_record: Record = changed(record)
    return changed_record


@pytest.fixture(scope="module")
def different(sample: Sample) -> Results:
    """Two models of the language case in which no number stands twice."""
    base = sample("many_classes")
    two = replace(
        base,
        models=tuple(
            replace(
                m,
                classes=m.classes[:3],
                groups=tuple((g, s[:2]) for g, s in m.groups),
                n_infinite=4,
                mean_of_finite=1.0,
                skill=(*m.skill, Skill("given prior", 1.0, Estimate(0.5, 0.1, 9), 7)),
                floors=tuple(replace(f, loss_clustered=None) for f in m.floors),
            )
            for m in base.models[:2]
        ),
        data=replace(base.data, classes=base.data.classes and base.data.classes[:3], class_rows=(5, 6, 7)),
    )
    assert two.comparison is not None
    pair = replace(two.comparison.differences[0], mean_of_finite=0.5, n_infinite=2)
    two = replace(
        two, comparison=replace(two.comparison, differences=(pair,), pairwise=(pair,), confidence_set=None)
    )
    # Numbers that are no multiples of 7, so that /7000 never gives a short decimal.
    return numbered(two, (n for n in count(1001) if n % 7), keep=("level", "rank", "units"))


def table_of(results: Results, caption: str) -> Table:
    found = [
        b for s in build(results) for b in s.blocks if isinstance(b, Table) and b.caption.startswith(caption)
    ]
    assert len(found) == 1, caption
    return found[0]


def cells_of(table: Table, title: str) -> list[Cell]:
    titles = [c.title for c in table.columns]
    assert titles.count(title) == 1, titles
    return [row[titles.index(title)] for row in table.rows]


def skill(m: ModelResult, reference: str) -> float:
    return next(s.skill.value for s in m.skill if s.reference == reference)


def floor(m: ModelResult, name: str) -> Floor:
    return next(f for f in m.floors if f.name == name)


Shown = tuple[str, str, Callable[[ModelResult], float | None]]
OF_MODELS: list[Shown] = [
    ("Models, lowest", "#", lambda m: m.rank),
    ("Models, lowest", "Log loss ± SE", lambda m: m.loss.value),
    ("Models, lowest", "Brier", lambda m: dict(m.companions)["brier"].value),
    ("Models, lowest", "Accuracy", lambda m: 1 - dict(m.companions)["zero_one"].value),
    ("Models, lowest", "ECE (expected)", lambda m: m.calibration[0].error),
    ("The same on", "bits", lambda m: m.bits),
    ("The same on", "perplexity", lambda m: m.perplexity),
    ("The same on", "bits per byte ± SE", lambda m: m.bits_per_byte and m.bits_per_byte.value),
    ("The same on", "skill to base rate of these rows", lambda m: skill(m, "base rate of these rows")),
    ("The same on", "skill to given prior", lambda m: skill(m, "given prior")),
    ("The same on", "SE, rows independent", lambda m: m.loss_iid.se),
    ("Every class counting", "macro mean ± SE", lambda m: m.macro_mean and m.macro_mean.value),
    ("Log loss at several", "exact", lambda m: m.loss.value),
    ("Log loss at several", "labels at 0", lambda m: m.n_infinite),
    ("Log loss at several", "finite rows alone", lambda m: m.mean_of_finite),
    ("Log loss at several", "floor 1e-15", lambda m: floor(m, "1e-15").loss.value),
    ("Log loss at several", "floor eps32", lambda m: floor(m, "eps32").loss.value),
    ("The predictions, counted", "labels at 0", lambda m: m.quality.label_zero),
    ("The predictions, counted", "labels at 1", lambda m: m.quality.label_one),
    ("The predictions, counted", "entries < 0", lambda m: m.quality.entries_below_zero),
    ("The predictions, counted", "entries > 1", lambda m: m.quality.entries_above_one),
    ("The predictions, counted", "off by > 10⁻⁶", lambda m: m.quality.rows_off_1e6),
    ("The predictions, counted", "off by > 10⁻³", lambda m: m.quality.rows_off_1e3),
    ("The predictions, counted", "ties at the top", lambda m: m.quality.top_ties),
    ("The predictions, counted", "unknown labels", lambda m: m.quality.unknown_labels),
    ("Share of the total", "worst 10 rows", lambda m: m.tails.shares[1][2]),
    ("Share of the total", "worst 1 %", lambda m: m.tails.shares[2][2]),
]


@pytest.mark.parametrize(("caption", "title", "number"), OF_MODELS, ids=lambda v: v if type(v) is str else "")
def test_a_column_of_models_shows_its_field(
    different: Results, caption: str, title: str, number: Callable[[ModelResult], float | None]
) -> None:
    table = table_of(different, caption)
    assert [c.exact for c in cells_of(table, title)] == [number(m) for m in different.models]
    first = cells_of(table, "Model")
    assert [(c.text, c.model) for c in first] == [(m.name, i) for i, m in enumerate(different.models)]


def test_what_a_person_reads_is_the_exact_number_to_the_digits_shown(different: Results) -> None:
    units = {"%": 100.0, "B": 1.0, "kB": 1e-3}
    checked = 0
    for table in (b for s in build(different) for b in s.blocks if isinstance(b, Table)):
        for cell in (c for row in table.rows for c in row if c.exact is not None):
            number, _, unit = cell.text.partition(" ")
            exact = float(cell.exact or 0) * units.get(unit, 1.0)
            shown = float(number.replace(",", "").replace("−", "-"))
            place = len(number.partition(".")[2])
            assert shown == pytest.approx(exact, abs=0.500001 * 10.0**-place), (table.caption, cell)
            checked += 1
    assert checked > 120


OF_PAIRS: list[tuple[str, Callable[[Difference], float | None]]] = [
    ("Δ ± SE", lambda d: d.difference.value),
    ("p", lambda d: d.p),
    ("p (Holm)", lambda d: d.p_holm),
    ("detectable", lambda d: d.detectable),
    ("Δ of finite rows", lambda d: d.mean_of_finite),
]


@pytest.mark.parametrize(("title", "number"), OF_PAIRS, ids=[title for title, _ in OF_PAIRS])
def test_a_column_of_differences_shows_its_field(
    different: Results, title: str, number: Callable[[Difference], float | None]
) -> None:
    assert different.comparison is not None
    (cell,) = cells_of(table_of(different, "Against the best"), title)
    (pair,) = different.comparison.differences
    assert cell.exact == number(pair)


def test_a_difference_names_both_models_its_interval_and_its_verdict(sample: Sample) -> None:
    table = table_of(sample("flights"), "Every two models")
    first, last = table.rows[0], table.rows[-1]
    assert [c.text for c in first[:2]] == ["gbdt", "logistic"]
    assert cells_of(table, "interval")[0].text == "−0.0101 to +0.0191", "0.0045 ± 1.986 × 0.0074"
    assert first[-1] == Cell("not told apart")
    assert [c.text for c in last[:2]] == ["random_forest", "knn15"]
    assert last[-1] == Cell("infinite", tone="bad")
    assert len(table.rows) == 6 * 5 // 2 and table.folded


def test_the_leaderboard_repeats_the_difference_to_the_best(different: Results) -> None:
    assert different.comparison is not None
    (pair,) = different.comparison.differences
    table = table_of(different, "Models, lowest")
    best, other = table.rows
    assert [c.text for c in best[-3:]] == ["–", "–", "best"]
    assert [c.exact for c in other[-3:]] == [pair.difference.value, pair.p_holm, None]
    assert other[-1] == Cell("worse", tone="bad")


@pytest.mark.parametrize("what", ["class", "script", "length"])
def test_slices_stand_under_their_model(different: Results, what: str) -> None:
    def slices(m: ModelResult) -> tuple[Slice, ...]:
        return m.classes if what == "class" else dict(m.groups)[what]

    losses = table_of(different, f"Log loss by {what}")
    values = [s.value for s in slices(different.models[0])]
    assert [c.text for c in cells_of(losses, what)] == values
    assert [c.exact for c in cells_of(losses, "rows")] == [s.rows for s in slices(different.models[0])]
    for m in different.models:
        assert [c.exact for c in cells_of(losses, m.name)] == [s.loss.value for s in slices(m)]
    if what != "class":
        table = table_of(different, f"Bits per byte by {what}")
        for m in different.models:
            assert [c.exact for c in cells_of(table, m.name)] == [s.bits_per_byte for s in slices(m)]


def test_rows_of_units_stand_under_their_model(different: Results) -> None:
    """Tokenisers cut a text into different numbers of tokens: no column of rows holds for all models."""
    data = replace(different.data, pairing="unit", unit_column="doc")
    paired = replace(different, data=data, unit="bits per byte")
    captions = [f"{what} by script" for what in ("Bits per byte", "Log loss", "Rows")]
    tables = [table_of(paired, caption) for caption in captions]
    assert all("rows" not in [c.title for c in table.columns] for table in tables)
    for m in different.models:
        assert [c.exact for c in cells_of(tables[2], m.name)] == [s.rows for s in dict(m.groups)["script"]]
    (section,) = [s for s in build(paired) if s.anchor == "groups"]
    order = [b.caption for b in section.blocks if isinstance(b, Table) and b.caption.endswith("by script")]
    assert [caption.lower() for caption in order] == [caption.lower() for caption in captions]


def test_calibration_errors_stand_under_their_names(different: Results) -> None:
    table = table_of(different, "Calibration error")
    found = [(m.name, r) for m in different.models for r in m.calibration]
    assert [(a.text, b.text) for a, b, *_ in table.rows] == [(name, r.event) for name, r in found]
    for title, field in (
        ("ECE", "error"),
        ("expected if calibrated", "error_if_calibrated"),
        ("ECE, bins [low, high)", "error_left_closed"),
    ):
        assert [c.exact for c in cells_of(table, title)] == [getattr(r, field) for _, r in found]
    assert [c.exact for c in cells_of(table, "bins")] == [len(r.bins) for _, r in found]


def test_worst_rows_stand_as_they_are(different: Results) -> None:
    for m in different.models:
        table = table_of(different, f"Worst rows of {m.name}")
        assert [[c.text for c in row[:2]] for row in table.rows] == [[w.row, w.label] for w in m.worst]
        assert [c.exact for c in cells_of(table, "loss")] == [w.loss for w in m.worst]
        assert [c.exact for c in cells_of(table, "probability of the label")] == [
            w.probability for w in m.worst
        ]
        assert [c.text for c in cells_of(table, "predicted")] == [w.predicted or "–" for w in m.worst]
        assert table.folded


def test_classes_have_their_rows_and_shares(different: Results) -> None:
    table = table_of(different, "Classes")
    rows = different.data.class_rows
    assert rows is not None
    assert [c.exact for c in cells_of(table, "rows")] == list(rows)
    shares = [100 * n / sum(rows) for n in rows]
    assert [float(c.text.removesuffix(" %")) for c in cells_of(table, "share")] == pytest.approx(
        shares, abs=0.05
    )


def test_a_floor_says_how_many_rows_it_changes_and_prefers_clusters(sample: Sample) -> None:
    results = sample("flights")
    cells = cells_of(table_of(results, "Log loss at several"), "floor 1e-15")
    assert [c.text for c in cells][3:] == [
        "1.366 ± 0.056",
        "0.855 ± 0.034 (830 rows)",
        "0.529 ± 0.012 (34 rows)",
    ]
    assert [c.tone for c in cells][3:] == ["quiet", "plain", "plain"]


def test_a_floor_that_one_model_lacks_is_left_open(sample: Sample) -> None:
    results = sample("flights")
    first = replace(results.models[0], floors=results.models[0].floors[1:], skill=())
    changed = replace(results, models=(first, *results.models[1:]))
    assert cells_of(table_of(changed, "Log loss at several"), "floor 1e-15")[0] == Cell("–", tone="quiet")
    assert cells_of(table_of(changed, "Log loss at several"), "floor eps32")[0].text != "–"
    skills = cells_of(table_of(changed, "The same on"), "skill to base rate of these rows")
    assert [c.text == "–" for c in skills] == [True] + [False] * 5


def test_numbers_stand_right_and_names_left(results: Results) -> None:
    for table in (b for s in build(results) for b in s.blocks if isinstance(b, Table)):
        for column, shown in zip(table.columns, zip(*table.rows, strict=True), strict=True):
            if any(c.exact is not None for c in shown):
                assert column.align == "right", (table.caption, column.title)
            elif column.key:
                assert column.align == "left", (table.caption, column.title)
