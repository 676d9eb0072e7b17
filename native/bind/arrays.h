// NumPy and DLPack arrays as the kernels take them.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include "rows.h"

namespace crossent {

namespace nb = nanobind;

using Matrix = nb::ndarray<nb::ro, nb::ndim<2>, nb::device::cpu>;
using Labels = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Scale = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using OutOf = nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Out = OutOf<double>;
using OutMatrix = nb::ndarray<nb::ndim<2>, nb::device::cpu>;

template <class Array>
Type type_of(const Array& array) {
    const nb::dlpack::dtype t = array.dtype();
    if (t == nb::dtype<float>()) return Type::float32;
    if (t == nb::dtype<double>()) return Type::float64;
    if (t.bits == 16 && t.code == static_cast<uint8_t>(nb::dlpack::dtype_code::Float)) return Type::float16;
    if (t.bits == 16 && t.code == static_cast<uint8_t>(nb::dlpack::dtype_code::Bfloat)) return Type::bfloat16;
    // NumPy has no bfloat16: its bits are given as whole numbers (narrow.py)
    if (t == nb::dtype<uint16_t>()) return Type::bfloat16;
    throw nb::type_error("numbers must be float16, bfloat16, float32 or float64");
}

template <class Array>
Rows rows_of(const Array& array) {
    // an empty array has any strides
    if (array.shape(0) > 0 && array.shape(1) > 1 && array.stride(1) != 1) throw nb::value_error("entries of a row must be neighbours");
    return {array.data(), type_of(array), static_cast<int64_t>(array.shape(0)), static_cast<int64_t>(array.shape(1)),
            array.stride(0)};
}

// About 64 KiB of numbers: long enough that taking the next block costs nothing.
inline int64_t block_of(const Rows& rows) {
    const int64_t wanted = 16384 / (rows.classes ? rows.classes : 1);
    return wanted < 16 ? 8 : wanted / 16 * 16;
}

}  // namespace crossent
