// The kernels of blocks of logits, bound: shapes are checked in Python, addresses are taken here, the lock is released.
#include "bind/groups.h"

#include "blocks/by_row.h"
#include "over_rows.h"

namespace crossent {
namespace {

// The rows' numbers, each an array or None: a list of them takes a third of the code that as many arguments do.
double* numbers_of(const nb::tuple& arrays, size_t at) {
    const nb::handle array = arrays[at];
    return array.is_none() ? nullptr : nb::cast<Out>(array, false).data();
}

Rows floats(const Matrix& z) {
    const Rows rows = rows_of(z);
    if (rows.type != Type::float32) throw nb::type_error("blocks of logits must be float32");
    return rows;
}

template <class Work>
void each_row(const Rows& z, int threads, Work work) {
    const nb::gil_scoped_release unlocked;
    over_rows(z.rows, block_of(z), threads, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) work(row);
        return int64_t{-1};
    });
}

// numbers: top, others, own, sum_z, sum_ez, best, weights.
void block_statistics(const Kernels& kernels, Matrix z, Labels labels, nb::tuple numbers,
                      std::optional<OutOf<int64_t>> best_at, int64_t first, int threads) {
    const auto number = [&](size_t at) { return numbers_of(numbers, at); };
    const BlockStatistics job{floats(z), first, labels.data(), number(6), number(0), number(1), number(2), number(3),
                              number(4), number(5), best_at ? best_at->data() : nullptr};
    each_row(job.z, threads, [&](int64_t row) { add_block(kernels.blocks, job, row); });
}

// numbers: lse, scale, entry, slope, shift; weights are one row.
void block_gradient(const Kernels& kernels, Matrix z, Labels labels, nb::tuple numbers, OutMatrix out,
                    std::optional<Matrix> weights, double cap, int64_t first, int threads) {
    const auto number = [&](size_t at) { return numbers_of(numbers, at); };
    const Rows written = rows_of(out);
    const BlockGradient job{floats(z), first, labels.data(), number(0), number(1), number(2), number(3), number(4),
                            weights ? static_cast<const float*>(floats(*weights).data) : nullptr, cap, out.data(), written.type, written.stride};
    each_row(job.z, threads, [&](int64_t row) { gradient_of_row(kernels.blocks, job, row); });
}

}  // namespace

void bind_blocks(nb::class_<Kernels>& kernels) {
    kernels
        .def("block_statistics", &block_statistics, nb::arg("z").noconvert(), nb::arg("labels").noconvert(), nb::arg("numbers"),
             nb::arg("best_at").noconvert().none(), nb::arg("first"), nb::arg("threads"))
        .def("block_gradient", &block_gradient, nb::arg("z").noconvert(), nb::arg("labels").noconvert(), nb::arg("numbers"),
             nb::arg("out").noconvert(), nb::arg("weights").noconvert().none(), nb::arg("cap"), nb::arg("first"),
             nb::arg("threads"));
}

}  // namespace crossent
