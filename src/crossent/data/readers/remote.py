"""Files on a filesystem of pyarrow: named by a URI, looked up, listed and read with patience."""

from __future__ import annotations

import io
import logging
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TypeVar
from urllib.parse import parse_qsl, quote, unquote

import pyarrow as pa
from pyarrow import fs

from crossent.data.readers.storage_faults import Fault, as_error, fault_of
from crossent.errors import DataError

SCHEMES = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs")
SHOWN = ("endpoint_override", "region", "scheme")
"""What of a URI's query may be shown; everything else might be a secret."""
WAITS = (1.0, 3.0)
"""Seconds before a failed request is tried again. pyarrow itself asks S3 again for 6 seconds each time."""
REST = 30.0
"""Seconds for which a store that was given up on is asked without waiting."""
GOOGLE_SECONDS = 20
"""For which a request to Google is made again by pyarrow, which would go on for 15 minutes."""
PATTERN = re.compile(r"[*?\[]")

log = logging.getLogger("crossent.storage")
T = TypeVar("T")


@dataclass(frozen=True)
class Store:
    """What a URI says before and after its path: each process makes a filesystem of it."""

    scheme: str
    authority: str = field(repr=False)
    query: str = field(repr=False)

    @property
    def shown(self) -> tuple[str, str]:
        """What is written before and after the path: no password, no key."""
        user, at, host = self.authority.rpartition("@")
        # the user of s3 is the access key, that of abfs a container
        user = "" if self.scheme == "s3" else user.partition(":")[0]
        pairs = [f"{key}={_no_user(value)}" for key, value in parse_qsl(self.query) if key in SHOWN]
        return f"{self.scheme}://{user}{at if user else ''}{host}/", "?" * bool(pairs) + "&".join(pairs)

    def without_secrets(self, text: str) -> str:
        """The first line of a message, with what `shown` leaves out replaced."""
        user, _, password = self.authority.rpartition("@")[0].partition(":")
        secrets = [password, user] if self.scheme == "s3" else [password]
        secrets += [value for key, value in parse_qsl(self.query) if key not in SHOWN]
        line = (text.strip().splitlines() or ["no reason given"])[0].rstrip(".")
        for secret in sorted({s for raw in secrets for s in (raw, unquote(raw), quote(raw, safe=""))}):
            line = line.replace(secret, "…") if secret else line
        return line


def _no_user(endpoint: str) -> str:
    return re.sub(r"[^/@]*@", "", endpoint)


@lru_cache(maxsize=64)
def _filesystem(store: Store) -> tuple[fs.FileSystem, str]:
    """The filesystem, and what its paths begin with: the bucket, or `/`."""
    options = [store.query] if store.query else []
    if store.scheme in ("gs", "gcs") and "retry_limit_seconds" not in store.query:
        options.append(f"retry_limit_seconds={GOOGLE_SECONDS}")
    query = "?" + "&".join(options) if options else ""
    system, path = fs.FileSystem.from_uri(f"{store.scheme}://{store.authority}/x{query}")
    return system, path.removesuffix("x")


@dataclass(frozen=True)
class Remote:
    """A file or folder in a store; `path` is without the bucket. It is pickled as what its URI says."""

    store: Store
    path: str
    folder: bool = field(default=False, compare=False)

    @classmethod
    def parse(cls, uri: str) -> Remote:
        """Spaces and brackets in the path may stand as they are, `%` and `?` only as %25 and %3F."""
        scheme, _, rest = uri.partition("://")
        rest, _, query = rest.partition("?")
        authority, _, path = rest.partition("/")
        return cls(Store(scheme.lower(), authority, query), unquote(path).strip("/"))

    def __str__(self) -> str:
        before, after = self.store.shown
        return before + self.path + after

    def __repr__(self) -> str:
        return f"Remote({str(self)!r})"

    def __lt__(self, other: Remote) -> bool:
        return self.path.split("/") < other.path.split("/")

    @property
    def parts(self) -> tuple[str, ...]:
        """As of a path: host or bucket, folders, name."""
        return (self.store.authority.rpartition("@")[2], *filter(None, self.path.split("/")))

    @property
    def name(self) -> str:
        return self.parts[-1]

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix

    @property
    def stem(self) -> str:
        return PurePosixPath(self.name).stem

    def is_dir(self) -> bool:
        """Whether it was found to be a folder."""
        return self.folder

    def relative_to(self, root: Remote) -> PurePosixPath:
        return PurePosixPath(self.path).relative_to(root.path)

    def with_path(self, path: str) -> Remote:
        return replace(self, path=path, folder=False)

    # --- looking up ----------------------------------------------------------------------------------------

    def found(self) -> Remote | None:
        """This file or folder as it is there, or None.

        Errors: `DataError` bucket-not-found and those of a store that does not answer; one that cannot be
        reached at all is not asked twice.
        """
        info = patiently(self, lambda: self._info(self.path), waits_to_connect=False)
        if info.type is fs.FileType.NotFound:
            self._require_bucket()
            return None
        return replace(self, folder=info.type is fs.FileType.Directory)

    def _require_bucket(self) -> None:
        try:
            bucket = self._info("")
        except OSError:  # whoever may read a file need not be allowed to see its bucket
            return
        if bucket.type is fs.FileType.NotFound:
            raise as_error(Fault.NO_BUCKET, "", str(self), 1)

    def entries(self, *, recursive: bool = False) -> list[Remote]:
        """What is in this folder."""
        return patiently(self, lambda: self._entries(recursive))

    def _entries(self, recursive: bool) -> list[Remote]:
        system, head = _filesystem(self.store)
        selector = fs.FileSelector((head + self.path).rstrip("/") or head, recursive=recursive)
        return [
            replace(self, path=info.path.removeprefix(head).strip("/"), folder=not info.is_file)
            for info in system.get_file_info(selector)
        ]

    def matches(self) -> Iterator[Remote]:
        """What the pattern in the path fits, as the shell and `**` understand it."""
        parts = self.path.split("/")
        fixed = next(i for i, part in enumerate(parts) if PATTERN.search(part))
        yield from _fitting(self.with_path("/".join(parts[:fixed])), parts[fixed:])

    def stamp(self) -> tuple[int, object]:
        """Size, and what changes with the contents: the ETag, or the time of the last change."""
        return patiently(self, self._stamp)

    def _stamp(self) -> tuple[int, object]:
        with self.open() as file:
            etag = (file.metadata() or {}).get("ETag")
            return file.size(), etag if etag else self._info(self.path).mtime_ns

    def _info(self, path: str) -> fs.FileInfo:
        system, head = _filesystem(self.store)
        return system.get_file_info((head + path).rstrip("/") or head)

    def open(self) -> pa.NativeFile:
        """The file as pyarrow opens it, which gives up sooner than `RemoteFile`."""
        system, head = _filesystem(self.store)
        return system.open_input_file(head + self.path)


def _fitting(folder: Remote, pattern: list[str]) -> Iterator[Remote]:
    if not pattern:
        yield folder
        return
    first, *rest = pattern
    if first != "**" and not PATTERN.search(first):
        child = folder.with_path(f"{folder.path}/{first}".strip("/"))
        there = child if rest else child.found()
        if there is not None:
            yield from _fitting(there, rest)
        return
    if first == "**" and rest:
        yield from _fitting(folder, rest)
    for entry in _listed(folder):
        hidden = entry.name.startswith(".") and not first.startswith(".")
        if hidden or not fnmatchcase(entry.name, first):
            continue
        if first == "**" and entry.folder:
            yield from _fitting(entry, pattern)
        elif entry.folder or not rest:
            yield from _fitting(entry, rest if first != "**" else [])


def _listed(folder: Remote) -> list[Remote]:
    """What is in a folder that a pattern names, nothing if it is not there."""
    try:
        return folder.entries()
    except DataError as error:
        if error.slug == "source-not-found":
            return []
        raise


_given_up: dict[Store, float] = {}
"""Until when a store that failed is not waited for again: its other files would each cost as long."""


def patiently(place: Remote, action: Callable[[], T], *, waits_to_connect: bool = True) -> T:
    """Do it, again where it failed as services fail now and then, or raise what is wrong as DataError."""
    waits = WAITS if _given_up.get(place.store, 0.0) < time.monotonic() else ()
    for attempt, wait in enumerate((*waits, None), 1):
        try:
            return action()
        except (OSError, EOFError, ImportError, pa.ArrowException) as error:
            fault, said = fault_of(error), place.store.without_secrets(str(error))
            passing = fault is Fault.FAILING or (fault is Fault.UNREACHABLE and waits_to_connect)
            if passing and wait is None:
                _given_up[place.store] = time.monotonic() + REST
            if wait is None or not passing:
                # what was said may hold secrets: it is no cause to be shown
                raise as_error(fault, said, str(place), attempt) from None
        facts = {"event": "storage-retry", "file": str(place), "attempt": attempt}
        log.warning("%s: tried again in %g s: %s", place, wait, said, extra=facts)
        time.sleep(wait)
    raise AssertionError("the last attempt returns or raises")


class RemoteFile(io.RawIOBase):
    """The bytes of a remote file; a request that fails is made again, with the file opened anew.

    Errors: `DataError` file-changed where it has another size then, and those of `patiently`.
    """

    def __init__(self, place: Remote) -> None:
        super().__init__()
        self._place = place
        self._position = 0
        self._file: pa.NativeFile | None = None
        self._size: int | None = None
        patiently(place, self._opened)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = (0, self._position, self._size or 0)[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = min(len(buffer), (self._size or 0) - self._position)
        if count <= 0:
            return 0
        buffer[:count] = patiently(self._place, lambda: self._read(count))
        self._position += count
        return count

    def _read(self, count: int) -> bytes:
        try:
            data: bytes = self._opened().read_at(count, self._position)
            if len(data) < count:
                raise EOFError(f"{len(data)} of {count} bytes came, then the end of the stream")
        except (OSError, EOFError):
            self._drop()
            raise
        return data

    def _opened(self) -> pa.NativeFile:
        if self._file is None:
            file = self._place.open()
            if self._size not in (None, file.size()):
                raise DataError(
                    "file-changed",
                    "the file has changed while it was read",
                    file=str(self._place),
                    cure="run again from the start",
                )
            self._file, self._size = file, file.size()
        return self._file

    def _drop(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def close(self) -> None:
        self._drop()
        super().close()
