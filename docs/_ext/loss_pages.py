"""A page a loss, made from the registry when the documentation is built: facts, curves, docstring.

`docs/losses/index.md` is written by hand; `<!-- losses -->` in it becomes a table for each target. The other
pages of that folder are made here, and one that no loss has any more is removed.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterator
from dataclasses import fields
from html import escape
from pathlib import Path
from urllib.parse import quote

from loss_curves import drawn, panels
from loss_drawing import figure
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from crossent.losses import Loss, all_losses
from crossent.losses.contract import TARGETS

MARK = "<!-- losses -->"
INDEX = "losses/index"
HAPPENED = {
    "class": ("Classes", "one of K classes, as a code (N,)"),
    "ordinal": ("Classes with an order", "one of K classes in their order, as a code (N,)"),
    "distribution": ("Distributions", "probabilities of K classes (N, K)"),
    "indicators": ("Several labels at once", "zeros and ones (N, K)"),
    "real": ("Numbers", "a number (N,)"),
    "positive": ("Numbers above 0", "a number above 0 (N,)"),
    "count": ("Counts", "a whole number from 0 (N,)"),
}
"""Title of each target's table, and what is given as having happened."""


def page(loss: Loss) -> str:
    """The whole page in Markdown."""
    docstring = inspect.cleandoc(type(loss).__doc__ or "")
    lead, *blocks = re.split(r"\n\s*\n", docstring)
    examples = [b for b in blocks if b.lstrip().startswith(">>>")]
    sources = [b for b in blocks if b.startswith("Source")]
    text = [b for b in blocks if b not in examples and b not in sources]
    parts = [
        f"# {loss.title[0].upper()}{loss.title[1:]}",
        *_lead(lead),
        facts(loss),
        f"```{{raw}} html\n{figure(panels(loss), loss.title)}\n```",
        made_up(loss),
        *(re.sub(r"^Kinds: [^.]*\.\s*", "", block) for block in text),
        "## Example",
        *(f"```pycon\n{inspect.cleandoc(example)}\n```" for example in examples),
        "## References",
        *(linked(source.partition(":")[2].strip()) for source in sources),
        "" if sources else "None: the definition is elementary.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _lead(paragraph: str) -> Iterator[str]:
    """The first line: what it is, and the formula on a line of its own."""
    words = " ".join(paragraph.split("\n"))
    what, gap, formula = words.partition("  ")
    if not gap:
        yield words
        return
    yield f"{what.rstrip(':')}:"
    yield f'```{{raw}} html\n<p class="loss-formula">{typeset(formula.strip().rstrip("."))}</p>\n```'


def typeset(formula: str) -> str:
    """A formula in plain characters as HTML, with indices and exponents: `_k`, `_{j≠k}`, `^γ`, `^(1 − q)`.

    >>> typeset("(1 − p_label)^γ log p_label")
    '(1 − p<sub>label</sub>)<sup>γ</sup> log p<sub>label</sub>'
    """
    text = escape(formula, quote=False)
    for mark, tag in (("_", "sub"), (r"\^", "sup")):
        found = rf"{mark}(?:\{{([^}}]*)\}}|\(([^()]*)\)|([\w₊₋¼½′]+))"
        text = re.sub(found, rf"<{tag}>\1\2\3</{tag}>", text)
    return text


def facts(loss: Loss) -> str:
    """What the loss declares, as a table."""
    rows = {
        "what happened": HAPPENED[loss.target][1],
        "prediction": ", ".join(f"`{kind}`" for kind in loss.kinds),
        "range": f"{interval(loss)}, {unit(loss)}",
        "properness": properness(loss),
        "calibration": loss.calibration,
        "when to use it": loss.use,
        "parameters": parameters(loss),
        "call": f'`crossent.loss(y, prediction, "{loss.name}", kind="{loss.kinds[0]}")`',
    }
    body = "\n".join(f"| {name} | {value} |" for name, value in rows.items() if value)
    return f"| `{loss.name}` | |\n|:---|:---|\n{body}"


def properness(loss: Loss) -> str:
    return loss.properness if loss.elicits == "none" else f"{loss.properness}; elicits the {loss.elicits}"


def unit(loss: Loss) -> str:
    return "no unit" if loss.unit == "1" else loss.unit


def interval(loss: Loss) -> str:
    """Bounds as people write them: [0, ∞)."""
    low, high = loss.bounds
    left = "(−∞" if math.isinf(low) else f"[{low:g}".replace("-", "−")
    return f"{left}, ∞)" if math.isinf(high) else f"{left}, {high:g}]".replace("-", "−")


def parameters(loss: Loss) -> str:
    """Fields with their defaults; those without one have to be given."""
    shown = []
    for field in fields(loss):
        value = getattr(loss, field.name)
        number = f"{value:.6g}" if isinstance(value, float) else repr(value)
        shown.append(f"`{field.name}`" if value is None else f"`{field.name}` = {number}")
    return ", ".join(shown)


def made_up(loss: Loss) -> str:
    """The parameters that the loss lacks and was drawn with."""
    used = drawn(loss)
    names = [f.name for f in fields(loss) if getattr(loss, f.name) != getattr(used, f.name)]
    shown = ", ".join(f"`{name}` = {getattr(used, name)!r}" for name in names)
    return f"(Drawn with {shown}.)" if names else ""


def linked(source: str) -> str:
    """References with DOIs and arXiv numbers as links."""
    words = []
    for word in source.split():
        found = re.match(r"(\(?)(doi|arXiv):(\S+?)([.,;)]*)$", word)
        if found is None:
            words.append(word)
            continue
        before, scheme, number, after = found.groups()
        if scheme == "arXiv" and not re.match(r"\d{4}\.\d{4,5}|[a-z-]+/\d{7}", number):
            words.append(word)
            continue
        host = "https://doi.org/" if scheme == "doi" else "https://arxiv.org/abs/"
        name = number.replace("<", "\\<").replace("_", "\\_")
        words.append(f"{before}[{scheme}:{name}]({host}{quote(number, safe='/.:')}){after}")
    return " ".join(words)


def tables() -> str:
    """A table for each target, and the list of pages for the menu."""
    parts = []
    for target in TARGETS:
        losses = [loss for loss in all_losses() if loss.target == target]
        if not losses:
            continue
        head = "| loss | prediction | unit | properness | when to use it |\n|:---|:---|:---|:---|:---|"
        body = "\n".join(
            f"| [{loss.title}]({loss.name}.md) | {', '.join(f'`{k}`' for k in loss.kinds)} | {unit(loss)} "
            f"| {properness(loss)} | {loss.use} |"
            for loss in losses
        )
        title, happened = HAPPENED[target]
        parts.append(f"## {title}\n\nWhat happened is {happened}.\n\n{head}\n{body}")
    names = "\n".join(loss.name for loss in sorted(all_losses(), key=lambda each: each.title.lower()))
    return "\n\n".join([*parts, f"```{{toctree}}\n:hidden:\n\n{names}\n```"])


def write_pages(folder: Path) -> None:
    """Make the page of every loss. One that is as it should be stays untouched, and is not read again."""
    wanted = {folder / f"{loss.name}.md": loss for loss in all_losses()}
    for path in set(folder.glob("*.md")) - set(wanted) - {folder / "index.md"}:
        path.unlink()
    for path, loss in wanted.items():
        text = page(loss)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def index_again(app: Sphinx, env: BuildEnvironment, *_changes: set[str]) -> list[str]:
    """The index is always read again: its tables change when the source does."""
    return [INDEX] if INDEX in env.found_docs else []


def insert(_app: Sphinx, name: str, source: list[str]) -> None:
    """Fill in docs/losses/index.md as it is read."""
    if name == INDEX:
        source[0] = source[0].replace(MARK, tables())


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", lambda app: write_pages(Path(app.srcdir) / "losses"))
    app.connect("env-get-outdated", index_again)
    app.connect("source-read", insert)
    app.add_css_file("losses.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
