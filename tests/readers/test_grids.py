"""Arrays of images and sequences: a row a place, whatever the memory, the order in it, and the batches."""

from __future__ import annotations

import io
import itertools
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import crossent
from crossent.data.readers import Source, open_source
from crossent.data.readers.grids import AXES, Grid, grid_of
from crossent.errors import DataError

Arrays = dict[str, Any]
Opened = Callable[[Arrays], Source]


def arrays(items: int = 3, classes: int = 4, size: tuple[int, ...] = (2, 5), seed: int = 0) -> Arrays:
    """Probabilities of a network and labels of each place."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((items, classes, *size))
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return {"probs": probs, "label": rng.integers(0, classes, (items, *size))}


@pytest.fixture(params=["memory", "npz"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Arrays as a source, from memory or from an archive."""

    def opening(given: Arrays) -> Source:
        if request.param == "memory":
            return open_source(given, name="x")
        np.savez(tmp_path / "x.npz", **given)
        return open_source(tmp_path / "x.npz")

    return opening


def table(source: Source, batch_rows: int = 7) -> pa.Table:
    chunks = list(source.batches(source.schema.names, batch_rows))
    assert all(0 < chunk.table.num_rows <= batch_rows for chunk in chunks)
    starts = itertools.accumulate((chunk.table.num_rows for chunk in chunks), initial=0)
    assert [chunk.first_row for chunk in chunks] == list(starts)[:-1]
    return pa.Table.from_batches([chunk.table for chunk in chunks], source.schema)


# --- what a row is ------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    items=st.integers(0, 4),
    classes=st.integers(1, 4),
    size=st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple),
    batch_rows=st.integers(1, 70),
    order=st.sampled_from("CF"),
)
def test_every_place_is_a_row_with_its_coordinates(opened, items, classes, size, batch_rows, order):
    given_arrays = arrays(items, classes, size)
    kept = {name: array.copy() for name, array in given_arrays.items()}
    source = opened({name: np.array(array, order=order) for name, array in given_arrays.items()})
    rows = table(source, batch_rows).to_pydict()
    places = list(itertools.product(range(items), *map(range, size)))
    assert source.rows == len(places)
    assert rows["row_id"] == list(range(len(places)))
    assert list(zip(*(rows[axis] for axis in AXES[len(size)]), strict=True)) == places
    assert rows["label"] == [kept["label"][place] for place in places]
    assert rows["probs"] == [kept["probs"][(i, slice(None), *rest)].tolist() for i, *rest in places]


@pytest.mark.parametrize("size", [(6,), (2, 3), (2, 3, 2)])
def test_loss_is_that_of_the_flattened_rows(opened, size):
    given_arrays = arrays(4, 3, size)
    taken = np.take_along_axis(given_arrays["probs"], given_arrays["label"][:, None], axis=1)
    source = opened(given_arrays)
    data = source.files[0].path if source.files[0].path != "x" else given_arrays
    model = crossent.evaluate(data, classes="0..2", cluster=AXES[len(size)][0]).results.models[0]
    assert math.isclose(model.loss.value, -np.log(taken).mean(), rel_tol=1e-14)
    assert model.loss.units == 4


def test_class_names_stand_in_the_archive(opened):
    given_arrays = arrays(classes=3) | {"classes": np.array(["road", "car", "sky"])}
    given_arrays["label"] = np.array(["road", "car", "sky"])[given_arrays["label"]]
    source = opened(given_arrays)
    assert source.schema.names == ["probs", "label", "row_id", "image", "pixel_y", "pixel_x"]
    assert source.schema.field("probs").metadata == {b"classes": b'["road", "car", "sky"]'}
    assert table(source)["label"].to_pylist() == given_arrays["label"].ravel().tolist()


def test_what_is_known_of_an_image_holds_for_its_pixels(opened):
    own = {"image": np.array(["a.png", "b.png", "c.png"]), "weight": np.array([1.0, 2.0, 3.0], "f2")}
    rows = table(opened(arrays() | own | {"row_id": np.arange(30).reshape(3, 2, 5) + 7})).to_pydict()
    assert rows["image"] == [name for name in own["image"] for _ in range(10)]
    assert rows["weight"] == [weight for weight in (1.0, 2.0, 3.0) for _ in range(10)]
    assert rows["row_id"] == list(range(7, 37))  # an array of that name replaces the number of the place


def test_one_probability_a_pixel(opened):
    p = np.random.default_rng(1).random((2, 3, 4)).astype(np.float32)
    source = opened({"p_cell": p, "label": (p > 0.3).astype(np.uint8)})
    assert source.schema.field("p_cell").type == pa.float32()
    assert table(source)["p_cell"].to_pylist() == p.ravel().tolist()


def test_pixels_that_do_not_count_are_left_out_by_a_column_that_says_so():
    given_arrays = arrays(classes=3)
    ignored = np.zeros((3, 2, 5), bool)
    ignored[1] = True
    label = np.where(ignored, 255, given_arrays["label"])
    with pytest.raises(DataError) as caught:
        crossent.evaluate({**given_arrays, "label": label}, classes="0..2")
    assert (caught.value.slug, caught.value.row) == ("unknown-label", 10)
    model = crossent.evaluate(
        {**given_arrays, "label": label, "valid": ~ignored}, classes="0..2", where={"valid": "true"}
    ).results.models[0]
    taken = np.take_along_axis(given_arrays["probs"], given_arrays["label"][:, None], axis=1)[[0, 2]]
    assert math.isclose(model.loss.value, -np.log(taken).mean(), rel_tol=1e-14)


def test_two_networks_are_paired_by_pixel_from_archive_and_memory(tmp_path):
    first, other = arrays(seed=1), arrays(seed=2)
    other["label"] = first["label"]
    np.savez_compressed(tmp_path / "first.npz", **first)
    results = crossent.select({"first": tmp_path / "first.npz", "other": other}, classes="0..3").results
    assert results.data.pairing == "row id"
    assert results.data.rows == 30


def test_lists_within_lists_are_sequences():
    tokens = {
        "logprob": [[-1.0, -2.0], [-3.0, -4.0]],
        "label": [["a", "b"], ["c", "d"]],
        "probs": np.ones((2, 3, 2)) / 3,
    }
    rows = table(open_source(tokens)).to_pydict()
    assert (rows["label"], rows["logprob"]) == (["a", "b", "c", "d"], [-1.0, -2.0, -3.0, -4.0])
    assert (rows["sequence"], rows["position"]) == ([0, 0, 1, 1], [0, 1, 0, 1])


def test_text_of_each_image_may_be_an_arrow_array():
    rows = table(open_source(arrays() | {"camera": pa.array(["u", None, "v"])}))
    assert rows["camera"].to_pylist() == ["u"] * 10 + [None] * 10 + ["v"] * 10


# --- memory -------------------------------------------------------------------------------------------------


def test_an_archive_is_read_an_image_at_a_time(tmp_path, monkeypatch):
    given_arrays = arrays(6, 4, (8, 8))
    np.savez(tmp_path / "x.npz", **given_arrays)
    source = open_source(tmp_path / "x.npz")
    sizes: list[int] = []
    plain = zipfile.ZipExtFile.read
    monkeypatch.setattr(
        zipfile.ZipExtFile, "read", lambda self, n=-1: sizes.append(n) or plain(self, n), raising=True
    )
    whole = table(source, batch_rows=16)
    assert whole.num_rows == 6 * 64
    assert max(sizes) == 4 * 64 * 8  # the probabilities of one image
    sizes.clear()
    table(source, batch_rows=150)
    assert max(sizes) == 2 * 4 * 64 * 8  # of the two images that fill a batch


def test_only_the_arrays_that_are_wanted_are_read(tmp_path):
    np.savez(tmp_path / "x.npz", **arrays(size=(32, 32)))
    data = bytearray((tmp_path / "x.npz").read_bytes())
    data[data.index(b"probs.npy") + 50_000] ^= 4  # in the numbers of the first array
    (tmp_path / "x.npz").write_bytes(data)
    source = open_source(tmp_path / "x.npz")
    assert sum(chunk.table.num_rows for chunk in source.batches(["pixel_y", "label"], 100)) == 3 * 32 * 32
    with pytest.raises(DataError) as caught:
        list(source.batches(["probs"], 100))
    assert caught.value.slug == "file-corrupt"


# --- shapes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shapes", "grid"),
    [
        ({"probs": (5, 3), "label": (5,)}, None),
        ({"a": (2, 3, 4)}, None),
        ({"probs": (5, 3, 7), "label": (5, 7)}, Grid(5, (7,))),
        ({"label": (5, 7), "probs": (5, 3, 7), "z": (5,)}, Grid(5, (7,))),
        ({"probs": (5, 3, 7, 8), "logits": (5, 2, 7, 8), "label": (5, 7, 8)}, Grid(5, (7, 8))),
        ({"p": (5, 7, 8), "label": (5, 7, 8)}, Grid(5, (7, 8))),
        ({"probs": (4, 4, 4, 4), "label": (4, 4, 4)}, Grid(4, (4, 4))),
        ({"probs": (0, 3, 7, 8), "label": (0, 7, 8)}, Grid(0, (7, 8))),
        ({"probs": (2, 3, 0, 8), "label": (2, 0, 8)}, Grid(2, (0, 8))),
    ],
)
def test_grids_of_shapes(shapes, grid):
    assert grid_of(shapes, "f") == grid


@pytest.mark.parametrize(
    ("shapes", "column"),
    [
        ({"probs": (5, 7, 8, 3), "label": (5, 7, 8)}, "probs"),  # classes last
        ({"probs": (5, 3, 7, 8), "label": (4, 7, 8)}, "probs"),
        ({"probs": (5, 3, 7, 8), "label": (5, 7, 8), "w": (7, 8)}, "probs"),
        ({"probs": (5, 3, 7, 8), "label": (5, 7, 8), "w": (4,)}, "w"),
        ({"probs": (5, 3, 7, 8), "label": (5, 7, 8), "w": ()}, "w"),
        ({"probs": (5, 0, 7, 8), "label": (5, 7, 8)}, "probs"),
        ({"probs": (5, 3, 2, 2, 2, 2), "label": (5, 2, 2, 2, 2)}, "label"),
        ({"probs": (5, 3, 7, 8), "logits": (5, 7, 8, 3), "label": (5, 7, 8)}, "logits"),
    ],
)
def test_shapes_that_do_not_fit(shapes, column):
    with pytest.raises(DataError) as caught:
        grid_of(shapes, "f")
    assert (caught.value.slug, caught.value.file, caught.value.column) == ("array-shape", "f", column)


def test_shapes_that_do_not_fit_are_refused_from_both_places(opened):
    with pytest.raises(DataError) as caught:
        opened(arrays() | {"label": np.zeros((3, 5, 2))})
    assert caught.value.slug == "array-shape"


def test_damage_gives_data_errors_only(tmp_path):
    sink = io.BytesIO()
    np.savez(sink, **arrays())
    content, rng = sink.getvalue(), np.random.default_rng(0)
    path = tmp_path / "x.npz"
    refused = 0
    for where in rng.integers(0, len(content), 300).tolist():
        path.write_bytes(
            content[:where] + bytes([content[where] ^ 1 << int(rng.integers(8))]) + content[where + 1 :]
        )
        try:
            table(open_source(path))
        except DataError as error:
            assert error.file == str(path)
            refused += 1
    assert refused > 200
