"""Estimates of the softmax's normaliser Z = Σ_j exp(z_j), and of its log loss, from sampled classes.

With classes drawn from q, exp(z_j)/q_j has the mean Z. Its mean over m draws is unbiased for Z, and the
logarithm of that is too small for log Z by about Var/(2 m Z²) in expectation (Jensen's inequality).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossent import kernels
from crossent._arrays import as_numpy, same_kind
from crossent.errors import DataError, UsageError

Floats = NDArray[np.float64]
Hits = NDArray[np.bool_]


class LogNormaliser(NamedTuple):
    """An estimate of log Z for each row, with its own standard error and bias, estimated from the same draws.

    With one draw, or a single one that is no accidental hit, `se` and `bias` are nan: nothing scatters.
    """

    value: Floats
    se: Floats
    bias: Floats


def accidental_hits(labels: ArrayLike, sampled: ArrayLike) -> Hits:
    """(N, m) bools: where a sampled class is the row's label. `sampled` is (m,), for all rows, or (N, m).

    >>> accidental_hits([2, 0], [0, 1, 2])
    array([[False, False,  True],
           [ True, False, False]])
    """
    return np.asarray(as_numpy(sampled) == np.asarray(as_numpy(labels))[:, None])


def importance_log_normaliser(
    z_sampled: ArrayLike,
    log_q_sampled: ArrayLike,
    *,
    z_label: ArrayLike | None = None,
    hits: ArrayLike | None = None,
) -> LogNormaliser:
    """log Ẑ = log( (1/m) Σ_s exp(z_s)/q_s ) of classes drawn from q, in nats, with standard error and bias.

    Ẑ is unbiased for Z; log Ẑ is not for log Z: its bias is about −Var/(2 m Z²) = −se²/2, where Var is the
    variance of a single exp(z)/q. Both are estimated from the draws, and are too small themselves where q
    seldom draws what Z consists of.

    Parameters
    ----------
    z_sampled : (N, m) logits of the sampled classes.
    log_q_sampled : (m,) or (N, m) logarithms of their probabilities of being drawn.
    z_label : (N,) logits of the labels; with these, exp(z_label) is added exactly and draws of the label
        (`hits`, needed then) do not count. That removes the scatter of the label, the largest part of it
        for confident rows.
    hits : (N, m) bools, from `accidental_hits`.

    Returns a `LogNormaliser` of three arrays (N,).

    Raises `DataError` (shape-mismatch, nan-prediction, infinite-logit, impossible-row,
    positive-log-probability, class-never-drawn) and `UsageError` (bad-option).

    >>> import numpy as np
    >>> z = np.log([[1.0, 2.0, 5.0]])
    >>> importance_log_normaliser(z, np.log([0.125, 0.25, 0.625])).value.round(12)  # q ∝ exp(z): exact
    array([2.07944154])

    Source: Y. Bengio, J.-S. Senécal, Adaptive importance sampling to accelerate training of a neural
    probabilistic language model, IEEE Trans. Neural Networks 19 (2008) 713–722,
    doi:10.1109/TNN.2007.912312.
    """
    if (z_label is None) != (hits is None):
        raise UsageError(
            "bad-option",
            "z_label and hits are given one without the other",
            cure="give both, so that the label counts once, or neither",
        )
    return LogNormaliser(*_log_normaliser(z_sampled, log_q_sampled, z_label, hits))


@same_kind
def _log_normaliser(
    z_sampled: ArrayLike, log_q_sampled: ArrayLike, z_label: ArrayLike | None, hits: ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    z, log_q, hit = checked_samples(z_sampled, log_q_sampled, hits)
    n, m = z.shape
    log_w = np.where(hit, -np.inf, z - log_q)
    known = np.full(n, -np.inf) if z_label is None else checked_label(z_label, n)
    largest = np.maximum(log_w.max(axis=1), known)
    if np.isneginf(largest).any():
        raise _impossible(largest)
    w = np.exp(log_w - largest[:, None])
    total = np.exp(known - largest) + w.mean(axis=1)
    value = np.log(total) + largest
    if m == 1:
        return value, np.full(n, np.nan), np.full(n, np.nan)
    se = w.std(axis=1, ddof=1) / (np.sqrt(m) * total)
    return value, se, -(se**2) / 2


@same_kind
def sampled_softmax(
    z_label: ArrayLike,
    z_sampled: ArrayLike,
    log_q_sampled: ArrayLike,
    log_q_label: ArrayLike | None = None,
    *,
    hits: ArrayLike | None = None,
) -> Floats:
    """(N,) −log of the label's share among itself and m sampled classes, logits corrected by log q; nats.

        log( 1 + Σ_s exp(z_s − log(m q_s) − z_label) )          without `log_q_label`
        log( 1 + Σ_s exp(z_s − log q_s − z_label + log q_label) )   with it

    Without `log_q_label` the label is there for certain and the samples stand for all other classes. With
    the accidental hits removed this is log Ẑ − z_label with an unbiased Ẑ, so it estimates log loss, from
    below, with a bias of about −Var/(2 m Z²), and becomes log loss as m grows. Hits that are left in count
    the label twice: log loss of p_label/(1 + p_label).

    With `log_q_label` the label is treated as one more draw (Jean et al. 2015; the default of most
    libraries). The value is *not* an estimate of log loss, whatever m: it tends to log loss + log(m
    q_label). Its gradient tends to that of log loss, and training with it is consistent.

    Parameters
    ----------
    z_label, z_sampled : (N,) and (N, m) logits.
    log_q_sampled : (m,) or (N, m) logarithms of the probabilities with which the classes were drawn.
    log_q_label : (N,) or None, see above.
    hits : (N, m) bools, from `accidental_hits`: samples that do not count; None leaves all in.

    Range [0, ∞); a label with logit −inf costs `inf`.

    Raises `DataError` (shape-mismatch, nan-prediction, infinite-logit, impossible-row,
    positive-log-probability, class-never-drawn) and `UsageError` (bad-option, without samples).

    >>> import numpy as np
    >>> z = np.array([[2.0, 1.0, 0.0]])
    >>> every_class = np.log(np.full(3, 1 / 3))  # three draws of probability 1/3: the expected count is 1
    >>> hits = accidental_hits([0], [0, 1, 2])
    >>> sampled_softmax(z[:, 0], z, every_class, hits=hits)  # the exact log loss
    array([0.40760596])

    Source: S. Jean, K. Cho, R. Memisevic, Y. Bengio, On using very large target vocabulary for neural
    machine translation, ACL 2015, doi:10.3115/v1/P15-1001; without `log_q_label` Bengio & Senécal 2008,
    doi:10.1109/TNN.2007.912312.
    """
    z = _columns(z_label, z_sampled, log_q_sampled, log_q_label, hits)
    return kernels.log_loss_from_logits(np.zeros(len(z), np.int64), z)


@same_kind
def sampled_softmax_gradient(
    z_label: ArrayLike,
    z_sampled: ArrayLike,
    log_q_sampled: ArrayLike,
    log_q_label: ArrayLike | None = None,
    *,
    hits: ArrayLike | None = None,
) -> tuple[Floats, Floats]:
    """Derivatives of `sampled_softmax` by `z_label` (N,) and by `z_sampled` (N, m).

    A class drawn several times gets the sum of its entries. Ratios of estimates are biased, so this is too:
    by O(1/m).

    >>> import numpy as np
    >>> sampled_softmax_gradient([0.0], [[0.0, 0.0]], np.log([0.5, 0.5]), hits=[[False, True]])
    (array([-0.5]), array([[0.5, 0. ]]))
    """
    z = _columns(z_label, z_sampled, log_q_sampled, log_q_label, hits)
    slope = kernels.softmax_minus_label(np.zeros(len(z), np.int64), z)
    return slope[:, 0], slope[:, 1:]


def _columns(
    z_label: ArrayLike,
    z_sampled: ArrayLike,
    log_q_sampled: ArrayLike,
    log_q_label: ArrayLike | None,
    hits: ArrayLike | None,
) -> Floats:
    """(N, 1 + m) corrected logits: the label's, then the samples'; −inf for those that do not count."""
    z, log_q, hit = checked_samples(z_sampled, log_q_sampled, hits)
    n, m = z.shape
    label = checked_label(z_label, n)
    if log_q_label is not None:
        # each is one draw among equals: log m is on both sides and cancels
        label, m = label - checked_log_q(log_q_label, (n,)), 1
    columns = np.empty((n, 1 + z.shape[1]))
    columns[:, 0] = label
    columns[:, 1:] = np.where(hit, -np.inf, z - log_q - np.log(m))
    largest = columns.max(axis=1)
    if np.isneginf(largest).any():
        raise _impossible(largest)
    return columns


def checked_samples(
    z_sampled: ArrayLike, log_q_sampled: ArrayLike, hits: ArrayLike | None
) -> tuple[Floats, Floats, Hits]:
    """Logits, log q and hits of the samples, each (N, m) or able to broadcast to it."""
    z = checked_logits(z_sampled, "z_sampled", 2)
    if z.shape[1] == 0:
        raise UsageError("bad-option", "no class was sampled", cure="draw at least one")
    log_q = checked_log_q(log_q_sampled, z.shape)
    hit = np.zeros((1, 1), bool) if hits is None else np.asarray(as_numpy(hits))
    if hits is not None and (hit.shape != z.shape or hit.dtype != np.bool_):
        raise DataError(
            "shape-mismatch",
            f"hits {hit.shape} of {hit.dtype} do not belong to z_sampled {z.shape}",
            cure="give bools (N, m), from accidental_hits",
        )
    return z, log_q, hit


def checked_label(z_label: ArrayLike, rows: int) -> Floats:
    """(N,) logits of the labels."""
    z = checked_logits(z_label, "z_label", 1)
    if len(z) != rows:
        raise DataError(
            "shape-mismatch", f"z_label {z.shape} and {rows} rows of samples", cure="give one logit a row"
        )
    return z


def checked_logits(values: ArrayLike, name: str, dimensions: int) -> Floats:
    """Float64 logits without nan and +inf."""
    z = np.asarray(as_numpy(values), dtype=np.float64)
    if z.ndim != dimensions:
        raise DataError(
            "shape-mismatch",
            f"{name} has the shape {z.shape}",
            cure=f"give {'(N,)' if dimensions == 1 else '(N, m)'}",
        )
    bad = np.isnan(z) | (z == np.inf)
    if bad.any():
        row, value = int(bad.nonzero()[0][0]), float(z[bad][0])
        if np.isnan(value):
            raise DataError("nan-prediction", f"an entry of {name} is not a number", row=row)
        raise DataError("infinite-logit", f"an entry of {name} is +inf", row=row, cure="give finite logits")
    return z


def checked_log_q(values: ArrayLike, shape: tuple[int, ...]) -> Floats:
    """Logarithms of probabilities of being drawn, which end in the last entries of `shape`."""
    log_q = np.asarray(as_numpy(values), dtype=np.float64)
    if log_q.shape not in (shape, shape[-1:]):
        raise DataError(
            "shape-mismatch",
            f"log q {log_q.shape} does not belong to logits {shape}",
            cure="give the logarithm of a probability for each sampled class",
        )
    if not (log_q <= 0.0).all():
        value = float(log_q[~(log_q <= 0.0)][0])
        raise DataError(
            "positive-log-probability",
            "the logarithm of a probability of being drawn is not 0 or less",
            value=value,
            cure="give natural logarithms of probabilities, not of expected counts",
        )
    if np.isneginf(log_q).any():
        raise DataError(
            "class-never-drawn",
            "a class of probability 0 was drawn",
            cure="give the probabilities that the classes were drawn with",
        )
    return log_q


def _impossible(largest: Floats) -> DataError:
    return DataError(
        "impossible-row",
        "every logit of the row is −inf",
        row=int(np.flatnonzero(np.isneginf(largest))[0]),
        cure="give a finite logit to the label or to a sampled class",
    )
