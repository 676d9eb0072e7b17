"""What labels may come as, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from crossent.advice import advise
from crossent.errors import CrossentError, DataError, UsageError

LABELS = [0, 2, 1, 2, 2, 0, 1, 1] * 30
FORMS = {
    "list": list,
    "tuple": tuple,
    "NumPy": np.array,
    "a column": lambda y: np.array(y)[:, None],
    "read-only": lambda y: np.frombuffer(np.array(y).tobytes(), np.int64),
    "int8": lambda y: np.array(y, np.int8),
    "float32": lambda y: np.array(y, np.float32),
    "pandas Series": pd.Series,
    "pandas DataFrame": lambda y: pd.DataFrame({"y": y}),
    "polars Series": pl.Series,
    "polars DataFrame": lambda y: pl.DataFrame({"target": y}),
    "Arrow array": pa.array,
    "Arrow chunks": lambda y: pa.chunked_array([y[:7], y[7:]]),
    "Arrow table": lambda y: pa.table({"any name": y}),
    "dictionary": lambda y: {"label": y, "feature": y},
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_of_the_same_labels(form: Any) -> None:
    assert advise(form(LABELS)) == advise(LABELS)


def test_tensors_and_jax_arrays() -> None:
    torch = pytest.importorskip("torch")
    jax = pytest.importorskip("jax")
    assert advise(torch.tensor(LABELS)) == advise(LABELS)
    assert advise(jax.numpy.array(LABELS)) == advise(LABELS)
    soft = torch.rand(100, 3, dtype=torch.bfloat16, generator=torch.Generator().manual_seed(1))
    assert advise(soft).task == "multilabel"


def test_inputs_are_not_changed() -> None:
    y, w = np.array([1.0, np.nan, 0.5, -0.0] * 20), np.ones(80)
    before = y.tobytes(), w.tobytes()
    advise(y, weights=w, task="real")
    assert (y.tobytes(), w.tobytes()) == before


DATES = pd.date_range("2024-01-01", periods=50)
IDS = [f"order {i:04}" for i in range(300)]

REFUSED = [
    ("constant-label", ["a"] * 20, {}),
    ("constant-label", [3.5] * 20, {}),
    ("constant-label", [1, 1, None], {"task": "real"}),
    ("label-is-id", np.arange(500), {}),
    ("label-is-id", np.arange(500)[::-1] + 17.0, {}),
    ("label-is-time", DATES, {}),
    ("label-is-time", np.array(DATES, "datetime64[s]"), {}),
    ("label-is-time", [str(d) for d in DATES], {}),
    ("labels-not-classes", IDS, {}),
    ("several-numbers", np.random.default_rng(1).normal(size=(40, 2)), {}),
    ("label-not-finite", [1.0, 2.0, np.inf], {}),
    ("label-not-finite", [1.0, 2e100, 3.0], {}),
    ("no-rows", [None, None], {}),
    ("no-rows", np.array([]), {}),
    ("nested-column", pa.array([{"a": 1}, {"a": 2}]), {}),
    ("nested-column", [b"a", b"b"], {}),
    ("bad-weight", [0, 1], {"weights": [1.0, -1.0]}),
    ("bad-weight", [0, 1], {"weights": [1.0, np.nan]}),
    ("bad-weight", [0, 1], {"weights": ["one", "two"]}),
    ("no-weight", [0, 1], {"weights": [0.0, 0.0]}),
    ("array-shape", [0, 1], {"weights": [1.0]}),
    ("task-unfit", ["a", "b", "c"], {"task": "count"}),
    ("task-unfit", [0.5, 1.5, 2.5], {"task": "count"}),
    ("task-unfit", [-1, 3, 5], {"task": "count"}),
    ("task-unfit", [0.5, 1.5, 2.5], {"task": "fraction"}),
    ("task-unfit", ["a", "b", "c"], {"task": "real"}),
    ("task-unfit", [0, 1, 2], {"task": "multilabel"}),
    ("task-unfit", [["a"], ["b", "c"]], {"task": "classes"}),
    ("order-incomplete", ["cat", "dog", "bird"], {"task": "ordered"}),
    ("order-incomplete", ["low", "mid", "high"], {"ordered": ["low", "high"]}),
    ("order-incomplete", ["low", "mid", "high"], {"ordered": ["low", "mid", "mid", "high"]}),
    ("bad-option", [0, 1, 2], {"task": "regression"}),
    ("bad-option", [0, 1, 2], {"task": "count", "ordered": ["0", "1", "2"]}),
    ("bad-option", [0, 1, 2], {"label": "y"}),
    ("bad-option", {"y": [0, 1, 2]}, {"weights": [1, 1, 1]}),
    ("unknown-column", {"y": [0, 1, 2]}, {"label": "z"}),
    ("unknown-column", {"y": [0, 1, 2]}, {"weight": "w"}),
    ("which-column", {"y": [0, 1, 2], "label": [0, 1, 2]}, {}),
    ("no-label", {"a": [0, 1, 2], "b": [0, 1, 2]}, {}),
    ("source-not-found", "no_such_file.parquet", {}),
    ("not-a-number", {"a": ["x", "y"], "b": [0, 1]}, {"label": ["a", "b"]}),
]


@pytest.mark.parametrize(
    ("slug", "y", "options"), REFUSED, ids=[f"{s}-{i}" for i, (s, _, _) in enumerate(REFUSED)]
)
def test_refused(slug: str, y: Any, options: dict[str, Any]) -> None:
    with pytest.raises(CrossentError) as caught:
        advise(y, **options)
    assert caught.value.slug == slug
    assert caught.value.cure
    usage = slug in ("task-unfit", "order-incomplete", "bad-option", "which-column")
    assert isinstance(caught.value, UsageError if usage else DataError)


def test_an_error_says_where(tmp_path: Path) -> None:
    path = tmp_path / "y.csv"
    path.write_text("label,w\n" + "1,1\n\n".replace("\n\n", "\n") * 3 + "inf,1\n")
    with pytest.raises(DataError, match=r"y\.csv, row 3, column label, value inf"):
        advise(path)
    path.write_text("label,w\na,1\nb,-2\n")
    with pytest.raises(DataError, match=r"y\.csv, row 1, column w, value -2"):
        advise(path, weight="w")


@pytest.mark.parametrize(
    ("y", "options", "task"),
    [
        (IDS, {"task": "classes"}, "classes"),
        (np.arange(500), {"task": "real"}, "real"),
        (["2024-01-01", "yesterday"] * 20, {}, "binary"),
        (np.array(["a", "b"], object).repeat(10), {}, "binary"),
        ([True, False, None] * 10, {}, "binary"),
        ([1e-320, 1e99, -1e99] * 10, {"task": "real"}, "real"),
        ([2**62, 2**62 + 4096, 5] * 10, {}, "classes"),
        ([[]] * 20 + [["a"]], {}, "multilabel"),
    ],
)
def test_unusual_labels_that_are_accepted(y: Any, options: dict[str, Any], task: str) -> None:
    assert advise(y, **options).task == task
