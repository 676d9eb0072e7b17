"""What was found so far, on disk: one file a fragment, so that after any crash only what is missing is done.

A file is written under another name and renamed when it is whole, and holds a checksum of what it says; one
that does not agree with its checksum counts as missing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from crossent.errors import DataError, UsageError
from crossent.files import make_folder, replacing

MAGIC = b"crossent state 1\n"
INDEX = "checkpoint.json"
FORMAT = "crossent-checkpoint"


class Checkpoints:
    """The states of fragments in a folder, by the phase of the work and the fragment's number."""

    def __init__(self, folder: Path, facts: Mapping[str, Any], *, resume: bool) -> None:
        """Begin in an empty folder or, to resume, in one that was begun with the same facts.

        Errors: `DataError` (cannot-write, not-a-checkpoint, input-changed); `UsageError` (checkpoint-exists,
        checkpoint-differs).
        """
        self.folder = folder
        self.damaged: list[Path] = []
        index = folder / INDEX
        if index.exists():
            if not resume:
                raise UsageError(
                    "checkpoint-exists",
                    f"{folder} holds a checkpoint",
                    cure="go on from it with --resume, or name another folder",
                )
            _require_same(folder, _read(index), facts)
        elif folder.exists() and any(folder.iterdir()):
            raise UsageError(
                "not-a-checkpoint",
                f"{folder} holds files that are no checkpoint",
                cure="name an empty folder or a new one",
            )
        make_folder(folder)
        if not index.exists():
            _write(index, json.dumps({"format": FORMAT, "version": 1, **facts}, indent=1).encode())

    def read(self, phase: str, number: int) -> bytes | None:
        """What was found of a fragment; None where that is not known, or damaged."""
        path = self._path(phase, number)
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return None
        start = len(MAGIC) + hashlib.sha256().digest_size
        data = raw[start:]
        if not raw.startswith(MAGIC) or hashlib.sha256(data).digest() != raw[len(MAGIC) : start]:
            self.damaged.append(path)
            return None
        return data

    def write(self, phase: str, number: int, data: bytes) -> None:
        """Keep what was found of a fragment."""
        path = self._path(phase, number)
        make_folder(path.parent)
        _write(path, MAGIC + hashlib.sha256(data).digest() + data)

    def _path(self, phase: str, number: int) -> Path:
        return self.folder / phase / f"{number:08d}.state"


class NoCheckpoints:
    """Nothing is kept."""

    folder: Path | None = None
    damaged: tuple[Path, ...] = ()

    def read(self, phase: str, number: int) -> bytes | None:
        return None

    def write(self, phase: str, number: int, data: bytes) -> None:
        return


def _write(path: Path, data: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def _read(index: Path) -> dict[str, Any]:
    try:
        found = json.loads(index.read_bytes())
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict) or found.get("format") != FORMAT or found.get("version") != 1:
        raise DataError(
            "checkpoint-damaged",
            "what should say what the checkpoint is about cannot be read",
            file=str(index),
            cure="begin again with another folder",
        )
    return found


def _require_same(folder: Path, kept: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    for path in _changed(kept.get("files", {}), facts["files"]):
        raise DataError(
            "input-changed",
            f"is not the file that the checkpoint in {folder} was begun with",
            file=path,
            cure="put the file back, or begin again with another folder",
        )
    different = sorted(key for key in facts if kept.get(key) != json.loads(json.dumps(facts[key])))
    if different:
        raise UsageError(
            "checkpoint-differs",
            f"the checkpoint in {folder} was begun with other {', '.join(different)}",
            cure="repeat the command it was begun with, or name another folder",
        )


def _changed(kept: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Files of other contents, then those that one of the two lacks."""
    yield from (path for path in sorted(kept.keys() & now.keys()) if kept[path] != now[path])
    yield from sorted(kept.keys() ^ now.keys())
