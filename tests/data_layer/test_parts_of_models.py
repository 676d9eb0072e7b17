"""A part of a model takes along only the rows it leaves out itself."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from crossent.data.alignment import Model
from crossent.data.readers.contract import Window


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([Window(0)], {"a": [1, 4, 9]}),
        ([Window(0, 2, 9)], {"a": [4]}),
        ([Window(0, 4), Window(1, 0, 1)], {"a": [4, 9], "b": [0]}),
        ([Window(0, 0, 2), Window(0, 9, 10)], {"a": [1, 9]}),
        ([Window(1, 1, 5)], {"b": []}),
        ([Window(2)], {"c": []}),
        ([], {}),
    ],
)
def test_rows_left_out_are_those_of_the_windows(windows, expected):
    source = SimpleNamespace(files=[SimpleNamespace(path=p) for p in "abc"], part=lambda windows: None)
    left_out = {"a": np.array([1, 4, 9]), "b": np.array([0])}
    model = Model("m", source, None, None, None, left_out)
    part = model.part(windows, source)
    assert {path: rows.tolist() for path, rows in part.left_out.items()} == expected
    assert model.part(windows[:0], source).left_out == {}
