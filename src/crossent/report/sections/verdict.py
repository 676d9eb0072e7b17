"""The verdict: what the evaluation says, in sentences."""

from __future__ import annotations

from crossent.report import cells
from crossent.report.blocks import Block, Section, Sentences
from crossent.report.registry import section
from crossent.results import Results
from crossent.wording import count, things


@section(order=10, brief=True)
def verdict(results: Results) -> Section:
    """The statements, first the first one; then what they rest on."""
    blocks: list[Block] = []
    if results.statements:
        blocks.append(Sentences(results.statements[:1], "lead"))
    if results.gate:
        blocks.append(Sentences((results.gate.sentence,), "alarm" if results.gate.failed else "list"))
    shown = results.gate.sentence if results.gate else None
    others = tuple(sentence for sentence in results.statements[1:] if sentence != shown)
    if others:
        blocks.append(Sentences(others))
    blocks.append(Sentences((_basis(results),), "quiet"))
    return Section("Verdict", "verdict", tuple(blocks))


def _basis(results: Results) -> str:
    data = results.data
    parts = [things(len(results.models), "model")]
    # tokens of several tokenisers: each model has rows of its own, and only the units are common
    if data.pairing != "unit":
        parts.append(things(data.rows, "row"))
    if results.stopping is not None and results.stopping.decided:
        parts.append(f"{things(results.stopping.windows, 'window')} of rows")
    elif data.clusters is not None:
        parts.append(f"{things(data.clusters, 'cluster')} of {data.cluster_column}")
    if data.classes is not None:
        parts.append(things(len(data.classes), "class", "classes"))
    if data.total_bytes is not None:
        parts.append(f"{count(data.total_bytes)} bytes")
    if data.pairing != "single":
        parts.append(f"paired by {data.pairing}")
    return f"{results.loss_title}{results.in_unit} · {' · '.join(parts)}. {_treatment(results)}"


def _treatment(results: Results) -> str:
    if results.about_numbers:
        return f"Predictions are used as they are. {_errors(results)}"
    floor = "Probabilities are used as they are"
    floor += ": one of 0 costs infinity." if results.loss == "log_loss" else "."
    if results.floor is not None:
        floor = f"Probabilities are clipped to [{results.floor:g}, 1 − {results.floor:g}], as asked."
    renormalised = " Rows were renormalised to sum to 1, as asked." if results.renormalised else ""
    return f"{floor}{renormalised} {_errors(results)}"


def _errors(results: Results) -> str:
    errors = "± is the standard error"
    if results.data.cluster_column:
        errors += f", clustered by {results.data.cluster_column}"
    if results.data.neighbours:
        errors += f" and with {things(results.data.neighbours, 'neighbour')} on either side"
    return f"{errors}; intervals are at {cells.percent(results)}."
