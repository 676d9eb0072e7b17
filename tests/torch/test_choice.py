"""Which implementation computes, and that one that is named is never replaced."""

from __future__ import annotations

from typing import Any

import pytest

from crossent.errors import UsageError
from crossent.torch import explain

torch = pytest.importorskip("torch")


def test_the_first_that_can_is_taken_and_each_other_says_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    from crossent.torch import choice

    cpu, single = torch.device("cpu"), torch.float32
    monkeypatch.setattr(choice, "NO_CORE", "")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(choice, "why_not", lambda device, dtype, linear: None)
    assert choice.choose(None, cpu, single) == "core"
    assert choice.choose(None, torch.device("cuda"), single) == "triton"
    assert choice.choose(None, cpu, torch.int64) == "torch"
    assert choice.choose(None, cpu, single, {"core": "takes no teacher's top k"}) == "torch"
    monkeypatch.setattr(choice, "NO_CORE", "is not there: it was not built")
    assert choice.choose(None, cpu, single) == "torch"
    with pytest.raises(UsageError, match="'core' is not there: it was not built") as caught:
        choice.choose("core", cpu, single)
    assert caught.value.slug == "implementation-unavailable"
    assert choice.choose("torch", cpu, single) == "torch"


@pytest.mark.parametrize("device", ["cpu", "cuda", "meta"])
def test_explanations_name_each_implementation_once(device: Any) -> None:
    from crossent.torch.choice import IMPLEMENTATIONS

    lines = explain(device=device).splitlines()
    assert len(lines) == len(IMPLEMENTATIONS)
    assert all(sum(line.startswith(f'"{name}"') for line in lines) == 1 for name in IMPLEMENTATIONS)
    assert " computes: " in lines[0]
