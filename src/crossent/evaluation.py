"""Evaluation: the merged exact sums of one or several models with their provenance, as data that is saved,
merged and reopened. Everything that is printed is derived from it.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from crossent.accumulators.contract import Spec
from crossent.accumulators.moments import Moments
from crossent.accumulators.registry import new_states
from crossent.accumulators.tables import with_all_cells
from crossent.engines.passes import State
from crossent.errors import DataError, MergeError
from crossent.files import replacing
from crossent.losses.contract import VALUE_KINDS
from crossent.results import FileRecord, SourceRecord

FORMAT = "crossent-evaluation"
VERSION = 2
"""Format 2 knows predictions about numbers and rows left out by value; without these, format 1 is written."""
_SINCE_2 = ("levels", "figures", "density", "where_not", "ordered")

Pairs = tuple[tuple[str, str], ...]
"""(column, value)."""


@dataclass(frozen=True)
class Setup:
    """What was evaluated and how: the part of an evaluation that is not a sum."""

    loss: str
    floor: float | None
    renormalised: bool
    classes: tuple[str, ...] | None
    positive: str | None
    pairing: str
    label_column: str
    id_column: str | None
    weight_column: str | None
    cluster_column: str | None
    group_columns: tuple[str, ...]
    unit_column: str | None
    bytes_column: str | None
    where: Pairs
    dropped: tuple[tuple[str, int], ...]
    sources: tuple[SourceRecord, ...]
    levels: tuple[float, ...] = ()
    """Of the quantiles that the models predict."""
    figures: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(model, columns that only it has beside its loss)."""
    where_not: Pairs = ()
    """Values of columns whose rows were left out."""
    ordered: bool = False
    """Whether the clusters are times, whose neighbours may be alike."""

    @property
    def numbers(self) -> bool:
        """Whether the label is a number."""
        return any(source.kind in VALUE_KINDS for source in self.sources)

    @property
    def conditions(self) -> str:
        """Which rows these are: "split=val", "split=val and label!=255", or "all rows"."""
        chosen = [f"{column}={value}" for column, value in self.where]
        chosen += [f"{column}!={value}" for column, value in self.where_not]
        return " and ".join(chosen) or "all rows"

    def same_question(self, other: Setup) -> bool:
        """Whether two evaluations differ in nothing but the rows they saw."""
        ignored: dict[str, Any] = {"sources": (), "dropped": (), "where": (), "where_not": (), "pairing": ""}
        return replace(self, **ignored) == replace(other, **ignored)


@dataclass(frozen=True)
class Evaluation:
    """Exact sums of the losses of one or several models over the same rows.

    `a.merge(b)` adds the rows of another evaluation of the same models; `save` and `load` keep it as JSON
    (gzip where the name ends in .gz). Equal sums give equal files, whatever the batches, threads and merges.
    """

    setup: Setup
    spec: Spec
    state: State

    @property
    def names(self) -> tuple[str, ...]:
        """The models, in the order given."""
        return tuple(self.state.models)

    @property
    def moments(self) -> dict[str, Moments]:
        """The moments that hold each model's loss."""
        return {name: moments for moments in self.state.moments for name in moments.names}

    def accumulated(self, model: str, name: str) -> Any:
        """The accumulator of that name with the sums of one model."""
        return self.state.models[model][name]

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as plain data."""
        setup, spec = _plain(self.setup), _plain(self.spec)
        return {
            "format": FORMAT,
            "version": 1 if {*setup, *spec}.isdisjoint(_SINCE_2) else VERSION,
            "setup": setup,
            "spec": spec,
            "models": {
                name: {
                    key: {"version": a.version, "state": with_all_cells(a.state())}
                    for key, a in accumulators.items()
                    if not a.silent
                }
                for name, accumulators in self.state.models.items()
            },
            "moments": [m.state() for m in self.state.moments],
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the evaluation to a file, whole or not at all."""
        text = json.dumps(self.to_dict(), separators=(",", ":"), allow_nan=False).encode()
        with replacing(path) as temporary:
            # mtime 0: the same sums give the same bytes
            temporary.write_bytes(gzip.compress(text, mtime=0) if str(path).endswith(".gz") else text)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Evaluation:
        """Read an evaluation that `save` wrote.

        Raises DataError for a file that is none, or that a later version wrote.
        """
        name = os.fspath(path)
        try:
            raw = Path(path).read_bytes()
        except OSError as error:
            raise DataError(
                "cannot-read", f"cannot be read: {error.strerror}", file=name, cure="check the path"
            ) from None
        try:
            data = json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
        except (EOFError, ValueError, RecursionError, zlib.error, gzip.BadGzipFile) as error:
            raise _not_an_evaluation(name, str(error)) from None
        if not isinstance(data, dict) or data.get("format") != FORMAT or type(data.get("version")) is not int:
            raise _not_an_evaluation(name, "it is something else")
        if data["version"] > VERSION:
            raise DataError(
                "newer-format",
                f"written in format {data['version']}, this crossent knows {VERSION}",
                file=name,
                cure="update crossent",
            )
        try:
            return cls.from_dict(data)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise _not_an_evaluation(
                name, f"its content is damaged ({type(error).__name__}: {error})"
            ) from None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Evaluation:
        """The evaluation written by `to_dict`."""
        plain: dict[str, Any] = {k: _tuples(v) for k, v in data["spec"].items()}
        spec = Spec(**plain)
        setup = _setup(data["setup"])
        own = dict(setup.figures)
        models = {}
        for name, saved in data["models"].items():
            models[name] = new_states(replace(spec, figures=own.get(name, ())))
            for key, accumulator in models[name].items():
                if key in saved:
                    accumulator.load(saved[key]["state"])
                elif not accumulator.silent:
                    raise ValueError("sums are missing")
        state = State(models, [Moments.load(m) for m in data["moments"]])
        if {n for m in state.moments for n in m.names} != models.keys() or not models:
            raise ValueError("sums are missing")
        return cls(setup, spec, state)

    def merge(self, other: Evaluation) -> Evaluation:
        """The evaluation of the rows of both.

        Raises MergeError if the two asked different questions, or if they share rows as far as can be told
        from their files.
        """
        self.check_comparable(other)
        total = Evaluation.from_dict(self.to_dict())
        total.state.merge(Evaluation.from_dict(other.to_dict()).state)
        return replace(total, setup=_merged_setup(self.setup, other.setup))

    def check_comparable(self, other: Evaluation) -> None:
        """Raise MergeError if the two asked different questions, or share rows as far as can be told."""
        if self.names != other.names or not self.setup.same_question(other.setup) or self.spec != other.spec:
            raise MergeError(
                "merge-different",
                f"the evaluations differ in options or models "
                f"({', '.join(self.names)}; {', '.join(other.names)})",
                cure="evaluate all parts with the same models, columns and options",
            )
        self._check_disjoint(other)

    def _check_disjoint(self, other: Evaluation) -> None:
        if _disjoint(self.setup, other.setup):
            return
        mine = {(s.model, f.digest): f.path for s in self.setup.sources for f in s.files}
        for source in other.setup.sources:
            for file in source.files:
                if (source.model, file.digest) in mine:
                    raise MergeError(
                        "merge-overlap",
                        f"both evaluations hold the rows of {mine[source.model, file.digest]} ({file.path})",
                        cure="a row must count once: leave one of them out",
                    )


def _values(pairs: Pairs, column: str) -> set[str]:
    return {value for name, value in pairs if name == column}


def _columns(pairs: Pairs) -> set[str]:
    return {column for column, _ in pairs}


def _disjoint(one: Setup, two: Setup) -> bool:
    """Whether the conditions of two evaluations exclude each other: no value of some column in both."""
    for column in _columns(one.where) | _columns(two.where):
        mine, theirs = _values(one.where, column), _values(two.where, column)
        shared = mine & theirs if mine and theirs else mine | theirs
        if not shared - _values(one.where_not, column) - _values(two.where_not, column):
            return True
    return False


def _without(setup: Setup, column: str, value: str) -> bool:
    """Whether an evaluation's conditions say that it has no row of that value."""
    chosen = _values(setup.where, column)
    return (column, value) in setup.where_not or (bool(chosen) and value not in chosen)


def _merged_setup(one: Setup, two: Setup) -> Setup:
    sources = []
    for mine, theirs in zip(one.sources, two.sources, strict=True):
        files = tuple(sorted({*mine.files, *theirs.files}, key=lambda f: (f.path, f.digest)))
        sources.append(replace(mine, files=files))
    dropped = dict(one.dropped)
    for model, count in two.dropped:
        dropped[model] = dropped.get(model, 0) + count
    # a column that only one part was chosen by says nothing of the rows of both
    columns = _columns(one.where) & _columns(two.where)
    where = tuple(sorted(pair for pair in {*one.where, *two.where} if pair[0] in columns))
    left_out = {*one.where_not, *two.where_not}
    where_not = tuple(sorted(pair for pair in left_out if _without(one, *pair) and _without(two, *pair)))
    pairing = one.pairing if one.pairing == two.pairing else "row id"
    return replace(
        one,
        sources=tuple(sources),
        dropped=tuple(dropped.items()),
        where=where,
        where_not=where_not,
        pairing=pairing,
    )


def _plain(record: Setup | Spec) -> dict[str, Any]:
    """The fields as plain data; what came with format 2 is left out where it says nothing."""
    plain = asdict(record)
    return {f.name: plain[f.name] for f in fields(record) if f.name not in _SINCE_2 or plain[f.name]}


def _setup(data: Mapping[str, Any]) -> Setup:
    plain = {k: _tuples(v) for k, v in data.items() if k != "sources"}
    sources = tuple(
        SourceRecord(
            **{
                **s,
                "files": tuple(FileRecord(**f) for f in s["files"]),
                "ignored_columns": tuple(s["ignored_columns"]),
            }
        )
        for s in data["sources"]
    )
    return Setup(**plain, sources=sources)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


def _not_an_evaluation(path: str, why: str) -> DataError:
    return DataError(
        "not-an-evaluation",
        f"not a saved evaluation: {why}",
        file=path,
        cure="give a file written with --state or Evaluation.save",
    )
