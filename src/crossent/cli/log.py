"""What happens to fragments while they are computed, for people and for machines."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from crossent.errors import DataError

LOGGER = "crossent"
_ORDINARY = {*vars(logging.makeLogRecord({})), "message", "asctime"}
"""What every record has; the rest is what is known of the event."""


class _Lines(logging.Formatter):
    """A line of JSON an event."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        known = {name: value for name, value in vars(record).items() if name not in _ORDINARY}
        return json.dumps({"time": time, **known, "message": record.getMessage()}, default=str)


class _Says(logging.Handler):
    """Tells people what went wrong and is tried again."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(record.getMessage())


@contextmanager
def logged(path: str | None, say: Callable[[str], None]) -> Iterator[None]:
    """Every event to the file, where there is one, and warnings to `say`.

    Errors: `DataError` (cannot-write).
    """
    handlers: list[logging.Handler] = [_Says(say)]
    if path is not None:
        handlers.append(_file(path))
    logger = logging.getLogger(LOGGER)
    level, propagate = logger.level, logger.propagate
    logger.setLevel(logging.INFO if path is None else logging.DEBUG)
    logger.propagate = False
    for handler in handlers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()
        logger.setLevel(level)
        logger.propagate = propagate


def _file(path: str) -> logging.Handler:
    try:
        handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    except OSError as error:
        raise DataError(
            "cannot-write",
            f"cannot be written: {error.strerror or error}",
            file=path,
            cure="check that the folder exists, is writable and has space",
        ) from None
    handler.setFormatter(_Lines())
    return handler
