// The Python face of the kernels: shapes are checked in Python, addresses are taken here, the lock is released.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bind_limits.h"
#include "dispatch.h"
#include "threads.h"

namespace nb = nanobind;
using namespace crossent;

namespace {

using Matrix = nb::ndarray<nb::ro, nb::ndim<2>, nb::device::cpu>;
using Labels = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Scale = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Out = nb::ndarray<double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using OutMatrix = nb::ndarray<nb::ndim<2>, nb::device::cpu>;

template <class Array>
Type type_of(const Array& array) {
    const nb::dlpack::dtype t = array.dtype();
    if (t == nb::dtype<float>()) return Type::float32;
    if (t == nb::dtype<double>()) return Type::float64;
    if (t.bits == 16 && t.code == static_cast<uint8_t>(nb::dlpack::dtype_code::Float)) return Type::float16;
    if (t.bits == 16 && t.code == static_cast<uint8_t>(nb::dlpack::dtype_code::Bfloat)) return Type::bfloat16;
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
int64_t block_of(const Rows& rows) {
    const int64_t wanted = 16384 / (rows.classes ? rows.classes : 1);
    return wanted < 8 ? 8 : wanted / 8 * 8;
}

int64_t losses_from_logits(const Kernels& kernels, Matrix z, Labels labels, Out loss, std::optional<OutMatrix> gradient,
                           std::optional<Scale> scale, int threads) {
    const Rows rows = rows_of(z);
    LogitsJob job{rows, labels.data(), loss.data(), nullptr, 0, scale ? scale->data() : nullptr};
    if (gradient) {
        job.gradient = gradient->data();
        job.gradient_stride = gradient->stride(0);
    }
    const nb::gil_scoped_release unlocked;
    return over_rows(rows.rows, block_of(rows), threads,
                     [&](int64_t begin, int64_t end) { return kernels.losses_from_logits(job, begin, end); });
}

}  // namespace

NB_MODULE(_native, m) {
    nb::class_<Kernels> kernels(m, "Kernels");
    kernels.def_prop_ro("name", [](const Kernels& k) { return k.name; })
        .def("losses_from_logits", &losses_from_logits, nb::arg("z").noconvert(), nb::arg("labels").noconvert(),
             nb::arg("loss").noconvert(), nb::arg("gradient").noconvert().none(), nb::arg("scale").noconvert().none(),
             nb::arg("threads"));
    bind_limits(kernels);
    m.def("available", &available);
    m.def("find", &find, nb::rv_policy::reference);
}
