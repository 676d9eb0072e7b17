"""Tests of the compiled core need it; where it was not built they are skipped, unless it must be there."""

from __future__ import annotations

import os

import pytest

from crossent.kernels import instruction_sets


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if instruction_sets() or os.environ.get("CROSSENT_CORE_REQUIRED", "") not in ("", "0"):
        return
    skip = pytest.mark.skip(reason="this installation has no compiled core")
    for item in items:
        if "native" in item.path.parts:
            item.add_marker(skip)
