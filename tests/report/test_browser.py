"""The page in a real browser: nothing leaves it, nothing is wrong with it, it fits every window."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crossent.report import render_html
from crossent.results import Results

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PAGES = ("flights", "many_classes", "nasty_names", "numbers", "all_infinite")
UNFOLD = "document.querySelectorAll('details').forEach(d => d.open = true)"
DROP_ROWS_THAT_LOOK_ALIKE = r"""
    const seen = new Set();
    for (const row of document.querySelectorAll("tbody tr")) {
        const look = row.outerHTML.replace(/>[^<]*</g, "><").replace(/(value|title)="[^"]*"|model-\d+/g, "");
        if (seen.has(look) && row !== row.parentNode.rows[0]) row.remove();
        seen.add(look);
    }
"""
"""Rows that differ from an earlier one in text or in the colour of a model's dot, which has no text: axe
takes milliseconds a cell, and there are thousands.
"""
Sample = Callable[[str], Results]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, sample: Sample) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    for name in PAGES:
        (folder / f"{name}.html").write_text(render_html(sample(name)), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in PAGES}


def opened(browser: Browser, file: Path, *, width: int = 1400, scheme: str = "light") -> Page:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(file.as_uri())
    return page


@pytest.mark.parametrize("name", PAGES[:4])
def test_no_message_and_no_request(browser: Browser, files: dict[str, Path], name: str) -> None:
    page = browser.new_page()
    messages: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(files[name].as_uri())
    page.wait_for_timeout(200)
    page.close()
    assert messages == []
    assert [url for url in requests if not url.startswith("data:")] == [files[name].as_uri()]


@pytest.mark.parametrize("name", PAGES[:4])
def test_the_page_never_scrolls_sideways(browser: Browser, files: dict[str, Path], name: str) -> None:
    page = opened(browser, files[name])
    page.evaluate(UNFOLD)
    wider = {}
    for width in (320, 375, 768, 1400):
        page.set_viewport_size({"width": width, "height": 900})
        wider[width] = page.evaluate("document.documentElement.scrollWidth") - width
    page.close()
    assert all(more <= 0 for more in wider.values()), wider


@pytest.mark.parametrize(
    ("name", "scheme", "width"),
    [
        ("flights", "light", 1400),
        ("all_infinite", "dark", 375),
        ("nasty_names", "light", 375),
        ("numbers", "dark", 1400),
    ],
)
def test_no_accessibility_violation(
    browser: Browser, files: dict[str, Path], name: str, scheme: str, width: int
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    page = opened(browser, files[name], width=width, scheme=scheme)
    page.evaluate(UNFOLD)
    page.evaluate(DROP_ROWS_THAT_LOOK_ALIKE)
    found = axe.Axe().run(page).response["violations"]
    page.close()
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found] == []


@pytest.mark.parametrize("width", [1100, 1280])
def test_a_laptop_shows_the_whole_leaderboard(browser: Browser, files: dict[str, Path], width: int) -> None:
    """The verdict against the best model stands in the last column."""
    page = opened(browser, files["flights"], width=width)
    hidden = page.locator("#leaderboard .scroll").first.evaluate("e => e.scrollWidth - e.clientWidth")
    page.close()
    assert hidden == 0


def test_colours_of_charts_follow_the_theme(browser: Browser, files: dict[str, Path]) -> None:
    def seen(scheme: str) -> tuple[str, str]:
        page = opened(browser, files["flights"], scheme=scheme)
        dot = page.locator('.chart .wide path[fill^="#3b"]').first
        swatch = page.locator(".swatch.model-0").first
        colours = (
            dot.evaluate("e => getComputedStyle(e).fill"),
            swatch.evaluate("e => getComputedStyle(e).backgroundColor"),
        )
        page.close()
        return colours

    light, dark = seen("light"), seen("dark")
    assert light[0] == light[1] and dark[0] == dark[1]
    assert light[0] != dark[0]


def test_the_keyboard_reaches_the_report_first(browser: Browser, files: dict[str, Path]) -> None:
    page = opened(browser, files["flights"])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "report"
    page.close()


def test_paper_shows_what_a_screen_folds(browser: Browser, files: dict[str, Path]) -> None:
    page = opened(browser, files["many_classes"], width=680, scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    table = page.locator("#classes details .scroll table").first
    assert table.is_visible()
    assert not page.locator("nav").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("document.documentElement.scrollWidth") <= 680
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    page.close()
