"""Results to render: the flights case (published figures of six models on one task), and harder ones.

What the figures mean is tested elsewhere; here they only have to be realistic: infinite losses, ties in
rank, many classes, groups, bits per byte, one model, none finite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from crossent import select
from crossent.results import (
    Comparison,
    DataRecord,
    FileRecord,
    Floor,
    Gate,
    ModelResult,
    Note,
    Quality,
    Results,
    Skill,
    Slice,
    SourceRecord,
    Tails,
    WorstRow,
)
from crossent.statistics.calibration_error import Reliability, ReliabilityBin
from crossent.statistics.confidence_set import ConfidenceSet
from crossent.statistics.estimates import Estimate
from crossent.statistics.paired import Difference

DIABETES = Path(__file__).parents[1] / "data" / "diabetes"
INF = math.inf
NASTY = (
    "<script>alert(1)</script>",
    "a|b **bold** [red]x[/red] `code`",
    "two\nlines\tand \x1b[31mescape\x07",
    "long-" + "name" * 49,
    "🦊 مرحبا \u202eevil",
    "",
    "quo\"te's & <b>amp</b>",
    "a|b **bold** [red]x[/red] `code`",
)


@dataclass(frozen=True)
class Model:
    """The figures a sample is made from."""

    name: str
    rank: int
    loss: float
    se: float | None
    se_iid: float | None
    brier: float
    accuracy: float
    ece: float
    zeros: int = 0
    finite_mean: float | None = None
    floors: tuple[tuple[str, float, float], ...] = ()
    difference: tuple[float, float] | None = None


# fmt: off
FLIGHTS = (
    Model("logistic", 1, 0.5028377706924665, 0.013821617857485355, 0.001962309674592, 0.32554514520450234,
          0.7763560871091527, 0.01722275395860503),
    Model("gbdt", 2, 0.507337048746321, 0.0135566806322782, 0.0020218731319812905, 0.33138354204421056,
          0.7683303272040577, 0.019030276079103625, difference=(0.00449927805385452, 0.007372051758537559)),
    Model("prior", 3, 0.5399647985209018, 0.016084896973962485, 0.0016095404220202777, 0.3546416129364958,
          0.7703397934849714, 0.020109957974717464, difference=(0.03712702782843539, 0.006457449451304801)),
    Model("naive_bayes", 4, 1.3973084410590642, 0.08167891481088219, 0.012546854309632765, 0.5150070935204855,
          0.6760885617789829, 0.2017004818219632, difference=(0.8944706703665979, 0.07754956958871517),
          floors=(("1e-15", 1.3657429265324716, 0.056220268238550676),
                  ("eps32", 1.3286330333427796, 0.04114403484614577))),
    Model("knn15", 5, INF, None, None, 0.3526095219649191, 0.76345192412449, 0.046957756822249515, 830,
          0.5128484700448224, (("1e-15", 0.8547182442539119, 0.03375743444022751),
                               ("eps32", 0.667874146302924, 0.019746274289061262))),
    Model("random_forest", 5, INF, None, None, 0.33706664700668304, 0.766320860923144, 0.02261047738388838,
          34, 0.5154349571458566, (("1e-15", 0.5294381966098861, 0.012302842999270905),
                               ("eps32", 0.5217843421868935, 0.012185097174931025))),
)
# fmt: on
ROWS, DAYS = 82609, 92


def reliability(event: str, error: float, rows: int) -> Reliability:
    """Fifteen bins of a model that is sure of itself by about `error`."""
    edges = np.linspace(0, 1, 16)
    middle = (edges[:-1] + edges[1:]) / 2
    weight = np.round(rows * stats.beta(1.2, 2.5).pdf(middle) / 15)
    frequency = np.clip(middle - 2 * error * (middle - 0.4), 0, 1)
    half = 1.96 * np.sqrt(middle * (1 - middle) / np.maximum(weight, 1))
    bins = tuple(
        ReliabilityBin(*map(float, (a, b, w, c, f)), (float(max(c - h, 0)), float(min(c + h, 1))))
        for a, b, w, c, f, h in zip(edges[:-1], edges[1:], weight, middle, frequency, half, strict=True)
        if w > 0
    )
    return Reliability(event, bins, error, error * 1.0001, 0.0041)


def tails(mean: float) -> Tails:
    """A distribution of losses about `mean`."""
    edges = np.geomspace(1e-4, 30, 25)
    counts = np.round(ROWS * np.diff(stats.lognorm(1.2, scale=mean / 2).cdf(edges)))
    bins = zip(edges[:-1], edges[1:], counts, strict=True)
    shares = (("worst 1 row", 1, 0.0002), ("worst 10 rows", 10, 0.0019), ("worst 1 %", 826, 0.071))
    return Tails(shares, tuple((float(a), float(b), int(n)) for a, b, n in bins))


def difference(model: str, reference: str, value: float, se: float | None, zeros: int = 0) -> Difference:
    """A paired difference with the test that belongs to it."""
    if se is None:
        verdict = "identical" if value == 0 else "infinite"
        finite = 0.02 if zeros else None
        return Difference(
            model, reference, Estimate(value, se, DAYS), None, None, None, zeros, finite, verdict
        )
    p = float(2 * stats.t.sf(abs(value / se), DAYS - 1))
    verdict = "not told apart" if p > 0.05 else "worse" if value > 0 else "better"
    estimate = Estimate(value, se, DAYS)
    return Difference(model, reference, estimate, p, min(2 * p, 1.0), 2.83 * se, zeros, None, verdict)


def model_result(
    m: Model, classes: tuple[Slice, ...], groups: tuple[tuple[str, tuple[Slice, ...]], ...]
) -> ModelResult:
    """Everything about one model, from its figures."""
    finite = m.loss if math.isfinite(m.loss) else m.finite_mean or 0.5
    floors = m.floors or (("1e-15", m.loss, m.se or 0.01), ("eps32", m.loss, m.se or 0.01))
    values = {"1e-15": 1e-15, "eps32": 2**-23}
    return ModelResult(
        name=m.name,
        rank=m.rank,
        loss=Estimate(m.loss, m.se, DAYS),
        loss_iid=Estimate(m.loss, m.se_iid, ROWS),
        loss_clustered=Estimate(m.loss, m.se, DAYS),
        n_infinite=m.zeros,
        mean_of_finite=m.finite_mean,
        bits=m.loss / math.log(2),
        perplexity=math.exp(m.loss),
        bits_per_byte=None,
        companions=(
            ("brier", Estimate(m.brier, 0.002, DAYS)),
            ("zero_one", Estimate(1 - m.accuracy, 0.002, DAYS)),
        ),
        floors=tuple(
            Floor(values[name], name, m.zeros, Estimate(v, 0.003, ROWS), Estimate(v, se, DAYS))
            for name, v, se in floors
        ),
        skill=(Skill("base rate of these rows", 0.5395, Estimate(1 - m.loss / 0.5395, m.se, DAYS), ROWS),),
        calibration=(reliability("top label", m.ece, ROWS),),
        tails=tails(finite),
        worst=(
            WorstRow("235611", "late", INF if m.zeros else 4.7, 0.0 if m.zeros else 0.0091, "ontime"),
            WorstRow("row 17 of a.parquet", "late", 4.2, 0.015, None),
        ),
        classes=classes,
        macro_mean=Estimate(finite * 1.3, 0.01, DAYS),
        groups=groups,
        quality=Quality(m.zeros, 354, 0, 0, 0.9999999701976776, 1.0000000298023224, 0, 0, 1263, 0),
    )


def source(name: str) -> SourceRecord:
    digest = "29065afd96fe6a42609533ad51dca0614772f30ab80103e98fcb5ad11b714353"
    files = (FileRecord(f"{name}.parquet", 1_487_434, ROWS, f"sha256:{digest}"),)
    return SourceRecord(name, "probs", "columns p_late, p_ontime", "float64", files, ("carrier", "origin"))


def comparison(models: tuple[ModelResult, ...], known: dict[str, tuple[float, float]]) -> Comparison:
    """Differences to the first model, and between every two."""

    def pair(a: ModelResult, b: ModelResult) -> Difference:
        zeros = a.n_infinite + b.n_infinite
        if math.isfinite(a.loss.value) and math.isfinite(b.loss.value):
            value, se = known.get(a.name, (a.loss.value - b.loss.value, 0.01))
            return difference(a.name, b.name, value if b is models[0] else a.loss.value - b.loss.value, se)
        return difference(a.name, b.name, a.loss.value - b.loss.value, None, zeros)

    finite = [m.name for m in models if math.isfinite(m.loss.value)]
    p_values = tuple((name, 1.0 if i == 0 else 0.6 / 10 ** (2 * (i - 1))) for i, name in enumerate(finite))
    members = tuple(name for name, p in p_values if p > 0.05)
    found = ConfidenceSet(0.05, "range", p_values[::-1], members, 10_000, 0) if len(finite) > 1 else None
    pairwise = tuple(pair(b, a) for i, a in enumerate(models) for b in models[i + 1 :])
    return Comparison(0.95, models[0].name, tuple(pair(m, models[0]) for m in models[1:]), pairwise, found)


def data_record(classes: tuple[str, ...], models: tuple[str, ...]) -> DataRecord:
    per_class = tuple(int(n) for n in np.diff(np.linspace(0, ROWS, len(classes) + 1).astype(int)))
    return DataRecord(
        rows=ROWS,
        sum_of_weights=float(ROWS),
        pairing="row id" if len(models) > 1 else "single",
        label_column="label",
        id_column="row_id",
        weight_column=None,
        cluster_column="day",
        clusters=DAYS,
        group_columns=("origin",),
        unit_column=None,
        bytes_column=None,
        total_bytes=None,
        where=(("split", "test"),),
        where_not=(("label", "unclear"),),
        classes=classes,
        class_rows=(18972, 63637) if len(classes) == 2 else per_class,
        dropped=(),
        sources=tuple(source(name) for name in models),
    )


def flights() -> Results:
    """Six models of late arrivals; two gave some labels probability 0."""
    late = (
        Slice("late", 18972, Estimate(1.21, 0.03, 18972), 0),
        Slice("ontime", 63637, Estimate(0.29, 0.004, 63637), 0),
    )
    airports = tuple(
        Slice(v, n, Estimate(x, 0.0035, n), 0)
        for v, n, x in (("EWR", 29000, 0.52), ("JFK", 27000, 0.48), ("LGA", 26609, 0.5))
    )
    models = tuple(model_result(m, late, (("origin", airports),)) for m in FLIGHTS)
    known = {m.name: m.difference for m in FLIGHTS if m.difference}
    return Results(
        title="Late arrivals, New York City, October to December 2013",
        loss="log_loss",
        loss_title="Log loss",
        unit="nats",
        floor=None,
        renormalised=False,
        data=data_record(("late", "ontime"), tuple(m.name for m in models)),
        models=models,
        comparison=comparison(models, known),
        rule="best",
        chosen="logistic",
        statements=(
            "logistic has the lowest log loss, 0.5028 ± 0.0138 nats (standard error clustered by day).",
            "gbdt cannot be told apart from it (+0.0045 ± 0.0074).",
            "prior (+0.0371 ± 0.0065) and naive_bayes (+0.894 ± 0.078) are worse.",
            "knn15 and random_forest gave 830 and 34 labels probability 0, so their log loss is infinite.",
        ),
        gate=None,
        notes=(
            Note("label-probability-zero", "knn15 and random_forest gave labels probability 0."),
            Note("clustered-se", "The clustered standard error is 7.0 times the one of independent rows."),
        ),
        provenance=(("crossent", "0.1.0"), ("Python", "3.12.3"), ("command", "crossent select *.parquet")),
    )


def single() -> Results:
    """One model looked at in depth."""
    base = flights()
    return replace(
        base,
        title="logistic",
        models=base.models[:1],
        comparison=None,
        chosen=None,
        rule=None,
        statements=("logistic has a log loss of 0.5028 ± 0.0138 nats.",),
        notes=(),
        data=replace(base.data, pairing="single", sources=base.data.sources[:1]),
    )


def many_classes(models: int = 8, classes: int = 61) -> Results:
    """Eight language identifiers with 61 classes, groups, bits per byte, weights and a failed gate."""
    base = flights()
    random = np.random.default_rng(7)
    names = tuple(f"language {i:02d}" for i in range(classes))
    built = []
    for k in range(models):
        slices = tuple(
            Slice(n, 400, Estimate(float(x), 0.02, 400), 0)
            for n, x in zip(names, random.gamma(2, 0.2, classes), strict=True)
        )
        groups = tuple(
            (
                column,
                tuple(
                    Slice(f"{column} {i}", 90, Estimate(0.3 + 0.05 * i + k / 30, 0.03, 90), 0, 0.8)
                    for i in range(5)
                ),
            )
            for column in ("script", "length")
        )
        figures = Model(
            f"model-{'abcdefghijkl'[k]}",
            k + 1,
            0.31 + 0.04 * k,
            0.011,
            0.004,
            0.2,
            0.9 - k / 50,
            0.02 + k / 100,
        )
        model = model_result(figures, slices, groups)
        events = tuple(reliability(n, 0.01, 400) for n in names[:2])
        built.append(
            replace(
                model,
                calibration=model.calibration + events,
                bits_per_byte=Estimate(0.9 + k / 50, 0.01, DAYS),
            )
        )
    compared = comparison(tuple(built), {})
    gate_difference = compared.differences[0]
    return replace(
        base,
        title="Language identification, 61 languages",
        data=replace(
            data_record(names, tuple(m.name for m in built)),
            weight_column="w",
            sum_of_weights=1234.5,
            bytes_column="bytes",
            total_bytes=1_000_000.0,
            dropped=(("model-a", 3),),
            group_columns=("script", "length"),
        ),
        models=tuple(built),
        comparison=compared,
        chosen="model-b",
        rule="one-se",
        statements=(
            "model-a has the lowest log loss, 0.310 ± 0.011 nats.",
            "model-b is chosen by the rule one-se.",
        ),
        gate=Gate(
            "model-a", "model-b", gate_difference, True, "The gate failed: model-b is worse than model-a."
        ),
    )


def all_infinite() -> Results:
    """Every model gave a label probability 0: no ranking, no confidence set."""
    base = flights()
    models = tuple(replace(m, rank=1) for m in base.models[4:])
    infinite = (
        Difference(
            "random_forest", "knn15", Estimate(math.nan, None, DAYS), None, None, None, 864, 0.01, "infinite"
        ),
    )
    return replace(
        base,
        models=models,
        comparison=Comparison(0.95, "knn15", infinite, infinite, None),
        chosen=None,
        statements=("All models gave labels probability 0, so no log loss is finite.",),
        data=replace(base.data, sources=base.data.sources[4:]),
    )


def token_losses() -> Results:
    """Only the log-probability of what happened is known: no classes, no companions, no calibration."""
    base = flights()
    models = tuple(
        replace(
            m,
            companions=(),
            calibration=(),
            classes=(),
            macro_mean=None,
            groups=(),
            floors=(),
            skill=(),
            worst=(),
            tails=Tails((), ()),
            quality=replace(m.quality, row_sum_min=None, row_sum_max=None),
        )
        for m in base.models[:2]
    )
    data = replace(
        base.data, classes=None, class_rows=None, cluster_column=None, clusters=None, id_column=None
    )
    return replace(base, models=models, data=data, comparison=comparison(models, {}), notes=(), provenance=())


def nasty_names() -> Results:
    """Model, class and group names that no format would like."""
    base = many_classes(models=len(NASTY), classes=len(NASTY))
    models = tuple(
        replace(
            m,
            name=name,
            classes=tuple(replace(s, value=v) for s, v in zip(m.classes, NASTY, strict=True)),
            groups=((NASTY[0], m.groups[0][1]),),
            worst=tuple(WorstRow(v, v, 1.0, 0.4, v) for v in NASTY),
        )
        for m, name in zip(base.models, NASTY, strict=True)
    )
    data = replace(
        data_record(NASTY, NASTY), where=((NASTY[0], NASTY[1]),), where_not=((NASTY[1], NASTY[0]),)
    )
    statements = tuple(f"{name} has some loss." for name in NASTY)
    return replace(
        base,
        title=NASTY[0],
        models=models,
        data=data,
        comparison=comparison(models, {}),
        chosen=NASTY[0],
        gate=None,
        statements=statements,
        notes=tuple(Note("some-slug", name) for name in NASTY),
    )


def numbers() -> Results:
    """Five Gaussian models of the progression of diabetes, and fifty samples a row."""
    files = [p for p in sorted(DIABETES.glob("*.parquet")) if p.stem != "gbdt_quantiles"]
    return select({path.stem: str(path) for path in files}, loss="crps").results


SAMPLES = {
    "flights": flights,
    "single": single,
    "many_classes": many_classes,
    "all_infinite": all_infinite,
    "token_losses": token_losses,
    "nasty_names": nasty_names,
    "numbers": numbers,
}


@pytest.fixture(scope="session")
def sample() -> Callable[[str], Results]:
    """The sample of a name."""
    return lambda name: SAMPLES[name]()


@pytest.fixture(scope="session", params=list(SAMPLES))
def results(request: pytest.FixtureRequest) -> Results:
    """Each sample in turn."""
    return SAMPLES[request.param]()


@pytest.fixture(scope="session")
def nasty() -> tuple[str, ...]:
    """Names that no format would like."""
    return NASTY
