"""Responses with log-probabilities, as OpenAI's API and the servers that follow it (vLLM, …) give them.

A `.json` file holds one response or a list of them, any other file one on each line: as the server sent it,
or as a line of a batch's output with its `custom_id`. Every token that has a probability is a row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa

from crossent.data.readers.contract import FileReader
from crossent.data.readers.faults import translated
from crossent.data.readers.jsonl import blocks, distinct
from crossent.data.readers.places import Place
from crossent.data.readers.registry import register_reader
from crossent.data.readers.text import COMPRESSION, compressed, encoding_error, open_text
from crossent.data.readers.token_logs import Malformed, malformed, tokens_of
from crossent.errors import DataError

SHOWN = 60
RESPONSES_AT_A_TIME = 100

SCHEMA = pa.schema(
    [
        ("row_id", pa.string()),
        ("document", pa.string()),
        ("part", pa.string()),
        ("position", pa.int64()),
        ("label", pa.string()),
        ("token_bytes", pa.int64()),
        ("logprob", pa.float64()),
        pa.field("unseen_mass", pa.float64(), metadata={"meaning": "unseen_mass"}),
    ]
)


@register_reader("openai-logprobs", compressed(".logprobs.jsonl", ".logprobs.json"))
class LogprobsReader(FileReader):
    """One file of responses; `document` names the response and, where it has several, the choice.

    A response is named by its `custom_id`; without one by its number in the file, or in a `.json` file by the
    file's name, so that the responses of two models to the same inputs have the same names.
    """

    def __init__(self, path: Place) -> None:
        with translated(path):
            next(iter(_responses(path)), None)
        super().__init__(path, SCHEMA, None)

    def batches(
        self, columns: Sequence[str], batch_rows: int, types: Mapping[str, pa.DataType]
    ) -> Iterator[pa.RecordBatch]:
        schema = pa.schema([SCHEMA.field(name) for name in columns])
        chosen = [SCHEMA.get_field_index(name) for name in columns]
        with translated(self.path):
            rows = _rows(self.path)
            while block := list(islice(rows, batch_rows)):
                arrays = [pa.array([row[i] for row in block], SCHEMA.field(i).type) for i in chosen]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _rows(path: Place) -> Iterator[tuple[Any, ...]]:
    for number, (name, response) in enumerate(_responses(path)):
        try:
            body, own_name = _unwrapped(response)
            for choice, token in tokens_of(body):
                document = own_name or name
                document = document if choice is None else f"{document}/{choice}"
                yield (
                    f"{document}/{token.position}",
                    document,
                    token.part,
                    token.position,
                    token.text,
                    token.bytes,
                    token.logprob,
                    token.unseen_mass,
                )
        except Malformed as fault:
            slug = fault.slug
            raise DataError(
                slug,
                f"response {number}: {fault}",
                file=str(path),
                row=number,
                value=None if fault.value is None else repr(fault.value)[:SHOWN],
                cure=fault.cure,
            ) from fault


def _unwrapped(response: Any) -> tuple[dict[str, Any], str | None]:
    """The response in a line of a batch's output, and the name that the line has."""
    if not isinstance(response, dict):
        raise malformed("logprobs-form", "it is no object", response)
    outer = response.get("response")
    body = outer.get("body") if isinstance(outer, dict) else response
    if not isinstance(body, dict):
        raise malformed("logprobs-form", "the line of the batch has no response", response.get("error"))
    name = response.get("custom_id")
    return body, name if isinstance(name, str) and name else None


def _responses(path: Place) -> Iterator[tuple[str, Any]]:
    """Name and content of each response."""
    stem = path.stem if path.suffix.lower() in COMPRESSION else path.name
    if not stem.lower().endswith(".json"):
        lines = (row for block in blocks(path, RESPONSES_AT_A_TIME) for row in block)
        yield from ((str(number), row) for number, row in enumerate(lines))
        return
    stem = stem[: -len(".json")].removesuffix(".logprobs")
    content = _document(path)
    if isinstance(content, list):
        yield from ((f"{stem}/{number}", row) for number, row in enumerate(content))
    else:
        yield stem, content


def _document(path: Place) -> Any:
    with open_text(path) as raw:
        data = raw.readall() or b""
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=distinct)
    except UnicodeDecodeError as error:
        value = ascii(data[max(0, error.start - SHOWN // 2) : error.end])
        raise encoding_error(path, None, None, value) from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            "json-syntax",
            f"the file is not one JSON document: {error}",
            file=str(path),
            cure="write one object or one list; for an object on each line let the name end in .jsonl",
        ) from error
