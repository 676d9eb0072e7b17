"""Where a file is, on this machine or on a filesystem of pyarrow, and the ways to open it.

Readers take a place, ask it for `name`, `stem` and `suffix` as of a path, write it with `str` and open it
with one of the functions here: then they read from everywhere.
"""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import IO

import pyarrow as pa

from crossent.data.readers.remote import SCHEMES, Remote, RemoteFile
from crossent.data.readers.storage_faults import Fault, as_error
from crossent.errors import DataError

Place = Path | Remote

BUFFER = 4 << 20
"""Asked for at a time from a remote file that is read from front to back: each request costs 10 to 100 ms."""
_URI = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)


def place_of(text: str) -> Place:
    """The place that a path or a URI means.

    Errors: `DataError` storage-uri for a scheme that pyarrow has no filesystem for.
    """
    found = _URI.match(text)
    if found is None or os.path.exists(text):
        return Path(text)
    scheme = found[1].lower()
    if scheme not in SCHEMES:
        # what follows may hold a password
        known = ", ".join(SCHEMES)
        raise as_error(Fault.BAD_URI, f"the scheme is none of {known}", f"{scheme}://…", 1)
    return Remote.parse(text)


def shown(text: str) -> str:
    """A path or URI as messages and results name it: without credentials."""
    return str(place_of(text)) if _URI.match(text) else text


def parts_of(text: str) -> tuple[str, ...]:
    """The folders and the name of a path or URI, from the outermost."""
    place = place_of(text)
    return place.parts if isinstance(place, Remote) else Path(os.path.abspath(place)).parts[1:]


def opened(place: Place, buffer: int = BUFFER) -> IO[bytes]:
    """A binary file of Python, which can be sought in."""
    if isinstance(place, Remote):
        return io.BufferedReader(RemoteFile(place), buffer)
    return place.open("rb")


def native(place: Place) -> pa.NativeFile:
    """A file of pyarrow, for a library that has buffers of its own."""
    return pa.PythonFile(RemoteFile(place), "r") if isinstance(place, Remote) else pa.OSFile(str(place), "rb")


def streamed(place: Place) -> pa.NativeFile:
    """A file of pyarrow, to be read from front to back in small pieces."""
    return pa.PythonFile(opened(place), "r") if isinstance(place, Remote) else pa.OSFile(str(place), "rb")


def mapped(place: Place) -> pa.NativeFile:
    """A file of pyarrow, in memory without being read where the place allows it."""
    return pa.PythonFile(opened(place), "r") if isinstance(place, Remote) else pa.memory_map(str(place))


def stamp(place: Place) -> tuple[int, object] | None:
    """Size, and something that changes when the file does; None where there is no file any more."""
    try:
        if isinstance(place, Remote):
            return place.stamp()
        found = os.stat(place)
    except OSError:
        return None
    except DataError as error:
        if error.slug == "source-not-found":
            return None
        raise
    return found.st_size, found.st_mtime_ns
