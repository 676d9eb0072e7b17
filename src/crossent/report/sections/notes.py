"""Notes: what the reader must know; each has a heading in docs/messages.md."""

from __future__ import annotations

from crossent.report.blocks import Section, Sentences
from crossent.report.registry import section
from crossent.results import Results


@section(order=110, brief=True)
def notes(results: Results) -> Section | None:
    """Every note with its slug."""
    if not results.notes:
        return None
    return Section("Notes", "notes", (Sentences(tuple(f"{n.text} [{n.slug}]" for n in results.notes)),))
