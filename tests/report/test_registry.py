"""Sections in their order, found by listing a package or registered by anyone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from crossent.errors import UsageError
from crossent.report.blocks import Section
from crossent.report.registry import _ENTRIES, build, entries, section, unregister
from crossent.results import Results

Sample = Callable[[str], Results]


@pytest.fixture(autouse=True)
def own_registry() -> Iterator[None]:
    """What a test registers is gone after it."""
    entries()
    before = dict(_ENTRIES)
    yield
    _ENTRIES.clear()
    _ENTRIES.update(before)


def named(anchor: str, *, order: int, brief: bool = False) -> None:
    def function(results: Results) -> Section:
        return Section(anchor.title(), anchor, ())

    function.__qualname__ = anchor
    section(order=order, brief=brief)(function)


def anchors(results: Results, *, brief: bool = False) -> list[str]:
    return [s.anchor for s in build(results, brief=brief)]


def test_the_built_in_sections_stand_at_tens() -> None:
    found = entries()
    # calibration and counts of predictions about numbers stand where those of classes do
    assert [e.order for e in found if not e.order % 10] == sorted([*range(10, 120, 10), 50, 80])
    assert [e.name.rsplit(".", 1)[1] for e in found if e.brief] == ["verdict", "leaderboard", "notes"]
    assert all(e.name.startswith("crossent.report.sections.") for e in found)


def test_sections_of_one_order_stand_by_name(sample: Sample) -> None:
    for name, order in (("zebra", 15), ("ant", 15), ("last", 1000), ("first", -1)):
        named(name, order=order)
    assert anchors(sample("flights"))[:5] == ["first", "verdict", "ant", "zebra", "leaderboard"]
    assert anchors(sample("flights"))[-1] == "last"


def test_only_brief_sections_are_brief(sample: Sample) -> None:
    named("short", order=15, brief=True)
    named("long", order=15)
    assert anchors(sample("flights"), brief=True) == ["verdict", "short", "leaderboard", "notes"]


def test_registering_again_replaces(sample: Sample) -> None:
    """A module that is reloaded has its section once."""
    named("weather", order=15)
    named("weather", order=1000)
    assert anchors(sample("flights")).count("weather") == 1
    assert anchors(sample("flights"))[-1] == "weather"


def test_the_decorator_leaves_the_function_as_it_is_and_it_can_be_taken_out(sample: Sample) -> None:
    def weather(results: Results) -> Section | None:
        return Section("Weather", "weather", ())

    assert section(order=15)(weather) is weather
    assert "weather" in anchors(sample("flights"))
    unregister(weather)
    unregister(weather)
    assert "weather" not in anchors(sample("flights"))


def test_a_section_that_fails_is_not_hidden(sample: Sample) -> None:
    @section(order=15)
    def broken(results: Results) -> Section | None:
        raise ZeroDivisionError("a section of someone else")

    with pytest.raises(ZeroDivisionError, match="someone else"):
        build(sample("flights"))


def test_a_taken_anchor_is_named_also_in_brief(sample: Sample) -> None:
    named("notes", order=15, brief=True)
    for brief in (False, True):
        with pytest.raises(UsageError, match="have the anchor 'notes'") as raised:
            build(sample("flights"), brief=brief)
        assert raised.value.slug == "section-anchor-taken"
        assert "another anchor" in str(raised.value)
