"""Arrays with a place for every prediction: pixels of images, voxels of volumes, tokens of sequences.

Predictions are (N, K, *S) with the classes on the second axis, as networks give them; labels and other facts
of each place are (N, *S), and facts of each image (N,). A place is a row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crossent.errors import DataError

Array = NDArray[Any]

AXES = {
    1: ("sequence", "position"),
    2: ("image", "pixel_y", "pixel_x"),
    3: ("volume", "voxel_z", "voxel_y", "voxel_x"),
}
"""Columns of coordinates; `y` would be a label."""
ROW_ID = "row_id"


@dataclass(frozen=True)
class Grid:
    """N items (images, sequences) with the same places in each."""

    items: int
    size: tuple[int, ...]

    @property
    def places(self) -> int:
        """Rows of one item."""
        return math.prod(self.size)

    @property
    def rows(self) -> int:
        return self.items * self.places

    def classes(self, shape: tuple[int, ...]) -> int | None:
        """The number of classes of an array of that shape; None where it has one value a place or item."""
        return shape[1] if len(shape) == len(self.size) + 2 else None

    def numbering(self) -> dict[str, pa.DataType]:
        """The columns that say where a row is: its number in the whole, item and coordinates."""
        return {ROW_ID: pa.int64(), **dict.fromkeys(AXES[len(self.size)], pa.int32())}

    def where(self, column: str, first: int, items: int) -> Array:
        """One of those columns, for `items` items from number `first`."""
        rows = np.arange(first * self.places, (first + items) * self.places, dtype=np.int64)
        if column == ROW_ID:
            return rows
        axis = AXES[len(self.size)].index(column)
        if axis == 0:
            return (rows // self.places).astype(np.int32)
        inner = math.prod(self.size[axis:])
        return (rows // inner % self.size[axis - 1]).astype(np.int32)

    def flat(self, part: Array) -> Array:
        """Rows of some items: (n·places,) or (n·places, K), contiguous."""
        if part.ndim == 1:
            return np.repeat(part, self.places)
        if self.classes(part.shape) is None:
            return np.ascontiguousarray(part).reshape(-1)
        return np.ascontiguousarray(np.moveaxis(part, 1, -1)).reshape(-1, part.shape[1])


def grid_of(shapes: Mapping[str, tuple[int, ...]], file: str) -> Grid | None:
    """The grid that all arrays share; None where rows are rows (no array of three or more dimensions).

    Errors: `DataError` (array-shape) if the arrays do not fit together.
    """
    wide = {name: shape for name, shape in shapes.items() if len(shape) > 1}
    deepest = max((len(shape) for shape in wide.values()), default=0)
    if deepest < 3 or len(wide) < 2:
        return None
    ranks = sorted({len(shape) for shape in wide.values()})
    name = next(name for name, shape in wide.items() if len(shape) == ranks[0])
    grid = Grid(shapes[name][0], tuple(shapes[name][1:]))
    for other, shape in shapes.items():
        fits = shape in ((grid.items,), (grid.items, *grid.size))
        with_classes = len(shape) == ranks[0] + 1 and (shape[0], *shape[2:]) == (grid.items, *grid.size)
        if not fits and not (with_classes and shape[1]):
            raise _no_fit(other, shape, name, shapes[name], file)
    if len(grid.size) not in AXES:
        raise _no_fit(name, shapes[name], name, shapes[name], file)
    return grid


def _no_fit(name: str, shape: tuple[int, ...], like: str, its: tuple[int, ...], file: str) -> DataError:
    return DataError(
        "array-shape",
        f"does not fit {like}, whose shape is {its}",
        file=file,
        column=name,
        value=f"shape {shape}",
        cure="for images give labels (images, height, width) and predictions (images, classes, height, "
        "width); np.moveaxis(array, -1, 1) moves classes that stand last",
    )
