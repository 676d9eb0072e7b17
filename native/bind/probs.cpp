// The Python face of the kernels of probabilities.
#include "bind/groups.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <vector>

#include "over_rows.h"

namespace crossent {
namespace {

using Column = nb::ndarray<nb::ro, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Flags = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using OutRows = nb::ndarray<double, nb::c_contig, nb::device::cpu>;

Grid grid_of(const Matrix& x) {
    return {x.data(), type_of(x), static_cast<int64_t>(x.shape(0)), static_cast<int64_t>(x.shape(1)), x.stride(0), x.stride(1)};
}
Grid grid_of(const Column& x) { return {x.data(), type_of(x), static_cast<int64_t>(x.shape(0)), 1, 1, 1}; }

// So many numbers that what is done once a block costs nothing, and at most as many rows as a product has room for.
int64_t block_of(const Grid& g) {
    const int64_t wanted = 65536 / std::max<int64_t>(g.classes, 1);
    return std::clamp<int64_t>(wanted / 8 * 8, 8, 8192);
}

// −log of the product: −(exponent·ln 2 + log(high + low)), rounded once or twice.
double minus_log(const Product& p) {
    constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
    if (p.nan || (p.zero && p.infinite)) return nan;
    if (p.zero || p.infinite) return p.zero ? inf : -inf;
    double high = p.high, low = p.low, exponent = p.exponent;
    if (high < 0.70710678118654752) high *= 2.0, low *= 2.0, exponent -= 1.0;  // near 1, where log keeps its digits
    constexpr double ln2 = 6.93147180559945286e-01, ln2_rest = 2.319046813846299558e-17;
    const double whole = exponent * ln2, rest = std::fma(exponent, ln2, -whole) + exponent * ln2_rest;
    // high − 1 is exact
    const double fraction = std::log1p((high - 1.0) + low);
    return 0.0 - (whole + (rest + fraction));
}

template <class Work>
int64_t visit_blocks(const Grid& grid, int threads, Facts& facts, Work work) {
    const int64_t block = block_of(grid);
    std::mutex guard;
    return over_rows(grid.rows, block, threads, [&](int64_t begin, int64_t end) -> int64_t {
        Facts mine;
        int64_t bad = -1;
        for (int64_t b = begin; b < end && bad < 0; b += block) bad = work(b, std::min(b + block, end), b / block, mine);
        const std::lock_guard<std::mutex> lock(guard);
        merge(facts, mine);
        return bad;
    });
}

// (first bad row or −1, least, most, least sum, most sum, below 0, above 1, off by 1e-6, by 1e-3, ties, total)
nb::tuple found(int64_t bad, const Facts& f, double total) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    return nb::make_tuple(bad, f.nans ? nan : f.least, f.nans ? nan : f.most, f.nan_sums ? nan : f.least_sum,
                          f.nan_sums ? nan : f.most_sum, f.below_zero, f.above_one, f.off_1e6, f.off_1e3, f.ties, total);
}

void multiply(Product& total, const Product& part) {
    crossent::multiply(total, part.high, part.low, part.exponent);
    total.zero |= part.zero;
    total.infinite |= part.infinite;
    total.nan |= part.nan;
}

nb::tuple run(const Kernels& kernels, Visit what, const ProbsJob& job, int threads) {
    Facts facts;
    Product total;
    int64_t bad;
    double sum = 0.0;
    {
        const nb::gil_scoped_release unlocked;
        std::vector<Product> parts(what == VISIT_TOTAL ? static_cast<size_t>(job.p.rows / block_of(job.p) + 1) : 0);
        bad = visit_blocks(job.p, threads, facts, [&](int64_t begin, int64_t end, int64_t number, Facts& mine) {
            return kernels.probs.visit(what, job, begin, end, mine, parts.empty() ? nullptr : &parts[static_cast<size_t>(number)]);
        });
        // in the order of the blocks, whoever made them
        for (const Product& part : parts) multiply(total, part);
        if (what == VISIT_TOTAL) sum = minus_log(total);
    }
    return found(bad, facts, sum);
}

template <class Array>
auto pointer(const std::optional<Array>& array) {
    return array ? array->data() : nullptr;
}

nb::tuple visit(const Kernels& kernels, int what, Matrix p, std::optional<Labels> labels, std::optional<OutOf<double>> sum,
                std::optional<OutOf<double>> loss, std::optional<OutOf<double>> brier, std::optional<OutOf<int64_t>> top,
                std::optional<OutOf<double>> confidence, std::optional<OutOf<uint8_t>> tie, std::optional<OutOf<uint8_t>> hit,
                std::optional<OutOf<double>> wrong, int threads) {
    ProbsJob job;
    job.p = grid_of(p);
    job.labels = pointer(labels);
    job.sum = pointer(sum), job.loss = pointer(loss), job.brier = pointer(brier), job.top = pointer(top);
    job.confidence = pointer(confidence), job.tie = pointer(tie), job.hit = pointer(hit), job.wrong = pointer(wrong);
    return run(kernels, static_cast<Visit>(what), job, threads);
}

nb::tuple visit_single(const Kernels& kernels, int what, Column p, Labels labels, int positive,
                       std::optional<OutOf<double>> loss, std::optional<OutOf<double>> brier, std::optional<OutOf<int64_t>> top,
                       std::optional<OutOf<double>> confidence, std::optional<OutOf<uint8_t>> hit,
                       std::optional<OutOf<double>> wrong, int threads) {
    ProbsJob job;
    job.p = grid_of(p);
    job.positive = positive;
    job.labels = labels.data();
    job.loss = pointer(loss), job.brier = pointer(brier), job.top = pointer(top);
    job.confidence = pointer(confidence), job.hit = pointer(hit), job.wrong = pointer(wrong);
    return run(kernels, static_cast<Visit>(what), job, threads);
}

using RowsKernel = int64_t (*ProbsKernels::*)(const RowsJob&, int64_t, int64_t);

template <RowsKernel KERNEL>
int64_t rows_kernel(const Kernels& kernels, Matrix x, std::optional<Labels> labels, OutRows out, int threads) {
    const RowsJob job = {grid_of(x), pointer(labels), out.data()};
    const nb::gil_scoped_release unlocked;
    return over_rows(job.x.rows, block_of(job.x), threads,
                     [&](int64_t begin, int64_t end) { return (kernels.probs.*KERNEL)(job, begin, end); });
}

void minus_log_of(const Kernels& kernels, Column p, OutOf<double> out, int threads) {
    const Grid grid = grid_of(p);
    const nb::gil_scoped_release unlocked;
    over_rows(grid.rows, block_of(grid), threads, [&](int64_t begin, int64_t end) -> int64_t {
        kernels.probs.minus_log(grid, out.data(), begin, end);
        return -1;
    });
}

void binary_loss_of(const Kernels& kernels, Flags positive, Column p, OutOf<double> out, int threads) {
    const Grid grid = grid_of(p);
    const nb::gil_scoped_release unlocked;
    over_rows(grid.rows, block_of(grid), threads, [&](int64_t begin, int64_t end) -> int64_t {
        kernels.probs.binary_loss(grid, positive.data(), out.data(), begin, end);
        return -1;
    });
}

template <RowsKernel KERNEL>
void bind_rows(nb::class_<Kernels>& kernels, const char* name) {
    kernels.def(name, &rows_kernel<KERNEL>, nb::arg("x").noconvert(), nb::arg("labels").noconvert().none(),
                nb::arg("out").noconvert(), nb::arg("threads"));
}

}  // namespace

void bind_probs(nb::class_<Kernels>& kernels) {
    const auto given = [](const char* name) { return nb::arg(name).noconvert().none() = nb::none(); };
    kernels.def("visit", &visit, nb::arg("what"), nb::arg("p").noconvert(), given("labels"), given("sum"), given("loss"),
                given("brier"), given("top"), given("confidence"), given("tie"), given("hit"), given("wrong"),
                nb::kw_only(), nb::arg("threads"));
    kernels.def("visit_single", &visit_single, nb::arg("what"), nb::arg("p").noconvert(), nb::arg("labels").noconvert(),
                nb::arg("positive"), given("loss"), given("brier"), given("top"), given("confidence"), given("hit"),
                given("wrong"), nb::kw_only(), nb::arg("threads"));
    bind_rows<&ProbsKernels::take_label>(kernels, "take_label");
    bind_rows<&ProbsKernels::log_loss>(kernels, "log_loss_from_probs");
    bind_rows<&ProbsKernels::softmax>(kernels, "softmax");
    bind_rows<&ProbsKernels::brier_from_logits>(kernels, "brier_from_logits");
    bind_rows<&ProbsKernels::brier_from_log_probs>(kernels, "brier_from_log_probs");
    kernels.def("minus_log", &minus_log_of, nb::arg("p").noconvert(), nb::arg("out").noconvert(), nb::arg("threads"));
    kernels.def("binary_loss", &binary_loss_of, nb::arg("positive").noconvert(), nb::arg("p").noconvert(),
                nb::arg("out").noconvert(), nb::arg("threads"));
}

}  // namespace crossent
