"""Results made by hand, as little of them as a sentence or a note looks at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from crossent.results import Comparison, DataRecord, ModelResult, Quality, Results, Skill, Tails
from crossent.statistics.calibration_error import Reliability
from crossent.statistics.confidence_set import ConfidenceSet
from crossent.statistics.estimates import Estimate
from crossent.statistics.paired import Difference

INF, NAN = math.inf, math.nan
QUALITY = Quality(0, 0, 0, 0, 1.0, 1.0, 0, 0, 0, 0)


def model(
    name: str,
    loss: float,
    se: float | None = None,
    zeros: int = 0,
    skill: Sequence[tuple[str, float, float]] = (),
    calibration: Sequence[tuple[str, float, float]] = (),
    **quality: Any,
) -> ModelResult:
    """A model: `skill` holds (reference, base, skill), `calibration` (event, error, error if calibrated)."""
    estimate = Estimate(loss, se, 50)
    return ModelResult(
        name=name,
        rank=1,
        loss=estimate,
        loss_iid=estimate,
        loss_clustered=None,
        n_infinite=zeros,
        mean_of_finite=None,
        bits=loss,
        perplexity=loss,
        bits_per_byte=None,
        companions=(),
        floors=(),
        skill=tuple(Skill(ref, base, Estimate(s, 0.01, 50), 50) for ref, base, s in skill),
        calibration=tuple(Reliability(event, (), e, e, calm) for event, e, calm in calibration),
        tails=Tails((), ()),
        worst=(),
        classes=(),
        macro_mean=None,
        groups=(),
        quality=replace(QUALITY, **quality),
    )


def difference(
    model: str,
    reference: str,
    value: float,
    se: float | None = None,
    verdict: str = "worse",
    p: float | None = 0.5,
    detectable: float | None = None,
) -> Difference:
    return Difference(model, reference, Estimate(value, se, 50), p, p, detectable, 0, None, verdict)


DATA = DataRecord(
    rows=1200,
    sum_of_weights=1200.0,
    pairing="row id",
    label_column="label",
    id_column="row_id",
    weight_column=None,
    cluster_column=None,
    clusters=None,
    group_columns=(),
    unit_column=None,
    bytes_column=None,
    total_bytes=None,
    where=(),
    where_not=(),
    classes=None,
    class_rows=None,
    dropped=(),
    sources=(),
)


def results(*models: ModelResult, data: dict[str, Any] | None = None, **changes: Any) -> Results:
    """Results of these models, compared where `differences` or `pairwise` are given."""
    differences = changes.pop("differences", None)
    members = changes.pop("members", None)
    level = changes.pop("level", 0.95)
    comparison = None
    if differences is not None:
        p_values = tuple((name, 1.0) for name in members or ())
        found = None if members is None else ConfidenceSet(0.05, "range", p_values, tuple(members), 1000, 0)
        comparison = Comparison(level, models[0].name, tuple(differences), tuple(differences), found)
    fields: dict[str, Any] = {
        "title": "",
        "loss": "log_loss",
        "loss_title": "log loss",
        "unit": "nats",
        "floor": None,
        "renormalised": False,
        "rule": None if comparison is None else "best",
        "chosen": None if comparison is None else models[0].name,
        "statements": (),
        "gate": None,
        "notes": (),
    }
    return Results(
        models=models, comparison=comparison, data=replace(DATA, **(data or {})), **fields | changes
    )
