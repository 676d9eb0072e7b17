"""Races: the right model wins, at the row where its evidence says so, however the rows are batched."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from crossent import UsageError, sequential
from crossent.sequential import PredictableRange, Race, asymptotic, log_score_gains

GAMES = Path(__file__).parents[1] / "data" / "mlb.csv.gz"
NAMES = ("fivethirtyeight", "vegas", "laplace", "k29")


@pytest.fixture(scope="module")
def games():
    table = np.genfromtxt(GAMES, delimiter=",", names=True, dtype=None, encoding="utf-8")
    logs = {n: np.log(np.column_stack([1.0 - table[n], table[n]])) for n in NAMES}
    return table["y"].astype(int), logs


def raced(labels, logs, size: int, names=NAMES) -> Race:
    race = Race(list(names))
    for i in range(0, labels.size, size):
        race.update(labels[i : i + size], {n: logs[n][i : i + size] for n in race.running})
    return race


def test_race_of_the_baseball_forecasts(games) -> None:
    labels, logs = games
    race = raced(labels, logs, 1000)
    assert race.leader == "vegas" and race.decided
    assert [d.worse for d in race.decisions] == ["k29", "laplace", "fivethirtyeight"]
    assert race.rows == labels.size
    assert race.evaluations + race.evaluations_saved == race.rows * len(NAMES)
    # each leaves at the first row at which its evidence reaches K(K−1)/α
    last = race.decisions[-1]
    gains, risks, _ = log_score_gains(labels, logs[last.worse], logs[last.better])
    path = PredictableRange().update(gains, risks)
    assert last.rows == 1 + int(np.argmax(path >= math.log(4 * 3 / 0.05)))


@pytest.mark.parametrize("size", [77, 25165])
def test_batches_change_nothing_but_what_is_saved(games, size) -> None:
    labels, logs = games
    assert raced(labels, logs, size).decisions == raced(labels, logs, 1000).decisions


def test_race_by_losses_is_the_asymptotic_sequence(games) -> None:
    labels, logs = games
    losses = {n: -logs[n][np.arange(labels.size), labels] for n in ("vegas", "k29")}
    race = Race(["vegas", "k29"])
    for i in range(0, labels.size, 500):
        race.update_losses({n: losses[n][i : i + 500] for n in race.running})
        if race.decided:
            break
    low, _ = asymptotic(losses["k29"] - losses["vegas"], optimal_at=1000, start=500)
    assert race.decisions[0].rows == 1 + int(np.argmax(low > 0.0))
    assert (race.leader, race.decisions[0].worse) == ("vegas", "k29")


def test_functions_are_asked_only_while_their_model_is_in() -> None:
    rng = np.random.default_rng(2)
    labels = (rng.random(6000) < 0.3).astype(int)
    asked = dict.fromkeys(["right", "far", "farther"], 0)

    def constant(name: str, p: float):
        def predict(batch):
            asked[name] += len(batch)
            return np.log(np.tile([1.0 - p, p], (len(batch), 1)))

        return predict

    race = Race({n: constant(n, p) for n, p in {"right": 0.3, "far": 0.42, "farther": 0.8}.items()})
    race.run((labels[i : i + 50], labels[i : i + 50]) for i in range(0, 6000, 50))
    assert race.leader == "right" and race.decided
    assert asked["farther"] < asked["far"] == asked["right"] == race.rows < 6000
    assert sum(asked.values()) == race.evaluations


@pytest.mark.parametrize("way", ["predictions", "losses"])
def test_equal_models_are_ever_told_apart_in_at_most_a_twentieth(way) -> None:
    rng = np.random.default_rng(4)
    runs, rows, wrong = 200, 1000, 0
    for _ in range(runs):
        # three models that say 0.4, 0.6 or 0.5 ± 0.1 by a coin of their own: none is better where p = 0.5
        said = 0.5 + 0.1 * rng.choice([-1.0, 1.0], (3, rows))
        y = rng.integers(0, 2, rows)
        logs = {str(k): np.log(np.column_stack([1.0 - p, p])) for k, p in enumerate(said)}
        race = Race(list(logs))
        if way == "predictions":
            race.update(y, logs)
        else:
            race.update_losses({n: -v[np.arange(rows), y] for n, v in logs.items()})
        wrong += bool(race.decisions)
    assert wrong / runs <= 0.05 + 0.031


def test_impossible_labels_and_models_that_are_the_same() -> None:
    half, sure = np.log(np.full((400, 2), 0.5)), np.tile([0.0, -np.inf], (400, 1))
    labels = np.zeros(400, int)
    labels[300] = 1
    race = Race(["half", "sure"]).update(labels, {"half": half, "sure": sure})
    assert race.leader == "half" and race.decided
    both = Race(["one", "two"]).update(labels, {"one": sure, "two": sure})
    assert both.running == ("one", "two") and not both.decided
    assert Race(["one", "two"]).update_losses({"one": half[:, 0], "two": half[:, 0]}).decisions == ()


@pytest.mark.parametrize(
    ("call", "slug"),
    [
        (lambda: Race(["a"]), "race-of-one"),
        (lambda: Race(["a", "a"]), "race-of-one"),
        (lambda: Race(["a", "b"], level=0.0), "probability-out-of-range"),
        (lambda: Race(["a", "b"]).update_losses({"a": [1.0]}), "race-without-model"),
        (lambda: Race(["a", "b"]).update_losses({"a": [1.0], "b": [1.0, 2.0]}), "race-shapes"),
        (lambda: Race(["a", "b"]).update_losses({"a": [1.0], "b": [math.nan]}), "nan-prediction"),
        (lambda: Race(["a", "b"]).update([0], {"a": [0.0], "b": [0.0]}), "race-shapes"),
        (lambda: Race(["a", "b"]).run([]), "race-without-functions"),
        (
            lambda: (
                Race(["a", "b"])
                .update_losses({"a": [1.0], "b": [1.0]})
                .update([0], {"a": [[0.0]], "b": [[0.0]]})
            ),
            "race-fed-two-ways",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(call, slug) -> None:
    with pytest.raises(UsageError, match=slug):
        call()


def test_public_names_are_there() -> None:
    assert all(hasattr(sequential, name) for name in sequential.__all__)
