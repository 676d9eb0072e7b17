"""Numbers and names as people read them: sensible digits, ∞ for infinite, – for undefined."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal

from crossent.statistics.estimates import Estimate

UNDEFINED = "–"
_DIGITS_WITHOUT_SE = 4
_MOST_DECIMALS = 7
_NEGLIGIBLE = 1e-5
"""A standard error below this share of the value cannot be shown in the value's digits."""
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
    if value and decimals is None and not 1e-6 <= abs(value) < 1e9:
        return f"{value:.3g}".replace("-", "−")
    places = _decimals(value, _DIGITS_WITHOUT_SE) if decimals is None else decimals
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
    """Value ± standard error, to two significant digits of the error where that takes few decimals.

    >>> with_error(Estimate(0.50284, 0.01382, 92)), with_error(Estimate(float("inf"), None, 92))
    ('0.503 ± 0.014', '∞')
    >>> with_error(Estimate(0.693147, 1.6e-17, 92)), with_error(Estimate(4.2e-9, 3e-10, 92))
    ('0.6931 ± 1.6e−17', '(4.20 ± 0.30)e−09')
    """
    form = signed if sign else plain
    if not estimate.se or not math.isfinite(estimate.value):
        return form(estimate.value) + (" ± 0" if estimate.se == 0 else "")
    places, power = _layout(estimate.value, estimate.se)
    se = _shifted(estimate.se, power)
    error = f"{se:.1e}".replace("-", "−") if places is None else plain(se, places)
    return _times(f"{form(_shifted(estimate.value, power), places)} ± {error}", power)


def interval(estimate: Estimate, level: float, *, sign: bool = False) -> str:
    """The interval of an estimate, to the digits of `with_error`.

    >>> interval(Estimate(0.50284, 0.01382, 92), 0.95)
    '0.475 to 0.530'
    """
    ends = estimate.interval(level)
    if ends is None or not estimate.se:
        return UNDEFINED
    form = signed if sign else plain
    places, power = _layout(estimate.value, estimate.se)
    return _times(" to ".join(form(_shifted(end, power), places) for end in ends), power)


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


_ADJUSTED = {
    "holm": ("Holm", "Holm-adjusted"),
    "max-t": ("max-T", "adjusted by step-down max-T"),
    "bonferroni": ("Bonferroni", "Bonferroni-adjusted"),
    "bh": ("BH", "false discoveries held to the level by Benjamini and Hochberg"),
    "by": ("BY", "false discoveries held to the level by Benjamini and Yekutieli"),
    "none": ("", "not adjusted for several comparisons"),
}


def adjustment(name: str) -> str:
    """What was done to p-values because there are several, as a sentence says it.

    >>> adjustment("holm"), adjustment("max-t")
    ('Holm-adjusted', 'adjusted by step-down max-T')
    """
    return _ADJUSTED[name][1]


def adjusted_p(name: str) -> str:
    """The title of a column of adjusted p-values.

    >>> adjusted_p("holm"), adjusted_p("none")
    ('p (Holm)', 'p (not adjusted)')
    """
    return f"p ({_ADJUSTED[name][0] or 'not adjusted'})"


def percent(share: float | None, decimals: int = 1) -> str:
    """A share in per cent.

    >>> percent(0.10849)
    '10.8 %'
    """
    if share is None or math.isnan(share):
        return UNDEFINED
    return f"{plain(100 * share, decimals)} %"


def confidence(level: float) -> str:
    """A confidence level, with the digits it needs.

    >>> confidence(0.95), confidence(0.995)
    ('95 %', '99.5 %')
    """
    return f"{100 * level:.6g} %"


def count(n: float | None) -> str:
    """A count with thousands separated; a sum of weights to four significant digits.

    >>> count(82609), count(12.25), count(0.015)
    ('82,609', '12.25', '0.01500')
    """
    return f"{n:,.0f}" if n is not None and float(n).is_integer() else plain(n)


def byte_size(size: float) -> str:
    """A file size in decimal units.

    >>> byte_size(512), byte_size(1_487_434)
    ('512 B', '1.5 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.95:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def things(n: int, singular: str, plural: str | None = None) -> str:
    """A count with its noun.

    >>> things(1, "row"), things(34, "label"), things(2, "class", "classes")
    ('1 row', '34 labels', '2 classes')
    """
    return f"{count(n)} {singular if n == 1 else plural or singular + 's'}"


def listed(names: Iterable[str]) -> str:
    """Names as a sentence lists them.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    words = list(names)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def either(names: Iterable[str]) -> str:
    """Names of which any will do.

    >>> either(["a"]), either(["a", "b", "c"])
    ('a', 'a, b or c')
    """
    words = list(names)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _decimals(value: float, digits: int) -> int:
    """Decimals that show so many significant digits."""
    if value == 0:
        return 1
    return max(digits - 1 - int(f"{value:.{digits - 1}e}".partition("e")[2]), 0)


def _layout(value: float, se: float) -> tuple[int | None, int]:
    """Decimals that show two digits of the error, and the power of ten to take out before.

    No decimals where the error is negligible: each number then has its own digits.
    """
    places, size = _decimals(se, 2), max(abs(value), se)
    if places <= _MOST_DECIMALS and size < 1e9:
        return places, 0
    if se < _NEGLIGIBLE * abs(value):
        return None, 0
    power = int(f"{size:e}".partition("e")[2])
    return _decimals(_shifted(se, power), 2), power


def _shifted(value: float, power: int) -> float:
    return float(Decimal(value).scaleb(-power))


def _times(text: str, power: int) -> str:
    return f"({text})e{power:+03d}".replace("-", "−") if power else text
