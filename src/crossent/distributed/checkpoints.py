"""What was found so far, on disk: one file a fragment, so that after any crash only what is missing is done.

A file is written under another name and renamed when it is whole, and holds a checksum of what it says and of
what it is about; one that does not agree with its checksum counts as missing.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

from crossent.errors import DataError, UsageError
from crossent.files import cannot_write, make_folder, replacing

MAGIC = b"crossent state 1\n"
DIGEST = 32
INDEX = "checkpoint.json"
LOCK = "checkpoint.lock"
FORMAT = "crossent-checkpoint"


class Checkpoints:
    """The states of fragments in a folder, by the phase of the work and the fragment's number."""

    def __init__(self, folder: Path, facts: Mapping[str, Any], *, resume: bool) -> None:
        """Begin in an empty folder or, to resume, in one that was begun with the same facts.

        One process at a time has it. Errors: `DataError` (cannot-write, checkpoint-damaged, input-changed);
        `UsageError` (checkpoint-in-use, checkpoint-exists, checkpoint-differs, not-a-checkpoint).
        """
        self.folder = folder
        self.damaged: list[Path] = []
        _require_ours(folder)
        make_folder(folder)
        self._lock = locked(folder / LOCK)
        try:
            self._token = self._begun(facts, resume).encode()
        except BaseException:
            self._lock.close()
            raise

    def _begun(self, facts: Mapping[str, Any], resume: bool) -> str:
        """What tells the states of this checkpoint from those of others."""
        index = self.folder / INDEX
        if not index.exists():
            token = secrets.token_hex(16)
            described = {"format": FORMAT, "version": 1, "token": token, **facts}
            _write(index, json.dumps(described, indent=1).encode())
            return token
        if not resume:
            raise UsageError(
                "checkpoint-exists",
                f"{self.folder} holds a checkpoint",
                cure="go on from it with --resume, or name another folder",
            )
        kept = _read(index)
        _require_same(self.folder, kept, facts)
        for pattern in (f".{INDEX}.*", ".*.state.*", "*.tmp"):  # left by processes killed while they wrote
            for left in self.folder.rglob(pattern):
                left.unlink(missing_ok=True)
        return str(kept["token"])

    def read(self, phase: str, number: int) -> bytes | None:
        """What was found of a fragment; None where that is not known, or damaged."""
        path = self._path(phase, number)
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError:
            raw = b""
        start = len(MAGIC) + DIGEST
        data = raw[start:]
        if raw[:start] != MAGIC + self._digest(phase, number, data):
            self.damaged.append(path)
            return None
        return data

    def write(self, phase: str, number: int, data: bytes) -> None:
        """Keep what was found of a fragment."""
        path = self._path(phase, number)
        make_folder(path.parent)
        _write(path, MAGIC + self._digest(phase, number, data) + data)

    def close(self) -> None:
        """Let others have the folder."""
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _digest(self, phase: str, number: int, data: bytes) -> bytes:
        """Of the state and of whose it is: a file that was copied to another's place is not that one's."""
        digest = hashlib.blake2b(f"{phase} {number}\n".encode(), key=self._token, digest_size=DIGEST)
        digest.update(data)
        return digest.digest()

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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return


def locked(path: Path) -> IO[str]:
    """The file, held by this process alone until it is closed or the process ends.

    Where a file system knows no locks nothing is held.
    """
    try:
        file = path.open("a+")
    except OSError as error:
        raise cannot_write(path, error) from None
    try:
        _lock(file.fileno())
    except BlockingIOError:
        file.seek(0)
        holder = file.read(200).strip() or "another process"
        file.close()
        raise UsageError(
            "checkpoint-in-use",
            f"{path.parent} belongs to a run that is not over ({holder})",
            cure="wait for it or end it, or name another folder",
        ) from None
    except OSError:
        return file
    file.truncate(0)
    with suppress(OSError):  # a full disk: who holds it is said to people only
        file.write(f"process {os.getpid()} on {platform.node()}")
        file.flush()
    return file


def _lock(handle: int) -> None:
    if sys.platform == "win32":
        return
    import fcntl

    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _require_ours(folder: Path) -> None:
    """UsageError for a folder of something else."""
    if (folder / INDEX).exists() or not folder.exists():
        return
    if any(path.name != LOCK and not path.name.startswith(f".{INDEX}.") for path in folder.iterdir()):
        raise UsageError(
            "not-a-checkpoint",
            f"{folder} holds files that are no checkpoint",
            cure="name an empty folder or a new one",
        )


def _write(path: Path, data: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def _read(index: Path) -> dict[str, Any]:
    try:
        found = json.loads(index.read_bytes())
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict) or found.get("format") != FORMAT or not _whole(found):
        raise DataError(
            "checkpoint-damaged",
            "what should say what the checkpoint is about cannot be read",
            file=str(index),
            cure="begin again with another folder",
        )
    return found


def _whole(found: Mapping[str, Any]) -> bool:
    return found.get("version") == 1 and isinstance(found.get("token"), str) and 0 < len(found["token"]) <= 64


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
