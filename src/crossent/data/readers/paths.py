"""From what the user names (a file, a folder, a pattern, several of them) to files and Hive partitions."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from crossent.data.readers.registry import Format, all_formats, format_named, format_of, require_format
from crossent.errors import DataError

HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
_PATTERN = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Found:
    """A file, and the `key=value` folders between it and the place that was named."""

    path: Path
    partitions: tuple[tuple[str, str | None], ...] = ()


def find(places: Sequence[str], format: str | None) -> tuple[Format, tuple[Found, ...]]:
    """The files of all places and their one format.

    Errors: `DataError` source-not-found, no-data-files, unknown-format, mixed-formats; `UsageError`
    unknown-format for a `format` that does not exist.
    """
    wanted = format_named(format) if format else None
    found = tuple(entry for place in places for entry in _expand(place, wanted))
    _require_once(found)
    formats = {(wanted or require_format(entry.path)).name: entry.path for entry in found}
    if len(formats) > 1:
        examples = ", ".join(f"{path} is {name}" for name, path in sorted(formats.items()))
        raise DataError(
            "mixed-formats",
            f"the files are of different formats: {examples}",
            file=", ".join(places),
            cure="keep one format, or choose it with --format",
        )
    return format_named(next(iter(formats))), found


def _require_once(found: Sequence[Found]) -> None:
    seen: dict[str, Path] = {}
    for entry in found:
        real = os.path.realpath(entry.path)
        if real in seen:
            raise DataError(
                "file-twice",
                f"is named twice, first as {seen[real]}",
                file=str(entry.path),
                cure="a row must count once: name the file once, or models apart with select",
            )
        seen[real] = entry.path


def _expand(place: str, wanted: Format | None) -> Iterator[Found]:
    path = Path(place)
    # Path("") is the current folder; the functions of os.path take a name that is too long for an absent one
    there = bool(place) and os.path.exists(place)
    if there and path.is_dir():
        yield from _in_folder(path, path, wanted)
    elif there or not _PATTERN.search(place):
        if not there:
            raise DataError(
                "source-not-found", "there is no such file or folder", file=place, cure="check the path"
            )
        yield Found(path)
    else:
        yield from _in_pattern(place, wanted)


def _in_pattern(pattern: str, wanted: Format | None) -> Iterator[Found]:
    """Matches in the order of their names; a folder that matches gives the files in it."""
    matches = sorted(Path(match) for match in glob.glob(pattern, recursive=True))
    if not matches:
        raise DataError(
            "source-not-found", "no file matches the pattern", file=pattern, cure="check the pattern"
        )
    parts = Path(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if _PATTERN.search(part))
    root = Path(*parts[:fixed])
    # `**` matches a folder and also what is in it.
    seen: set[Path] = set()
    for match in matches:
        inside = _in_folder(match, root, wanted) if match.is_dir() and "**" not in parts else iter(())
        for entry in inside if match.is_dir() else (Found(match, _partitions(match, root)),):
            if entry.path not in seen:
                seen.add(entry.path)
                yield entry


def _in_folder(folder: Path, root: Path, wanted: Format | None) -> list[Found]:
    """Files of a known format, sorted by path; a name that starts with `.` or `_` is bookkeeping."""
    files = []
    for parent, folders, names in os.walk(folder, followlinks=True):
        above = Path(parent).resolve()
        folders[:] = [
            name
            for name in folders
            # A link to a folder that it is in would be walked without end.
            if not name.startswith((".", "_")) and not above.is_relative_to(Path(parent, name).resolve())
        ]
        files += [Path(parent, name) for name in names if not name.startswith((".", "_"))]
    known = [path for path in sorted(files) if _matches(path, wanted)]
    if not known:
        suffixes = wanted.suffixes if wanted else [s for entry in all_formats() for s in entry.suffixes]
        raise DataError(
            "no-data-files",
            f"the folder holds no file that ends in {', '.join(suffixes)}",
            file=str(folder),
            cure="check the path, or name a pattern such as 'folder/*.dat' together with --format",
        )
    return [Found(path, _partitions(path, root)) for path in known]


def _matches(path: Path, wanted: Format | None) -> bool:
    found = format_of(path)
    return found is not None and wanted in (None, found)


def _partitions(path: Path, root: Path) -> tuple[tuple[str, str | None], ...]:
    pairs = []
    for part in path.relative_to(root).parts[:-1]:
        key, equals, value = part.partition("=")
        if equals and key:
            pairs.append((unquote(key), None if value == HIVE_NULL else unquote(value)))
    return tuple(pairs)
