"""Numbers and names as people read them: sensible digits, ∞ for infinite, – for undefined."""

from __future__ import annotations

import math
import re
import unicodedata

from crossent.statistics.estimates import Estimate

UNDEFINED = "–"
_DIGITS_WITHOUT_SE = 4
_MOST_DECIMALS = 12
_BIDI_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    r"""One line without control characters, so that no name can break a layout or drive a terminal.

    >>> clean("a\n b\x1b[31m")
    'a b�[31m'
    """
    line = " ".join(_BIDI_CONTROLS.sub("", text).split())
    return "".join("�" if unicodedata.category(c) in ("Cc", "Cs") else c for c in line)


def plain(value: float | None, decimals: int | None = None) -> str:
    """A number alone: the decimals given, else four significant digits.

    >>> plain(0.502837), plain(-1.25, 1), plain(float("inf")), plain(None)
    ('0.5028', '−1.2', '∞', '–')
    """
    if value is None or math.isnan(value):
        return UNDEFINED
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    places = _decimals(value, _DIGITS_WITHOUT_SE) if decimals is None else decimals
    if value and decimals is None and not 1e-6 <= abs(value) < 1e9:
        return f"{value:.3g}".replace("-", "−")
    text = f"{value:,.{places}f}"
    return text.replace("-", "−") if float(text.replace(",", "")) else text.replace("-", "")


def signed(value: float | None, decimals: int | None = None) -> str:
    """A difference: like `plain`, with its sign.

    >>> signed(0.0045, 4), signed(-0.0045, 4), signed(float("inf"))
    ('+0.0045', '−0.0045', '+∞')
    """
    text = plain(value, decimals)
    positive = value is not None and value > 0
    return f"+{text}" if positive else text


def with_error(estimate: Estimate, *, sign: bool = False) -> str:
    """Value ± standard error, to two significant digits of the error.

    >>> with_error(Estimate(0.50284, 0.01382, 92)), with_error(Estimate(float("inf"), None, 92))
    ('0.503 ± 0.014', '∞')
    """
    form = signed if sign else plain
    if not estimate.se:
        return form(estimate.value) + ("" if estimate.se is None else " ± 0")
    places = _decimals(estimate.se, 2)
    return f"{form(estimate.value, places)} ± {plain(estimate.se, places)}"


def interval(estimate: Estimate, level: float, *, sign: bool = False) -> str:
    """The interval of an estimate, to the digits of `with_error`.

    >>> interval(Estimate(0.50284, 0.01382, 92), 0.95)
    '0.475 to 0.530'
    """
    ends = estimate.interval(level)
    if ends is None or not estimate.se:
        return UNDEFINED
    form = signed if sign else plain
    places = _decimals(estimate.se, 2)
    return f"{form(ends[0], places)} to {form(ends[1], places)}"


def p_value(p: float | None) -> str:
    """A p-value to three decimals.

    >>> p_value(0.5432), p_value(1e-9), p_value(None)
    ('0.543', '< 0.001', '–')
    """
    if p is None or math.isnan(p):
        return UNDEFINED
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def probability(value: float | None) -> str:
    """A probability or frequency to three decimals; a tiny one in scientific notation.

    >>> probability(0.25), probability(3e-9), probability(0.0)
    ('0.250', '3.0e−09', '0')
    """
    if value is None or math.isnan(value):
        return UNDEFINED
    if value == 0:
        return "0"
    return f"{value:.1e}".replace("-", "−") if abs(value) < 5e-4 else plain(value, 3)


def percent(share: float | None, decimals: int = 1) -> str:
    """A share in per cent.

    >>> percent(0.10849)
    '10.8 %'
    """
    if share is None or math.isnan(share):
        return UNDEFINED
    return f"{plain(100 * share, decimals)} %"


def count(n: float | None) -> str:
    """A count with thousands separated; a sum of weights keeps one decimal.

    >>> count(82609), count(12.25)
    ('82,609', '12.2')
    """
    if n is None:
        return UNDEFINED
    return f"{n:,.0f}" if float(n).is_integer() else f"{n:,.1f}"


def byte_size(size: float) -> str:
    """A file size in decimal units.

    >>> byte_size(512), byte_size(1_487_434)
    ('512 B', '1.5 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def things(n: int, singular: str, plural: str | None = None) -> str:
    """A count with its noun.

    >>> things(1, "row"), things(34, "label"), things(2, "class", "classes")
    ('1 row', '34 labels', '2 classes')
    """
    return f"{count(n)} {singular if n == 1 else plural or singular + 's'}"


def _decimals(value: float, digits: int) -> int:
    if value == 0:
        return 1
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])
    return min(max(digits - 1 - exponent, 0), _MOST_DECIMALS)
