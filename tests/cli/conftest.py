"""Fixtures of the tests of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossent.cli import main

from .helpers import Files, Outcome, Run


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    """Write files by name into a folder of the test's own, where commands then run."""
    monkeypatch.chdir(tmp_path)
    return Files(tmp_path)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `crossent` in this process."""

    def running(*arguments: str | Path) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(a) for a in arguments])
        code = left.value.code
        out, err = capsys.readouterr()
        assert isinstance(code, int)
        return Outcome(code, out, err)

    return running
