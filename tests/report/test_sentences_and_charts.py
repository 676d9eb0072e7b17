"""What each section says in words and hands to the charts, also where the results are unusual."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from crossent.report import render_markdown
from crossent.report.blocks import (
    BarChart,
    Block,
    Cell,
    HistogramChart,
    IntervalChart,
    ReliabilityChart,
    Section,
    Sentences,
    Table,
)
from crossent.report.registry import build
from crossent.results import Comparison, DataRecord, FileRecord, Results, Tails
from crossent.statistics.confidence_set import ConfidenceSet
from crossent.statistics.estimates import Estimate

INF, NAN = math.inf, math.nan
Sample = Callable[[str], Results]


def built(results: Results, anchor: str) -> Section:
    return next(s for s in build(results) if s.anchor == anchor)


def only(section: Section, kind: type[Block]) -> list[Block]:
    return [b for b in section.blocks if isinstance(b, kind)]


def sentences(section: Section, style: str) -> list[str]:
    blocks = [b for b in section.blocks if isinstance(b, Sentences) and b.style == style]
    return [item for b in blocks for item in b.items]


def facts(results: Results) -> list[tuple[str, str]]:
    table = next(b for b in built(results, "data").blocks if isinstance(b, Table))
    return [(what.text, value.text) for what, value in table.rows]


def compared(results: Results) -> Comparison:
    assert results.comparison is not None
    return results.comparison


def at_level(results: Results, level: float) -> Results:
    return replace(results, comparison=replace(compared(results), level=level))


# The verdict.


def test_the_basis_of_the_verdict_in_one_line(sample: Sample) -> None:
    assert sentences(built(sample("flights"), "verdict"), "quiet") == [
        "Log loss in nats · 6 models · 82,609 rows · 92 clusters of day · 2 classes · paired by row id. "
        "Probabilities are used as they are: one of 0 costs infinity. "
        "± is the standard error, clustered by day; intervals are at 95 %."
    ]
    assert sentences(built(sample("token_losses"), "verdict"), "quiet") == [
        "Log loss in nats · 2 models · 82,609 rows · paired by row id. "
        "Probabilities are used as they are: one of 0 costs infinity. "
        "± is the standard error; intervals are at 95 %."
    ]


def test_models_paired_by_units_have_no_number_of_rows_in_common(sample: Sample) -> None:
    (basis,) = sentences(built(record(sample("flights"), pairing="unit"), "verdict"), "quiet")
    assert basis.startswith("Log loss in nats · 6 models · 92 clusters of day · 2 classes · paired by unit. ")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"renormalised": True}, "costs infinity. Rows were renormalised to sum to 1, as asked. ± is"),
        ({"floor": 1e-7}, "Probabilities are clipped to [1e-07, 1 − 1e-07], as asked. ±"),
        ({"unit": "bits per byte", "loss_title": "Token loss"}, "Token loss in bits per byte · 6 models"),
    ],
    ids=lambda v: next(iter(v)) if isinstance(v, dict) else "",
)
def test_what_was_asked_for_is_said(sample: Sample, change: dict[str, object], expected: str) -> None:
    (basis,) = sentences(built(replace(sample("flights"), **change), "verdict"), "quiet")  # type: ignore[arg-type]
    assert expected in basis


def test_bytes_and_a_single_model_are_said(sample: Sample) -> None:
    (many,) = sentences(built(sample("many_classes"), "verdict"), "quiet")
    assert "8 models" in many and "61 classes · 1,000,000 bytes · paired by row id." in many
    (one,) = sentences(built(sample("single"), "verdict"), "quiet")
    assert "1 model · " in one and "paired" not in one


@pytest.mark.parametrize(("failed", "style"), [(True, "alarm"), (False, "list")])
def test_the_gate_stands_between_the_first_statement_and_the_others(
    sample: Sample, failed: bool, style: str
) -> None:
    results = sample("many_classes")
    assert results.gate is not None
    section = built(replace(results, gate=replace(results.gate, failed=failed)), "verdict")
    blocks = [(b.style, b.items) for b in section.blocks if isinstance(b, Sentences)][:-1]
    gate = (style, (results.gate.sentence,))
    assert blocks == [("lead", results.statements[:1]), gate, ("list", results.statements[1:])]


def test_a_verdict_without_statements_still_says_what_it_rests_on(sample: Sample) -> None:
    section = built(replace(sample("flights"), statements=()), "verdict")
    assert [b.style for b in section.blocks if isinstance(b, Sentences)] == ["quiet"]


# Levels.


@pytest.mark.parametrize(
    ("level", "words"), [(0.5, "50 %"), (0.95, "95 %"), (0.995, "99.5 %"), (0.9999, "99.99 %")]
)
def test_a_level_is_never_rounded(sample: Sample, level: float, words: str) -> None:
    """99.9 is not 100: no interval holds everything."""
    results = at_level(sample("flights"), level)
    found = compared(results).confidence_set
    assert found is not None
    results = at_level(
        replace(
            results, comparison=replace(compared(results), confidence_set=replace(found, alpha=1 - level))
        ),
        level,
    )
    assert f"intervals are at {words}." in sentences(built(results, "verdict"), "quiet")[0]
    titles = [c.title for s in build(results) for b in s.blocks if isinstance(b, Table) for c in b.columns]
    assert f"{words} interval" in titles and f"at {words}" in titles
    charts = [b.title for s in build(results) for b in s.blocks if isinstance(b, IntervalChart)]
    assert len(charts) == 4 and all(title.endswith(f"{words} interval") for title in charts)
    assert sentences(built(results, "confidence-set"), "list")[0].startswith(f"With {words} confidence")


def test_intervals_are_drawn_at_the_level(sample: Sample) -> None:
    narrow, wide = (at_level(sample("flights"), level) for level in (0.5, 0.99))
    for anchor in ("leaderboard", "differences", "classes", "groups"):
        (a,), (b,) = (only(built(r, anchor), IntervalChart) for r in (narrow, wide))
        assert isinstance(a, IntervalChart) and isinstance(b, IntervalChart)
        assert a.numbers_shown and b.numbers_shown
        for p, q in zip(a.points, b.points, strict=True):
            if p.ends is not None and q.ends is not None:
                assert q.ends[0] < p.ends[0] < p.value < p.ends[1] < q.ends[1]
            else:
                assert p.ends is q.ends is None and math.isinf(p.value)


def test_a_single_model_has_intervals_at_95_percent(sample: Sample) -> None:
    results = sample("single")
    table = next(b for b in built(results, "leaderboard").blocks if isinstance(b, Table))
    assert table.columns[3].title == "95 % interval"
    ends = results.models[0].loss.interval(0.95)
    assert ends is not None and table.rows[0][3].text == f"{ends[0]:.3f} to {ends[1]:.3f}"


# Charts.


def test_charts_of_the_flights(sample: Sample) -> None:
    results = sample("flights")
    (losses,) = only(built(results, "leaderboard"), IntervalChart)
    (against,) = only(built(results, "differences"), IntervalChart)
    assert isinstance(losses, IntervalChart) and isinstance(against, IntervalChart)
    assert losses.reference is None and against.reference == 0.0
    assert (losses.axis, against.axis) == ("nats", "difference in nats")
    assert [p.label for p in losses.points] == [m.name for m in results.models]
    assert [p.remark for p in losses.points] == ["", "", "", "", "830 labels at 0", "34 labels at 0"]
    assert [p.label for p in against.points] == [m.name for m in results.models[1:]]
    assert [p.model for p in against.points] == [1, 2, 3, 4, 5]
    assert against.points[-1].value == INF and against.points[-1].remark == "34 labels at 0"
    assert "minus that of logistic" in against.title


def test_parts_are_drawn_from_the_worst_and_undefined_ones_last(sample: Sample) -> None:
    results = sample("flights")
    first = results.models[0]
    values = {"a": 0.2, "b": NAN, "c": INF, "d": 0.2, "e": 0.9}
    slices = tuple(
        replace(first.classes[0], value=k, loss=Estimate(v, None, 5), n_infinite=int(v == INF))
        for k, v in values.items()
    )
    changed = replace(results, models=(replace(first, classes=slices), *results.models[1:]))
    (chart,) = only(built(changed, "classes"), IntervalChart)
    assert isinstance(chart, IntervalChart)
    assert "".join(p.label for p in chart.points) == "ceadb"
    assert chart.points[0].remark == "1 label at 0"
    assert chart.reference == first.loss.value
    assert chart.title == "logistic: Log loss by class, 95 % interval"


def test_the_mean_is_no_reference_where_it_is_infinite(sample: Sample) -> None:
    results = sample("all_infinite")
    for anchor in ("classes", "groups"):
        (chart,) = only(built(results, anchor), IntervalChart)
        assert isinstance(chart, IntervalChart) and chart.reference is None


@pytest.mark.parametrize(("rows", "folded"), [(12, False), (13, True)])
def test_long_tables_are_folded(sample: Sample, rows: int, folded: bool) -> None:
    results = sample("flights")
    model = results.models[0]
    slices = tuple(replace(model.classes[0], value=f"v{i}") for i in range(rows))
    source = replace(results.data.sources[0], files=(FileRecord("f", 1, None, "d"),) * rows)
    names = tuple(s.value for s in slices)
    changed = replace(
        results,
        models=(replace(model, classes=slices, groups=(("g", slices),)),),
        data=replace(results.data, sources=(source,), classes=names, class_rows=(1,) * rows),
    )
    captions = {"Log loss by class", "Log loss by g", "Files", "Classes"}
    found = {b.caption: b.folded for s in build(changed) for b in s.blocks if isinstance(b, Table)}
    assert {c: found[c] for c in captions} == dict.fromkeys(captions, folded)


def test_a_part_that_one_model_lacks_is_left_open(sample: Sample) -> None:
    results = sample("flights")
    first, second, *_ = results.models
    lacking = replace(first, groups=(("origin", first.groups[0][1][:1]),))
    changed = replace(results, models=(lacking, second))
    table = next(b for b in built(changed, "groups").blocks if isinstance(b, Table))
    assert [[c.text for c in row[:3]] for row in table.rows] == [
        ["EWR", "29,000", "0.5200 ± 0.0035"],
        ["JFK", "27,000", "–"],
        ["LGA", "26,609", "–"],
    ]


def test_tails_name_the_share_and_leave_out_what_is_undefined(sample: Sample) -> None:
    results = sample("flights")
    undefined = Tails((("worst 10 rows", 10, NAN), ("worst 1 %", 826, INF)), ())
    changed = replace(results, models=(replace(results.models[0], tails=undefined), *results.models[1:]))
    section = built(changed, "tails")
    (bars,) = only(section, BarChart)
    assert isinstance(bars, BarChart) and bars.numbers_shown
    assert bars.title == "Share of the loss held by the worst 1 % of the rows"
    assert [(label, model) for label, _, model in bars.bars] == [
        (m.name, i) for i, m in enumerate(results.models) if i > 0
    ]
    table = next(b for b in section.blocks if isinstance(b, Table))
    assert [c.text for c in table.rows[0][1:]] == ["–", "∞ %", "–"]
    assert [c.full for c in table.rows[1][1:]] == ["10 rows", "826 rows", "1 row"]
    histograms = [b for b in section.blocks if isinstance(b, HistogramChart)]
    assert [(h.title, h.model, h.infinite) for h in histograms] == [
        (m.name, i, m.n_infinite) for i, m in enumerate(results.models) if i > 0
    ]


def test_without_the_usual_share_the_last_one_is_drawn(sample: Sample) -> None:
    results = sample("flights")
    model = replace(results.models[0], tails=Tails((("worst 1 row", 1, 0.5), ("worst 3 rows", 3, 1.0)), ()))
    (bars,) = only(built(replace(results, models=(model,)), "tails"), BarChart)
    assert isinstance(bars, BarChart)
    assert bars.title == "Share of the loss held by the worst 3 rows" and bars.bars[0][1] == 1.0


@pytest.mark.parametrize(("events", "drawn"), [(1, 1), (2, 2), (3, 1)])
def test_two_events_are_drawn_and_of_more_the_first(sample: Sample, events: int, drawn: int) -> None:
    results = sample("many_classes")
    models = tuple(replace(m, calibration=m.calibration[:events]) for m in results.models)
    section = built(replace(results, models=models), "calibration")
    diagrams = [b for b in section.blocks if isinstance(b, ReliabilityChart)]
    assert len(diagrams) == drawn * len(models)
    assert [d.model for d in diagrams] == list(range(len(models))) * drawn
    said = sentences(section, "quiet")
    assert said == (["Diagrams are drawn for top label; the table has every event."] if events == 3 else [])
    first = models[0].calibration[0]
    assert diagrams[0].bins == first.bins
    assert diagrams[0].title == ("model-a: top label" if events == 2 else "model-a")
    assert (diagrams[0].axis, diagrams[0].remark) == ("probability of top label", "ECE 0.020, expected 0.004")


# The confidence set.


def test_a_member_exactly_at_alpha_stays(sample: Sample) -> None:
    results = sample("flights")
    found = ConfidenceSet(
        0.1, "max", (("prior", 0.0999), ("gbdt", 0.1), ("logistic", 1.0)), ("logistic", "gbdt"), 10, 3
    )
    section = built(
        replace(results, comparison=replace(compared(results), confidence_set=found)), "confidence-set"
    )
    table = next(b for b in section.blocks if isinstance(b, Table))
    assert [(a.text, p.exact, s) for a, p, s in table.rows] == [
        ("prior", 0.0999, Cell("ruled out", tone="bad")),
        ("gbdt", 0.1, Cell("stays")),
        ("logistic", 1.0, Cell("stays")),
    ]
    assert sentences(section, "list") == ["With 90 % confidence the best is among 2 models: logistic, gbdt."]
    assert sentences(section, "quiet") == [
        "Hansen, Lunde and Nason (2011), maximum statistic T_max, 10 draws, seed 3.",
        "Not in the procedure, as their loss is infinite: naive_bayes, knn15, random_forest.",
    ]


def test_nothing_is_said_of_models_left_out_where_there_are_none(sample: Sample) -> None:
    said = sentences(built(sample("many_classes"), "confidence-set"), "quiet")
    assert said == ["Hansen, Lunde and Nason (2011), range statistic T_R, 10,000 draws, seed 0."]


# Data and notes.


def record(results: Results, **changes: object) -> Results:
    data: DataRecord = replace(results.data, **changes)  # type: ignore[arg-type]
    return replace(results, data=data)


def test_facts_in_their_order(sample: Sample) -> None:
    results = record(sample("many_classes"), unit_column="doc", where=(("split", "test"), ("year", "2013")))
    assert facts(results) == [
        ("rows", "82,609"),
        ("paired by", "row id"),
        ("label column", "label"),
        ("row id", "row_id"),
        ("weight", "w, summing to 1,234"),
        ("cluster", "day, 92 clusters"),
        ("groups", "script, length"),
        ("unit", "doc"),
        ("bytes", "bytes, 1,000,000 in all"),
        ("only rows where", "split = test"),
        ("only rows where", "year = 2013"),
        ("left out, as asked", "rows where label = unclear"),
        ("left out, as asked", "3 rows of model-a"),
    ]


def test_facts_that_are_not_there_are_not_listed(sample: Sample) -> None:
    nothing = {"group_columns": (), "where": (), "where_not": (), "dropped": ()}
    bare = record(sample("token_losses"), **nothing, rows=1, pairing="position")
    assert facts(bare) == [("rows", "1"), ("paired by", "position"), ("label column", "label")]


def test_sources_and_files(sample: Sample) -> None:
    results = sample("flights")
    first, second, *_ = results.data.sources
    changed = record(
        results,
        sources=(replace(first, ignored_columns=()), replace(second, files=())),
        class_rows=(0, 0),
    )
    tables = {b.caption: b for b in built(changed, "data").blocks if isinstance(b, Table)}
    understood = [[c.text for c in row] for row in tables["What was understood"].rows]
    assert understood[0] == ["logistic", "probs", "columns p_late, p_ontime", "float64", "none"]
    assert understood[1][-1] == "carrier, origin"
    (file,) = tables["Files"].rows
    assert [c.text for c in file] == ["logistic", "logistic.parquet", "1.5 MB", "82,609", "sha256:29065"]
    assert file[-1].full == first.files[0].digest and len(file[-1].full) > 64
    assert [c.text for row in tables["Classes"].rows for c in row] == ["late", "0", "–", "ontime", "0", "–"]
    computed = tables["How it was computed"].rows
    assert [(a.text, b.text) for a, b in computed] == list(results.provenance)
    assert {"Files", "How it was computed"} & {
        b.caption
        for b in built(replace(record(results, sources=(second,)), provenance=()), "data").blocks
        if isinstance(b, Table)
    } == {"Files"}


def test_notes_end_with_their_slugs(sample: Sample) -> None:
    results = sample("flights")
    said = sentences(built(results, "notes"), "list")
    assert said == [f"{n.text} [{n.slug}]" for n in results.notes] and len(said) == 2


def test_a_score_without_unit_is_not_in_one(sample: Callable[[str], Results]) -> None:
    score = replace(sample("flights"), loss="brier", loss_title="Brier score", unit="1")
    axes = [b.axis for s in build(score) for b in s.blocks if isinstance(b, IntervalChart)]
    assert "Brier score" in axes and "difference" in axes
    verdict = next(s for s in build(score) if s.anchor == "verdict").blocks[-1]
    assert isinstance(verdict, Sentences)
    assert " in 1" not in render_markdown(score) and "infinity" not in verdict.items[0]
