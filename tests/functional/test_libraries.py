"""Arrays of every library give the results of NumPy's, in arrays of their own, for every loss and measure."""

from __future__ import annotations

import itertools

import array_api_strict
import jax
import numpy as np
import pytest
import torch

import crossent
from crossent import kernels, losses
from crossent.errors import DataError, UsageError
from crossent.testing.samples import prepared

from .libraries import LIBRARIES

PAIRS = [(loss, kind) for loss in losses.all_losses() for kind in loss.kinds]
by_name = pytest.mark.parametrize(("loss", "kind"), PAIRS, ids=lambda v: getattr(v, "name", v))
by_library = pytest.mark.parametrize("library", LIBRARIES, ids=str)
by_width = pytest.mark.parametrize("width", [np.float32, np.float64], ids=["float32", "float64"])

P = np.array([[0.5, 0.25, 0.25], [0.125, 0.375, 0.5], [0.0, 0.0, 1.0]])
Q = np.array([[0.25, 0.5, 0.25], [0.5, 0.25, 0.25], [0.125, 0.125, 0.75]])
JOINT = np.array([[[0.25, 0.25], [0.125, 0.375]]])


def narrowed(array: np.ndarray, width: type) -> np.ndarray:
    return array.astype(width) if array.dtype.kind == "f" else array


def same(library, result, expected, context: str) -> None:
    """Of the library's type, with the bits of NumPy's result, or those of its widest float."""
    assert isinstance(result, library.type), f"{context}: {type(result)}"
    values = library.read(result)
    assert values.shape == np.shape(expected), context
    assert values.tobytes() == np.asarray(expected).astype(values.dtype).tobytes(), context
    assert np.asarray(expected).dtype == values.dtype or values.dtype == library.widest, context


@by_library
@by_width
@by_name
def test_losses(loss, kind, library, width):
    mine, labels, prediction = prepared(loss, kind, rows=7, spread=0.5)
    labels, prediction = narrowed(labels, width), narrowed(prediction, width)
    arrays = library.make(labels), library.make(prediction)
    # what the library holds: JAX narrows what it is given
    labels, prediction = (library.read(array).copy() for array in arrays)
    for function in (crossent.loss, crossent.gradient, crossent.hessian_diagonal):
        options = {"kind": kind, "reduction": "none", "weights": None}
        try:
            expected = function(labels, prediction, mine, **options)
        except UsageError as error:
            assert "no-derivative" in str(error)
            continue
        same(library, function(*arrays, mine, **options), expected, f"{function.__name__} of rows")
    assert library.read(arrays[0]).tobytes() == labels.tobytes(), "labels after the call"
    assert library.read(arrays[1]).tobytes() == prediction.tobytes(), "prediction after the call"


@by_name
def test_derivatives_have_the_precision_of_the_prediction(loss, kind):
    mine, labels, prediction = prepared(loss, kind, rows=5, spread=0.5)
    narrow = prediction.astype(np.float32)
    if type(loss).gradient is losses.Loss.gradient:
        with pytest.raises(UsageError, match="no-derivative"):
            crossent.gradient(labels, narrow, mine, kind=kind)
        return
    assert crossent.gradient(labels, narrow, mine, kind=kind).dtype == np.float32


@by_width
@by_name
def test_loss_and_gradient_are_those_of_the_two_functions(loss, kind, width):
    if type(loss).gradient is losses.Loss.gradient:
        return
    mine, labels, prediction = prepared(loss, kind, rows=7, spread=0.5)
    labels, prediction = narrowed(labels, width), narrowed(prediction, width)
    for options in ({}, {"reduction": "none"}, {"where": np.arange(7) != 2, "weights": np.arange(7.0)}):
        value, slopes = crossent.loss_and_gradient(labels, prediction, mine, kind=kind, **options)
        assert np.array_equal(value, crossent.loss(labels, prediction, mine, kind=kind, **options))
        expected = crossent.gradient(labels, prediction, mine, kind=kind, **options)
        assert slopes.dtype == expected.dtype and slopes.tobytes() == expected.tobytes()
        own = np.full_like(prediction, 7.0)
        assert crossent.loss_and_gradient(labels, prediction, mine, kind=kind, out=own, **options)[1] is own
        assert own.tobytes() == expected.tobytes()
        own = prediction.copy()
        crossent.loss_and_gradient(labels, own, mine, kind=kind, out=own, **options)
        assert own.tobytes() == expected.tobytes()


def test_gradients_go_only_where_they_can():
    z = torch.zeros(2, 3)
    assert crossent.loss_and_gradient([0, 1], z, kind="logits", out=z)[1] is z and z.any()
    fixed = np.zeros((2, 3))
    fixed.flags.writeable = False
    for out in (fixed, np.zeros((3, 2)), np.zeros((2, 3), np.float32), jax.numpy.zeros((2, 3))):
        with pytest.raises(UsageError, match="bad-option"):
            crossent.loss_and_gradient([0, 1], np.zeros((2, 3)), kind="logits", out=out)
    for labels, row, slug in (
        ([0, 3], [0.0, 1.0, 2.0], "label-out-of-range"),
        ([0, 1], [np.nan] * 3, "nan-"),
    ):
        z = np.array([[1.0, 2.0, 3.0], row])
        before = z.copy()
        with pytest.raises(DataError, match=slug):
            crossent.loss_and_gradient(labels, z, kind="logits", out=z)
        assert z.tobytes() == before.tobytes()


MEASURES = {
    "entropy": (P,),
    "cross_entropy": (P, Q),
    "kl_divergence": (P, Q),
    "js_divergence": (P, Q),
    "generalised_kl_divergence": (P, Q),
    "perplexity": (P, Q),
    "mutual_information": (JOINT,),
    "conditional_entropy": (JOINT,),
    "log_loss": (np.array([0, 2, 2]), Q),
    "hessian_vector_product": (P, Q),
}


@by_library
@by_width
@pytest.mark.parametrize(
    ("name", "reduction"),
    # a perplexity is no sum
    sorted({*itertools.product(MEASURES, ("mean", "sum", "none"))} - {("perplexity", "sum")}),
)
def test_measures(name, reduction, library, width):
    arguments = [narrowed(a, width) for a in MEASURES[name]]
    function = getattr(crossent, name)
    arrays = [library.make(a) for a in arguments]
    expected = function(*map(library.read, arrays), reduction=reduction)
    result = function(*arrays, reduction=reduction)
    if library.type is np.ndarray:
        assert np.array_equal(result, expected)
    else:
        same(library, result, expected, name)


@by_library
def test_weights_masks_and_lists_go_with_any_library(library):
    q, weights, mask = library.make(Q), library.make(np.array([1.0, 2.0, 4.0])), [True, False, True]
    expected = crossent.cross_entropy(P, Q, weights=[1.0, 2.0, 4.0], where=np.array(mask))
    result = crossent.cross_entropy(P.tolist(), q, weights=weights, where=library.make(np.array(mask)))
    assert float(result) == np.asarray(expected).astype(library.widest)


@by_library
def test_columns_of_a_density_may_be_given_one_by_one(library):
    y, mean, std = np.array([0.5, 1.0]), np.array([0.0, 1.5]), np.array([1.0, 2.0])
    arrays = [library.make(a) for a in (y, mean, std)]
    expected = crossent.gradient(y, np.column_stack([mean, std]), "gaussian_nll", kind="mean_std")
    result = crossent.gradient(arrays[0], tuple(arrays[1:]), "gaussian_nll", kind="mean_std")
    assert [type(part) for part in result] == [type(arrays[1])] * 2
    assert np.allclose(np.column_stack([library.read(part) for part in result]), expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["logits", "log_probs"])
def test_half_precision_of_torch_and_jax_is_widened_exactly(kind):
    z = np.array([[-1.5, -2.25, -0.5]])
    expected = crossent.loss([0], z, kind=kind)
    for half in (torch.float16, torch.bfloat16):
        with kernels.using(precise=True):
            assert float(crossent.loss([0], torch.tensor(z, dtype=half), kind=kind)) == expected
    narrow = jax.numpy.asarray(z, dtype=jax.numpy.bfloat16)
    with kernels.using(precise=True):
        assert float(crossent.loss([0], narrow, kind=kind)) == np.float32(expected)


@pytest.mark.parametrize(
    "loss", [loss for loss in losses.all_losses() if "logits" in loss.as_stored], ids=str
)
@pytest.mark.parametrize("type_", ["float16", "bfloat16"])
def test_halves_give_what_their_float32_copy_gives(loss, type_):
    mine, labels, prediction = prepared(loss, "logits", rows=40, spread=0.5)
    z = torch.tensor(prediction).to(getattr(torch, type_))
    for function in (crossent.loss, crossent.gradient):
        if function is crossent.gradient and loss.name == "zero_one":
            continue
        for reduction in ("mean", "none"):
            options = {"kind": "logits", "reduction": reduction, "where": np.arange(40) % 3 > 0}
            got = function(torch.tensor(labels), z, mine, **options)
            want = function(torch.tensor(labels), z.float(), mine, **options)
            assert got.dtype == want.dtype and torch.equal(got, want), (function, reduction)


BAD = {"nan-prediction": [np.nan, 0.0], "infinite-logit": [np.inf, 0.0], "impossible-row": [-np.inf, -np.inf]}


@pytest.mark.parametrize(
    "loss", [loss for loss in losses.all_losses() if "logits" in loss.as_stored], ids=str
)
@pytest.mark.parametrize("slug", BAD)
@pytest.mark.parametrize("width", [np.float16, np.float32, np.float64])
def test_logits_that_are_no_prediction_are_found_after_the_visit(loss, slug, width):
    if loss.target == "indicators" and slug != "nan-prediction":
        return
    mine, labels, prediction = prepared(loss, "logits", rows=40, spread=0.5)
    z = prediction.astype(width)
    z[23] = -1.0 if slug != "impossible-row" else -np.inf
    z[23, :2] = BAD[slug]
    for function in (crossent.loss, crossent.gradient):
        if function is crossent.gradient and loss.name == "zero_one":
            continue
        with pytest.raises(DataError, match=slug) as found:
            function(labels, z, mine, kind="logits", where=np.arange(40) != 3)
        assert found.value.row == 23
        # a row that does not count may hold anything
        assert np.isfinite(function(labels, z, mine, kind="logits", where=np.arange(40) != 23)).all()


def test_tensors_under_no_grad_may_require_a_gradient():
    p = torch.tensor(P, requires_grad=True)
    with pytest.raises(UsageError, match=r"detach.*\[recorded-gradient\]"):
        crossent.entropy(p)
    with torch.no_grad():
        assert float(crossent.entropy(p)) == crossent.entropy(P)


def test_views_that_torch_has_not_carried_out_yet():
    negated = torch.tensor([1.0j, 2.0j]).conj().imag
    expected = crossent.loss([0], np.float32([[-1.0, -2.0]]), kind="logits")
    assert crossent.loss([0], negated[None], kind="logits") == expected


def test_jax_values_that_are_not_known_yet():
    for transformed in (jax.jit(crossent.entropy), jax.grad(crossent.entropy)):
        with pytest.raises(UsageError, match="traced-array"):
            transformed(jax.numpy.asarray(P[0]))


def test_two_libraries_are_not_mixed():
    with pytest.raises(UsageError, match=r"torch and array_api_strict.*\[mixed-arrays\]"):
        crossent.cross_entropy(torch.tensor(P), array_api_strict.asarray(Q))


def test_sparse_tensors_are_refused():
    with pytest.raises(DataError, match=r"to_dense.*\[unreadable-array\]"):
        crossent.entropy(torch.tensor(P).to_sparse())


def test_devices_come_back():
    meta = pytest.raises(DataError, match="unreadable-array")
    with meta:
        crossent.entropy(torch.empty(3, device="meta"))
    device = jax.devices("cpu")[0]
    assert crossent.entropy(jax.device_put(jax.numpy.asarray(P), device)).devices() == {device}
