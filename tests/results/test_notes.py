"""Every note: when it is given, when it is not, and what it says."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from crossent import evaluate, losses, select
from crossent.notes import notes_on
from crossent.results import Results

from .records import model, results

A, B = model("a", 0.5), model("b", 0.6)
DOCUMENTED = (Path(__file__).parents[2] / "docs" / "messages.md").read_text(encoding="utf-8")


def notes(given: Results, empty_rows: dict[str, int] | None = None) -> list[tuple[str, str]]:
    """(slug, text) of the notes; `empty_rows` are rows that sum to 0, by model."""
    empty = empty_rows or {}

    def accumulated(name: str, what: str) -> Any:
        assert what == "quality"
        return SimpleNamespace(counts={"rows_without_sum": empty[name]} if name in empty else {})

    evaluation: Any = SimpleNamespace(accumulated=accumulated, spec=SimpleNamespace(density=False))
    return [(note.slug, note.text) for note in notes_on(given, evaluation)]


NOTES: dict[str, tuple[Results, list[tuple[str, str]]]] = {
    "nothing to say": (results(A, B), []),
    "by position": (
        results(A, B, data={"pairing": "position"}),
        [
            (
                "paired-by-position",
                "The files have no row id: rows were paired by position, after checking that all have the "
                "same labels in the same order.",
            )
        ],
    ),
    **{
        f"paired as {pairing}": (results(A, B, data={"pairing": pairing}), [])
        for pairing in ("row id", "same row", "unit", "single")
    },
    "rows left out": (
        results(A, B, data={"dropped": (("a", 12345), ("b", 0), ("c", 2))}),
        [
            (
                "rows-left-out",
                "12,345 rows of a left out, not being in every file (on-missing=intersect).",
            ),
            (
                "rows-left-out",
                "2 rows of c left out, not being in every file (on-missing=intersect).",
            ),
        ],
    ),
    "one row left out": (
        results(A, data={"dropped": (("a", 1),)}),
        [
            (
                "rows-left-out",
                "1 row of a left out, not being in every file (on-missing=intersect).",
            )
        ],
    ),
    "29 clusters": (
        results(A, data={"clusters": 29, "rows": 29}),
        [
            (
                "few-clusters",
                "Only 29 clusters: with fewer than about 30, clustered standard errors are too "
                "small on average.",
            )
        ],
    ),
    "30 clusters": (results(A, data={"clusters": 30, "rows": 30}), []),
    "one cluster": (
        results(A, data={"clusters": 1}),
        [
            (
                "few-clusters",
                "Only 1 cluster: with fewer than about 30, clustered standard errors are too small "
                "on average.",
            )
        ],
    ),
    "99 rows": (
        results(A, data={"rows": 99}),
        [
            (
                "few-rows",
                "Only 99 rows: intervals and p-values rest on a normal approximation.",
            )
        ],
    ),
    "100 rows": (results(A, data={"rows": 100}), []),
    "one row": (
        results(A, data={"rows": 1}),
        [("few-rows", "Only 1 row: intervals and p-values rest on a normal approximation.")],
    ),
    "one class of two": (
        results(A, data={"classes": ("x", "y"), "class_rows": (0, 1200)}),
        [
            (
                "one-class",
                "All labels are the same: the base rate has no loss, and skill is undefined.",
            )
        ],
    ),
    "two classes of three": (results(A, data={"classes": ("x", "y", "z"), "class_rows": (1, 0, 1199)}), []),
    "sums": (
        results(
            A,
            model("b", 0.6, rows_off_1e6=1234, rows_off_1e3=5, row_sum_min=0.98, row_sum_max=1.0000151),
        ),
        [
            (
                "row-sums",
                "In 1,234 rows of b the probabilities miss the sum 1 by more than 1e-6 (5 by more than 1e-3; "
                "sums from 0.98 to 1.00002): they were used as they are.",
            )
        ],
    ),
    "sums, renormalised": (results(model("a", 0.6, rows_off_1e6=3), renormalised=True), []),
    "above one": (
        results(model("a", -0.6, entries_above_one=3)),
        [
            (
                "outside-unit-interval",
                "a gave 0 probabilities below 0 and 3 above 1, within the tolerance: they were used as they "
                "are, and a loss can be below 0.",
            )
        ],
    ),
    "below zero": (
        results(model("a", 0.6, entries_below_zero=1)),
        [
            (
                "outside-unit-interval",
                "a gave 1 probability below 0 and 0 above 1, within the tolerance: they were used as they "
                "are, and a loss can be below 0.",
            )
        ],
    ),
    "unknown labels": (
        results(model("a", 0.6, unknown_labels=2000), model("b", 0.7, unknown_labels=1)),
        [
            (
                "unknown-labels",
                f"{said} without a class of {name}: as chosen, that counts as given probability 0.",
            )
            for name, said in (("a", "2,000 labels"), ("b", "1 label"))
        ],
    ),
    "a loss for training as the headline": (
        results(A, B, loss="focal"),
        [
            (
                "not-strictly-proper",
                "Focal loss is not proper: ranking by it does not reward true probabilities. "
                + losses.get("focal").calibration,
            )
        ],
    ),
    "decisions as the headline": (
        results(A, B, loss="zero_one"),
        [
            (
                "not-strictly-proper",
                "Zero-one loss is proper, but not strictly: other probabilities do as well by it as the "
                "true ones.",
            )
        ],
    ),
    **{f"headline {loss}": (results(A, B, loss=loss), []) for loss in ("brier", "ranked_probability_score")},
    "mass that is not shown": (
        results(model("a", 0.6, unseen_mean=0.1234, unseen_max=0.98765), model("b", 0.7)),
        [
            (
                "unseen-mass",
                "Of the probability of each token, a does not show 12.3 % on average and 98.8 % at most: it "
                "belongs to tokens that were not among the likeliest. The loss needs only the token that "
                "came, so it is exact.",
            )
        ],
    ),
}


@pytest.mark.parametrize(("given", "expected"), NOTES.values(), ids=NOTES.keys())
def test_notes(given: Results, expected: list[tuple[str, str]]) -> None:
    assert notes(given) == expected


def test_rows_without_a_sum() -> None:
    assert notes(results(A, B), {"b": 2, "a": 0}) == [
        (
            "rows-without-sum",
            "In 2 rows of b the probabilities sum to 0 and cannot be renormalised: the label has "
            "probability 0.",
        )
    ]


def test_all_at_once_in_a_fixed_order() -> None:
    """First what holds of the rows, then model after model."""
    bad = {"rows_off_1e6": 1, "entries_above_one": 1, "unknown_labels": 1}
    data = {"pairing": "position", "dropped": (("a", 1),), "rows": 9, "class_rows": (9, 0)}
    slugs = [
        s
        for s, _ in notes(
            results(model("a", 0.5, **bad), model("b", 0.5, **bad), data=data), {"a": 1, "b": 1}
        )
    ]
    of_model = ["row-sums", "outside-unit-interval", "unknown-labels", "rows-without-sum"]
    assert slugs == ["paired-by-position", "rows-left-out", "few-rows", "one-class", *of_model, *of_model]
    for slug in slugs:
        assert f"### {slug}\n" in DOCUMENTED


def test_clusters_speak_for_few_rows() -> None:
    data = {"rows": 50, "clusters": 40, "class_rows": None}
    assert notes(results(A, data=data)) == []


# --- from real data -----------------------------------------------------------------------------------------


def table(rows: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.1, 0.9, rows)
    return {
        "label": ["a", "b"] * (rows // 2),
        "p_a": p,
        "p_b": 1 - p,
        "day": [f"d{i % 31}" for i in range(rows)],
    }


def slugs(report: Any) -> list[str]:
    return [note.slug for note in report.results.notes]


def test_pairing_decides_the_note() -> None:
    ids = {"row_id": list(range(100))}
    one, two = table(100), table(100, 1)
    assert slugs(select({"one": one, "two": two})) == ["paired-by-position"]
    assert slugs(select({"one": one | ids, "two": two | ids})) == []
    assert slugs(evaluate(one)) == []
    wide = {"label": one["label"], "m": one["p_a"], "k": two["p_a"]}
    assert slugs(select({"wide": wide}, columns=["m", "k"], positive="a")) == []


def test_clusters_of_weight_zero_do_not_count() -> None:
    one = table(124) | {"w": [float(i % 31 > 1) for i in range(124)]}
    assert slugs(evaluate(one, cluster="day")) == []
    report = evaluate(one, cluster="day", weight="w")
    assert slugs(report) == ["few-clusters"]
    assert "Only 29 clusters" in report.results.notes[0].text


def test_rows_off_are_used_or_renormalised() -> None:
    one = table(100)
    one["p_b"] = one["p_b"] * np.where(np.arange(100) < 3, 0.0, 1.0)
    one["p_a"] = one["p_a"] * np.where(np.arange(100) < 1, 0.0, 1.0)
    assert slugs(evaluate(one)) == ["row-sums"]
    report = evaluate(one, renormalise=True)
    assert slugs(report) == ["rows-without-sum"]
    assert report.results.notes[0].text.startswith("In 1 row of model the probabilities sum to 0 ")
