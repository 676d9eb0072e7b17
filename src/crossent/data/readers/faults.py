"""What libraries raise on a bad file, said as an error of ours."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from crossent.errors import DataError

# A bad file raises any of these: pyarrow its own and OSError (a failed checksum, a cut gzip stream), zipfile
# and NumPy the rest. Errors of programming (AttributeError, IndexError) are not among them and pass.
_CORRUPT = (pa.ArrowException, EOFError, UnicodeDecodeError, zipfile.BadZipFile, zlib.error, ValueError)


@contextmanager
def translated(file: object, *also: type[Exception]) -> Iterator[None]:
    """Raise what a library says about `file`, a place or a name, as `DataError`; errors of ours pass.

    `also` are further exceptions that this format's library raises on a damaged file.
    """
    name = str(file)
    try:
        yield
    except MemoryError:
        raise  # pyarrow's is one of its own exceptions too
    except FileNotFoundError as error:
        raise DataError(
            "source-not-found", "there is no such file", file=name, cure="check the path"
        ) from error
    except PermissionError as error:
        raise DataError(
            "file-permission", "may not be read", file=name, cure="change its permissions or read a copy"
        ) from error
    except (*_CORRUPT, *also, OSError) as error:
        raise DataError(
            "file-corrupt",
            f"cannot be read as what its suffix says: {_first_line(error)}",
            file=name,
            cure="write or copy the file again, or name its format with --format",
        ) from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
