// One visit of probabilities: range, sums, losses, the top class; as much of it as is asked for.
#pragma once

#include "simd/buffer.h"
#include "simd/halves.h"
#include "probs/many.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

constexpr int64_t MANY = 16;  // classes; beyond, a row is read by itself

// Extremes so far, a row in each lane.
struct Extremes {
    D low = D::all(INFINITE), high = D::all(-INFINITE), low_sum = low, high_sum = high;

    void take(const Group& g) {
        low = min(g.low, low);
        high = max(g.high, high);
        low_sum = min(g.sum, low_sum);
        high_sum = max(g.sum, high_sum);
    }
    void into(Facts& f) const {
        Facts mine;
        mine.least = smallest(low);
        mine.most = largest(high);
        mine.least_sum = smallest(low_sum);
        mine.most_sum = largest(high_sum);
        merge(f, mine);
    }
};

// Counts rows with entries outside [0, 1], with a sum other than one, or with nan; returns the lanes with nan.
template <class Source>
CROSSENT_RARE unsigned count_unusual(const Source& source, int64_t row, unsigned valid, D sum, D low, D high, Facts& f) {
    const D one = D::all(1.0), off = max(sum - one, one - sum);
    const unsigned no_sum = lane_bits(is_nan(sum)) & valid;
    unsigned outside = lane_bits((low < D::all(0.0)) | (high > one));
    if (Source::MIXED && outside) outside = valid;
    f.off_1e6 += count_of(lane_bits(off > D::all(1e-6)) & valid);
    f.off_1e3 += count_of(lane_bits(off > D::all(1e-3)) & valid);
    f.nan_sums |= no_sum != 0;
    unsigned nan = 0;
    for (unsigned rest = no_sum | (outside & valid); rest; rest &= rest - 1) {
        const int i = first_of(rest);
        for (int64_t j = 0; j < source.classes; ++j) {
            const double p = source.entry(row + i, j);
            f.below_zero += p < 0.0;
            f.above_one += p > 1.0;
            if (p != p) nan |= 1u << i;
        }
    }
    f.nans |= nan != 0;
    return nan;
}

// Whether anything was unusual.
template <class Source>
CROSSENT_HOT bool check(const Source& source, int64_t row, unsigned valid, Group& g, Extremes& extremes, Facts& f) {
    extremes.take(g);
    const D one = D::all(1.0), off = max(g.sum - one, one - g.sum);
    // nan is not <= either
    const Mask unusual = (g.low < D::all(0.0)) | (g.high > one) | !(off <= D::all(1e-6));
    if (!any(unusual)) return false;
    g.nan = lanes_of(count_unusual(source, row, valid, g.sum, g.low, g.high, f));
    return true;
}

// What cannot be multiplied becomes 1 and a note; a subnormal number is brought into range, its shift returned.
struct Mended {
    D q, too_much, shift;
};
CROSSENT_RARE inline Mended mended(D q, D too_much, unsigned valid, Product& notes) {
    double v[LANES], t[LANES], shift[LANES] = {};
    q.store(v);
    too_much.store(t);
    for (int i = 0; i < LANES; ++i) {
        if (!(valid >> i & 1u)) v[i] = 1.0, t[i] = 0.0;
        if (v[i] >= LEAST_NORMAL && v[i] < INFINITE) continue;
        const bool subnormal = v[i] > 0.0 && v[i] < LEAST_NORMAL;
        notes.nan |= v[i] != v[i];
        notes.zero |= v[i] <= 0.0;
        notes.infinite |= v[i] == INFINITE;
        v[i] = subnormal ? v[i] * 18014398509481984.0 : 1.0;  // 2^54
        shift[i] = subnormal ? 54.0 : 0.0;
        t[i] = 0.0;
    }
    return {D::load(v), D::load(t), D::load(shift)};
}

CROSSENT_RARE inline void into(const Products& products, Product& out) {
    double high[LANES], excess[LANES], exponent[LANES];
    products.high.store(high);
    products.excess.store(excess);
    products.exponent.store(exponent);
    for (int i = 0; i < LANES; ++i) multiply(out, high[i], -excess[i], exponent[i]);
}

// Σ log of the labels' probabilities, as a product. Where nothing was unusual they are in [0, 1].
template <class Source>
CROSSENT_HOT void add_log(const Source&, int64_t, int, const Group& g, D, unsigned valid, bool unusual, Products& t,
                          Product& notes) {
    if (!unusual && valid == 0xffu && !any(g.own < D::all(LEAST_NORMAL))) return t.take(g.own);
    const Mended m = mended(g.own, D::all(0.0), valid, notes);
    t.take(m.q);
    t.exponent = t.exponent - m.shift;
}
// Of a single column what 1 − p lost by rounding counts: most of the loss where p is tiny.
template <class T>
CROSSENT_HOT void add_log(const Single<T>& source, int64_t row, int rows, const Group& g, D y, unsigned valid, bool,
                          Products& t, Product& notes) {
    const D one = D::all(1.0), zero = D::all(0.0), p = source.given(row, rows);
    const D rest = one - p, back = rest - one, excess = (p + back) - (one - (rest - back));
    const Mask positive = y == D::all(static_cast<double>(source.positive));
    const D too_much = pick(positive, zero, excess / rest);
    if (valid == 0xffu && !any(!((D::all(LEAST_NORMAL) <= g.own) & (g.own < D::all(INFINITE))))) return t.take(g.own, too_much);
    const Mended m = mended(g.own, too_much, valid, notes);
    t.take(m.q, m.too_much);
    t.exponent = t.exponent - m.shift;
}

template <class Source>
inline D loss_of_label(const Source&, int64_t, int, const Group& g, D) {
    return minus_log(g.own);
}
template <class T>
inline D loss_of_label(const Single<T>& source, int64_t row, int rows, const Group&, D y) {
    return binary_loss(y == D::all(static_cast<double>(source.positive)), source.given(row, rows));
}

template <Visit V>
CROSSENT_HOT void write_top(const ProbsJob& job, int64_t row, int rows, unsigned valid, D y, const Group& g, Facts& f) {
    const D nan = D::all(NOT_A_NUMBER), zero = D::all(0.0);
    const D index = pick(g.nan, zero, g.index);
    const Mask tie = g.tie & !g.nan;
    f.ties += count_of(lane_bits(tie) & valid);
    if (job.top) store_some(index, job.top + row, rows);
    if (job.confidence) store_part(pick(g.nan, nan, g.high), job.confidence + row, rows);
    if (job.tie) store_bools(tie, job.tie + row, rows);
    if (V != VISIT_SCORE) return;
    const Mask hit = index == y;
    if (job.hit) store_bools(hit, job.hit + row, rows);
    if (job.wrong) store_part(pick(g.nan, nan, pick(hit, zero, D::all(1.0))), job.wrong + row, rows);
}

// Eight labels, and whether all are classes.
CROSSENT_HOT bool read_labels(const int64_t* labels, int rows, int64_t classes, D& y) {
    int64_t some[LANES];
    if (rows < LANES) {
        for (int i = 0; i < LANES; ++i) some[i] = labels[i < rows ? i : 0];
        labels = some;
    }
    y = whole(labels);
    return all_labels(labels, classes);
}

CROSSENT_RARE inline int64_t first_bad(const int64_t* labels, int64_t row, int64_t classes) {
    while (static_cast<uint64_t>(labels[row]) < static_cast<uint64_t>(classes)) ++row;
    return row;
}

template <Visit V, class Source>
int64_t visit_rows(const Source& source, const ProbsJob& job, int64_t begin, int64_t end, Facts& facts, Product* total) {
    Extremes extremes;
    Products products;
    D y = D::all(0.0);
    for (int64_t row = begin; row < end; row += LANES) {
        const int rows = static_cast<int>(end - row < LANES ? end - row : LANES);
        const unsigned valid = (1u << rows) - 1u;
        if (Wants<V>::label && !read_labels(job.labels + row, rows, source.classes, y))
            return first_bad(job.labels, row, source.classes);
        Group g;
        gather<V>(source, row, rows, job.labels ? job.labels + row : nullptr, y, g);
        bool unusual = false;
        if (Wants<V>::sums) unusual = check(source, row, valid, g, extremes, facts);
        if (V == VISIT_SUMS && job.sum) store_part(g.sum, job.sum + row, rows);
        if (V == VISIT_TOTAL) {
            add_log(source, row, rows, g, y, valid, unusual, products, *total);
            if (((row - begin) / LANES + 1) % Products::MOST == 0) {
                into(products, *total);
                products = Products();
            }
        }
        if ((V == VISIT_CHECKED || V == VISIT_SCORE) && job.loss)
            store_part(loss_of_label(source, row, rows, g, y), job.loss + row, rows);
        if (Wants<V>::brier && job.brier) store_part(g.square, job.brier + row, rows);
        if (Wants<V>::top) write_top<V>(job, row, rows, valid, y, g, facts);
    }
    if (Wants<V>::sums) extremes.into(facts);
    if (V == VISIT_TOTAL) into(products, *total);
    return -1;
}

template <class Pointer>
inline void advance(Pointer& p, int64_t rows) {
    if (p) p += rows;
}

template <Visit V, class T>
int64_t visit_type(const ProbsJob& job, int64_t begin, int64_t end, Facts& facts, Product* total) {
    const Grid& g = job.p;
    if (job.positive >= 0) return visit_rows<V>(Single<T>(g, job.positive), job, begin, end, facts, total);
    if (g.classes == 2 && g.row_step == 2) return visit_rows<V>(Pairs<T>(g), job, begin, end, facts, total);
    if (g.classes <= MANY) return visit_rows<V>(RowMajor<T>(g), job, begin, end, facts, total);
    return visit_rows<V>(LongRows<T>(g), job, begin, end, facts, total);
}

// Half-precision rows are widened a few at a time.
template <Visit V, class Half>
int64_t visit_half(const ProbsJob& job, int64_t begin, int64_t end, Facts& facts, Product* total) {
    const int64_t classes = job.p.classes, most = 4096 / (classes + 1) / LANES * LANES;
    const int64_t at_once = most ? most : LANES;
    const Buffer<float> wide(at_once * classes);
    for (int64_t row = begin; row < end; row += at_once) {
        const int64_t rows = end - row < at_once ? end - row : at_once;
        const Half* p = static_cast<const Half*>(job.p.data) + row * job.p.row_step;
        for (int64_t i = 0; i < rows; ++i) widen(p + i * job.p.row_step, classes, wide.at + i * classes);
        ProbsJob part = job;
        part.p = {wide.at, Type::float32, rows, classes, classes, 1};
        advance(part.labels, row);
        advance(part.sum, row), advance(part.loss, row), advance(part.brier, row);
        advance(part.top, row), advance(part.confidence, row), advance(part.tie, row);
        advance(part.hit, row), advance(part.wrong, row);
        const int64_t bad = visit_type<V, float>(part, 0, rows, facts, total);
        if (bad >= 0) return row + bad;
    }
    return -1;
}

template <Visit V>
int64_t visit_as(const ProbsJob& job, int64_t begin, int64_t end, Facts& facts, Product* total) {
    switch (job.p.type) {
        case Type::float32: return visit_type<V, float>(job, begin, end, facts, total);
        case Type::float64: return visit_type<V, double>(job, begin, end, facts, total);
        case Type::float16: return visit_half<V, Half16>(job, begin, end, facts, total);
        default: return visit_half<V, BFloat16>(job, begin, end, facts, total);
    }
}

inline int64_t visit(Visit what, const ProbsJob& job, int64_t begin, int64_t end, Facts& facts, Product* total) {
    switch (what) {
        case VISIT_SUMS: return visit_as<VISIT_SUMS>(job, begin, end, facts, total);
        case VISIT_TOP: return visit_as<VISIT_TOP>(job, begin, end, facts, total);
        case VISIT_BRIER: return visit_as<VISIT_BRIER>(job, begin, end, facts, total);
        case VISIT_CHECKED: return visit_as<VISIT_CHECKED>(job, begin, end, facts, total);
        case VISIT_TOTAL: return visit_as<VISIT_TOTAL>(job, begin, end, facts, total);
        default: return visit_as<VISIT_SCORE>(job, begin, end, facts, total);
    }
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
