"""`crossent plan`: from files, from a saved state, and from a number."""

from __future__ import annotations

import json

import pytest

from crossent import planning

from .helpers import Files, Run, good


@pytest.mark.parametrize("options", [[], ["--cluster", "day"]])
def test_files_and_their_saved_state_give_the_same_design(put: Files, run: Run, options: list[str]) -> None:
    files = [put("a.csv", good()), put("b.csv", good(shift=2))]
    found = run("plan", *files, *options, "--difference", "0.05", "--json")
    assert found.code == 0
    design = json.loads(found.out)
    assert design["unit_name"] == ("day" if options else "row")
    assert design["requirements"][0]["difference"] == 0.05
    assert run("select", *files, *options, "--state", "pilot.json").code == 0
    again = run("plan", "pilot.json", "--difference", "0.05", "--json")
    assert json.loads(again.out) == design
    words = run("plan", "pilot.json", "--between", "b,a").out
    assert words.startswith("To show a difference of ") and "Judging both models on the same" in words


def test_a_standard_deviation_is_enough(run: Run) -> None:
    asked = ["--sd", "0.5", "--sd-unpaired", "0.9", "--difference", "0.05", "--comparisons", "3"]
    expected = planning.design(0.5, [0.05], unpaired_deviation=0.9, comparisons=3)
    found = run("plan", *asked)
    assert (found.code, found.out.splitlines()) == (0, planning.sentences(expected))


@pytest.mark.parametrize(
    ("arguments", "slug"),
    [
        ([], "nothing-to-plan"),
        (["--sd", "0.5"], "nothing-to-plan"),
        (["a.csv", "b.csv", "--sd", "0.5"], "bad-option"),
        (["a.csv", "b.csv", "--between", "a"], "bad-option"),
        (["a.csv", "b.csv", "--between", "a,c"], "unknown-model"),
        (["a.csv"], "nothing-to-plan"),
    ],
)
def test_what_cannot_be_planned_is_refused(put: Files, run: Run, arguments: list[str], slug: str) -> None:
    put("a.csv", good())
    put("b.csv", good(shift=2))
    found = run("plan", *arguments)
    assert found.code == 2 and f"[{slug}]" in found.err and found.out == ""
