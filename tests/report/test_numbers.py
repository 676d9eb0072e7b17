"""Reports on predictions about numbers: what is shown of each kind, and what of classes is not."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import jsonschema
import numpy as np
import pytest
from rich.console import Console

from crossent import Report, evaluate, select
from crossent.report import render_html, render_markdown, render_text, to_document
from crossent.report.blocks import HistogramChart, ReliabilityChart, Table, numbers_of
from crossent.report.charts import describe, svg
from crossent.report.registry import build
from crossent.report.schema import json_schema
from crossent.results import Results
from crossent.wording import plain

ROWS = 120
RNG = np.random.default_rng(4)
Y = RNG.normal(20.0, 5.0, ROWS)
COMMON = {"row_id": np.arange(ROWS), "label": Y, "day": np.arange(ROWS) // 10, "w": np.ones(ROWS)}
MEAN = Y + RNG.normal(size=ROWS)
DRAWS = MEAN[:, None] + RNG.normal(size=(ROWS, 9))
ZERO_STD = np.where(np.arange(ROWS) == 7, 0.0, 1.0)
TABLES: dict[str, dict[str, Any]] = {
    "gaussian": {**COMMON, "mean": MEAN, "std": np.full(ROWS, 1.0)},
    "certain": {**COMMON, "mean": MEAN + 0.1, "std": ZERO_STD},
    "quantile": {**COMMON, "q_0.1": MEAN - 1.3, "q_0.5": MEAN, "q_0.9": MEAN + 1.3},
    "samples": {**COMMON, "samples": DRAWS},
    "point": {**COMMON, "point": MEAN + 0.2},
}
CLASS_WORDS = ("perplexity", "probability of the label", "labels at 1", "row sums", "skill", "Accuracy")


def report(*names: str, **options: Any) -> Report:
    return select({name: TABLES[name] for name in names}, **options)


def sections(results: Results) -> dict[str, Any]:
    return {section.anchor: section for section in build(results)}


def tables(results: Results) -> dict[str, Table]:
    return {b.caption: b for s in build(results) for b in s.blocks if isinstance(b, Table)}


def row(table: Table, key: str) -> dict[str, str]:
    """A row by the text of its first key cell that matches, as texts by column title."""
    found = next(r for r in table.rows if key in [c.text for c in r])
    return {c.title: cell.text for c, cell in zip(table.columns, found, strict=True)}


def text_of(results: Results, width: int = 120, encoding: str = "utf-8") -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    render_text(results, Console(file=stream, width=width, legacy_windows=False), full=True)
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


SELECTED = {
    "one gaussian": (("gaussian",), {}),
    "two gaussians": (("gaussian", "certain"), {"cluster": "day", "groups": "day"}),
    "quantiles": (("quantile",), {}),
    "samples": (("samples",), {"weight": "w"}),
    "point": (("point",), {}),
    "by CRPS": (("gaussian", "samples", "point"), {"loss": "crps"}),
    "by pinball": (("gaussian", "quantile"), {"loss": "pinball"}),
    "by squared error": (("gaussian", "samples", "point"), {"loss": "squared_error", "unit": "day"}),
}
each = pytest.mark.parametrize(("names", "options"), SELECTED.values(), ids=SELECTED.keys())


@each
def test_every_form_of_output(names: tuple[str, ...], options: dict[str, Any]) -> None:
    """All render, all name the models, none speaks of classes; the document follows its schema."""
    results = report(*names, **options).results
    document = json.loads(json.dumps(to_document(results), allow_nan=False))
    jsonschema.validate(document, json_schema())
    forms = [text_of(results), render_markdown(results), render_html(results)]
    for form in forms:
        for name in names:
            assert name in form
        assert not [word for word in CLASS_WORDS if word in form]
    assert all(ord(c) < 128 for c in text_of(results, encoding="ascii"))
    for width in (40, 79, 200):
        assert max(len(line) for line in text_of(results, width).splitlines()) <= width


@each
def test_sections(names: tuple[str, ...], options: dict[str, Any]) -> None:
    found = sections(report(*names, **options).results)
    assert "floors" not in found and "classes" not in found
    assert "calibration" in found
    assert ("predictions" in found) == (names != ("point",))


def test_leaderboard_of_gaussians() -> None:
    result = report("gaussian", "certain").results
    board = row(tables(result)["Models, lowest loss first"], "gaussian")
    model = result.model("gaussian")
    assert board["CRPS"] == plain(dict(model.companions)["crps"].value)
    assert board["RMSE"] == plain(model.numbers.rmse.value)
    assert board["In 90 % interval"] == f"{100 * dict(model.numbers.coverage)[0.9].value:.1f} %"
    certain = row(tables(result)["Models, lowest loss first"], "certain")
    assert certain["log loss (Gaussian density) ± SE"] == "∞ (1 label at 0)"
    counted = row(tables(result)["The predictions, counted"], "certain")
    assert (counted["standard deviations"], counted["of 0"]) == ("0.0 to 1.000", "1")


def test_companions_that_only_some_models_have_are_not_compared() -> None:
    board = tables(report("gaussian", "samples", loss="crps").results)["Models, lowest loss first"]
    assert "CRPS, fair" not in [c.title for c in board.columns]
    alone = tables(report("samples").results)["Loss of the model"]
    assert "CRPS, fair" in [c.title for c in alone.columns]


def test_scales() -> None:
    """Bits of a density; nothing where there is no other scale."""
    assert [c.title for c in tables(report("gaussian").results)["The same on other scales"].columns][1:] == [
        "bits",
        "SE, rows independent",
    ]
    assert "The same on other scales" not in tables(report("point").results)
    assert "The same on other scales" in tables(report("point", cluster="day").results)


@pytest.mark.parametrize(
    ("name", "begins"), [("gaussian", "mean "), ("quantile", "q_0.1 "), ("samples", "9 s")]
)
def test_worst_rows(name: str, begins: str) -> None:
    result = report(name).results
    model, worst = result.models[0], tables(result)[f"Worst rows of {name}"]
    assert [c.title for c in worst.columns] == ["row", "label", "loss", "predicted"]
    shown = row(worst, model.worst[0].row)
    assert shown["label"] == f"{Y[int(model.worst[0].row)]:.10g}"
    assert shown["predicted"].startswith(begins)


def test_densities_have_no_shares() -> None:
    """Where the zero of a loss depends on a unit, no share of it means anything."""
    assert "Share of the total loss" not in tables(report("gaussian").results)
    assert "Share of the total loss" in tables(report("gaussian", loss="crps").results)


def test_histograms_of_the_transform() -> None:
    result = report("gaussian", "certain").results
    charts = [b for b in sections(result)["calibration"].blocks if isinstance(b, HistogramChart)]
    assert [c.title for c in charts] == [m.name for m in result.models]
    chart = charts[0]
    low, middle, high = chart.expected or (0.0, 0.0, 0.0)
    assert middle == pytest.approx(ROWS / 20)
    assert (high - middle) == pytest.approx(1.96 * math.sqrt(ROWS * 0.05 * 0.95), rel=1e-3)
    assert low == pytest.approx(max(0.0, 2 * middle - high), abs=1e-12)
    assert (len(numbers_of(chart).rows), sum(n for _, _, n in chart.bins)) == (20, ROWS)
    drawing = svg(chart, 268)
    assert drawing.count("<path") >= 20 and "probability integral transform" in describe(chart)
    weighted = report("gaussian", weight="w").results
    chart = next(b for b in sections(weighted)["calibration"].blocks if isinstance(b, HistogramChart))
    assert chart.expected == (middle, middle, middle), "what weights scatter is not known"


def test_quantiles() -> None:
    result = report("quantile").results
    blocks = sections(result)["calibration"].blocks
    (chart,) = [b for b in blocks if isinstance(b, ReliabilityChart)]
    below = [float((TABLES["quantile"][f"q_{x}"] >= Y).mean()) for x in (0.1, 0.5, 0.9)]
    assert [(b.confidence, b.frequency) for b in chart.bins] == [
        (level, pytest.approx(share)) for level, share in zip((0.1, 0.5, 0.9), below, strict=True)
    ]
    assert all(b.band[0] < b.confidence < b.band[1] for b in chart.bins)
    levels = tables(result)["Quantiles of quantile"]
    assert [r[0].text for r in levels.rows] == ["0.1", "0.5", "0.9"]
    assert "bin" not in text_of(result).split(), "the table says it all"


def test_mean_error_of_points() -> None:
    result = report("point").results
    section = sections(result)["calibration"]
    shown = row(tables(result)["Mean error"], "point")
    assert shown["bias ± SE"].startswith("+0.") or shown["bias ± SE"].startswith("−0.")
    assert "intervals" not in section.lead


STATEMENTS = {
    "gaussian": "gaussian has a log loss (Gaussian density) of",
    "quantile": "quantile has a pinball loss of",
    "samples": "samples has a CRPS of",
    "point": "point has a squared error of",
}


@pytest.mark.parametrize(("name", "sentence"), STATEMENTS.items(), ids=STATEMENTS)
def test_statements(name: str, sentence: str) -> None:
    first, *others = evaluate(TABLES[name], name=name).statements
    assert first.startswith(sentence)
    assert ("nats" in first) == (name == "gaussian")
    assert "label's unit" not in first
    held = [s for s in others if "intervals hold" in s]
    assert len(held) == (2 if name in ("gaussian", "samples") else 0)


def test_an_infinite_density_loss_is_explained() -> None:
    (sentence, *_) = evaluate(TABLES["certain"], name="certain").statements
    assert "gave 1 label density 0" in sentence and "standard deviation of 0" in sentence


def test_units_in_words() -> None:
    assert report("point").results.in_unit == " in the square of the label's unit"
    assert report("samples").results.in_unit == " in the label's unit"
    assert report("gaussian").results.in_unit == " in nats"


def test_notes_say_what_numbers_depend_on() -> None:
    slugs = {n.slug for n in report("gaussian", "certain").results.notes}
    assert {"density-unit", "std-zero"} <= slugs
    compared = report("gaussian", "samples", loss="crps").results
    note = next(n for n in compared.notes if n.slug == "crps-of-samples")
    assert "9 samples a row" in note.text
    fair = dict(compared.model("samples").companions)["crps_fair"]
    assert f"{fair.value:.2f}"[:4] in note.text
    assert "crps-of-samples" not in {n.slug for n in report("samples").results.notes}
    equal = {**COMMON, "samples": np.repeat(MEAN[:, None], 3, axis=1)}
    assert "equal-samples" in {n.slug for n in evaluate(equal).results.notes}


def test_the_gate_is_told_once() -> None:
    result = report("gaussian", "point", loss="crps", baseline="point").results
    assert result.gate is not None
    told = [s for b in sections(result)["verdict"].blocks for s in getattr(b, "items", ())]
    assert told.count(result.gate.sentence) == 1
