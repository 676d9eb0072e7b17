"""Row ids: one type for all models, and 128-bit keys that stand for them on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crossent.data.labels import value_type
from crossent.data.layout import Layout
from crossent.data.pieces import Piece
from crossent.data.readers.contract import Source
from crossent.errors import DataError

KEY = np.dtype([("hi", "<u8"), ("lo", "<u8")])
Keys = NDArray[np.void]

_WORDS = {True: "numbers", False: "text"}


@dataclass(frozen=True)
class IdType:
    """How the row ids of all models are compared: as whole numbers or as text."""

    whole: bool


def common_id_type(layouts: Sequence[Layout], sources: Sequence[Source]) -> IdType | None:
    """The type of the row ids, None where no model has any.

    Raises DataError where only some models have ids, or some have numbers and others text. Text formats have
    no types: their ids are numbers where another model's are.
    """
    with_id = [
        (layout, source) for layout, source in zip(layouts, sources, strict=True) if layout.id is not None
    ]
    if not with_id:
        return None
    if len(with_id) < len(layouts):
        without = next(s for layout, s in zip(layouts, sources, strict=True) if layout.id is None)
        raise DataError(
            "id-only-in-some",
            f"no row id column, but {with_id[0][1].name} has {with_id[0][0].id}",
            file=without.name,
            cure="write the row id into every file, or name the column with --id",
        )
    typed = [(_is_whole(source, layout), source) for layout, source in with_id if not source.text]
    if not typed:
        return IdType(whole=False)
    whole, first = typed[0]
    for other, source in typed[1:]:
        if other != whole:
            raise DataError(
                "id-types-differ",
                f"row ids are {_WORDS[other]} here and {_WORDS[whole]} in {first.name}",
                file=source.name,
                cure="write the same type of row id in every file",
            )
    return IdType(whole)


def _is_whole(source: Source, layout: Layout) -> bool:
    assert layout.id is not None
    type_ = value_type(source.schema.field(layout.id).type)
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_))


def normalised(ids: pa.Array, type_: IdType, piece: Piece, column: str) -> pa.Array:
    """The ids as int64 or string."""
    target = pa.int64() if type_.whole else pa.string()
    if ids.type == target:
        return ids
    try:
        return ids.cast(target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise DataError(
            "id-type",
            f"row ids of type {ids.type} cannot be read as {'whole numbers' if type_.whole else 'text'}",
            file=piece.file,
            column=column,
            cure="write row ids as whole numbers or as text",
        ) from None


def keys_of(ids: pa.Array) -> Keys:
    """128-bit keys: the number itself, or the BLAKE2b hash of the text (equal texts, equal keys; two of 10⁹
    different texts collide with probability 10⁻²¹).
    """
    keys = np.zeros(len(ids), KEY)
    if pa.types.is_integer(ids.type):
        keys["hi"] = ids.to_numpy(zero_copy_only=False).view(np.uint64)
        return keys
    digests = b"".join(hashlib.blake2b(t.encode(), digest_size=16).digest() for t in ids.to_pylist())
    return np.frombuffer(digests, KEY)


@dataclass(frozen=True, slots=True)
class Run:
    """What one batch's ids say about order: first, last, and whether they strictly increase."""

    number: int
    first: int | str
    last: int | str
    increasing: bool


def run_of(number: int, ids: pa.Array) -> Run:
    """The Run of a batch's ids."""
    increasing = len(ids) < 2 or bool(pc.all(pc.less(ids[:-1], ids[1:])).as_py())
    return Run(number, ids[0].as_py(), ids[-1].as_py(), increasing)


def strictly_increasing(runs: Sequence[Run]) -> bool:
    """Whether all ids increase from the first batch to the last, which proves that none comes twice."""
    ordered = sorted(runs, key=lambda r: r.number)
    inside = all(r.increasing for r in ordered)
    # int against int or str against str: one type for all models
    return inside and all(a.last < b.first for a, b in pairwise(ordered))  # type: ignore[operator]


def one_run(number: int, runs: Sequence[Run]) -> list[Run]:
    """Consecutive batches as one; none as none."""
    ordered = sorted(runs, key=lambda r: r.number)
    return [Run(number, ordered[0].first, ordered[-1].last, strictly_increasing(ordered))] if ordered else []
