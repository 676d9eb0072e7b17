// A plain read and a plain copy of flat arrays of 64-bit words, for benchmarks.
#include "bind/groups.h"

#include <atomic>

#include "over_rows.h"

namespace crossent {
namespace {

using Words = nb::ndarray<const uint64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using OutWords = nb::ndarray<uint64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

constexpr int64_t BLOCK = 1 << 15;  // words: 256 KiB

uint64_t read_all(const Kernels& kernels, Words x, int threads) {
    const nb::gil_scoped_release unlocked;
    std::atomic<uint64_t> folded{0};
    over_rows(static_cast<int64_t>(x.size()), BLOCK, threads, [&](int64_t begin, int64_t end) {
        folded ^= kernels.limits.read(x.data(), begin, end);
        return int64_t{-1};
    });
    return folded;
}

void copy_all(const Kernels& kernels, Words x, OutWords out, int threads) {
    if (x.size() != out.size()) throw nb::value_error("the copy must have the size of what is copied");
    const nb::gil_scoped_release unlocked;
    over_rows(static_cast<int64_t>(x.size()), BLOCK, threads, [&](int64_t begin, int64_t end) {
        kernels.limits.copy(x.data(), out.data(), begin, end);
        return int64_t{-1};
    });
}

}  // namespace

void bind_limits(nb::class_<Kernels>& kernels) {
    kernels.def("read", &read_all, nb::arg("x").noconvert(), nb::arg("threads"));
    kernels.def("copy", &copy_all, nb::arg("x").noconvert(), nb::arg("out").noconvert(), nb::arg("threads"));
}

}  // namespace crossent
