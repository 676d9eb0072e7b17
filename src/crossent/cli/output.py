"""What the command line shows: results on stdout, files where asked, progress on stderr."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import click

from crossent.api import Report
from crossent.errors import DataError, MissingExtra, UsageError

PATIENCE = 1.0
"""Seconds before progress is shown."""
PAGE_PACKAGES = ("altair", "vl_convert", "jinja2")


@dataclass(frozen=True)
class Outputs:
    """Where results go."""

    as_json: bool
    markdown: bool
    html: str | None
    state: str | None
    quiet: bool

    @classmethod
    def taken_from(cls, options: dict[str, Any]) -> Outputs:
        """The output options, removed from the others."""
        return cls(**{name: options.pop(name) for name in ("as_json", "markdown", "html", "state", "quiet")})

    def check(self) -> None:
        """Raise before any work where an output cannot be written."""
        if self.as_json and self.markdown:
            raise UsageError("two-formats", "--json and --markdown both print to stdout", cure="choose one")
        if self.html is not None and any(find_spec(package) is None for package in PAGE_PACKAGES):
            raise MissingExtra("report", "the HTML page")
        paths = [path for path in (self.html, self.state) if path is not None]
        if len({os.path.realpath(path) for path in paths}) < len(paths):
            raise UsageError("same-output", "--html and --state name the same file", cure="name two files")
        for path in paths:
            folder = Path(path).absolute().parent
            if not path or not folder.is_dir() or not os.access(folder, os.W_OK) or Path(path).is_dir():
                raise _cannot_write(path)

    def write(self, report: Report) -> None:
        """Print the results and write the files."""
        if self.state is not None:
            report.evaluation.save(self.state)
        if self.html is not None:
            report.save_html(self.html)
        try:
            self._print(report)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _cannot_write("standard output") from error
        if self.html is not None and not self.quiet:
            click.echo(f"page: {self.html}", err=True)

    def _print(self, report: Report) -> None:
        if self.as_json:
            # escapes are the same JSON in any encoding
            escaped = (getattr(sys.stdout, "encoding", None) or "utf-8").lower() not in ("utf-8", "utf8")
            click.echo(json.dumps(report.to_dict(), indent=1, ensure_ascii=escaped, allow_nan=False))
        elif self.markdown:
            click.echo(report.to_markdown())
        else:
            from rich.console import Console

            from crossent.report import render_text

            render_text(report.results, Console(file=sys.stdout, soft_wrap=False))


def _cannot_write(path: str) -> DataError:
    return DataError(
        "cannot-write",
        "cannot be written",
        file=path,
        cure="check that the folder exists, is writable and has space",
    )


class Progress:
    """A progress bar on stderr for work that takes longer than a second, where stderr is a terminal.

    It also sees to it that Ctrl-C ends the work: pyarrow drops a KeyboardInterrupt that comes while it looks
    for pandas, so the signal is remembered and raised again with the next rows.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._shown = sys.stderr.isatty() and not quiet
        self._quiet = quiet
        self._begun = time.monotonic()
        self._rows = 0
        self._total: int | None = None
        self._bar: Any = None
        self._task: Any = None
        self._lock = threading.Lock()
        self._interrupted = False
        self._handler: Any = None

    def start(self, total: int | None) -> None:
        """How many rows there are, where it is known."""
        self._total = total

    def advance(self, rows: int) -> None:
        """Some rows are done."""
        if self._interrupted:
            raise KeyboardInterrupt
        with self._lock:
            self._rows += rows
            if not self._shown or time.monotonic() - self._begun < PATIENCE:
                return
            if self._bar is None:
                self._open()
            self._bar.update(self._task, completed=self._rows, speed=self._speed())

    def say(self, text: str) -> None:
        """Something worth knowing while it runs."""
        if self._quiet:
            return
        if self._bar is None:
            click.echo(text, err=True)
        else:  # above the bar
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _speed(self) -> str:
        return f"{self._rows / (time.monotonic() - self._begun) / 1e6:.1f} M rows/s"

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (
            BarColumn(),
            TextColumn("{task.completed:,} rows"),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
        )
        self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("", total=self._total, speed="")
        self._bar.start()

    def _interrupt(self, *_: object) -> None:
        self._interrupted = True
        raise KeyboardInterrupt

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
        if self._interrupted and error is None:
            raise KeyboardInterrupt
