"""The softmax in two levels: first the cluster, then the class within it. Exact, and cheap for most rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossent import kernels
from crossent._arrays import as_numpy, same_kind
from crossent.errors import DataError, UsageError
from crossent.sampling.estimators import checked_logits

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
ClassLogits = ArrayLike | Callable[[Codes, Codes], ArrayLike]
"""(N, V) logits, or a function of row numbers and classes that gives the logits of these, (rows, classes)."""


@dataclass(frozen=True, eq=False)
class TwoLevelSoftmax:
    """p(class) = softmax(cluster logits)_cluster · softmax(logits of the cluster's classes)_class.

    A distribution of its own, not an estimate of the flat softmax: probabilities sum to one, and log loss
    is exact. What is saved is work: a row needs the logits of the clusters and of one cluster's classes. A
    class that is alone in its cluster needs no second level, so a cluster for each frequent class and a few
    large ones for the rest is the adaptive softmax (`adaptive`). Any flat softmax can be written so
    (`cluster_logits`); a model that is trained so may reach another log loss.

    `cluster_of_class` is (V,), clusters 0 … C−1, each with a class.

    Raises `DataError` (shape-mismatch, label-out-of-range, empty-cluster).

    >>> import numpy as np
    >>> tree = TwoLevelSoftmax(np.array([0, 1, 1, 1]))
    >>> cluster, classes = np.zeros((1, 2)), np.array([[5.0, 0.0, 0.0, 0.0]])
    >>> np.exp(tree.log_probs(cluster, classes)).round(4)
    array([[0.5   , 0.1667, 0.1667, 0.1667]])
    >>> tree.log_loss([0, 2], np.zeros((2, 2)), np.zeros((2, 4))).round(4)
    array([0.6931, 1.7918])

    Source: J. Goodman, Classes for fast maximum entropy training, ICASSP 2001,
    doi:10.1109/ICASSP.2001.940893; F. Morin, Y. Bengio, AISTATS 2005; adaptive: É. Grave et al., ICML 2017,
    arXiv:1609.04309.
    """

    cluster_of_class: Codes
    clusters: int = field(init=False)
    _order: Codes = field(init=False, repr=False)
    _starts: Codes = field(init=False, repr=False)
    _sizes: Codes = field(init=False, repr=False)
    _place: Codes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        cluster = np.array(as_numpy(self.cluster_of_class))
        if cluster.ndim != 1 or cluster.size == 0 or cluster.dtype.kind not in "iu":
            raise DataError(
                "shape-mismatch",
                f"cluster_of_class has the shape {cluster.shape} and the type {cluster.dtype}",
                cure="give an integer for each class",
            )
        cluster = cluster.astype(np.int64)
        count = int(cluster.max()) + 1
        kernels.check_labels(cluster, count)
        sizes = np.bincount(cluster, minlength=count)
        if not sizes.all():
            raise DataError(
                "empty-cluster",
                f"no class is in cluster {int(np.flatnonzero(sizes == 0)[0])} of {count}",
                cure="number the clusters from 0 without gaps",
            )
        order = np.argsort(cluster, kind="stable")
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        place = np.empty_like(order)
        place[order] = np.arange(order.size) - np.repeat(starts, sizes)
        cluster.flags.writeable = False
        derived = (("clusters", count), ("_order", order), ("_starts", starts), ("_sizes", sizes))
        for name, value in (("cluster_of_class", cluster), *derived, ("_place", place)):
            object.__setattr__(self, name, value)

    @classmethod
    def adaptive(cls, classes: int, cutoffs: Sequence[int]) -> Self:
        """Classes numbered from frequent to rare: the first `cutoffs[0]` alone, a cluster up to each further.

        >>> TwoLevelSoftmax.adaptive(7, [2, 4]).cluster_of_class
        array([0, 1, 2, 2, 3, 3, 3])
        """
        edges = [*cutoffs, classes]
        if not cutoffs or edges[0] < 0 or any(a >= b for a, b in pairwise(edges)):
            raise UsageError(
                "bad-option",
                f"cutoffs are {list(cutoffs)} for {classes} classes",
                cure="give increasing numbers below the number of classes",
            )
        tails = [np.full(b - a, edges[0] + k) for k, (a, b) in enumerate(pairwise(edges))]
        return cls(np.concatenate([np.arange(edges[0]), *tails]))

    def members(self, cluster: int) -> Codes:
        """The classes of a cluster, in increasing order."""
        start = self._starts[cluster]
        return self._order[start : start + self._sizes[cluster]]

    def logits_needed(self, labels: ArrayLike) -> Codes:
        """(N,) how many logits the log loss of each row needs; the flat softmax needs V.

        >>> TwoLevelSoftmax.adaptive(10_000, [100, 1000]).logits_needed([3, 500, 9999])
        array([ 102, 1002, 9102])
        """
        size = self._sizes[self.cluster_of_class[self._checked(labels)]]
        return np.asarray(self.clusters + np.where(size > 1, size, 0))

    @same_kind
    def log_probs(self, cluster_logits: ArrayLike, class_logits: ArrayLike) -> Floats:
        """(N, V) log-probabilities of all classes, from logits (N, C) and (N, V)."""
        upper = self._cluster_logits(cluster_logits)
        z = self._every(class_logits, len(upper))
        largest = np.maximum.reduceat(z, self._starts, axis=1)
        within = z - np.repeat(largest, self._sizes, axis=1)
        log_total = np.log(np.add.reduceat(np.exp(within), self._starts, axis=1))
        upper = upper - upper.max(axis=1, keepdims=True)
        upper = upper - np.log(np.exp(upper).sum(axis=1, keepdims=True))
        out = np.empty_like(z)
        out[:, self._order] = within + np.repeat(upper - log_total, self._sizes, axis=1)
        return out

    @same_kind
    def log_loss(self, labels: ArrayLike, cluster_logits: ArrayLike, class_logits: ClassLogits) -> Floats:
        """(N,) exact log loss in nats. `class_logits` may be a function, asked for what is needed only.

        The function gets row numbers and classes of a cluster, and returns their logits (rows, classes):
        `lambda rows, classes: logits_of(hidden[rows], weight, classes)`.

        Raises `DataError` (label-out-of-range, shape-mismatch, nan-prediction, infinite-logit).
        """
        y, upper = self._checked(labels), self._cluster_logits(cluster_logits)
        loss = kernels.log_loss_from_logits(self.cluster_of_class[y], upper)
        for rows, classes in self._needed(y):
            z = self._some(class_logits, rows, classes)
            loss[rows] += kernels.log_loss_from_logits(self._place[y[rows]], z)
        return loss

    @same_kind
    def gradient(
        self, labels: ArrayLike, cluster_logits: ArrayLike, class_logits: ClassLogits
    ) -> tuple[Floats, Floats]:
        """Derivatives of `log_loss` by the cluster logits (N, C) and the class logits (N, V).

        The second is 0 outside of the label's cluster.
        """
        y, upper = self._checked(labels), self._cluster_logits(cluster_logits)
        by_class = np.zeros((len(y), self._order.size))
        for rows, classes in self._needed(y):
            z = self._some(class_logits, rows, classes)
            by_class[np.ix_(rows, classes)] = kernels.softmax_minus_label(self._place[y[rows]], z)
        return kernels.softmax_minus_label(self.cluster_of_class[y], upper), by_class

    @same_kind
    def cluster_logits(self, logits: ArrayLike) -> Floats:
        """(N, C) log Σ exp(z) over each cluster: with these and z, the two levels equal the softmax of z."""
        z = self._every(logits, len(as_numpy(logits)))
        largest = np.maximum.reduceat(z, self._starts, axis=1)
        shifted = np.exp(z - np.repeat(largest, self._sizes, axis=1))
        return np.asarray(largest + np.log(np.add.reduceat(shifted, self._starts, axis=1)))

    def _needed(self, labels: Codes) -> Iterator[tuple[Codes, Codes]]:
        """The rows of each cluster that has a second level, and its classes."""
        cluster = self.cluster_of_class[labels]
        for c in np.unique(cluster[self._sizes[cluster] > 1]):
            yield np.flatnonzero(cluster == c), self.members(int(c))

    def _checked(self, labels: ArrayLike) -> Codes:
        y = np.asarray(as_numpy(labels))
        kernels.check_labels(y, self._order.size)
        return y.astype(np.int64)

    def _cluster_logits(self, logits: ArrayLike) -> Floats:
        return _with_columns(logits, "cluster_logits", self.clusters)

    def _every(self, logits: ArrayLike, rows: int) -> Floats:
        """(N, V) logits in the order of the clusters."""
        z = _with_columns(logits, "class_logits", self._order.size)
        if len(z) != rows:
            raise _other_rows("class_logits", z.shape, rows)
        return z[:, self._order]

    def _some(self, logits: ClassLogits, rows: Codes, classes: Codes) -> Floats:
        z = logits(rows, classes) if callable(logits) else np.asarray(logits)[np.ix_(rows, classes)]
        z = _with_columns(z, "class_logits", classes.size)
        if len(z) != rows.size:
            raise _other_rows("class_logits", z.shape, rows.size)
        return z


def _with_columns(logits: ArrayLike, name: str, columns: int) -> Floats:
    z = checked_logits(logits, name, 2)
    if z.shape[1] != columns:
        raise DataError("shape-mismatch", f"{name} {z.shape}", cure=f"give {columns} columns")
    return z


def _other_rows(name: str, shape: tuple[int, ...], rows: int) -> DataError:
    return DataError("shape-mismatch", f"{name} {shape} for {rows} rows", cure="give a row of logits each")
