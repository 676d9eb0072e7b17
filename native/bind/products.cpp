// Products of matrices, bound: columns are shared among threads.
#include "bind/groups.h"

#include <atomic>
#include <memory>

#include "dispatch.h"
#include "over_rows.h"

namespace crossent {
namespace {

// Columns that a thread takes at a time: fewer than it could where there are few, so that there are some for all.
int64_t columns_at_a_time(int64_t columns, int threads) {
    const int64_t share = (columns / (2 * threads) + 31) / 32 * 32;
    return share < 32 ? 32 : share > PRODUCT_COLUMNS ? PRODUCT_COLUMNS : share;
}

// Bias is a row, or absent. A w that is turned is given as (depth, columns).
void product_of_bfloat16(const Kernels& kernels, const Matrix& x, const Matrix& w, const OutMatrix& out,
                         const std::optional<Matrix>& bias, int threads, bool turned) {
    const ProductKernels* products = products_with(kernels);
    if (!products) throw nb::type_error("these kernels have no product of bfloat16");
    const Rows left = rows_of(x), right = rows_of(w), result = rows_of(out);
    const int64_t columns = turned ? right.classes : right.rows, depth = turned ? right.rows : right.classes;
    const Rows added = bias ? rows_of(*bias) : Rows{nullptr, Type::float32, 1, columns, 0};
    if (left.type != Type::bfloat16 || right.type != Type::bfloat16 || result.type != Type::float32 || added.type != Type::float32)
        throw nb::type_error("factors must be bfloat16, product and bias float32");
    if (left.classes != depth || result.rows != left.rows || result.classes != columns || added.rows != 1 ||
        added.classes != columns)
        throw nb::value_error("x (N, D), w (V, D), out (N, V) and bias (1, V) must agree");
    const ProductJob job{static_cast<const uint16_t*>(left.data),
                         static_cast<const uint16_t*>(right.data),
                         static_cast<const float*>(added.data),
                         static_cast<float*>(out.data()),
                         left.rows,
                         columns,
                         depth,
                         left.stride,
                         right.stride,
                         result.stride,
                         turned};
    const nb::gil_scoped_release unlocked;
    if (threads < 1) threads = 1;
    const int64_t step = columns_at_a_time(job.columns, threads);
    std::atomic<int64_t> next{0};
    // each thread has room that it keeps: half a megabyte is long in coming from the system
    over_rows(threads, 1, threads, [&](int64_t, int64_t) {
        const std::unique_ptr<Pairs[]> room(new Pairs[static_cast<size_t>(products->room(job))]);
        for (int64_t begin = next.fetch_add(step); begin < job.columns; begin = next.fetch_add(step))
            products->of_bfloat16(job, begin, begin + step < job.columns ? begin + step : job.columns, room.get());
        return int64_t{-1};
    });
}

}  // namespace

void bind_products(nb::class_<Kernels>& kernels) {
    kernels.def_prop_ro("has_product_of_bfloat16", [](const Kernels& k) { return products_with(k) != nullptr; })
        .def("product_of_bfloat16", &product_of_bfloat16, nb::arg("x").noconvert(), nb::arg("w").noconvert(),
             nb::arg("out").noconvert(), nb::arg("bias").noconvert().none(), nb::arg("threads"), nb::arg("turned"));
}

}  // namespace crossent
