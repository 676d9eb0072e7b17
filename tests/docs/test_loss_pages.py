"""Every registered loss has all that its page needs, and its page has all that the loss says."""

from __future__ import annotations

import doctest
import inspect
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import loss_curves
import loss_drawing
import loss_pages
import numpy as np
import pytest

from crossent.losses import Loss, all_losses, get, register, registry
from crossent.losses.categorical import Brier
from crossent.losses.contract import KINDS, TARGETS

LOSSES = all_losses()
ELEMENTARY = {"zero_one", "absolute_error", "squared_error"}
"""Losses as old as counting; every other one names its source."""
DOCS = Path(__file__).parents[2] / "docs"

NUMBERS = [loss for loss in LOSSES if loss.target == "real" and type(loss).gradient is not Loss.gradient]

every_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)


page_of, panels_of = cache(loss_pages.page), cache(loss_curves.panels)


def docstring(loss: Loss) -> str:
    own = type(loss).__dict__.get("__doc__")
    assert own, "a loss explains itself, not its parent"
    return inspect.cleandoc(own)


# --- what the author of a loss owes -----------------------------------------------------------------------


@every_loss
def test_calibration_and_use_are_a_sentence_each(loss):
    for text in (loss.calibration, loss.use):
        assert re.fullmatch(r"\w.{15,}\.", text), text
        assert not text[0].islower() or text[0] in "αβγ"
        assert "\n" not in text


@every_loss
def test_a_formula_is_shown(loss):
    """In the first line where it fits, else below; zero-one loss is its own words."""
    first, *blocks = docstring(loss).split("\n\n")
    assert first[0].isupper()
    assert first.endswith(".")
    text = "\n".join([first, *(b for b in blocks if not b.lstrip().startswith((">>>", "Source", "Errors")))])
    assert loss.name == "zero_one" or re.search("[=+−²Σ∫]", text), f"no formula in {text!r}"


@every_loss
def test_a_source_is_named(loss):
    source = docstring(loss).partition("\nSource:")[2]
    if loss.name not in ELEMENTARY or source:
        assert re.search(r"doi:10\.\d{4,}/\S+|arXiv:\d{4}\.\d{4,5}|\b(1[89]|20)\d\d\b", source), source


@every_loss
def test_the_example_shows_the_loss_itself(loss):
    examples = doctest.DocTestParser().get_examples(docstring(loss))
    assert any(type(loss).__name__ in example.source for example in examples)
    assert any(example.want.strip() for example in examples)


# --- the page ---------------------------------------------------------------------------------------------


@every_loss
def test_the_page_says_what_the_loss_declares(loss):
    page = page_of(loss)
    assert page.startswith(f"# {loss.title[0].upper()}")
    for needed in (loss.properness, loss.calibration, loss.use, *(f"`{kind}`" for kind in loss.kinds)):
        assert needed in page
    assert page.count("```") % 2 == 0
    assert ">>> " in page and "## References" in page
    assert ("None: the definition is elementary." in page) == ("Source:" not in docstring(loss))


@every_loss
def test_the_page_draws_the_loss(loss):
    page = page_of(loss)
    figure = ET.fromstring(re.search(r"<figure.*</figure>", page)[0])
    drawings = figure.findall("./div/div/svg")
    assert 1 <= len(drawings) <= 2
    for drawing in drawings:
        assert drawing.get("aria-label").startswith(loss.title)
        curves = drawing.findall(".//path")
        assert curves
        for curve in curves:
            numbers = [float(n) for n in re.findall(r"-?[\d.]+", curve.get("d"))]
            assert len(numbers) > 20
            assert np.isfinite(numbers).all()


@every_loss
def test_losses_with_a_gradient_show_it(loss):
    panels = panels_of(loss)
    has = type(loss).gradient is not Loss.gradient
    if loss.target != "ordinal":
        assert (len(panels) == 2) == has
    for panel in panels:
        for curve in panel.curves:
            assert np.isfinite(curve.y).mean() > 0.5, f"{curve.label} in {panel.title}"


@pytest.mark.parametrize("loss", NUMBERS, ids=lambda loss: loss.name)
def test_the_drawn_slope_is_that_of_the_drawn_value(loss):
    """Of numbers, where both panels have one axis: moving the forecast up is moving what happened down."""
    panels = panels_of(loss)
    for value, slope in zip(panels[0].curves, panels[1].curves, strict=True):
        numeric = np.gradient(value.y, value.x)
        smooth = np.abs(np.gradient(numeric, value.x)) < 2.0
        assert np.allclose(-numeric[smooth][1:-1], slope.y[smooth][1:-1], atol=0.3, rtol=0.05)


def test_targets_have_a_title_and_a_way_to_be_drawn():
    assert set(loss_pages.HAPPENED) == set(TARGETS) == set(loss_curves._BY_TARGET)


# --- a new loss -------------------------------------------------------------------------------------------


@pytest.fixture
def registered() -> Iterator[None]:
    kept = dict(registry._LOSSES)
    yield
    registry._LOSSES.clear()
    registry._LOSSES.update(kept)


@dataclass(frozen=True)
class Newcomer(Brier):
    """Newcomer:  Σ_k (p_k − y_k)²; range [0, 2].

    >>> Newcomer().name
    'newcomer'

    Source: A. Body, doi:10.1000/xyz(1)2.
    """

    name: ClassVar[str] = "newcomer"
    title: ClassVar[str] = "newcomer"


@pytest.mark.usefixtures("registered")
def test_a_registered_loss_appears_without_further_ado(tmp_path):
    (tmp_path / "index.md").write_text("kept")
    (tmp_path / "gone.md").write_text("no loss has this name any more")
    loss_pages.write_pages(tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    register(Newcomer())
    loss_pages.write_pages(tmp_path)
    names = {path.stem for path in tmp_path.iterdir()}
    assert names == {"index", "newcomer", *(loss.name for loss in LOSSES)}
    assert all(path.stat().st_mtime_ns == times[path] for path in times if path.exists())
    text = (tmp_path / "newcomer.md").read_text()
    assert "[doi:10.1000/xyz(1)2](https://doi.org/10.1000/xyz%281%292)." in text
    assert "Σ<sub>k</sub> (p<sub>k</sub> − y<sub>k</sub>)²; range [0, 2]</p>" in text
    assert "[newcomer](newcomer.md)" in loss_pages.tables()
    assert "\nnewcomer\n" in loss_pages.tables()


def test_the_index_lists_each_loss_once():
    tables = loss_pages.tables()
    for loss in LOSSES:
        assert tables.count(f"]({loss.name}.md)") == 1
    assert loss_pages.MARK in (DOCS / "losses" / "index.md").read_text(encoding="utf-8")


# --- words and numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plain", "html"),
    [
        ("p_label^γ", "p<sub>label</sub><sup>γ</sup>"),
        ("Σ_{j≠label} exp(z_j)", "Σ<sub>j≠label</sub> exp(z<sub>j</sub>)"),
        ("p^(1 − q) < 2 & 3", "p<sup>1 − q</sup> &lt; 2 &amp; 3"),
    ],
)
def test_formulas_get_indices_and_exponents(plain, html):
    assert loss_pages.typeset(plain) == html


@pytest.mark.parametrize(
    ("source", "link"),
    [
        ("see doi:10.1/a_b.", "see [doi:10.1/a\\_b](https://doi.org/10.1/a_b)."),
        ("(doi:10.1/x<y>2.0.CO;2).", "([doi:10.1/x\\<y>2.0.CO;2](https://doi.org/10.1/x%3Cy%3E2.0.CO%3B2))."),
        ("arXiv:1310.4546; more", "[arXiv:1310.4546](https://arxiv.org/abs/1310.4546); more"),
        ("arXiv:unknown", "arXiv:unknown"),
    ],
)
def test_references_become_links(source, link):
    assert loss_pages.linked(source) == link


@pytest.mark.parametrize(
    ("bounds", "text"),
    [((0, math.inf), "[0, ∞)"), ((-math.inf, math.inf), "(−∞, ∞)"), ((-1, 0.5), "[−1, 0.5]")],
)
def test_intervals(bounds, text):
    class Bounded(Brier):
        pass

    Bounded.bounds = bounds
    assert loss_pages.interval(Bounded()) == text


@pytest.mark.parametrize(("step", "up"), [(0.13, 0.2), (1.0, 1.0), (2.1, 5.0), (7, 10.0), (0.02, 0.02)])
def test_steps_of_an_axis_are_round(step, up):
    assert math.isclose(loss_drawing.nice(step), up)


def test_a_curve_breaks_where_it_is_not_finite():
    x, y = np.arange(5.0), np.array([0.0, 1.0, np.inf, 3.0, 4.0])
    assert loss_drawing.path(x, y) == "M0.0 0.0L1.0 1.0M3.0 3.0L4.0 4.0"


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(loss_curves.CLASS_ORDER) - {"cumulative_logits"}))
@pytest.mark.parametrize("target", ["real", "positive", "count"])
def test_every_kind_about_numbers_has_a_forecast_to_draw(kind, target):
    class Of(Brier):
        pass

    Of.target = target
    for label, row in loss_curves._forecasts(kind, Of()):
        assert label and np.isfinite(row).all()


def test_log_loss_is_its_own_reference():
    roles = [curve.role for panel in loss_curves.panels(get("log_loss")) for curve in panel.curves]
    assert roles == ["own", "own"]
    roles = [curve.role for panel in loss_curves.panels(get("brier")) for curve in panel.curves]
    assert roles == ["reference", "own"] * 2
