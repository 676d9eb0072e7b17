"""What the page on training promises stands in a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_that_is_named_exists_and_no_report_is_left_out() -> None:
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "torch").glob("*.py"))
    section = page.split("## What went wrong elsewhere", 1)[1].split("\n## ", 1)[0]
    named = set(re.findall(r"`(test_\w+)`", section))
    assert len(named) > 10
    assert named <= set(re.findall(r"def (test_\w+)", tests))
    assert len(re.findall(r"^\| .*#\d+", section, re.MULTILINE)) == 25
