"""What the columns of one source mean: decided from names, types and options, never from values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from crossent.data.labels import natural_order, value_type
from crossent.data.options import ID_NAMES, LABEL_NAMES, ReadOptions
from crossent.data.readers.contract import Source
from crossent.errors import DataError, UsageError

PREFIXES = {"probs": ("p_", "prob_", "proba_"), "logits": ("z_", "logit_"), "log_probs": ("lp_", "logp_")}
"""Column name prefixes that declare a kind; the rest of the name is the class."""
LIST_NAMES = {"probs": ("probs",), "logits": ("logits",), "log_probs": ("log_probs", "logprobs")}
"""Names of list columns that declare a kind."""
SCALAR_NAMES = ("label_logprob", "logprob")
"""Names of a column that holds only the log-probability of what happened."""


@dataclass(frozen=True)
class Layout:
    """Where the predictions, labels and other columns of one source are.

    `shape` is "columns" (one a class), "single" (the probability of `positive`), "list" (one list column) or
    "scalar" (log-probability of the label). `classes` is in the order of the columns; for "single" it is the
    positive class alone, the other one's name being found in the labels.
    """

    kind: str
    shape: str
    predictions: tuple[str, ...]
    classes: tuple[str, ...] | None
    label: str | None
    id: str | None
    extra: tuple[str, ...]
    """Columns named by option: weight, cluster, groups, bytes, where."""
    ignored: tuple[str, ...]
    dtype: str
    numbers: tuple[str, ...] = ()
    """Columns named by option that hold numbers: weight and bytes."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns to read, each once."""
        named = (self.id, self.label, *self.extra, *self.predictions)
        return tuple(dict.fromkeys(c for c in named if c is not None))

    @property
    def width(self) -> int:
        """Numbers a row holds."""
        return max(len(self.predictions), len(self.classes or ()))

    def described(self) -> str:
        """In words, for the output."""
        if self.shape == "columns":
            shown = (
                self.predictions
                if len(self.predictions) <= 6
                else (*self.predictions[:3], "…", self.predictions[-1])
            )
            return f"{len(self.predictions)} columns: {', '.join(shown)}"
        if self.shape == "single":
            return f"column {self.predictions[0]}, the probability of {(self.classes or ('?',))[0]}"
        if self.shape == "list":
            return f"list column {self.predictions[0]} of {len(self.classes or ())} classes"
        return f"column {self.predictions[0]}, the log-probability of the label"


def understand(source: Source, options: ReadOptions) -> Layout:
    """Decide what the columns of a source mean.

    Raises DataError where a named column does not exist and UsageError where the names leave a choice open.
    """
    names = source.schema.names
    extra = options.row_columns()
    for column in extra:
        _require(source, column)
    label = _named(source, options.label, LABEL_NAMES, "label")
    row_id = _named(source, options.id, ID_NAMES, "id")
    for named in (label, row_id, *extra):
        _require_plain(source, named)
    kind, shape, predictions = _predictions(source, options, {label, row_id, *extra})
    if label is None and kind != "label_logprob":
        raise DataError(
            "no-label",
            f"no label column among {_shown(names)}",
            file=source.name,
            cure="name it with --label COLUMN",
        )
    classes = _classes(source, options, kind, shape, predictions)
    used = {label, row_id, *extra, *predictions}
    types = dict.fromkeys(str(_number_type(source.schema.field(c).type)) for c in predictions)
    return Layout(
        kind,
        shape,
        predictions,
        classes,
        label,
        row_id,
        extra,
        tuple(n for n in names if n not in used),
        ", ".join(types),
        tuple(c for c in (options.weight, options.bytes) if c is not None),
    )


def common_classes(layouts: Sequence[Layout], sources: Sequence[Source]) -> tuple[str, ...] | None:
    """The classes of all models: the columns' order where all agree, else natural order; None for tokens.

    Where all have a single column this is the positive class alone; single-column layouts fit any other
    layout of two classes.
    """
    if all(layout.shape == "scalar" for layout in layouts):
        return None
    first_source, first = _first_full(layouts, sources)
    if first is None:
        return _common_positive(layouts, sources)
    assert first.classes is not None
    order = first.classes
    for layout, source in zip(layouts, sources, strict=True):
        if layout.shape == "scalar":
            raise DataError(
                "kinds-differ",
                f"holds only the log-probability of the label, {first_source.name} whole distributions",
                file=source.name,
                cure="evaluate the two kinds apart, or write label_logprob for all models",
            )
        if layout.shape == "single":
            _fits_two(layout, source, order)
        elif layout.classes != order:
            _same_set(source, layout, first_source, first)
            order = natural_order(order)
    return order


def _first_full(layouts: Sequence[Layout], sources: Sequence[Source]) -> tuple[Source, Layout | None]:
    for layout, source in zip(layouts, sources, strict=True):
        if layout.shape in ("columns", "list"):
            return source, layout
    return sources[0], None


def _common_positive(layouts: Sequence[Layout], sources: Sequence[Source]) -> tuple[str, ...]:
    first = layouts[0].classes
    for layout, source in zip(layouts, sources, strict=True):
        if layout.classes != first:
            raise DataError(
                "classes-differ",
                f"its column is the probability of {layout.classes}, that of {sources[0].name} of {first}",
                file=source.name,
                cure="name the class with --positive",
            )
    assert first is not None
    return first


def _fits_two(layout: Layout, source: Source, order: tuple[str, ...]) -> None:
    assert layout.classes is not None
    if len(order) != 2 or layout.classes[0] not in order:
        raise DataError(
            "classes-differ",
            f"one probability, of {layout.classes[0]}, where another model has the classes {_shown(order)}",
            file=source.name,
            cure="a single column fits only two classes, one of which it names",
        )


def _same_set(source: Source, layout: Layout, first_source: Source, first: Layout) -> None:
    here, there = set(layout.classes or ()), set(first.classes or ())
    if here != there:
        raise DataError(
            "classes-differ",
            f"classes only here: {_shown(sorted(here - there)) or 'none'}; "
            f"only in {first_source.name}: {_shown(sorted(there - here)) or 'none'}",
            file=source.name,
            cure="all models need the same classes; a class a model does not know has probability 0",
        )


def _require(source: Source, column: str) -> None:
    if column not in source.schema.names:
        raise DataError(
            "unknown-column",
            f"no such column; there are {_shown(source.schema.names)}",
            file=source.name,
            column=column,
            cure="check the spelling of the option that names it",
        )


def _require_plain(source: Source, column: str | None) -> None:
    if column is None:
        return
    type_ = source.schema.field(column).type
    if pa.types.is_nested(type_):
        raise DataError(
            "nested-column",
            f"one value a row is needed, this column is {type_}",
            file=source.name,
            column=column,
            cure="name a column of text or numbers",
        )


def _named(source: Source, wanted: str | None, usual: Sequence[str], role: str) -> str | None:
    """The column of a role: the one named, or the only one with a usual name."""
    if wanted is not None:
        _require(source, wanted)
        return wanted
    found = [n for n in usual if n in source.schema.names]
    if len(found) > 1:
        raise UsageError(
            "which-column",
            f"{source.name} has the columns {' and '.join(found)}",
            cure=f"say which one is the {role} with --{role}",
        )
    return found[0] if found else None


def _predictions(
    source: Source, options: ReadOptions, used: set[str | None]
) -> tuple[str, str, tuple[str, ...]]:
    """(kind, shape, columns) of the predictions."""
    free = [f for f in source.schema if f.name not in used]
    if options.prob is not None:
        _require(source, options.prob)
        return _one_column(source, options)
    if options.prefix is not None:
        columns = tuple(f.name for f in free if f.name.startswith(options.prefix))
        if not columns:
            raise DataError(
                "no-predictions",
                f"no column begins with {options.prefix}",
                file=source.name,
                cure="check --prefix",
            )
        return options.kind or "probs", "columns" if len(columns) > 1 else "single", columns
    candidates = [c for c in _by_name(free) if options.kind in (None, c[0])]
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise DataError(
            "no-predictions",
            f"no column of {_shown(source.schema.names)} is named like a prediction"
            + (f" of kind {options.kind}" if options.kind else ""),
            file=source.name,
            cure="name the columns p_<class>, or say where they are with --prob or --prefix and --kind",
        )
    several = "; ".join(f"{k} in {_shown(c)}" for k, _, c in candidates)
    raise UsageError(
        "which-prediction",
        f"{source.name} has several predictions: {several}",
        cure="choose one with --kind, --prefix or --prob",
    )


def _by_name(fields: Sequence[pa.Field]) -> list[tuple[str, str, tuple[str, ...]]]:
    """All predictions that the column names declare."""
    found: list[tuple[str, str, tuple[str, ...]]] = []
    for kind, prefixes in PREFIXES.items():
        for prefix in prefixes:
            columns = tuple(f.name for f in fields if f.name.startswith(prefix) and not _is_list(f.type))
            if columns:
                found.append((kind, "columns" if len(columns) > 1 else "single", columns))
    for kind, names in LIST_NAMES.items():
        found.extend((kind, "list", (f.name,)) for f in fields if f.name in names and _is_list(f.type))
    scalars = tuple(f.name for f in fields if f.name in SCALAR_NAMES and not _is_list(f.type))
    found.extend(("label_logprob", "scalar", (name,)) for name in scalars)
    return found


def _one_column(source: Source, options: ReadOptions) -> tuple[str, str, tuple[str, ...]]:
    assert options.prob is not None
    kind = options.kind or "probs"
    if kind == "label_logprob":
        return kind, "scalar", (options.prob,)
    shape = "list" if _is_list(source.schema.field(options.prob).type) else "single"
    return kind, shape, (options.prob,)


def _classes(
    source: Source, options: ReadOptions, kind: str, shape: str, columns: tuple[str, ...]
) -> tuple[str, ...] | None:
    if shape == "scalar":
        return None
    if shape == "list":
        return _list_classes(source, options, columns[0])
    prefixes = (options.prefix,) if options.prefix else PREFIXES[kind]
    names = tuple(_without_prefix(c, prefixes) for c in columns)
    if len(set(names)) < len(names):
        raise UsageError(
            "which-prediction",
            f"two columns of {source.name} are of one class: {_shown(columns)}",
            cure="rename the column whose name is nothing but the prefix",
        )
    if shape == "single":
        if kind != "probs":
            raise DataError(
                "single-column-kind",
                f"a single column of {kind} does not say what the other class has",
                file=source.name,
                column=columns[0],
                cure="write one column a class, or probabilities",
            )
        if options.positive is None and options.prob is not None and names[0] == options.prob:
            raise UsageError(
                "no-positive",
                f"column {options.prob} is the probability of an unnamed class",
                cure="say which label it is the probability of with --positive",
            )
        return (options.positive or names[0],)
    if options.classes is not None and set(options.classes) != set(names):
        raise UsageError(
            "classes-option",
            f"--classes names {_shown(options.classes)}, the columns of {source.name} {_shown(names)}",
            cure="leave the option out: the column names say the classes",
        )
    return names


def _without_prefix(column: str, prefixes: Sequence[str]) -> str:
    for prefix in prefixes:
        if column.startswith(prefix) and len(column) > len(prefix):
            return column[len(prefix) :]
    return column


def _list_classes(source: Source, options: ReadOptions, column: str) -> tuple[str, ...]:
    field = source.schema.field(column)
    declared = (
        options.classes
        or _metadata_classes(source, column, field.metadata)
        or _metadata_classes(source, column, source.schema.metadata)
    )
    size = field.type.list_size if pa.types.is_fixed_size_list(field.type) else None
    if declared is None:
        raise DataError(
            "list-without-classes",
            "nothing says which class each entry of the list is",
            file=source.name,
            column=column,
            cure="pass --classes with the names in the order of the list, "
            f"such as --classes 0..{(size or 10) - 1}",
        )
    if size is not None and size != len(declared):
        raise DataError(
            "list-length",
            f"lists of {size} numbers, but {len(declared)} classes are named",
            file=source.name,
            column=column,
            cure="name one class for each entry",
        )
    return declared


def _metadata_classes(
    source: Source, column: str, metadata: dict[bytes, bytes] | None
) -> tuple[str, ...] | None:
    text = (metadata or {}).get(b"classes")
    if text is None:
        return None
    try:
        names = json.loads(text)
    except ValueError:
        names = None
    usable = isinstance(names, list) and all(isinstance(name, str | int) for name in names)
    if not usable or len({str(name) for name in names}) < len(names):
        raise DataError(
            "class-metadata",
            "the metadata `classes` is not a JSON list of different names",
            file=source.name,
            column=column,
            value=ascii(text[:60]),
            cure='write a list such as ["cat", "dog"], or pass --classes',
        )
    return tuple(str(name) for name in names)


def _is_list(type_: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_)
    )


def _number_type(type_: pa.DataType) -> pa.DataType:
    return type_.value_type if _is_list(type_) else value_type(type_)


def _shown(names: Sequence[str], limit: int = 8) -> str:
    shown = ", ".join(names[:limit])
    return f"{shown}, … ({len(names)} in all)" if len(names) > limit else shown
