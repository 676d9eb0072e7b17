"""Options for many models on the command line: the same as the functions, in select, merge and report."""

from __future__ import annotations

import pytest

from .helpers import Files, Run, good

FILES = ("one.csv", "two.parquet", "three.csv")
NORTH, SOUTH = ("--where", "region=north"), ("--where", "region=south")


@pytest.fixture
def models(put: Files) -> Files:
    for shift, name in enumerate(FILES):
        put(name, good(shift=shift))
    return put


def test_choosing_on_some_rows_is_one_command_or_three(models: Files, run: Run) -> None:
    one = run("select", *FILES, "--select-where", "region=north", *SOUTH, "--json").document
    assert run("select", *FILES, *NORTH, "--state", "north.json").code == 0
    assert run("select", *FILES, *SOUTH, "--state", "south.json").code == 0
    again = run("report", "south.json", "--selected-on", "north.json", "--json").document
    assert one["held_out"]["where"] == "region=north"
    assert one["chosen"] == one["held_out"]["chosen"]
    for part in ("held_out", "chosen", "statements", "models", "comparison"):
        assert again[part] == one[part]
    rest = run("select", *FILES, "--select-where", "region=north", "--json").document
    assert (rest["models"], rest["held_out"]) == (one["models"], one["held_out"])


def test_rows_in_both_are_refused(models: Files, run: Run) -> None:
    outcome = run("select", *FILES, "--select-where", "region=north", "--where", "region!=east")
    assert outcome.code == 2 and "[selection-overlaps]" in outcome.err
    run("select", *FILES, "--state", "all.json")
    outcome = run("merge", "all.json", "--selected-on", "all.json")
    assert outcome.code == 1 and "[merge-overlap]" in outcome.err


def test_adjustment_and_statistic_can_change_afterwards(models: Files, run: Run) -> None:
    options = ("--adjust", "by", "--mcs-statistic", "max", "--json")
    at_once = run("select", *FILES, "--state", "all.json", *options).document["comparison"]
    assert run("report", "all.json", *options).document["comparison"] == at_once
    assert (at_once["adjustment"], at_once["confidence_set"]["statistic"]) == ("by", "max")
    usual = run("report", "all.json", "--json").document["comparison"]
    assert (usual["adjustment"], usual["confidence_set"]["statistic"]) == ("holm", "range")
    assert [d["p_holm"] for d in usual["pairwise"]] == [d["p_holm"] for d in at_once["pairwise"]]


def test_an_order_that_is_none(models: Files, run: Run) -> None:
    outcome = run("select", *FILES, "--order", "day")
    assert outcome.code == 1 and "value d0" in outcome.err and "[order-unclear]" in outcome.err
    assert run("select", *FILES, "--order", "row_id", "--json").document["data"]["neighbours"] == 6
