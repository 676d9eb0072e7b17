"""Floors and sums in one pass: the same losses, errors and verdicts as when they are asked for."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from crossent import Evaluation, merge, read, select
from crossent.report.registry import build
from crossent.results import Results

ROWS = 400
EXACT = (None, False)


def tables(rng: np.random.Generator, kind: str = "probs") -> dict[str, pa.Table]:
    """Three models: one with rows that sum to 0.5 to 0.999, a sure one, and one that is neither."""
    label = rng.integers(0, 3, ROWS)
    p = {name: rng.dirichlet([1.0, 1.0, 1.0], ROWS) for name in ("short", "sure", "calm")}
    for name, skill in (("short", 0.6), ("sure", 0.7), ("calm", 0.5)):
        p[name] = skill * np.eye(3)[label] + (1 - skill) * p[name]
    p["short"][::2] *= rng.uniform(0.5, 0.999, (ROWS // 2, 1))
    p["sure"][::9] = np.eye(3)[(label[::9] + 1) % 3] * (1 - 3e-9) + 1e-9
    facts = {"label": label, "row_id": np.arange(ROWS), "day": np.arange(ROWS) % 23}
    facts["w"] = rng.choice([0.0, 0.5, 1.0, 2.0], ROWS)
    prefix = {"probs": "p_", "log_probs": "lp_"}[kind]
    values = {name: np.log(v) if kind == "log_probs" else v for name, v in p.items()}
    return {n: pa.table(facts | {f"{prefix}{k}": v[:, k] for k in range(3)}) for n, v in values.items()}


OPTIONS: list[dict[str, Any]] = [{}, {"weight": "w"}, {"cluster": "day"}, {"cluster": "day", "weight": "w"}]
FLOORS = {"1e-15": 1e-15, "eps64": 2.0**-52, "1e-7": 1e-7, "eps32": 2.0**-23}


@pytest.mark.parametrize("kind", ["probs", "log_probs"])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(o) or "plain")
def test_they_are_what_asking_for_them_gives(kind: str, options: dict[str, Any]) -> None:
    models = tables(np.random.default_rng(4), kind)
    found = select(models, **options).results
    assert found.comparison is not None
    given = {(t.floor, t.renormalised): t for t in found.comparison.treatments}
    assert set(given) == {(f, r) for f in (None, "1e-7", "eps32") for r in (False, True)}
    for (floor, renormalised), treatment in given.items():
        asked = select(models, floor=FLOORS.get(floor or ""), renormalise=renormalised, **options).results
        assert [name for name, _ in treatment.losses] == [m.name for m in asked.models]
        for (_, loss), model in zip(treatment.losses, asked.models, strict=True):
            assert loss.value == pytest.approx(model.loss.value, rel=1e-12)
            assert loss.se == pytest.approx(model.loss.se, rel=1e-9)
            assert loss.units == model.loss.units
        assert asked.comparison is not None
        expected = asked.comparison.differences if options.get("cluster") else ()
        assert [d.verdict for d in treatment.differences] == [d.verdict for d in expected]
        for mine, theirs in zip(treatment.differences, expected, strict=True):
            assert mine.difference.value == pytest.approx(theirs.difference.value, rel=1e-9)
            assert mine.p_holm == pytest.approx(theirs.p_holm, rel=1e-6)
    divided = found.model("short").renormalised
    assert divided is not None and found.model("calm").renormalised is None
    counted = np.ones(ROWS) if "weight" not in options else np.asarray(models["short"]["w"]) > 0
    assert divided.rows == counted[::2].sum()


def test_parts_add_up_and_files_without_these_sums_are_read() -> None:
    models = tables(np.random.default_rng(5))
    options: dict[str, Any] = {"cluster": "day"}
    whole = select(models, **options)
    parts = [
        select({n: t.slice(start, 200) for n, t in models.items()}, **options).evaluation
        for start in (0, 200)
    ]
    merged = merge(*parts)
    assert merged.evaluation.to_dict()["models"] == whole.evaluation.to_dict()["models"]
    assert merged.to_dict()["comparison"] == whole.to_dict()["comparison"]
    saved = json.loads(json.dumps(whole.evaluation.to_dict()))
    assert "renormalised" in saved["models"]["short"] and "renormalised" not in saved["models"]["calm"]
    older = json.loads(json.dumps(parts[0].to_dict()))
    del older["models"]["short"]["renormalised"]
    for evaluation in (Evaluation.from_dict(older), Evaluation.from_dict(older).merge(parts[1])):
        results = read(evaluation).results
        assert results.comparison is not None and results.model("short").renormalised is None
        assert not any(t.renormalised for t in results.comparison.treatments)


def said(models: dict[str, pa.Table], **options: Any) -> tuple[Results, list[str], set[str]]:
    results = select(models, **options).results
    sentences = [s for s in results.statements if "floor" in s or "sum" in s]
    return results, sentences, {note.slug for note in results.notes} & {"floor-decides", "sums-decide"}


def binary(p: np.ndarray, days: int = 20) -> pa.Table:
    """What a model gives to the label and to the other class, on rows of some days."""
    rows = np.arange(len(p))
    return pa.table(
        {"label": np.zeros(len(p), int), "row_id": rows, "day": rows % days, "p_0": p[:, 0], "p_1": p[:, 1]}
    )


def test_a_floor_that_decides_is_said() -> None:
    good = np.tile([0.9, 0.1], (200, 1))
    good[7] = [0.0, 1.0]
    models = {"bold": binary(good), "meek": binary(np.tile([0.8, 0.2], (200, 1)))}
    results, sentences, notes = said(models)
    assert sentences == [
        "The floor decides: as given meek is the best, but it would be bold at a floor of 1e-7 or eps32."
    ]
    assert notes == {"floor-decides"}
    assert "firmness" in {s.anchor for s in build(results)}
    none = {
        name: binary(np.where(np.arange(200)[:, None] == at, [0.0, 1.0], p))
        for name, at, p in (("a", 3, [0.9, 0.1]), ("b", 4, [0.8, 0.2]))
    }
    assert said(none)[1][0].startswith(
        "No model has a finite loss as given; the best would be a at a floor of"
    )


def test_sums_that_decide_are_said() -> None:
    short = np.tile([0.63, 0.07], (200, 1))
    models = {"short": binary(short), "whole": binary(np.tile([0.8, 0.2], (200, 1)))}
    _, sentences, notes = said(models)
    assert sentences == ["As given whole is the best; with rows divided by their sum it would be short."]
    assert notes == {"sums-decide"}
    assert said(models, renormalise=True)[2] == set()
    assert said({**models, "short": binary(short / 0.7)})[2] == set()


def test_ties_that_sums_decide_are_said() -> None:
    p, q = np.clip(0.8 + np.random.default_rng(6).normal(0, 0.05, (2, 400)), 0.5, 0.99)
    models = {"one": binary(np.column_stack([p, 1 - p])), "two": binary(0.9 * np.column_stack([q, 1 - q]))}
    _, sentences, notes = said(models, cluster="day")
    assert notes == {"sums-decide"}
    assert sentences == [
        "two cannot be told apart from one with rows divided by their sum, but can as given."
    ]


def test_where_nothing_depends_on_it_nothing_is_said() -> None:
    p = np.random.default_rng(7).uniform(0.6, 0.9, 300)
    models = {n: binary(np.column_stack([p + d, 1 - p - d])) for n, d in (("a", 0.0), ("b", 0.05))}
    results, sentences, notes = said(models)
    assert (sentences, notes) == ([], set())
    assert results.comparison is not None and results.comparison.treatments == ()
    assert math.isfinite(results.models[0].loss.value)


@pytest.mark.parametrize(("missing", "expected"), [(0.1, True), (0.0001, False)])
def test_sums_that_change_the_loss_of_the_best_by_more_than_its_error_are_said(missing, expected) -> None:
    p = np.random.default_rng(8).uniform(0.7, 0.95, 300)
    models = {
        "short": binary((1.0 - missing) * np.column_stack([p, 1 - p])),
        "meek": binary(np.tile([0.5, 0.5], (300, 1))),
    }
    results, sentences, notes = said(models)
    given = results.models[0].loss.value
    assert notes == set()
    assert len(sentences) == expected
    if expected:
        assert sentences[0].startswith("How row sums are treated matters: the log loss of short is ")
        assert f"{given:.4f}" in sentences[0] and f"{given + math.log(1 - missing):.4f}" in sentences[0]
