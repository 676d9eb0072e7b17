"""Chosen on some rows, reported on others: one command, the same digits as two, and no row in both."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from crossent import MergeError, UsageError, select
from crossent.api import merge, read
from crossent.data.conditions import conditions, exclude_each_other, in_two_parts

DIGITS = sorted((Path(__file__).parents[2] / "examples" / "digits").glob("*.parquet"))
SPLIT = {"select_where": "split=val", "where": "split=test"}


@pytest.fixture(scope="module")
def digits():
    return select(DIGITS, **SPLIT).results


def test_reports_the_other_rows_and_chooses_by_the_first(digits) -> None:
    val, test = (select(DIGITS, where=f"split={part}") for part in ("val", "test"))
    assert digits.models == test.results.models
    assert digits.chosen == val.chosen
    found = digits.held_out
    assert (found.rows, found.where, found.hindsight) == (300, "split=val", test.chosen)
    assert [row.model for row in found.losses] == [m.name for m in val.results.models]
    for row in found.losses:
        assert row.on_selection == val.results.model(row.model).loss
        assert row.on_report == test.results.model(row.model).loss
    changes = {row.model: row.on_report.value - row.on_selection.value for row in found.losses}
    assert found.change == changes.pop(digits.chosen)
    assert found.change_of_others == np.median([c for c in changes.values() if math.isfinite(c)])


def test_published_losses_of_both_splits(digits) -> None:
    """Case 2b: float64 losses computed with NumPy from the same files."""
    loss = {row.model: row for row in digits.held_out.losses}["logistic"]
    assert loss.on_selection.value == pytest.approx(0.277443, abs=5e-7)
    assert loss.on_report.value == pytest.approx(0.407385, abs=5e-7)


def test_a_choice_that_hindsight_would_not_make_says_so() -> None:
    """Two models that change places between the halves."""
    label = ["a", "b"] * 40
    sure = np.where(np.arange(80) % 2 == 0, 0.9, 0.1)
    noise = np.where(np.arange(80) % 4 < 2, 0.02, -0.02)
    half = ["val"] * 40 + ["test"] * 40
    on_val = np.array([h == "val" for h in half])
    better, worse = sure, 0.5 + 0.5 * (sure - 0.5) + noise
    tables = {
        name: {"label": label, "split": half, "p_a": p, "p_b": 1 - p}
        for name, p in {
            "first": np.where(on_val, better, worse),
            "second": np.where(on_val, worse, better),
        }.items()
    }
    results = select(tables, select_where={"split": "val"}).results
    assert (results.chosen, results.held_out.hindsight) == ("first", "second")
    assert results.models[0].name == "second"
    regret = results.held_out.regret
    assert (regret.model, regret.reference, regret.verdict) == ("first", "second", "worse")
    assert any("the choice would have been second" in s for s in results.statements)
    assert results.statements[0].startswith("first was chosen on 40 rows (split=val)")


def test_saved_sums_of_both_parts_say_the_same(digits, tmp_path) -> None:
    for part in ("val", "test"):
        select(DIGITS, where=f"split={part}").evaluation.save(tmp_path / f"{part}.json")
    together = merge(tmp_path / "test.json", selected_on=tmp_path / "val.json").results
    assert (together.held_out, together.statements) == (digits.held_out, digits.statements)
    saved = select(DIGITS, **SPLIT).evaluation
    assert json.dumps(saved.to_dict()) == json.dumps(select(DIGITS, where="split=test").evaluation.to_dict())


def test_every_engine_and_checkpoints_agree(digits, tmp_path) -> None:
    kept = tmp_path / "kept"
    for resume in (False, True):
        again = select(DIGITS, **SPLIT, checkpoint=kept, resume=resume, fragment_rows=100).results
        assert again.held_out == digits.held_out
    assert (tmp_path / "kept-selection").is_dir()


@pytest.mark.parametrize(
    ("select_where", "where", "expected"),
    [
        ("split=val", (), ("split=val", "split!=val")),
        ("split!=test", (), ("split!=test", "split=test")),
        ("split=val", "split=test", ("split=val", "split=test")),
        ("split=val", ["label!=9", "split=test"], ("label!=9 split=val", "label!=9 split=test")),
        (["split=val", "region=eu"], "split=test", ("split=val region=eu", "split=test")),
    ],
)
def test_the_two_parts(select_where, where, expected) -> None:
    parts = in_two_parts(conditions(select_where), conditions(where))
    assert tuple(" ".join(map(str, part)) for part in parts) == expected
    assert exclude_each_other(*parts)


@pytest.mark.parametrize(
    ("select_where", "where"),
    [("split=val", "split!=test"), ("split=val", "split=val"), (["split=val", "region=eu"], ())],
)
def test_rows_in_both_parts_are_refused(select_where, where) -> None:
    with pytest.raises(UsageError, match="selection-overlaps"):
        select(DIGITS, select_where=select_where, where=where)


def test_wrong_use(digits) -> None:
    with pytest.raises(UsageError, match="selection-of-one"):
        select(DIGITS[:1], **SPLIT)
    test = select(DIGITS[:2], where="split=test").evaluation
    with pytest.raises(MergeError, match="merge-overlap"):
        read(test, selected_on=test)
    with pytest.raises(MergeError, match="merge-different"):
        read(test, selected_on=select(DIGITS[1:3], where="split=val").evaluation)


def test_the_rule_is_named_where_the_choice_was_made() -> None:
    names = [path.stem for path in DIGITS]
    results = select(DIGITS, **SPLIT, rule="one-se", complexity=names).results
    assert "(split=val) by the paired one-standard-error rule; on 497 rows" in results.statements[0]
    assert sum("one-standard-error" in s for s in results.statements) == 1
    assert results.chosen == select(DIGITS, where="split=val", rule="one-se", complexity=names).chosen


def test_the_section(digits) -> None:
    from crossent.report.sections.held_out import held_out

    shown = held_out(digits)
    assert shown is not None and "(split=val)" in shown.lead
    assert [row[0].text for row in shown.blocks[1].rows] == [row.model for row in digits.held_out.losses]
    assert held_out(select(DIGITS[:2]).results) is None


# --- rows of a cluster are alike --------------------------------------------------------------------------


def test_flights_are_told_apart_only_if_days_do_not_matter() -> None:
    files = sorted((Path(__file__).parents[2] / "examples" / "flights").glob("*.parquet"))
    clustered, naive = select(files, cluster="day").results, select(files).results
    (misled,) = clustered.comparison.if_independent
    assert (misled.reference, misled.model) == ("logistic", "gbdt")
    assert misled == next(d for d in naive.comparison.pairwise if d.model == "gbdt")
    assert misled.difference.value / misled.difference.se == pytest.approx(4.4, abs=0.1)
    sentence = next(s for s in clustered.statements if "independent" in s)
    assert sentence == (
        "If rows were taken as independent, logistic and gbdt would be told apart (p < 0.001): rows of one "
        "day are alike, so that would be wrong."
    )
    assert not any("independent" in s for s in naive.statements)
