"""Samples of lm-evaluation-harness: what `--log_samples` writes, a line for each document of a task.

Three kinds of task have log-probabilities, told apart by the requests that were made, not by the numbers:

- one text a document (`loglikelihood_rolling`, such as wikitext): its log-probability, its bytes and words;
- a context and its one continuation (such as LAMBADA): the log-probability and bytes of the continuation;
- several continuations of a context (multiple choice): the log-probabilities of all of them are the logits of
  the choices, and the label is the number of the right one.

Generated text has no log-probabilities and is refused.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from crossent.data.readers.arrays import column_field
from crossent.data.readers.contract import FileReader
from crossent.data.readers.faults import translated
from crossent.data.readers.jsonl import Row, blocks
from crossent.data.readers.places import Place
from crossent.data.readers.registry import register_reader
from crossent.data.readers.text import compressed
from crossent.errors import DataError

FILE_NAME = r"samples_(?P<task>.+)_\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(\.\d+)?\.jsonl"
SHOWN = 60
SCANNED_ROWS = 1000

WHAT = pa.schema(
    [
        ("row_id", pa.int64()),
        ("doc_hash", pa.string()),
        ("task", pa.string()),
        ("filter", pa.string()),
    ]
)
TEXT = [
    ("label", pa.string()),
    ("bytes", pa.int64()),
    ("words", pa.int64()),
    ("logprob", pa.float64()),
]


@dataclass(frozen=True)
class Requests:
    """What was asked of the model for one document, and the log-probability of each answer."""

    contexts: tuple[str, ...]
    continuations: tuple[str, ...]
    """Empty for a rolling text, which is the one context."""
    log_likelihoods: tuple[float, ...]

    @property
    def choices(self) -> int:
        """How many continuations there are to choose from; 0 where there is no choice."""
        return len(self.continuations) if len(self.continuations) > 1 else 0


@register_reader("lm-eval", compressed(".lm-eval.jsonl"), FILE_NAME)
class LmEvalReader(FileReader):
    """One file of samples; it is read once when opened, to find its rows and the largest number of choices.

    A document with fewer choices than another has the logit −inf for those that it lacks.
    """

    def __init__(self, path: Place) -> None:
        rows, self._choices = 0, -1
        with translated(path):
            for block in blocks(path, SCANNED_ROWS):
                for row in block:
                    self._choices = _widest(self._choices, requests_of(row, path, rows), path, rows)
                    rows += 1
        super().__init__(path, _schema(self._choices), rows)

    def batches(
        self, columns: Sequence[str], batch_rows: int, types: Mapping[str, pa.DataType]
    ) -> Iterator[pa.RecordBatch]:
        schema = pa.schema([self.schema.field(name) for name in columns])
        first_row = 0
        with translated(self.path):
            for block in blocks(self.path, batch_rows):
                values = self._columns(block, first_row)
                arrays = [_array(values[name], schema.field(name).type) for name in columns]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
                first_row += len(block)

    def _columns(self, block: Sequence[Row], first_row: int) -> dict[str, list[Any]]:
        """The values of every column."""
        named = re.fullmatch(FILE_NAME, self.path.name)
        columns: dict[str, list[Any]] = {name: [] for name in self.schema.names}
        for number, row in enumerate(block, first_row):
            requests = requests_of(row, self.path, number)
            _widest(self._choices, requests, self.path, number)
            values = {
                "row_id": _whole(row, "doc_id", self.path, number),
                "doc_hash": _text(row, "doc_hash", self.path, number),
                "task": named["task"] if named else None,
                "filter": _text(row, "filter", self.path, number),
                **(self._choice if self._choices else self._scored)(row, requests, number),
            }
            for name, column in columns.items():
                column.append(values[name])
        return columns

    def _scored(self, row: Row, requests: Requests, number: int) -> dict[str, Any]:
        """A text or a continuation and its log-probability."""
        rolling = not requests.continuations
        text = requests.contexts[0] if rolling else requests.continuations[0]
        size = _counted(row, ("bits_per_byte", "byte_perplexity"), self.path, number)
        return {
            "label": hashlib.sha256(text.encode()).hexdigest()[:16] if rolling else text,
            "bytes": len(text.encode()) if size is None else size,
            "words": _counted(row, ("word_perplexity",), self.path, number),
            "logprob": requests.log_likelihoods[0],
        }

    def _choice(self, row: Row, requests: Requests, number: int) -> dict[str, Any]:
        """The number of the right choice and the log-probabilities of all."""
        missing = self._choices - requests.choices
        return {
            "label": _right_choice(row, requests, self.path, number),
            "logits": [*requests.log_likelihoods, *[-math.inf] * missing],
        }


def requests_of(row: Row, path: Place, number: int) -> Requests:
    """The requests of one sample.

    Errors: `DataError` lm-eval-generation (text was generated), lm-eval-sample (not written by the harness).
    """
    arguments, answers = row.get("arguments"), row.get("filtered_resps")
    if isinstance(arguments, dict):  # {"gen_args_0": {"arg_0": …, "arg_1": …}}, since 2024
        arguments = [list(a.values()) if isinstance(a, dict) else a for a in arguments.values()]
    if not isinstance(arguments, list) or not all(_is_request(a) for a in arguments):
        raise _no_sample("arguments", arguments, path, number)
    texts = [a for a in arguments if len(a) == 1]
    if not arguments or (texts and len(arguments) > 1):
        raise _no_sample("arguments", arguments, path, number)
    if any(len(a) > 1 and not isinstance(a[1], str) for a in arguments):
        raise DataError(
            "lm-eval-generation",
            "text was generated for this task, which has no log-probabilities",
            file=str(path),
            row=number,
            cure="use the samples of a task that scores given texts or choices (its output_type is "
            "loglikelihood, loglikelihood_rolling or multiple_choice)",
        )
    if not isinstance(answers, list) or len(answers) != len(arguments):
        raise _no_sample("filtered_resps", answers, path, number)
    likelihoods = [_log_likelihood(answer, path, number) for answer in answers]
    asked = _without_unconditional(row, arguments)
    return Requests(
        tuple(a[0] for a in asked),
        tuple(a[1] for a in asked if len(a) > 1),
        tuple(likelihoods[: len(asked)]),
    )


def _is_request(arguments: Any) -> bool:
    return isinstance(arguments, list) and bool(arguments) and isinstance(arguments[0], str)


def _without_unconditional(row: Row, arguments: list[list[Any]]) -> list[list[Any]]:
    """Mutual information asks each choice again without its context: those answers are no choices."""
    half, odd = divmod(len(arguments), 2)
    again = "acc_mutual_info" in row and not odd and all(a[0] == "" for a in arguments[half:])
    return arguments[:half] if again else arguments


def _log_likelihood(answer: Any, path: Place, number: int) -> float:
    """The number alone, or the first of (log-probability, is greedy); the harness writes both as text."""
    value = answer[0] if isinstance(answer, list) and answer else answer
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    raise _no_sample("filtered_resps", answer, path, number)


def _right_choice(row: Row, requests: Requests, path: Place, number: int) -> int:
    """The target is the number of a choice or its text; the texts of requests begin with a delimiter."""
    target = row.get("target")
    text = str(target) if isinstance(target, str | int) and not isinstance(target, bool) else None
    same_text = len(set(requests.continuations)) == 1 < len(set(requests.contexts))
    found: list[int] = []
    if text is not None and not same_text:
        found = [i for i in range(requests.choices) if text == str(i)]
        found = found or [i for i, c in enumerate(requests.continuations) if c.strip() == text.strip()]
    if len(found) != 1:
        raise DataError(
            "lm-eval-target",
            f"the target is not one of the {requests.choices} choices"
            if not same_text
            else "the choices are contexts of one continuation, and the log does not say which is right",
            file=str(path),
            row=number,
            column="target",
            value=repr(target)[:SHOWN],
            cure="only tasks with one right choice among the continuations can be read; write logits and "
            "label yourself for others",
        )
    return found[0]


def _counted(row: Row, metrics: Sequence[str], path: Place, number: int) -> int | None:
    """What a metric divides by: it stands in the log as (log-probability, count)."""
    for metric in metrics:
        if metric in row:
            value = row[metric]
            count = value[1] if isinstance(value, list) and len(value) == 2 else None
            if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count < 2**63:
                raise _no_sample(metric, value, path, number)
            return count
    return None


def _whole(row: Row, key: str, path: Place, number: int) -> int:
    value = row.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**63:
        raise _no_sample(key, value, path, number)
    return value


def _text(row: Row, key: str, path: Place, number: int) -> str | None:
    value = row.get(key)
    if value is not None and not isinstance(value, str):
        raise _no_sample(key, value, path, number)
    return value


def _widest(choices: int, requests: Requests, path: Place, number: int) -> int:
    """The larger number of choices; a file holds choices or texts, not both."""
    if choices >= 0 and (choices > 0) != (requests.choices > 0):
        raise DataError(
            "lm-eval-mixed",
            "some documents have choices, others one text",
            file=str(path),
            row=number,
            cure="keep each task in a file of its own, as the harness writes them",
        )
    return max(choices, requests.choices)


def _schema(choices: int) -> pa.Schema:
    """The columns of texts, also of a file without a row, or of choices."""
    if choices <= 0:
        return pa.schema([*WHAT, *(pa.field(*column) for column in TEXT)])
    names = [str(i) for i in range(choices)]
    logits = column_field("logits", pa.list_(pa.float64(), choices), list(names))
    return pa.schema([*WHAT, pa.field("label", pa.int64()), logits])


def _array(values: list[Any], type_: pa.DataType) -> pa.Array[Any]:
    if not pa.types.is_fixed_size_list(type_):
        return pa.array(values, type_)
    return pa.FixedSizeListArray.from_arrays(pa.array(np.array(values, np.float64).reshape(-1)), type=type_)


def _no_sample(key: str, value: Any, path: Place, number: int) -> DataError:
    return DataError(
        "lm-eval-sample",
        f"the line is no sample as lm-evaluation-harness writes it: {key} is not what it should be",
        file=str(path),
        row=number,
        column=key,
        value=repr(value)[:SHOWN],
        cure="write the file with --log_samples, or name its format with --format",
    )
