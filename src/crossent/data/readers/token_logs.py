"""Tokens and their log-probabilities in the responses of text-generation servers.

Three forms are understood: the `logprobs` of a chat completion, those of a (legacy) completion, and the
`prompt_logprobs` of vLLM. What is not in a response is None here, and nothing is filled in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

SENTINEL = -9999.0
"""Stands for "below the most likely tokens, how far is not known"; vLLM writes it for −inf, too."""
SURPLUS = 1e-3
"""The probabilities of the tokens shown may exceed 1 by this much, through rounding."""

_AS_BYTES = re.compile(r"bytes:((?:\\x[0-9a-fA-F]{2})+)")
_AS_NUMBER = re.compile(r"token_id:\d+")


CURES = {
    "logprobs-form": "write each response whole, as the server sent it",
    "no-logprobs": "ask the server for them: logprobs=true (chat) or logprobs=0 (completions)",
    "sentinel-logprob": "score the text with a server that gives the log-probability of every token, such as "
    "one with prompt_logprobs or echo",
    "unnormalised-logprobs": "let the server give normalised log-probabilities, not logits "
    "(vLLM: --logprobs-mode raw_logprobs)",
    "which-token": "ask for prompt_logprobs=0, or for the token numbers with return_token_ids",
}


class Malformed(ValueError):
    """A response is not of any form; the message says what of it, `slug` in which way."""

    def __init__(self, kind: str, problem: str, value: object) -> None:
        super().__init__(problem)
        self.slug, self.value, self.cure = kind, value, CURES[kind]


def malformed(slug: str, problem: str, value: object = None) -> Malformed:
    """The fault, for `raise`."""
    return Malformed(slug, problem, value)


@dataclass(frozen=True)
class Token:
    """A token with its log-probability, and what was shown of the distribution that it came from."""

    position: int
    """Number of tokens before it: of the prompt, where the response has them, and of the completion."""
    part: str
    """"prompt", "completion", or "echo" where the response does not say which of the two."""
    text: str
    bytes: int | None
    logprob: float
    unseen_mass: float
    """1 − the probabilities of all tokens shown."""


def tokens_of(response: dict[str, Any]) -> Iterator[tuple[int | None, Token]]:
    """(choice, token) of a response in their order; the choice is None where there is but one.

    The first token of a text has no context and no probability: it is no token here, and the one after it
    has position 1.
    """
    choices = response.get("choices")
    if not isinstance(choices, list) or not choices or not all(isinstance(c, dict) for c in choices):
        raise malformed("logprobs-form", "the response has no list of choices", choices)
    for number, choice in enumerate(choices):
        for token in _choice(response, choice, alone=len(choices) == 1):
            yield None if len(choices) == 1 else number, token


def _choice(response: dict[str, Any], choice: dict[str, Any], alone: bool) -> Iterator[Token]:
    prompt = choice.get("prompt_logprobs") or (response.get("prompt_logprobs") if alone else None)
    ids = choice.get("prompt_token_ids") or (response.get("prompt_token_ids") if alone else None)
    start = 0
    if prompt is not None:
        yield from _prompt(_list(prompt, "prompt_logprobs"), ids)
        start = len(prompt)
    logprobs = choice.get("logprobs")
    if isinstance(logprobs, dict) and isinstance(logprobs.get("content"), list):
        yield from _chat(logprobs["content"], start)
    elif isinstance(logprobs, dict) and isinstance(logprobs.get("tokens"), list):
        yield from _legacy(logprobs, start, _prompt_tokens(response) if alone else None, prompt is None)
    elif prompt is None:
        raise malformed("no-logprobs", "the response has no log-probabilities", logprobs)


def _chat(content: Sequence[Any], start: int) -> Iterator[Token]:
    for position, entry in enumerate(content, start):
        where = f"token {position}"
        text, logprob = _entry(entry, where)
        top = [_entry(e, f"{where}, top_logprobs") for e in _list(entry.get("top_logprobs") or [], where)]
        size = entry.get("bytes")
        count = None if size is None else len(_list(size, f"{where}, bytes"))
        yield _token(position, "completion", text, count, logprob, top)


def _legacy(
    logprobs: dict[str, Any], start: int, prompt_tokens: int | None, may_echo: bool
) -> Iterator[Token]:
    texts, values = logprobs["tokens"], _list(logprobs.get("token_logprobs"), "token_logprobs")
    tops = _list(logprobs.get("top_logprobs") or [None] * len(texts), "top_logprobs")
    if len(values) != len(texts) or len(tops) != len(texts):
        counts = f"{len(texts)} tokens, {len(values)} token_logprobs, {len(tops)} top_logprobs"
        raise malformed("logprobs-form", counts)
    echo = may_echo and bool(values) and values[0] is None
    for i, (text, value, top) in enumerate(zip(texts, values, tops, strict=True)):
        if i == 0 and echo:
            continue
        part = "completion"
        if echo:
            part = "echo" if prompt_tokens is None else "prompt" if i < prompt_tokens else part
        where = f"token {start + i}"
        text, value = _pair(text, value, where)
        shown = [_pair(*item, where=f"{where}, top_logprobs") for item in _items(top, where)]
        yield _token(start + i, part, text, _bytes_of(text), value, shown)


def _prompt(entries: Sequence[Any], ids: Any) -> Iterator[Token]:
    """vLLM's form: for each token of the prompt a dictionary by token number, the first one None."""
    for position, entry in enumerate(entries):
        where = f"token {position} of the prompt"
        if position == 0 and entry is None:
            continue
        shown = dict(_items(entry, where))
        key = _realised(shown, ids, position, where)
        pairs = {k: _decoded(v, where) for k, v in shown.items()}
        text, logprob = pairs[key]
        yield _token(position, "prompt", text, _bytes_of(text), logprob, list(pairs.values()))


def _realised(shown: dict[str, Any], ids: Any, position: int, where: str) -> str:
    """Which of the tokens shown is that of the prompt."""
    if isinstance(ids, list) and position < len(ids):
        if str(ids[position]) in shown:
            return str(ids[position])
    elif len(shown) == 1:
        return next(iter(shown))
    raise malformed("which-token", f"{where}: nothing says which of {len(shown)} tokens is the prompt's")


def _decoded(entry: Any, where: str) -> tuple[str, float]:
    if not isinstance(entry, dict):
        raise malformed("logprobs-form", f"{where} is no object", entry)
    return _pair(entry.get("decoded_token"), entry.get("logprob"), where)


def _entry(entry: Any, where: str) -> tuple[str, float]:
    if not isinstance(entry, dict):
        raise malformed("logprobs-form", f"{where} is no object", entry)
    return _pair(entry.get("token"), entry.get("logprob"), where)


def _pair(text: Any, logprob: Any, where: str) -> tuple[str, float]:
    if not isinstance(text, str):
        raise malformed("logprobs-form", f"{where} has no text", text)
    if not isinstance(logprob, int | float) or isinstance(logprob, bool):
        raise malformed("logprobs-form", f"{where} has no log-probability", logprob)
    return text, float(logprob)


def _token(
    position: int, part: str, text: str, size: int | None, logprob: float, top: list[tuple[str, float]]
) -> Token:
    if logprob == SENTINEL:
        problem = f"token {position} has the log-probability {SENTINEL:g}, which means that it is not known"
        raise malformed("sentinel-logprob", problem, logprob)
    return Token(position, part, text, size, logprob, _unseen(text, logprob, top, position))


def _unseen(text: str, logprob: float, top: list[tuple[str, float]], position: int) -> float:
    """1 − Σ exp(log-probability) of the tokens shown; the token itself is shown, and counts once."""
    among = any(t == text and math.isclose(v, logprob, rel_tol=1e-6, abs_tol=1e-6) for t, v in top)
    shown = [value for _, value in top] if among else [logprob, *(value for _, value in top)]
    if any(value > SURPLUS for value in shown):
        problem = f"token {position}: the logarithm of a probability cannot be above 0"
        raise malformed("unnormalised-logprobs", problem, max(shown))
    total = math.fsum(math.exp(value) for value in shown)
    if total > 1.0 + SURPLUS:
        problem = f"token {position}: the probabilities of the tokens shown add up to more than 1"
        raise malformed("unnormalised-logprobs", problem, total)
    return 1.0 - total


def _bytes_of(text: str) -> int | None:
    r"""UTF-8 bytes, also of `bytes:\xe2\x80`; None where the text stands for bytes that are not said."""
    if coded := _AS_BYTES.fullmatch(text):
        return len(coded[1]) // 4
    return None if "\ufffd" in text or _AS_NUMBER.fullmatch(text) else len(text.encode())


def _prompt_tokens(response: dict[str, Any]) -> int | None:
    usage = response.get("usage")
    count = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return count if isinstance(count, int) and not isinstance(count, bool) else None


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise malformed("logprobs-form", f"{where}: a list is wanted", value)
    return value


def _items(value: Any, where: str) -> list[tuple[str, Any]]:
    if value is not None and not isinstance(value, dict):
        raise malformed("logprobs-form", f"{where}: an object is wanted", value)
    return list((value or {}).items())
