"""Numbers and names as people read them."""

from __future__ import annotations

import math
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent import wording
from crossent.statistics.estimates import Estimate

INF, NAN = math.inf, math.nan


def read(text: str) -> float:
    """The number a person reads."""
    return float(text.replace(",", "").replace("−", "-").replace("∞", "inf"))


@settings(max_examples=100)
@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e3))
def test_value_and_error_are_rounded_to_the_same_place(value: float, se: float) -> None:
    shown_value, shown_se = wording.with_error(Estimate(value, se, 100)).split(" ± ")
    place = len(shown_se.partition(".")[2])
    assert len(shown_value.partition(".")[2]) == place
    assert read(shown_value) == pytest.approx(value, abs=0.5000001 * 10.0**-place)
    assert read(shown_se) == pytest.approx(se, abs=0.5000001 * 10.0**-place)
    digits = shown_se.replace(".", "").replace(",", "").lstrip("0")
    assert len(digits) == 2 or place == 0, "two significant digits of the error"


@settings(max_examples=100)
@given(st.floats(-1e300, 1e300))
def test_a_number_alone_keeps_four_digits_and_never_shows_a_negative_zero(value: float) -> None:
    text = wording.plain(value)
    assert read(text) == pytest.approx(value, rel=6e-3, abs=1e-12)
    assert "-" not in text and text != "−0.0"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (wording.with_error(Estimate(0.5, 0.0996, 9)), "0.50 ± 0.10"),
        (wording.with_error(Estimate(0.5, 0.0, 9)), "0.5000 ± 0"),
        (wording.with_error(Estimate(0.5, None, 1)), "0.5000"),
        (wording.with_error(Estimate(INF, None, 9)), "∞"),
        (wording.with_error(Estimate(-INF, None, 9), sign=True), "−∞"),
        (wording.with_error(Estimate(NAN, None, 9)), "–"),
        (wording.with_error(Estimate(0.25, 0.1, 9), sign=True), "+0.25 ± 0.10"),
        (wording.interval(Estimate(INF, None, 9), 0.95), "–"),
        (wording.interval(Estimate(-0.5, 0.1, 10**9), 0.95, sign=True), "−0.70 to −0.30"),
        (wording.plain(-0.00001, 2), "0.00"),
        (wording.plain(1234567.0), "1,234,567"),
        (wording.plain(1e-9), "1e−09"),
        (wording.plain(NAN), "–"),
        (wording.signed(0.0), "0.0"),
        (wording.p_value(0.0), "< 0.001"),
        (wording.p_value(1.0), "1.000"),
        (wording.percent(NAN), "–"),
        (wording.percent(1.0), "100.0 %"),
        (wording.probability(1e-17), "1.0e−17"),
        (wording.probability(1.0), "1.000"),
        (wording.probability(None), "–"),
        (wording.count(None), "–"),
        (wording.byte_size(3.2e15), "3200.0 TB"),
        (wording.things(0, "row"), "0 rows"),
    ],
)
def test_spellings(shown: str, expected: str) -> None:
    assert shown == expected


@settings(max_examples=200)
@given(st.text())
def test_clean_text_is_one_line_without_control_characters(text: str) -> None:
    line = wording.clean(text)
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in line)
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", line)
    assert wording.clean(line) == line


@given(st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="")))
def test_clean_leaves_ordinary_text_alone(text: str) -> None:
    assert wording.clean(text) == text
