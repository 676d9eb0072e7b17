"""Panels as SVG with colours from the page's style sheet, so that they suit a light and a dark page."""

from __future__ import annotations

import math
from html import escape

import numpy as np
from loss_curves import Curve, Floats, Panel

WIDTH, HEIGHT = 340, 230
LEFT, RIGHT, TOP, BOTTOM = 42, 10, 10, 40
STEEP = 2.0
"""Curves that leave log loss behind are cut at this many times its range."""


def figure(panels: tuple[Panel, ...], title: str) -> str:
    """The panels side by side, with one legend."""
    seen = {curve.label: curve.role for panel in panels for curve in panel.curves}
    keys = "".join(f'<span class="{role}">{escape(label)}</span>' for label, role in seen.items())
    drawn = "".join(f"<div><p>{escape(p.title)}</p>{svg(p, title)}</div>" for p in panels)
    return f'<figure class="loss"><figcaption>{keys}</figcaption><div>{drawn}</div></figure>'


def svg(panel: Panel, title: str) -> str:
    """One panel: grid, numbers, curves."""
    x_low, x_high, x_step = x_axis(panel.curves)
    y_low, y_high, step = y_axis(panel.curves)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def px(x: Floats | float) -> Floats | float:
        return LEFT + (x - x_low) / (x_high - x_low) * (right - LEFT)

    def py(y: Floats | float) -> Floats | float:
        return bottom - (y - y_low) / (y_high - y_low) * (bottom - TOP)

    parts = []
    for y in ticks(y_low, y_high, step):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{py(y):.1f}" y2="{py(y):.1f}"/>')
        parts.append(f'<text class="y" x="{LEFT - 6}" y="{py(y) + 4:.1f}">{number(y, step)}</text>')
    for x in ticks(x_low, x_high, x_step):
        parts.append(
            f'<line class="tick" x1="{px(x):.1f}" x2="{px(x):.1f}" y1="{bottom}" y2="{bottom + 4}"/>'
        )
        parts.append(f'<text class="x" x="{px(x):.1f}" y="{bottom + 17}">{number(x, x_step)}</text>')
    middle = (LEFT + right) / 2
    parts.append(f'<text class="x name" x="{middle}" y="{HEIGHT - 5}">{escape(panel.x_label)}</text>')
    for curve in panel.curves:
        inside = (curve.y >= y_low) & (curve.y <= y_high)
        shown = np.clip(curve.y, y_low - (y_high - y_low), y_high + (y_high - y_low))
        parts.append(f'<path class="{curve.role}" d="{path(px(curve.x), py(shown))}"/>')
        if panel.points:
            parts += [
                f'<circle class="{curve.role}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
                for x, y in zip(px(curve.x)[inside], py(curve.y)[inside], strict=True)
            ]
    name = f"{title}: {panel.title.lower()} against {panel.x_label}"
    box = f'<svg x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{bottom - TOP}" '
    box += f'viewBox="{LEFT} {TOP} {right - LEFT} {bottom - TOP}">'
    cut = next(i for i, part in enumerate(parts) if part.startswith("<path"))
    inner = "".join(parts[:cut]) + box + "".join(parts[cut:]) + "</svg>"
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(name)}">{inner}</svg>'


def path(x: Floats, y: Floats) -> str:
    """Line segments; a value that is not finite ends one."""
    words, pen_down = [], False
    for a, b in zip(x, y, strict=True):
        pen_down = pen_down and math.isfinite(b)
        if math.isfinite(b):
            words.append(f"{'L' if pen_down else 'M'}{a:.1f} {b:.1f}")
            pen_down = True
    return "".join(words)


def x_axis(curves: tuple[Curve, ...]) -> tuple[float, float, float]:
    """Ends and step of the x axis; an end that all but reaches a tick ends there."""
    low, high = min(float(c.x[0]) for c in curves), max(float(c.x[-1]) for c in curves)
    step = nice((high - low) / 6)
    near = [step * round(end / step) for end in (low, high)]
    ends = [n if abs(n - e) < 0.02 * (high - low) else e for n, e in zip(near, (low, high), strict=True)]
    return ends[0], ends[1], step


def y_axis(curves: tuple[Curve, ...]) -> tuple[float, float, float]:
    """Lower end, upper end and step of the y axis: with 0, and no steeper than log loss allows."""
    ends = {role: _ends([c for c in curves if c.role == role]) for role in {c.role for c in curves}}
    low, high = min(e[0] for e in ends.values()), max(e[1] for e in ends.values())
    if "reference" in ends:
        low = max(low, STEEP * min(ends["reference"][0], -ends["reference"][1]))
        high = min(high, STEEP * max(ends["reference"][1], -ends["reference"][0]))
    step = nice((high - low or 1.0) / 4)
    return step * math.floor(low / step + 1e-9), step * math.ceil(high / step - 1e-9), step


def _ends(curves: list[Curve]) -> tuple[float, float]:
    values = np.concatenate([c.y[np.isfinite(c.y)] for c in curves])
    return min(0.0, float(values.min())), max(0.0, float(values.max()))


def nice(step: float) -> float:
    """The next larger of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= step * (1 - 1e-9))


def ticks(low: float, high: float, step: float) -> list[float]:
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def number(value: float, step: float) -> str:
    digits = max(0, -math.floor(math.log10(step)))
    return f"{value:.{digits}f}".replace("-", "−")
