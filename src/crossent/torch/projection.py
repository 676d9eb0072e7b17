"""Losses and gradients of hidden states under a linear map to many classes, without holding all logits.

Logits are made for a tile of rows and classes at a time. Where all classes of some rows fit the budget,
their losses and gradients are formed while the tile stands: three products (6·M·D·V operations). Otherwise
a first pass over the classes gives the statistics of all rows, and a second makes the logits again (8·M·D·V).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from crossent.torch import products
from crossent.torch.blocks import Slopes, Statistics, add_statistics, gradient
from crossent.torch.options import Options
from crossent.torch.reference import wide
from crossent.torch.rows import RowLosses, Upstream, masses, row_losses, slopes
from crossent.torch.targets import Rows

UNIT = 1024
"""Blocks of classes begin at multiples of this: sums over the classes are formed in such units."""


@dataclass(frozen=True)
class Tiles:
    """rows × classes of the logits that are held at once, in float32 or wider."""

    rows: int
    classes: int


@dataclass(frozen=True)
class Asked:
    """What is wanted besides losses.

    partial : the gradient by x will be added to others, and stays in float32 or wider.
    """

    entropy: bool = False
    argmax: bool = False
    input: bool = False
    weight: bool = False
    bias: bool = False
    partial: bool = False


@dataclass(frozen=True)
class Gradients:
    input: Tensor | None
    weight: Tensor | None
    bias: Tensor | None


@dataclass(frozen=True)
class Projection:
    """x (M, D) and W (V, D), b (V,): logits x Wᵀ + b of rows with targets, none of which is ignored."""

    x: Tensor
    weight: Tensor
    bias: Tensor | None
    rows: Rows
    class_weight: Tensor | None
    options: Options
    tiles: Tiles
    room: products.Room = field(default_factory=products.Room, repr=False)

    @property
    def classes(self) -> int:
        return self.weight.shape[0]

    @property
    def at_once(self) -> bool:
        """Whether a tile holds all classes."""
        return self.tiles.classes >= self.classes

    # --- losses --------------------------------------------------------------------------------------------

    def losses(self, asked: Asked) -> RowLosses:
        """Of all rows, by one pass."""
        found = self.statistics(asked)
        return row_losses(found, self.rows, self.class_weight, self.classes, self.options)

    def statistics(self, asked: Asked) -> Statistics:
        """Of all rows and the classes there are here."""
        found = self._statistics(len(self.x), self.rows, asked)
        for block in self._blocks():
            for part in self._parts():
                self._add(found.part(part), part, block, self._logits(part, block))
        return found

    def _statistics(self, count: int, rows: Rows, asked: Asked) -> Statistics:
        return Statistics.empty(
            rows,
            count,
            sum_z=self.options.label_smoothing > 0,
            entropy=asked.entropy,
            argmax=asked.argmax,
            device=self.x.device,
        )

    def _add(self, s: Statistics, part: slice, block: slice, z: Tensor) -> None:
        add_statistics(s, z, block.start, some(self.rows, part), self.class_weight)

    def mass(self) -> Tensor:
        return masses(self.rows, self.class_weight, self.classes, self.options)

    # --- gradients -----------------------------------------------------------------------------------------

    def losses_and_gradients(
        self, up: Upstream, asked: Asked, into: Tensor | None = None
    ) -> tuple[RowLosses, Gradients]:
        """Of all rows, where the derivatives by their losses and lse are known; `up.lse` is that by lse²."""
        if not self.at_once:
            values = self.losses(asked)
            return values, self.gradients(with_square(up, values), values, asked, into)
        sums = _Sums(self, asked, into)
        found = [self._through(part, up, asked, sums) for part in self._parts()]
        return joined(found), sums.finish()

    def _through(self, part: slice, up: Upstream, asked: Asked, sums: _Sums) -> RowLosses:
        """Losses of some rows, and what they add to the gradients, from logits that are made once."""
        rows, every = some(self.rows, part), slice(0, self.classes)
        s = self._statistics(part.stop - part.start, rows, asked)
        z = self._logits(part, every)
        self._add(s, part, every, z)
        values = row_losses(s, rows, self.class_weight, self.classes, self.options)
        g = self._slopes(with_square(some_upstream(up, part), values), values, rows)
        sums.add(part, every, self._in_place(g, z, 0, rows))
        return values

    def gradients(
        self, up: Upstream, values: RowLosses, asked: Asked, into: Tensor | None = None
    ) -> Gradients:
        """Of rows whose losses are known, by a second pass."""
        return self.gradients_by(self._slopes(up, values, self.rows), asked, into)

    def gradients_by(self, g: Slopes, asked: Asked, into: Tensor | None = None) -> Gradients:
        """The same, from what the gradients by the logits are made of."""
        sums = _Sums(self, asked, into)
        steps = self._parts() if self.at_once else iter([slice(0, len(self.x))])
        for rows in steps:
            for block in self._blocks():
                sums.add(rows, block, self._tile(g, rows, block))
        return sums.finish()

    def _tile(self, g: Slopes, rows: slice, block: slice) -> Tensor:
        """The gradient of some rows by the logits of a block, in the type that is multiplied with."""
        count = rows.stop - rows.start
        if count <= self.tiles.rows:
            here = some(self.rows, rows)
            return self._in_place(g.part(rows), self._logits(rows, block), block.start, here)
        out = torch.empty(count, block.stop - block.start, dtype=self.compute, device=self.x.device)
        for part in self._parts(rows):
            to = out[part.start - rows.start : part.stop - rows.start]
            self._write(g.part(part), self._logits(part, block), block.start, some(self.rows, part), to)
        return out

    def _in_place(self, g: Slopes, z: Tensor, first: int, rows: Rows) -> Tensor:
        """The gradient where the logits stand: of half their size it takes the first half of each row."""
        out = z.view(self.compute)[:, : z.shape[1]]
        self._write(g, z, first, rows, out)
        return out

    def _write(self, g: Slopes, z: Tensor, first: int, rows: Rows, out: Tensor) -> None:
        gradient(g, z, first, rows, self.class_weight, self.options.cap, out)

    def _slopes(self, up: Upstream, values: RowLosses, rows: Rows) -> Slopes:
        return slopes(up, values, rows, self.class_weight, self.classes, self.options)

    # --- tiles ---------------------------------------------------------------------------------------------

    @property
    def compute(self) -> torch.dtype:
        """What gradients by logits are multiplied in; float16 would lose terms below 6e-8."""
        return torch.bfloat16 if self.x.dtype == torch.bfloat16 else wide(self.x)

    def _blocks(self) -> Iterator[slice]:
        step = self.tiles.classes
        return (slice(i, min(i + step, self.classes)) for i in range(0, self.classes, step))

    def _parts(self, rows: slice | None = None) -> Iterator[slice]:
        start, stop = (0, len(self.x)) if rows is None else (rows.start, rows.stop)
        return (slice(i, min(i + self.tiles.rows, stop)) for i in range(start, max(stop, 1), self.tiles.rows))

    def _logits(self, part: slice, block: slice) -> Tensor:
        z = products.logits_of(self.x[part], self.weight[block], self.room)
        if self.bias is not None:
            z += self.bias[block].to(z.dtype)
        cap, t = self.options.softcap, self.options.temperature
        if cap is not None:
            z.div_(cap).tanh_().mul_(cap / t)
        elif t != 1.0:
            z.div_(t)
        return z


class _Sums:
    """Gradients by input, weight and bias as tiles are added to them."""

    def __init__(self, p: Projection, asked: Asked, into: Tensor | None) -> None:
        self.p = p
        several = not p.at_once
        once = (p.at_once and p.tiles.rows >= len(p.x)) or several
        self.input = self._room(p.x, several or asked.partial) if asked.input else None
        self.partial = asked.partial
        self.weight = into if into is not None else self._room(p.weight, not once) if asked.weight else None
        self.adds_weight = into is not None or not once
        if self.weight is not None and into is None and self.adds_weight:
            self.weight.zero_()
        self.bias = torch.zeros(p.classes, dtype=torch.float64, device=p.x.device) if asked.bias else None
        if self.input is not None and several:
            self.input.zero_()

    def _room(self, like: Tensor, adds: bool) -> Tensor:
        return torch.empty(like.shape, dtype=wide(like) if adds else like.dtype, device=like.device)

    def add(self, rows: slice, block: slice, g: Tensor) -> None:
        x, w = self.p.x[rows], self.p.weight[block]
        if self.input is not None:
            to, other = self.input[rows], w.to(g.dtype).t()
            if self.p.at_once:
                to.copy_(products.linear(g, other))
            else:
                to.add_(products.summand(g, other))
        if self.weight is not None:
            self._add_weight(block, g, x.to(g.dtype))
        if self.bias is not None:
            self.bias[block] += g.sum(0, dtype=torch.float64)

    def _add_weight(self, block: slice, g: Tensor, x: Tensor) -> None:
        assert self.weight is not None
        # some classes at a time, so that no second gradient of W stands beside the first
        for start in range(0, g.shape[1], 2 * UNIT):
            some = slice(start, min(start + 2 * UNIT, g.shape[1]))
            found = products.linear(g[:, some].t(), x.t())
            to = self.weight[block.start + some.start : block.start + some.stop]
            to.add_(found) if self.adds_weight else to.copy_(found)

    def finish(self) -> Gradients:
        p = self.p
        return Gradients(
            self.input if self.input is None or self.partial else self.input.to(p.x.dtype),
            None if self.weight is None else self.weight.to(p.weight.dtype),
            None if self.bias is None or p.bias is None else self.bias.to(p.bias.dtype),
        )


def with_square(up: Upstream, values: RowLosses) -> Upstream:
    """The derivative by lse² as that by lse."""
    return up if up.lse is None else Upstream(up.loss, 2 * up.lse * values.lse, up.logprob, up.entropy)


def some(rows: Rows, part: slice) -> Rows:
    count = part.stop - part.start
    cut = [None if x is None else x[part] for x in (rows.labels, rows.probs, rows.ids)]
    return Rows((count,), *cut)


def some_upstream(up: Upstream, part: slice) -> Upstream:
    return Upstream(
        up.loss[part], *(None if x is None else x[part] for x in (up.lse, up.logprob, up.entropy))
    )


def joined(parts: list[RowLosses]) -> RowLosses:
    def cat(name: str) -> Tensor | None:
        found = [getattr(part, name) for part in parts]
        return None if found[0] is None else torch.cat(found)

    names = ("loss", "lse", "nll", "mass", "entropy", "argmax", "logprob")
    return RowLosses(**{name: cat(name) for name in names})  # type: ignore[arg-type]


def tiles_for(rows: int, classes: int, dtype: torch.dtype, device: torch.device, budget: int | None) -> Tiles:
    """Rows × classes of a tile of at most `budget` bytes of logits.

    float32: rows of all classes, 192 of them if nothing is said (52 MiB at most): fewer make slower
    products. bfloat16: all rows of some classes (2048 of them, but 16 to 64 MiB), so that the
    gradient of W is rounded once and never kept in float32.
    """
    size = 8 if dtype == torch.float64 else 4
    rows = max(rows, 1)
    if dtype == torch.bfloat16:
        budget = budget or min(max(16 << 20, 2 * UNIT * size * rows), 64 << 20)
        block = budget // (size * rows) // UNIT * UNIT
        if block:
            return Tiles(rows, min(block, classes))
        # the gradient of all rows stands beside the logits of a part of them
        return Tiles(max(16, min(rows, budget // (2 * size * UNIT))), UNIT)
    budget = budget or min(52 << 20, 192 * size * classes)
    at_once = budget // (size * max(classes, 1))
    if at_once >= 16:
        return Tiles(min(rows, at_once), classes)
    return Tiles(16, max(UNIT, budget // (16 * size) // UNIT * UNIT))
