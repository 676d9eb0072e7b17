"""The list of formats: a module of this package registers its reader once, and is found by being there."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from crossent.data.readers.contract import FileReader
from crossent.data.readers.places import Place
from crossent.errors import DataError, UsageError

Opener = Callable[[Place], FileReader]
T = TypeVar("T", bound=Opener)


@dataclass(frozen=True)
class Format:
    """A name, the file suffixes that mean it (lower case, with the dot) and what opens such a file."""

    name: str
    suffixes: tuple[str, ...]
    open: Opener
    file_name: re.Pattern[str] | None = None
    """File names that a tool gives to this format, where the suffix alone means another one."""


_FORMATS: dict[str, Format] = {}


def register_reader(name: str, suffixes: Sequence[str], file_name: str | None = None) -> Callable[[T], T]:
    """Decorator: a class or function that takes a `Place` and gives a `FileReader` reads the format `name`.

    `file_name` is a regular expression of whole file names that mean this format whatever their suffix.

    Errors: `UsageError` (duplicate-format) if the name or a suffix already belongs to another reader.
    """

    def register(opener: T) -> T:
        pattern = None if file_name is None else re.compile(file_name)
        new = Format(name, tuple(suffix.lower() for suffix in suffixes), opener, pattern)
        for known in _FORMATS.values():
            shared = set(known.suffixes) & set(new.suffixes)
            if known.name == name or shared:
                raise UsageError(
                    "duplicate-format",
                    f"{', '.join(sorted(shared)) or name} already belongs to the format {known.name!r}",
                    cure="register the reader under another name and other suffixes",
                )
        _FORMATS[name] = new
        return opener

    return register


def all_formats() -> tuple[Format, ...]:
    """Every registered format, by name."""
    _load_modules()
    return tuple(_FORMATS[name] for name in sorted(_FORMATS))


def format_named(name: str) -> Format:
    """The format of that name; `UsageError` (unknown-format) lists the names there are."""
    formats = {known.name: known for known in all_formats()}
    if name not in formats:
        raise UsageError(
            "unknown-format", f"no format is named {name!r}", cure=f"choose one of: {', '.join(formats)}"
        )
    return formats[name]


def format_of(path: Place) -> Format | None:
    """The format that the file's name means, else its suffix (the longest suffix wins), or None."""
    by_name = [known for known in all_formats() if known.file_name and known.file_name.fullmatch(path.name)]
    if by_name:
        return by_name[0]
    name = path.name.lower()
    matches = [
        (len(suffix), known) for known in all_formats() for suffix in known.suffixes if name.endswith(suffix)
    ]
    return max(matches, key=lambda match: match[0])[1] if matches else None


def require_format(path: Place) -> Format:
    """The format of a file that was named itself; `DataError` (unknown-format) if its suffix means none."""
    found = format_of(path)
    if found is None:
        known = ", ".join(suffix for entry in all_formats() for suffix in entry.suffixes)
        raise DataError(
            "unknown-format",
            f"the suffix {path.suffix!r} is not one of a known format ({known})",
            file=str(path),
            cure="name the format with --format (format= in Python)",
        )
    return found


@cache
def _load_modules() -> None:
    import crossent.data.readers as package

    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
