"""Colours, once: charts are drawn in the light ones, and the page's CSS maps those to its variables.

The eight model colours are told apart by people with red-green or blue-yellow blindness (they differ in
lightness too) and have a contrast of at least 3:1 to the page in both themes; texts have at least 4.5:1.
Models beyond the eighth share the neutral colour; labels always stand beside the marks.
"""

from __future__ import annotations

LIGHT = {
    "ink": "#1b1f24",
    "soft": "#57606b",
    "line": "#d5d9df",
    "band": "#e4e2f3",
    "page": "#fdfdfc",
    "neutral": "#6b7480",
    "model-0": "#3b2f9c",
    "model-1": "#c4506a",
    "model-2": "#117a3d",
    "model-3": "#8a7413",
    "model-4": "#2a84b8",
    "model-5": "#882255",
    "model-6": "#2b8f83",
    "model-7": "#a8469a",
}
DARK = {
    "ink": "#e8eaed",
    "soft": "#a5adb8",
    "line": "#3a414b",
    "band": "#34325a",
    "page": "#14171b",
    "neutral": "#98a1ad",
    "model-0": "#a39bf5",
    "model-1": "#f08ca0",
    "model-2": "#56c07c",
    "model-3": "#d6c45c",
    "model-4": "#7cc4ec",
    "model-5": "#dc78a8",
    "model-6": "#62d2c3",
    "model-7": "#dd8dd0",
}
MODEL_COLOURS = 8


def model_colour(index: int | None) -> str:
    """Name of the colour of the model at that place in rank order.

    >>> model_colour(0), model_colour(11), model_colour(None)
    ('model-0', 'neutral', 'neutral')
    """
    return f"model-{index}" if index is not None and index < MODEL_COLOURS else "neutral"


def css() -> str:
    """Variables of both themes, and the rules that map a chart's colours to them."""
    light = ";".join(f"--{name}:{value}" for name, value in LIGHT.items())
    dark = ";".join(f"--{name}:{value}" for name, value in DARK.items())
    rules = "".join(
        f'.chart [fill="{value}"]{{fill:var(--{name})}}.chart [stroke="{value}"]{{stroke:var(--{name})}}'
        f".swatch.{name}{{background:var(--{name})}}"
        for name, value in LIGHT.items()
    )
    return f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}{rules}"
