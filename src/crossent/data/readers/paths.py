"""From what the user names (a file, a folder, a pattern, several of them) to files and Hive partitions."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import unquote

from crossent.data.readers.places import Place, place_of, shown
from crossent.data.readers.registry import Format, all_formats, format_named, format_of, require_format
from crossent.data.readers.remote import PATTERN, Remote
from crossent.errors import DataError

HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class Found:
    """A file, and the `key=value` folders between it and the place that was named."""

    path: Place
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
            file=", ".join(map(shown, places)),
            cure="keep one format, or choose it with --format",
        )
    return format_named(next(iter(formats))), found


def _require_once(found: Sequence[Found]) -> None:
    seen: dict[str, Place] = {}
    for entry in found:
        real = str(entry.path) if isinstance(entry.path, Remote) else os.path.realpath(entry.path)
        if real in seen:
            raise DataError(
                "file-twice",
                f"is named twice, first as {seen[real]}",
                file=str(entry.path),
                cure="a row must count once: name the file once, or models apart with select",
            )
        seen[real] = entry.path


def _expand(text: str, wanted: Format | None) -> Iterator[Found]:
    place = place_of(text)
    there = place.found() if isinstance(place, Remote) else _found(place, text)
    if there is not None and there.is_dir():
        yield from _in_folder(there, there, wanted)
    elif there is not None or not PATTERN.search(_pattern(place)):
        if there is None:
            raise DataError(
                "source-not-found", "there is no such file or folder", file=shown(text), cure="check the path"
            )
        yield Found(there)
    else:
        yield from _in_pattern(place, wanted)


def _found(path: Path, text: str) -> Path | None:
    # Path("") is the current folder; the functions of os.path take a name that is too long for an absent one
    return path if text and os.path.exists(text) else None


def _pattern(place: Place) -> str:
    return place.path if isinstance(place, Remote) else str(place)


def _in_pattern(pattern: Place, wanted: Format | None) -> Iterator[Found]:
    """Matches in the order of their names; a folder that matches gives the files in it."""
    matches: list[Any] = sorted(
        pattern.matches() if isinstance(pattern, Remote) else _local_matches(str(pattern))
    )
    # `**` matches a folder and also what is in it.
    deep = "**" in PurePath(_pattern(pattern)).parts
    if not matches or (deep and all(match.is_dir() for match in matches)):
        raise DataError(
            "source-not-found", "no file matches the pattern", file=str(pattern), cure="check the pattern"
        )
    root = _fixed(pattern)
    seen: set[Place] = set()
    for match in matches:
        inside = _in_folder(match, root, wanted) if match.is_dir() and not deep else iter(())
        for entry in inside if match.is_dir() else (Found(match, _partitions(match, root)),):
            if entry.path not in seen:
                seen.add(entry.path)
                yield entry


def _local_matches(pattern: str) -> list[Path]:
    # `**` matches the folder above it, there or not
    return [Path(match) for match in glob.glob(pattern, recursive=True) if os.path.lexists(match)]


def _fixed(pattern: Place) -> Place:
    """The folder above the first part that is a pattern."""
    parts = PurePath(_pattern(pattern)).parts
    fixed = PurePath(*parts[: next(i for i, part in enumerate(parts) if PATTERN.search(part))])
    if isinstance(pattern, Remote):
        return pattern.with_path("/".join(fixed.parts))
    return Path(fixed)


def _in_folder(folder: Place, root: Place, wanted: Format | None) -> list[Found]:
    """Files of a known format, sorted by path; a name that starts with `.` or `_` is bookkeeping."""
    files: list[Any] = _remote_files(folder) if isinstance(folder, Remote) else _local_files(folder)
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


def _remote_files(folder: Remote) -> list[Remote]:
    return [
        entry
        for entry in folder.entries(recursive=True)
        if not entry.folder and not any(map(_is_bookkeeping, entry.relative_to(folder).parts))
    ]


def _local_files(folder: Path) -> list[Path]:
    files = []
    for parent, folders, names in os.walk(folder, followlinks=True):
        above = Path(parent).resolve()
        folders[:] = [
            name
            for name in folders
            # A link to a folder that it is in would be walked without end.
            if not _is_bookkeeping(name) and not above.is_relative_to(Path(parent, name).resolve())
        ]
        files += [Path(parent, name) for name in names if not _is_bookkeeping(name)]
    return files


def _is_bookkeeping(name: str) -> bool:
    return name.startswith((".", "_"))


def _matches(path: Place, wanted: Format | None) -> bool:
    found = format_of(path)
    return found is not None and wanted in (None, found)


def _below(path: Place, root: Place) -> PurePath:
    if isinstance(path, Remote):
        assert isinstance(root, Remote)
        return path.relative_to(root)
    return path.relative_to(str(root))


def _partitions(path: Place, root: Place) -> tuple[tuple[str, str | None], ...]:
    pairs = []
    for part in _below(path, root).parts[:-1]:
        key, equals, value = part.partition("=")
        if equals and key:
            pairs.append((unquote(key), None if value == HIVE_NULL else unquote(value)))
    return tuple(pairs)
