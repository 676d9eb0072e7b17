"""Weights of a mixture as a JSON file, so that those made from some rows can be used on others."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from crossent.combining.pools import mixture_weights
from crossent.errors import DataError, UsageError
from crossent.files import replacing
from crossent.statistics.combination import Combination
from crossent.statistics.summary import Floats

FORMAT = "crossent-mixture"
VERSION = 1


def save_weights(found: Combination, path: str | os.PathLike[str]) -> None:
    """Write the weights by model, and how they were made."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "method": found.method,
        "weights": dict(zip(found.models, found.weights, strict=True)),
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load_weights(path: str | os.PathLike[str], models: Sequence[str]) -> Floats:
    """(K,) saved weights of these models, in their order.

    Raises DataError (not-weights) for another file, and UsageError (other-models) where the saved models are
    not these.
    """
    saved = _read(path)
    if set(saved) != set(models):
        raise UsageError(
            "other-models",
            f"the weights in {os.fspath(path)} are for {', '.join(saved)}, and here are {', '.join(models)}",
            cure="name the files as they were named when the weights were made: name=FILE",
        )
    return mixture_weights(np.array([saved[name] for name in models], np.float64))


def _read(path: str | os.PathLike[str]) -> dict[str, float]:
    try:
        with open(path, encoding="utf-8") as file:
            document: Any = json.load(file)
        if document["format"] != FORMAT or document["version"] != VERSION:
            raise KeyError
        return {str(name): float(weight) for name, weight in document["weights"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            "not-weights",
            f"no weights of a mixture can be read here ({error})",
            file=os.fspath(path),
            cure="name a file that combine --weights wrote",
        ) from None
