"""A fitted map as a file that people can read: classes, kind, where it came from, and its numbers."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from crossent.calibration.contract import CalibrationMap
from crossent.calibration.registry import get
from crossent.errors import CrossentError, DataError
from crossent.files import replacing
from crossent.statistics.estimates import Estimate
from crossent.statistics.recalibration import IDENTITY, MapScore, Recalibration

FORMAT = "crossent-calibration"
VERSION = 1


@dataclass(frozen=True)
class SavedMap:
    """A map with what is needed to apply it to other files."""

    map: CalibrationMap | None
    """None: nothing is changed."""
    classes: tuple[str, ...]
    kind: str
    """Of the predictions that it was fitted to; others may be of any kind."""
    floor: float
    counts: tuple[tuple[float, ...], ...]
    """(K, K) weight of the rows fitted to by likeliest class (outer) and label (inner)."""
    figures: Recalibration
    provenance: dict[str, str]

    @property
    def name(self) -> str:
        return IDENTITY if self.map is None else self.map.name

    @property
    def confusion(self) -> NDArray[np.float64]:
        """(K, K) weight of rows: likeliest class by label."""
        return np.array(self.counts)

    @property
    def priors(self) -> NDArray[np.float64]:
        """(K,) frequencies of the labels it was fitted to."""
        counts = self.confusion.sum(axis=0)
        return np.asarray(counts / counts.sum())

    def to_dict(self) -> dict[str, Any]:
        """The JSON document."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "map": self.name,
            "classes": list(self.classes),
            "kind": self.kind,
            "floor": self.floor,
            "parameters": {} if self.map is None else self.map.parameters(),
            "counts": [list(row) for row in self.counts],
            "figures": _known(asdict(self.figures)),
            "provenance": self.provenance,
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file, whole or not at all."""
        with replacing(path) as temporary:
            temporary.write_text(_text(self.to_dict()) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read the file.

        Errors: `DataError` (not-a-map) for another file, or one of a newer version.
        """
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
            if document["format"] != FORMAT or document["version"] > VERSION:
                raise ValueError("another format or version")
            return cls._of(document)
        except OSError as error:
            problem = f"cannot be read: {error.strerror or error}"
        except CrossentError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problem = f"this is no map that this version of crossent can read ({type(error).__name__})"
        raise DataError(
            "not-a-map", problem, file=os.fspath(path), cure="give a file written by crossent calibrate fit"
        )

    @classmethod
    def _of(cls, document: dict[str, Any]) -> Self:
        name = document["map"]
        figures = _unknown(document["figures"])
        figures["scores"] = tuple(
            MapScore(**{**_unknown(score), "gain": Estimate(**_unknown(score["gain"]))})
            for score in figures["scores"]
        )
        return cls(
            None if name == IDENTITY else get(name).load(document["parameters"]),
            tuple(document["classes"]),
            document["kind"],
            float(document["floor"]),
            tuple(tuple(row) for row in document["counts"]),
            Recalibration(**figures),
            dict(document["provenance"]),
        )


def _known(value: Any) -> Any:
    """Without infinite numbers, which JSON has not: null."""
    if isinstance(value, dict):
        return {key: _known(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_known(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _unknown(figures: dict[str, Any]) -> dict[str, Any]:
    """With inf where a loss is null again."""
    infinite = {key: math.inf for key in ("before", "loss", "value") if figures.get(key, 0) is None}
    return {**figures, **infinite}


def _text(value: Any, indent: str = "") -> str:
    """JSON with a line for each entry of an object, and lists on one line."""
    if not isinstance(value, dict) or not value:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    inner = indent + " "
    entries = [f"{inner}{json.dumps(key)}: {_text(entry, inner)}" for key, entry in value.items()]
    return "{\n" + ",\n".join(entries) + f"\n{indent}}}"
