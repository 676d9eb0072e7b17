"""From an Evaluation to what is known of each model: every number of a `ModelResult`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import cast

from crossent import losses
from crossent.accumulators.clusters import LOSS, Clusters
from crossent.accumulators.floors import FLOORS
from crossent.accumulators.pit import BINS, PIT, PitHistogram
from crossent.accumulators.quality import Quality
from crossent.accumulators.reliability import ReliabilityGrid
from crossent.accumulators.slices import CLASSES, Slices
from crossent.accumulators.tables import KeyedSums
from crossent.accumulators.tails import LossHistogram
from crossent.accumulators.worst import WorstRows
from crossent.data.layout import UNSEEN_MASS
from crossent.engines.figures import CENTRAL, ERROR, below, coverage, pinball_at
from crossent.evaluation import Evaluation
from crossent.exact import to_fraction
from crossent.results import (
    DataRecord,
    Floor,
    Level,
    ModelResult,
    Numbers,
    Renormalised,
    Skill,
    Slice,
    Tails,
    WorstRow,
)
from crossent.results import Quality as QualityResult
from crossent.statistics import tails as tail_statistics
from crossent.statistics.calibration_error import Reliability, reliability_from_cells
from crossent.statistics.estimates import Estimate, mean_estimates
from crossent.statistics.generalised_pareto import tail_index_of_cells
from crossent.statistics.serial import neighbours
from crossent.statistics.skill import skill
from crossent.statistics.slices import SliceSums, in_order, macro_mean, slice_estimate
from crossent.statistics.summary import LossSummary
from crossent.summaries import BYTES, UNITS, WEIGHT_OF_ROWS, cluster_summary, row_summary
from crossent.treatments import at_floors, divided

LN2 = math.log(2.0)
SHOWN_WORST = 20


@dataclass(frozen=True)
class Describer:
    """Describes the models of an evaluation, one at a time."""

    evaluation: Evaluation
    prior: Mapping[str, float] | None = None

    @property
    def by(self) -> str:
        """What the headline loss is divided by: rows (their weight), or with units their bytes or number."""
        setup = self.evaluation.setup
        if setup.unit_column is None:
            return WEIGHT_OF_ROWS
        return BYTES if setup.bytes_column else UNITS

    @property
    def scale(self) -> float:
        """From nats to the headline unit."""
        return 1.0 / LN2 if self.by == BYTES else 1.0

    def headline(self) -> LossSummary:
        """All models' headline losses side by side, in nats per whatever they are divided by."""
        setup = self.evaluation.setup
        if setup.cluster_column is not None:
            return cluster_summary(self.evaluation, self.evaluation.names, self.by)
        return row_summary(self.evaluation.state.moments[0])

    def model(self, name: str, rank: int) -> ModelResult:
        """Everything about one model."""
        evaluation = self.evaluation
        moments = evaluation.moments[name]
        index = moments.names.index(name)
        iid = self._single(row_summary(moments, of=[name]), name)
        clustered = self._clustered(name, WEIGHT_OF_ROWS)
        n_infinite = int(moments.infinite[index, index])
        in_nats = losses.get(evaluation.setup.loss).unit == "nats"
        of_probability = evaluation.setup.loss == "log_loss"
        worst = cast(WorstRows, evaluation.accumulated(name, "worst"))
        slices = self._slices(name)
        classes = self._class_slices(slices)
        return ModelResult(
            name=name,
            rank=rank,
            loss=self._headline(name, clustered or iid),
            loss_iid=iid,
            loss_clustered=clustered,
            n_infinite=n_infinite,
            mean_of_finite=moments.finite_mean(index) if n_infinite else None,
            bits=iid.value / LN2 if in_nats else None,
            perplexity=_exp(iid.value) if of_probability else None,
            bits_per_byte=self._bits_per_byte(name),
            companions=self._companions(name),
            floors=self._floors(name),
            renormalised=self._renormalised(name),
            skill=self._skill(slices),
            calibration=self._calibration(name),
            tails=self._tails(name, worst),
            worst=tuple(
                WorstRow(r.row, r.label, r.loss, math.exp(-r.loss) if of_probability else None, r.predicted)
                for r in worst.rows[:SHOWN_WORST]
            ),
            classes=classes,
            macro_mean=macro_mean([s.loss for s in classes]) if classes else None,
            groups=tuple(
                (group, tuple(_slice(key, sums, table) for key, sums in _slice_sums(table).items()))
                for group in evaluation.setup.group_columns
                for table in [slices.tables[f"group {group}"].sums]
            )
            if slices is not None
            else (),
            quality=self._quality(name),
            numbers=self._numbers(name, clustered or iid) if evaluation.setup.numbers else None,
        )

    def _single(self, summary: LossSummary, name: str) -> Estimate:
        return mean_estimates(summary)[summary.names.index(name)]

    def _clustered(self, name: str, by: str, column: str = LOSS) -> Estimate | None:
        if self.evaluation.setup.cluster_column is None:
            return None
        return mean_estimates(cluster_summary(self.evaluation, [name], by, column))[0]

    def _headline(self, name: str, mean: Estimate) -> Estimate:
        if self.by == WEIGHT_OF_ROWS:
            return mean
        clustered = self._clustered(name, self.by)
        assert clustered is not None
        return clustered.scaled(self.scale)

    def _bits_per_byte(self, name: str) -> Estimate | None:
        if self.evaluation.setup.bytes_column is None:
            return None
        clustered = self._clustered(name, BYTES)
        nats = clustered or self._single(row_summary(self.evaluation.moments[name], BYTES, [name]), name)
        return nats.scaled(1.0 / LN2)

    def _companions(self, name: str) -> tuple[tuple[str, Estimate], ...]:
        own = dict(self.evaluation.setup.figures).get(name, ())
        others = [c for c in own if c in {loss.name for loss in losses.all_losses()}]
        return tuple((c, self._companion(name, c)) for c in (*self.evaluation.spec.companions, *others))

    def _companion(self, name: str, companion: str) -> Estimate:
        clustered = self._clustered(name, WEIGHT_OF_ROWS, companion)
        if clustered is not None:
            return clustered
        moments = self.evaluation.accumulated(name, "companions").moments[companion]
        return self._single(row_summary(moments, of=[companion]), companion)

    def _floors(self, name: str) -> tuple[Floor, ...]:
        return tuple(
            Floor(FLOORS[floor], floor, f.rows, f.loss, f.loss_clustered)
            for floor, f in at_floors(self.evaluation, name).items()
        )

    def _renormalised(self, name: str) -> Renormalised | None:
        found = divided(self.evaluation, name)
        return None if found is None else Renormalised(found.rows, found.loss, found.loss_clustered)

    def _slices(self, name: str) -> Slices | None:
        return cast(Slices | None, self.evaluation.state.models[name].get("slices"))

    def _class_slices(self, slices: Slices | None) -> tuple[Slice, ...]:
        classes = self.evaluation.setup.classes
        if slices is None or classes is None:
            return ()
        table = slices.tables[CLASSES].sums
        sums = _slice_sums(table)
        order = [*classes, *(key for key in sums if key not in classes)]
        return tuple(_slice(key, sums[key], table) for key in order if key in sums and sums[key].rows)

    def _skill(self, slices: Slices | None) -> tuple[Skill, ...]:
        setup = self.evaluation.setup
        if slices is None or setup.classes is None or setup.loss != "log_loss":
            return ()
        sums = _slice_sums(slices.tables[CLASSES].sums)
        found = []
        for reference, prior in (("base rate of these rows", None), ("given prior", self.prior)):
            if reference == "given prior" and prior is None:
                continue
            score = skill({**{c: _NO_ROWS for c in setup.classes}, **sums}, prior)
            found.append(Skill(reference, score.base, score.skill, sum(s.rows for s in sums.values())))
        return tuple(found)

    def _calibration(self, name: str) -> tuple[Reliability, ...]:
        grid = self.evaluation.state.models[name].get("reliability")
        if grid is None:
            return ()
        return tuple(
            reliability_from_cells(
                event,
                table["weight"].floats(),
                table["confidence"].floats(),
                table["happened"].floats(),
                table["variance"].floats(),
            )
            for event, table in sorted(cast(ReliabilityGrid, grid).tables.items(), key=_top_first)
        )

    def _numbers(self, name: str, loss: Estimate) -> Numbers:
        """The figures of predictions about a number: those that the model's kind has."""
        quality = cast(Quality, self.evaluation.accumulated(name, "quality"))
        columns = {*self.evaluation.spec.companions, *dict(self.evaluation.setup.figures)[name]}

        def mean(column: str) -> Estimate | None:
            return self._companion(name, column) if column in columns else None

        def level(at: float) -> Level | None:
            pinball, share = mean(pinball_at(at)), mean(below(at))
            return None if pinball is None or share is None else Level(at, pinball, share)

        squared = loss if self.evaluation.setup.loss == "squared_error" else mean("squared_error")
        intervals = ((percent / 100.0, mean(coverage(percent))) for percent in CENTRAL)
        std = quality.extremes.get("std", (None, None))
        samples = quality.extremes.get("samples")
        return Numbers(
            rmse=None if squared is None else _root(squared),
            bias=mean(ERROR),
            coverage=tuple((share, found) for share, found in intervals if found is not None),
            pit_mean=mean(PIT),
            pit_histogram=self._pit_histogram(name),
            levels=tuple(found for found in map(level, self.evaluation.setup.levels) if found is not None),
            std_min=std[0],
            std_max=std[1],
            std_zero=quality.counts.get("std_zero"),
            rows_crossing=quality.counts.get("rows_crossing"),
            tied_quantiles=quality.counts.get("tied_quantiles"),
            samples_min=None if samples is None else int(samples[0]),
            samples_max=None if samples is None else int(samples[1]),
            rows_of_equal_samples=quality.counts.get("rows_of_equal_samples"),
        )

    def _pit_histogram(self, name: str) -> tuple[tuple[float, float, float], ...]:
        pit = cast(PitHistogram | None, self.evaluation.state.models[name].get("pit"))
        if pit is None:
            return ()
        weights = pit.weight.floats().tolist()
        return tuple((k / BINS, (k + 1) / BINS, weight) for k, weight in enumerate(weights))

    def _tails(self, name: str, worst: WorstRows) -> Tails:
        if "histogram" not in self.evaluation.state.models[name]:
            return Tails((), ())
        histogram = tail_statistics.LossHistogram(
            *cast(LossHistogram, self.evaluation.accumulated(name, "histogram")).cells()
        )
        top = [(r.loss, r.contribution) for r in worst.rows]
        rows = self.evaluation.moments[name].rows
        shares = tail_statistics.tail_shares(top, histogram, rows) if histogram.rows.size else ()
        bars = tail_statistics.coarse_histogram(histogram) if histogram.rows.size else ()
        index = tail_index_of_cells(histogram.low, histogram.high, histogram.rows)
        return Tails(shares, bars, index)

    def _quality(self, name: str) -> QualityResult:
        quality = cast(Quality, self.evaluation.accumulated(name, "quality"))
        count = quality.counts.get
        low, high = quality.extremes.get("row_sum", (None, None))
        _, unseen = quality.extremes.get(UNSEEN_MASS, (None, None))
        return QualityResult(
            label_zero=count("label_zero", 0),
            label_one=count("label_one", 0),
            entries_below_zero=count("entries_below_zero", 0),
            entries_above_one=count("entries_above_one", 0),
            row_sum_min=low,
            row_sum_max=high,
            rows_off_1e6=count("rows_off_1e6", 0),
            rows_off_1e3=count("rows_off_1e3", 0),
            top_ties=count("top_ties", 0),
            unknown_labels=count("unknown_labels", 0),
            unseen_mean=None if unseen is None else self._companion(name, UNSEEN_MASS).value,
            unseen_max=unseen,
        )


_NO_ROWS = SliceSums(0, Fraction(0), Fraction(0), Fraction(0), Fraction(0), Fraction(0))


def _top_first(item: tuple[str, object]) -> tuple[bool, str]:
    return item[0] != "top label", item[0]


def _root(squared: Estimate) -> Estimate:
    """The root of an estimate, its standard error by the delta method."""
    root = math.sqrt(squared.value)
    se = None if squared.se is None else squared.se / (2.0 * root) if root else 0.0
    return replace(squared, value=root, se=se)


def _exp(loss: float) -> float:
    return math.inf if loss > 709.0 else math.exp(loss)


def _slice_sums(table: KeyedSums) -> dict[str, SliceSums]:
    """The exact sums of each key; without weights Σw, Σw² are the rows and Σw²ℓ is Σℓ."""
    return {key: _sums(table, table.keys[key]) for key in in_order(table.keys)}


def _sums(table: KeyedSums, cell: int) -> SliceSums:
    def of(name: str) -> Fraction:
        return to_fraction(table.columns[name].integer(cell))

    weighted = "w" in table.columns
    rows, infinite = int(of("rows")), int(of("infinite"))
    weight, weight2 = (of("w"), of("ww")) if weighted else (Fraction(rows), Fraction(rows))
    weight2_loss = of("wwl") if weighted else of("l")
    return SliceSums(rows, weight, of("l"), weight2, weight2_loss, of("ll"), infinite, rounding=2.0**-52)


def _slice(key: str, sums: SliceSums, table: KeyedSums) -> Slice:
    loss = slice_estimate(sums)
    bits = None
    if "bytes" in table.columns:
        total = to_fraction(table.columns["bytes"].integer(table.keys[key]))
        bits = float(Fraction(sums.weighted_loss) / total) / LN2 if total and not sums.n_infinite else None
    return Slice(key, sums.rows, loss, sums.n_infinite, bits)


def data_record(evaluation: Evaluation) -> DataRecord:
    """The rows behind every number."""
    setup, first = evaluation.setup, evaluation.names[0]
    moments = evaluation.moments[first]
    clusters = cast(Clusters | None, evaluation.state.models[first].get("clusters"))
    slices = cast(Slices | None, evaluation.state.models[first].get("slices"))
    class_rows = None
    if setup.classes is not None and slices is not None:
        counts = {key: s.rows for key, s in _slice_sums(slices.tables[CLASSES].sums).items()}
        class_rows = tuple(counts.get(c, 0) for c in setup.classes)
    units = None if clusters is None else int(clusters.units().sum())
    return DataRecord(
        rows=cast(Quality, evaluation.accumulated(first, "quality")).counts["rows"],
        sum_of_weights=float(moments.total("weight")),
        pairing=setup.pairing,
        label_column=setup.label_column,
        id_column=setup.id_column,
        weight_column=setup.weight_column,
        cluster_column=setup.cluster_column,
        clusters=units,
        neighbours=neighbours(units) if setup.ordered and units is not None else None,
        group_columns=setup.group_columns,
        unit_column=setup.unit_column,
        bytes_column=setup.bytes_column,
        total_bytes=float(moments.total("exposure")) if setup.bytes_column else None,
        where=setup.where,
        where_not=setup.where_not,
        classes=setup.classes,
        class_rows=class_rows,
        dropped=setup.dropped,
        sources=setup.sources,
    )
