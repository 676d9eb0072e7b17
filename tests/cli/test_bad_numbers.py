"""Spoiled predictions about numbers, end to end: the documented error with its place and cure."""

from __future__ import annotations

import math
from typing import Any

import pytest

from .helpers import Columns, Files, Run, at, changed
from .test_bad_input import is_error, rows_of, words

ROWS = 24
inf, nan = math.inf, math.nan
LABEL = [50.0 + (7 * i) % 13 for i in range(ROWS)]
COMMON: Columns = {"row_id": list(range(100, 100 + ROWS)), "label": LABEL}


def gaussian(shift: float = 0.0, **changes: Any) -> Columns:
    columns = {
        "mean": [v + (i % 5) - 2.0 + shift for i, v in enumerate(LABEL)],
        "std": [2.0 + i % 3 for i in range(ROWS)],
    }
    return changed({**COMMON, **columns}, **changes)


def quantiles(*levels: str, **changes: Any) -> Columns:
    steps = {f"q_{x}": [v + k - 1.0 for v in LABEL] for k, x in enumerate(levels or ("0.1", "0.5", "0.9"))}
    return changed({**COMMON, **steps}, **changes)


def samples(**changes: Any) -> Columns:
    return changed({**COMMON, "samples": [[v - 1.0, v, v + 2.0] for v in LABEL]}, **changes)


AT_5 = "one{x}, row 5, "
SUFFIXES = (".parquet", ".csv", ".jsonl")
TYPED = "|csv-number|jsonl-type"

VALUES: dict[str, tuple[Columns, str, str]] = {
    "nan mean": (gaussian(mean=at(5, nan)), "nan-prediction", "column mean, value nan"),
    "infinite mean": (gaussian(mean=at(5, inf)), "beyond-range", "column mean, value inf"),
    "missing mean": (gaussian(mean=at(5, None)), "null-prediction", "column mean"),
    "negative std": (gaussian(std=at(5, -0.5)), "not-a-scale", "column std, value -0.5"),
    "nan std": (gaussian(std=at(5, nan)), "nan-prediction", "column std, value nan"),
    "infinite std": (gaussian(std=at(5, inf)), "beyond-range", "column std, value inf"),
    "tiny std": (gaussian(std=at(5, 1e-80)), "beyond-range", "std 1e-80"),
    "certain and right": (
        gaussian(mean=at(5, LABEL[5]), std=at(5, 0.0)),
        "infinite-density",
        "--loss crps",
    ),
    "missing label": (gaussian(label=at(5, None)), "null-label", "column label"),
    "infinite label": (gaussian(label=at(5, -inf)), "label-not-finite", "column label, value -inf"),
    "nan quantile": (quantiles(**{"q_0.5": at(5, nan)}), "nan-prediction", "column q_0.5, value nan"),
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("one", "slug", "names"), VALUES.values(), ids=VALUES.keys())
def test_values(one: Columns, slug: str, names: str, suffix: str, put: Files, run: Run) -> None:
    put(f"one{suffix}", one)
    is_error(run("evaluate", f"one{suffix}"), slug, 1, AT_5.format(x=suffix) + "|" + names)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("column", ["label", "mean", "std"])
def test_text_where_a_number_is_needed(column: str, suffix: str, put: Files, run: Run) -> None:
    """A text format names the row; a typed column of text is no prediction at all."""
    values = [str(v) for v in gaussian()[column]] if suffix == ".parquet" else gaussian()[column]
    put(f"one{suffix}", gaussian(**{column: at(5, "high")(values)}))
    place = "column " + column if suffix == ".parquet" and column != "label" else f"row 5, column {column}"
    is_error(run("evaluate", f"one{suffix}"), "prediction-type|not-a-number" + TYPED, 1, place)


LISTS: dict[str, tuple[list[Any] | None, str, str]] = {
    "no list": (None, "null-prediction", ""),
    "an empty list": ([], "too-few-samples", "a list of 0"),
    "one sample": ([3.0], "too-few-samples", "--kind point"),
    "a gap": ([3.0, None, 4.0], "null-prediction", "entry 1"),
    "infinite": ([3.0, 4.0, 5.0, -inf], "beyond-range", "column samples[3]"),
}


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
@pytest.mark.parametrize(("value", "slug", "names"), LISTS.values(), ids=LISTS.keys())
def test_lists_of_samples(
    value: list[Any] | None, slug: str, names: str, suffix: str, put: Files, run: Run
) -> None:
    put(f"one{suffix}", samples(samples=at(5, value)))
    is_error(run("evaluate", f"one{suffix}"), slug, 1, AT_5.format(x=suffix) + "|" + names)


COLUMNS: dict[str, tuple[Columns, str, str, int]] = {
    "no std": (gaussian(std=None), "--kind mean_std", "no-predictions", 1),
    "no mean": (gaussian(mean=None), "", "no-predictions", 1),
    "no label": (gaussian(label=None), "", "no-label", 1),
    "no samples": (gaussian(), "--kind samples", "no-predictions", 1),
    "a level of 95": (quantiles("0.05", "95"), "", "bad-level", 1),
    "a level of 0": (quantiles("0", "0.5"), "", "bad-level", 1),
    "a level twice": (quantiles("0.1", "0.10"), "", "level-twice", 1),
    "two predictions": (gaussian(prediction=LABEL), "", "which-prediction", 2),
    "one column for two": (gaussian(), "--kind mean_std --prob mean", "kind-of-several-columns", 2),
    "numbers for lists": (gaussian(), "--kind samples --prob mean", "prediction-type", 1),
    "classes": (gaussian(), "--positive 1", "no-classes", 2),
    "renormalised": (gaussian(), "--renormalise", "no-classes", 2),
    "bytes": (gaussian(size=[1] * ROWS), "--bytes size", "bad-option", 2),
    "a floor": (gaussian(), "--floor 1e-7", "bad-option", 2),
    "a prior": (gaussian(), "--prior a=0.5,b=0.5", "prior-unused", 2),
    "a loss of classes": (gaussian(), "--loss brier", "loss-and-kind", 1),
    "a density of points": (gaussian(std=None), "--loss gaussian_nll", "loss-and-kind", 1),
    "pinball without levels": (gaussian(), "--loss pinball", "no-levels", 2),
    "an unknown loss": (gaussian(), "--loss nll", "unknown-loss", 2),
}


@pytest.mark.parametrize(("one", "options", "slug", "code"), COLUMNS.values(), ids=COLUMNS.keys())
def test_columns_and_options(one: Columns, options: str, slug: str, code: int, put: Files, run: Run) -> None:
    put("one.parquet", one)
    is_error(run("evaluate", "one.parquet", *options.split()), slug, code)


TWO: dict[str, tuple[Columns, Columns, str, str, int]] = {
    "other kinds": (gaussian(), samples(), "", "no-common-loss", 2),
    "an approximation": (gaussian(), quantiles(), "--loss crps", "approximate-crps", 2),
    "other levels": (quantiles(), quantiles("0.1", "0.5"), "", "levels-differ", 1),
    "another label": (gaussian(), gaussian(label=at(5, 0.25)), "", "labels-differ", 1),
    "another label, other order": (
        gaussian(),
        {n: v[::-1] for n, v in gaussian(label=at(5, 0.25)).items()},
        "",
        "labels-differ",
        1,
    ),
    "rows missing": (gaussian(), rows_of(gaussian(), 0, 20), "", "rows-differ", 1),
    "classes": (
        gaussian(),
        {**COMMON, "p_a": [0.5] * ROWS, "p_b": [0.5] * ROWS},
        "",
        "kinds-differ",
        1,
    ),
}


@pytest.mark.parametrize(("one", "two", "options", "slug", "code"), TWO.values(), ids=TWO.keys())
def test_two_models(
    one: Columns, two: Columns, options: str, slug: str, code: int, put: Files, run: Run
) -> None:
    put("one.parquet", one)
    put("two.parquet", two)
    is_error(run(*words("select one.parquet two.parquet"), *options.split()), slug, code)


# --- what is unusual and allowed --------------------------------------------------------------------------


def test_a_certain_prediction_beside_the_label_costs_infinity(put: Files, run: Run) -> None:
    put("sure.parquet", gaussian(mean=at(5, LABEL[5] + 1.0), std=at(5, 0.0)))
    put("wide.parquet", gaussian(shift=1.0))
    outcome = run("select", "sure.parquet", "wide.parquet", "--json")
    assert (outcome.code, outcome.document["chosen"]) == (0, "wide")
    sure = outcome.model("sure")
    assert (sure["loss"]["value"], sure["n_infinite"], sure["numbers"]["std_zero"]) == ("inf", 1, 1)
    assert "std-zero" in outcome.notes


def test_labels_compare_as_numbers(put: Files, run: Run) -> None:
    """Whole numbers, text and floats are one label where they are one number."""
    whole = [int(v) for v in LABEL]
    put("float.parquet", gaussian())
    put("whole.parquet", gaussian(shift=0.5, label=whole))
    put("text.csv", gaussian(shift=0.25, label=whole))
    outcome = run("select", "float.parquet", "whole.parquet", "text.csv", "--json")
    assert (outcome.code, len(outcome.document["models"])) == (0, 3)


def test_every_loss_of_the_registry_is_computed_or_refused(put: Files, run: Run) -> None:
    from crossent import losses

    for name, columns in (("g", gaussian()), ("q", quantiles()), ("s", samples()), ("p", gaussian(std=None))):
        put(f"{name}.parquet", columns)
        for loss in losses.all_losses():
            outcome = run("evaluate", f"{name}.parquet", "--loss", loss.name, "--json")
            if outcome.code == 0:
                assert outcome.document["loss"] == loss.name
                assert math.isfinite(outcome.model(name)["loss"]["value"])
            else:
                is_error(outcome, "loss-and-kind|no-levels", outcome.code)
