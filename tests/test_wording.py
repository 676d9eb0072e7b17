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


def read_together(text: str, between: str) -> tuple[float, float]:
    """Two numbers that may share a power of ten: (1.0 ± 0.2)e−09."""
    numbers, _, power = text.removeprefix("(").partition(")e")
    first, second = numbers.split(between)
    shift = f"e{int(read(power))}" if power else ""
    return read(first + shift), read(second + shift)


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
        (wording.with_error(Estimate(INF, 0.5, 9)), "∞"),
        (wording.with_error(Estimate(1.3872141260149853, 1.6e-17, 9)), "1.387 ± 1.6e−17"),
        (wording.with_error(Estimate(0.0, 0.0, 9), sign=True), "0.0 ± 0"),
        (wording.with_error(Estimate(1e-9, 2e-10, 9), sign=True), "(+1.00 ± 0.20)e−09"),
        (wording.with_error(Estimate(-2e12, 3e10, 9)), "(−2.000 ± 0.030)e+12"),
        (wording.with_error(Estimate(0.0, 1e-9, 9)), "(0.0 ± 1.0)e−09"),
        (wording.interval(Estimate(1e-9, 2e-10, 10**9), 0.95), "(0.61 to 1.39)e−09"),
        (wording.interval(Estimate(1.5, 1e-17, 9), 0.95), "1.500 to 1.500"),
        (wording.interval(Estimate(1.5, 0.0, 9), 0.95), "–"),
        (wording.interval(Estimate(1.5, 0.5, 1), 0.95), "–"),
        (wording.plain(-0.00001, 2), "0.00"),
        (wording.plain(999_999_999.0), "999,999,999"),
        (wording.plain(1e9), "1e+09"),
        (wording.plain(1e-6), "0.000001000"),
        (wording.plain(9.99999), "10.00"),
        (wording.plain(-1e-300), "−1e−300"),
        (wording.plain(2.5, 0), "2"),
        (wording.signed(None), "–"),
        (wording.signed(NAN), "–"),
        (wording.signed(-INF), "−∞"),
        (wording.p_value(0.000999), "< 0.001"),
        (wording.p_value(0.001), "0.001"),
        (wording.p_value(NAN), "–"),
        (wording.percent(INF), "∞ %"),
        (wording.percent(0.12345, 2), "12.35 %"),
        (wording.percent(None), "–"),
        (wording.probability(0.0005), "0.001"),
        (wording.probability(0.00049), "4.9e−04"),
        (wording.probability(-0.25), "−0.250"),
        (wording.probability(NAN), "–"),
        (wording.count(NAN), "–"),
        (wording.count(INF), "∞"),
        (wording.count(1_234_567.0), "1,234,567"),
        (wording.count(0.0123456), "0.01235"),
        (wording.byte_size(999), "999 B"),
        (wording.byte_size(1000), "1.0 kB"),
        (wording.byte_size(999_949), "999.9 kB"),
        (wording.byte_size(999_999), "1.0 MB"),
        (wording.byte_size(5e9), "5.0 GB"),
        (wording.things(2, "class", "classes"), "2 classes"),
        (wording.things(1, "class", "classes"), "1 class"),
        (wording.things(1000, "row"), "1,000 rows"),
        (wording.confidence(0.5), "50 %"),
        (wording.confidence(0.999), "99.9 %"),
        (wording.confidence(1 - 0.05), "95 %"),
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
        (wording.clean("a\x00\x1b\u202eb\u2028c"), "a��b c"),
    ],
)
def test_spellings(shown: str, expected: str) -> None:
    assert shown == expected


@settings(max_examples=200)
@given(
    st.floats(1e-300, 1e300).flatmap(lambda se: st.tuples(st.floats(-1e300, 1e300), st.just(se)))
    | st.tuples(st.floats(-1, 1), st.floats(1e-320, 1))
)
def test_estimates_of_any_size_are_short_and_true(pair: tuple[float, float]) -> None:
    """Never a row of zeros: at most twelve digits, and each number right to the digits it shows."""
    value, se = pair
    text = wording.with_error(Estimate(value, se, 10))
    shown, error = read_together(text, " ± ")
    assert sum(c.isdigit() for c in text) <= 26
    assert error == pytest.approx(se, rel=0.06)
    assert abs(shown - value) <= max(0.06 * se, 5e-3 * abs(value) if se < 1e-5 * abs(value) else 0.0)
    ends = wording.interval(Estimate(value, se, 10), 0.9)
    low, high = read_together(ends, " to ")
    assert low <= high and low == pytest.approx(value - 1.8331 * se, abs=0.06 * se + 5e-3 * abs(value))


@settings(max_examples=100)
@given(st.floats(1e-9, 1e9), st.floats(-1e9, 1e9))
def test_the_sign_of_a_difference_is_shown_unless_it_is_undefined(size: float, value: float) -> None:
    assert wording.signed(value).startswith("+" if value > 0 else "−" if value < 0 else "0")
    assert wording.signed(-size) == wording.plain(-size) and wording.signed(size) == f"+{wording.plain(size)}"


@given(st.integers(0, 10**18))
def test_counts_and_sizes_read_back(n: int) -> None:
    assert int(wording.count(n).replace(",", "")) == n or n > 2**53
    number, unit = wording.byte_size(n).split()
    scale = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}[unit]
    assert float(number) * scale == pytest.approx(n, rel=0.051, abs=0.5)
    assert float(number) < 1000 or unit == "TB"


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
