"""Every published figure of real cases, to a relative error of 1e-12.

A case is a folder with predictions of several models and an `expected.json` computed by independent code.
The shipped ones are found here; CROSSENT_CASES may name a directory with further case folders.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from crossent import DataError, Report, select

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
TOLERANCE = 1e-12
EXAMPLES = ROOT / "examples"
SHIPPED = {"flights": EXAMPLES, "digits": EXAMPLES, "breast_cancer": DATA, "language_models": DATA}
"""Name of each shipped case and the folder that holds its predictions; its expected.json is in tests/data."""
NOT_OURS = ("n_entries_zero", "n_entries_one", "n_entries_nan", "n_classes_without_rows")
"""Counts of the cases that no result shows."""


@dataclass(frozen=True)
class Case:
    """A folder of predictions and what they should give."""

    name: str
    folder: Path
    expected: dict[str, Any]

    @property
    def files(self) -> dict[str, str]:
        return {path.stem: str(path) for path in sorted(self.folder.glob("*.parquet"))}

    @property
    def cluster(self) -> str | None:
        return self.expected.get("group_column")


def cases() -> Iterator[Case]:
    """The shipped cases, then those of the environment."""
    for name, folder in SHIPPED.items():
        yield Case(name, folder / name, json.loads((DATA / name / "expected.json").read_text()))
    for path in sorted(Path(os.environ["CROSSENT_CASES"]).glob("*/expected.json")) if more_cases() else ():
        yield Case(path.parent.name, path.parent, json.loads(path.read_text()))


def more_cases() -> bool:
    return bool(os.environ.get("CROSSENT_CASES"))


def of_kind(kind: str) -> list[Case]:
    return [case for case in cases() if kind in case.expected]


CLASSIFIERS = [case for case in of_kind("task") if case.expected["task"] in ("binary", "multiclass")]
LANGUAGE = of_kind("comparison_bits_per_byte")
MODELS = [(case, name) for case in CLASSIFIERS for name in case.expected["models"]]


def named(value: object) -> str:
    return value.name if isinstance(value, Case) else str(value)


each_model = pytest.mark.parametrize(("case", "name"), MODELS, ids=named)
each_case = pytest.mark.parametrize("case", CLASSIFIERS, ids=named)


@cache
def _report(name: str, folder: Path, options: tuple[tuple[str, Any], ...]) -> Report:
    files = {path.stem: str(path) for path in sorted(folder.glob("*.parquet"))}
    return select(files, **dict(options))


def report(case: Case, **options: Any) -> Report:
    """One evaluation of all models of a case; the one over the test rows where there is a split."""
    if "where" not in options and "val" in case.expected:
        options["where"] = (("split", "test"),)
    if case.cluster is not None:
        options.setdefault("cluster", case.cluster)
    return _report(case.name, case.folder, tuple(sorted(options.items())))


def close(mine: float | None, figure: object, what: str) -> None:
    """Equal to 1e-12; "inf" and null are themselves."""
    if figure in ("inf", None):
        assert mine == (math.inf if figure == "inf" else None), what
    else:
        assert mine == pytest.approx(figure, rel=TOLERANCE, abs=1e-300), what


def check_loss(estimate: Any, clustered: Any, figure: dict[str, Any], what: str) -> None:
    close(estimate.value, figure["mean"], f"{what} mean")
    close(estimate.se, figure["se"], f"{what} se")
    if "se_cluster" in figure:
        close(clustered.value, figure["mean"], f"{what} clustered mean")
        close(clustered.se, figure["se_cluster"], f"{what} se_cluster")
        assert clustered.units == figure["n_clusters"]


# --- one model at a time ----------------------------------------------------------------------------------


@each_model
def test_log_loss(case, name):
    figure = case.expected["models"][name]
    model = report(case).results.model(name)
    check_loss(model.loss_iid, model.loss_clustered, figure["log_loss"], "log loss")
    assert model.loss_iid.units == figure["n"]
    assert model.n_infinite == figure["log_loss"].get("n_infinite", 0)
    close(model.mean_of_finite, figure["log_loss"].get("mean_of_finite"), "mean of finite rows")
    if "bits" in figure:
        close(model.bits, figure["bits"], "bits")
        close(model.perplexity, figure["perplexity"], "perplexity")


@each_model
def test_floors(case, name):
    figure = case.expected["models"][name]
    floors = report(case).results.model(name).floors
    assert [f.name for f in floors] == [k[14:] for k in figure if k.startswith("log_loss_clip_")]
    for floor in floors:
        check_loss(floor.loss, floor.loss_clustered, figure[f"log_loss_clip_{floor.name}"], floor.name)


@each_model
def test_renormalised(case, name):
    figure = case.expected["models"][name]["log_loss_renormalised"]
    model = report(case, renormalise=True).results.model(name)
    check_loss(model.loss_iid, model.loss_clustered, figure, "renormalised")
    assert model.n_infinite == figure.get("n_infinite", 0)
    close(model.mean_of_finite, figure.get("mean_of_finite"), "mean of finite rows")


@each_model
def test_brier_and_accuracy(case, name):
    figure = case.expected["models"][name]
    companions = dict(report(case).results.model(name).companions)
    close(companions["brier"].value, figure["brier_sum_over_classes"], "Brier")
    close(1 - companions["zero_one"].value, figure["accuracy"], "accuracy")


@each_model
def test_calibration_error(case, name):
    figure = case.expected["models"][name]
    errors = {r.event: r for r in report(case).results.model(name).calibration}
    top = figure["ece15_top_label"]
    if (case.name, name) in ROUNDED:
        top = dict.fromkeys(top, float(exact_calibration_error(case, name)))
        assert top["right_closed"] != figure["ece15_top_label"]["right_closed"]
    close(errors["top label"].error, top["right_closed"], "ECE")
    close(errors["top label"].error_left_closed, top["left_closed"], "ECE, left-closed bins")
    if "ece15_positive_class" in figure:
        positive = errors[case.expected.get("positive_class", "1")]
        close(positive.error, figure["ece15_positive_class"]["right_closed"], "ECE of the positive class")
        close(positive.error_left_closed, figure["ece15_positive_class"]["left_closed"], "left-closed")


ROUNDED = {("flights", "knn15"), ("1a_binary_flights", "knn15")}
"""The published figure is 1.06e-12 beside the exact one: probabilities of k/15 summed in float64."""


def exact_calibration_error(case: Case, name: str, bins: int = 15) -> Fraction:
    """Σ_bins |Σ (right − confidence)| / n of the top label in rational arithmetic, right-closed bins."""
    table = pq.read_table(case.files[name])
    late = table.column("p_late").to_numpy()
    ontime = table.column("p_ontime").to_numpy()
    confidence = np.maximum(late, ontime)
    right = np.where(late >= ontime, "late", "ontime") == np.array(table.column("label").to_pylist())
    edges = np.arange(bins + 1) / bins
    bin_of = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    error = Fraction(0)
    for k in range(bins):
        inside = bin_of == k
        values, counts = np.unique(confidence[inside], return_counts=True)
        pairs = zip(values.tolist(), counts.tolist(), strict=True)
        said = sum((Fraction(value) * count for value, count in pairs), Fraction(0))
        error += abs(int(right[inside].sum()) - said)
    return error / len(confidence)


@each_model
def test_quality(case, name):
    figure = dict(case.expected["models"][name]["quality"])
    mine = report(case).results.model(name).quality
    close(mine.row_sum_min, figure.pop("row_sum_min"), "least row sum")
    close(mine.row_sum_max, figure.pop("row_sum_max"), "largest row sum")
    assert {
        "n_label_prob_zero": mine.label_zero,
        "n_label_prob_one": mine.label_one,
        "n_entries_negative": mine.entries_below_zero,
        "n_entries_gt_one": mine.entries_above_one,
        "n_rows_sum_off_1e6": mine.rows_off_1e6,
        "n_rows_sum_off_1e3": mine.rows_off_1e3,
        "n_top_ties": mine.top_ties,
    } == {k: v for k, v in figure.items() if k not in NOT_OURS}


# --- models compared --------------------------------------------------------------------------------------


def check_comparison(mine: Report, figure: dict[str, Any]) -> None:
    """Ranking and every difference to the best model."""
    comparison = mine.results.comparison
    finite = [n for n in figure["ranking"] if figure["difference_to_best"].get(n, {}).get("mean") != "inf"]
    assert [m.name for m in mine.results.models][: len(finite)] == finite
    assert comparison.reference == figure["best"]
    assert mine.chosen == figure["best"]
    found = {d.model: d for d in comparison.differences}
    assert found.keys() == figure["difference_to_best"].keys() - {figure["best"]}
    for name, d in found.items():
        expected = figure["difference_to_best"][name]
        close(d.difference.value, expected["mean"], f"{name} mean")
        if "n_infinite" in expected:
            assert d.n_infinite == expected["n_infinite"]
            close(d.mean_of_finite, expected["mean_of_finite"], f"{name} over finite rows")
        else:
            close(d.difference.se, expected.get("se_cluster", expected["se"]), f"{name} se")


@each_case
def test_differences(case):
    check_comparison(report(case), case.expected["comparison"])


@each_case
def test_differences_with_rows_as_units(case):
    """Without the cluster column the standard errors are those of independent rows."""
    figure = case.expected["comparison"]["difference_to_best"]
    mine = report(case, cluster=None)
    for d in mine.results.comparison.differences:
        if figure[d.model]["mean"] != "inf":
            close(d.difference.se, figure[d.model]["se"], d.model)


@pytest.mark.parametrize("case", of_kind("comparison_clip_1e-7"), ids=named)
def test_differences_at_a_floor(case):
    mine = report(case, floor=1e-7)
    check_comparison(mine, case.expected["comparison_clip_1e-7"])
    for name, figure in case.expected["models"].items():
        model = mine.results.model(name)
        check_loss(model.loss_iid, model.loss_clustered, figure["log_loss_clip_1e-7"], name)


@pytest.mark.parametrize("case", of_kind("comparison_val"), ids=named)
def test_another_split(case):
    mine = report(case, where=(("split", "val"),))
    check_comparison(mine, case.expected["comparison_val"])
    for name, figure in case.expected["val"].items():
        check_loss(mine.results.model(name).loss_iid, None, figure["log_loss"], name)


@pytest.mark.parametrize("case", [c for c in CLASSIFIERS if "second_group_column" in c.expected], ids=named)
def test_the_second_cluster_column(case):
    mine = report(case, cluster=case.expected["second_group_column"])
    for name, figure in case.expected["models"].items():
        if "log_loss_by_message_cluster" in figure:
            model = mine.results.model(name)
            check_loss(model.loss_iid, model.loss_clustered, figure["log_loss_by_message_cluster"], name)


@pytest.mark.parametrize("case", [c for c in CLASSIFIERS if c.name == "3_language_id"], ids=named)
def test_rows_in_another_order_give_the_same_bits(case, tmp_path):
    """One file of this case runs in another order than the others: sorting all changes nothing."""
    in_order = {}
    for name, file in case.files.items():
        in_order[name] = str(tmp_path / f"{name}.parquet")
        pq.write_table(pq.read_table(file).sort_by("row_id"), in_order[name])
    ids = pq.read_table(case.files["py3langid"], columns=["row_id"])
    assert not ids.equals(pq.read_table(in_order["py3langid"], columns=["row_id"]))
    assert sums_of(report(case)) == sums_of(select(in_order, cluster=case.cluster))


def sums_of(mine: Report) -> str:
    """All sums as text, without the files they come from."""
    return json.dumps({key: value for key, value in mine.evaluation.to_dict().items() if key != "setup"})


# --- language models --------------------------------------------------------------------------------------


def tokens(case: Case, names: tuple[str, ...] = (), **options: Any) -> Report:
    files = {n: f for n, f in case.files.items() if not names or n in names}
    return select(files, bytes="token_bytes", **options)


@pytest.mark.parametrize("case", LANGUAGE, ids=named)
def test_bits_per_byte(case):
    mine = tokens(case, unit="doc_id", groups="source")
    results, expected = mine.results, case.expected
    assert results.unit == "bits per byte"
    assert results.data.clusters == expected["n_documents"]
    assert results.data.total_bytes == expected["total_bytes"]
    for name, figure in expected["models"].items():
        model = results.model(name)
        close(model.loss.value, figure["bits_per_byte"], f"{name} bits per byte")
        close(model.loss.se, figure["bits_per_byte_se_doc"], f"{name} se")
        close(model.bits_per_byte.value, figure["bits_per_byte"], f"{name} bits per byte")
        check_loss(model.loss_iid, model.loss_clustered, figure["per_row"], name)
        close(model.perplexity, figure["perplexity_per_row"], f"{name} perplexity")
        close(model.bits, figure["bits_per_row"], f"{name} bits")
        close(model.loss_iid.value * model.loss_iid.units, figure["sum_nll"], f"{name} sum")
        assert model.worst[0].loss == pytest.approx(figure["nll_max"], rel=TOLERANCE)
        ((_, slices),) = model.groups
        for part in slices:
            close(part.loss.value, figure["per_row_by_source"][part.value]["mean"], part.value)
            close(part.loss.se, figure["per_row_by_source"][part.value]["se"], part.value)
            close(part.bits_per_byte, figure["bits_per_byte_by_source"][part.value], part.value)
    figure = expected["comparison_bits_per_byte"]
    assert [m.name for m in results.models] == figure["ranking"]
    for d in results.comparison.differences:
        close(d.difference.value, figure["difference_to_best"][d.model]["bits_per_byte"], d.model)
        close(d.difference.se, figure["difference_to_best"][d.model]["se_doc"], d.model)


@pytest.mark.parametrize("case", LANGUAGE, ids=named)
def test_clusters_of_sources(case):
    for names in (("smollm2_full", "smollm2_ctx64"), ("ngram5_bytes", "gru_bytes")):
        mine = tokens(case, names, cluster="source")
        for name in names:
            figure = case.expected["models"][name]["per_row_se_cluster_source"]
            close(mine.results.model(name).loss.se, figure, name)


@pytest.mark.parametrize("case", LANGUAGE, ids=named)
def test_models_with_the_same_tokens_pair_by_row(case):
    for pair, figure in case.expected["paired_rows"].items():
        names = tuple(pair.split(" minus "))
        for cluster, se in ((None, "se"), ("doc_id", "se_cluster")):
            comparison = tokens(case, names, cluster=cluster).results.comparison
            (d,) = comparison.differences
            sign = 1 if (d.model, d.reference) == names else -1
            close(sign * d.difference.value, figure["mean"], pair)
            close(d.difference.se, figure[se], f"{pair} {se}")


@pytest.mark.parametrize("case", LANGUAGE, ids=named)
def test_models_with_other_tokens_do_not_pair_by_row(case):
    with pytest.raises(DataError) as error:
        tokens(case, ("smollm2_full", "gru_bytes"))
    assert error.value.slug == "labels-differ"
