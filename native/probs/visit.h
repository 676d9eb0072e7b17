// One visit of probabilities: range, sums, losses, the top class; as much of it as is asked for.
#pragma once

#include "simd/buffer.h"
#include "simd/halves.h"
#include "probs/many.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

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

// Looks for nan and entries outside [0, 1] in the rows of these lanes; returns the lanes with nan.
template <class T>
CROSSENT_RARE unsigned look_at(const ProbsJob& job, int64_t row, unsigned lanes, Facts& f) {
    unsigned nan = 0;
    for (; lanes; lanes &= lanes - 1) {
        const int i = first_of(lanes);
        const T* p = static_cast<const T*>(job.p.data) + (row + i) * job.p.row_step;
        for (int64_t j = 0; j < job.p.classes; ++j) {
            const double x = static_cast<double>(p[j]), rest = 1.0 - x;  // of a single column the other class
            const bool single = job.positive >= 0;
            f.below_zero += (x < 0.0) + (single && rest < 0.0);
            f.above_one += (x > 1.0) + (single && rest > 1.0);
            if (x != x) nan |= 1u << i;
        }
    }
    f.nans |= nan != 0;
    return nan;
}

// Counts rows with entries outside [0, 1], with a sum other than one, or with nan; returns the lanes with nan.
template <class T>
CROSSENT_RARE unsigned count_unusual(const ProbsJob& job, int64_t row, unsigned valid, D sum, D low, D high, Facts& f) {
    const D one = D::all(1.0), off = max(sum - one, one - sum);
    const unsigned no_sum = lane_bits(is_nan(sum)) & valid;
    f.off_1e6 += count_of(lane_bits(off > D::all(1e-6)) & valid);
    f.off_1e3 += count_of(lane_bits(off > D::all(1e-3)) & valid);
    f.nan_sums |= no_sum != 0;
    const bool outside = any((low < D::all(0.0)) | (high > one));
    return look_at<T>(job, row, outside ? valid : no_sum, f);
}

// Whether anything was unusual.
template <class T>
CROSSENT_HOT bool check(const ProbsJob& job, int64_t row, unsigned valid, Group& g, Extremes& extremes, Facts& f) {
    extremes.take(g);
    const D one = D::all(1.0), off = max(g.sum - one, one - g.sum);
    // nan is not <= either
    const Mask unusual = (g.low < D::all(0.0)) | (g.high > one) | !(off <= D::all(1e-6));
    if (!any(unusual)) return false;
    g.nan = lanes_of(count_unusual<T>(job, row, valid, g.sum, g.low, g.high, f));
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
CROSSENT_HOT void add_log(const Source&, int64_t, const Group& g, D, unsigned valid, bool unusual, Products& t, Product& notes) {
    if (!unusual && valid == 0xffu && !any(g.own < D::all(LEAST_NORMAL))) return t.take(g.own);
    const Mended m = mended(g.own, D::all(0.0), valid, notes);
    t.take(m.q);
    t.exponent = t.exponent - m.shift;
}
// Of a single column what 1 − p lost by rounding counts: most of the loss where p is tiny.
template <class T>
CROSSENT_HOT void add_log(const Single<T>& source, int64_t row, const Group& g, D y, unsigned valid, bool, Products& t,
                          Product& notes) {
    const D one = D::all(1.0), zero = D::all(0.0), p = D::load(source.at(row));
    const D rest = one - p, back = rest - one, excess = (p + back) - (one - (rest - back));
    const Mask positive = y == D::all(static_cast<double>(source.positive));
    const D too_much = pick(positive, zero, excess / rest);
    if (valid == 0xffu && !any(!((D::all(LEAST_NORMAL) <= g.own) & (g.own < D::all(INFINITE))))) return t.take(g.own, too_much);
    const Mended m = mended(g.own, too_much, valid, notes);
    t.take(m.q, m.too_much);
    t.exponent = t.exponent - m.shift;
}

template <class Source>
CROSSENT_HOT D loss_of_label(const Source&, int64_t, const Group& g, D) {
    return minus_log(g.own);
}
template <class T>
CROSSENT_HOT D loss_of_label(const Single<T>& source, int64_t row, const Group&, D y) {
    return binary_loss(y == D::all(static_cast<double>(source.positive)), D::load(source.at(row)));
}

CROSSENT_HOT void write_ranks(const ProbsJob& job, int64_t row, int rows, unsigned valid, D y, const Group& g, Facts& f) {
    const D nan = D::all(NOT_A_NUMBER), zero = D::all(0.0);
    const D index = pick(g.nan, zero, g.index);
    const Mask tie = g.tie & !g.nan, hit = index == y;
    f.ties += count_of(lane_bits(tie) & valid);
    if (job.brier) store_part(g.square, job.brier + row, rows);
    if (job.top) store_some(index, job.top + row, rows);
    if (job.confidence) store_part(pick(g.nan, nan, g.best), job.confidence + row, rows);
    if (job.tie) store_bools(tie, job.tie + row, rows);
    if (job.hit) store_bools(hit, job.hit + row, rows);
    if (job.wrong) store_part(pick(g.nan, nan, pick(hit, zero, D::all(1.0))), job.wrong + row, rows);
}

// Eight labels, the first one again in place of those that are not there.
CROSSENT_HOT const int64_t* eight_labels(const int64_t* labels, int rows, int64_t* copy) {
    if (rows == LANES) return labels;
    for (int i = 0; i < LANES; ++i) copy[i] = labels[i < rows ? i : 0];
    return copy;
}
// The same as numbers, and whether all are classes.
CROSSENT_HOT bool read_labels(const int64_t* labels, int rows, int64_t classes, D& y) {
    int64_t copy[LANES];
    const int64_t* eight = eight_labels(labels, rows, copy);
    y = whole(eight);
    return all_labels(eight, classes);
}

CROSSENT_RARE inline int64_t first_bad(const int64_t* labels, int64_t row, int64_t classes) {
    while (static_cast<uint64_t>(labels[row]) < static_cast<uint64_t>(classes)) ++row;
    return row;
}

// Rows begin … end. `ALL` asks for the top class and the Brier score too.
template <bool ALL, class Source>
int64_t visit_rows(Visit what, const ProbsJob& job, int64_t begin, int64_t end, Facts& facts, Product* total) {
    using T = typename Source::Number;
    const Source source(job);
    const bool checked = what != VISIT_TOP && what != VISIT_BRIER;
    Extremes extremes;
    Products products;
    for (int64_t row = begin; row < end; row += LANES) {
        const int rows = static_cast<int>(end - row < LANES ? end - row : LANES);
        const unsigned valid = (1u << rows) - 1u;
        int64_t labels[LANES];
        Eight eight = {rows, nullptr, D::all(0.0)};
        if (job.labels) {
            read_ahead(job.labels + row);
            eight.labels = eight_labels(job.labels + row, rows, labels);
            eight.y = whole(eight.labels);
            if (!all_labels(eight.labels, source.classes)) return first_bad(job.labels, row, source.classes);
        }
        read_ahead(source.at(row), source.entries());
        Source from = source;
        int64_t at = row;
        T copy[Source::COPIED + 1];
        if (Source::COPIED && rows < LANES) from = source.last(row, rows, copy), at = 0;
        Group g;
        from.template gather<ALL>(at, eight, g);
        bool unusual = false;
        if (checked)
            unusual = check<T>(job, row, valid, g, extremes, facts);
        else if (any(is_nan(g.sum)))
            g.nan = lanes_of(look_at<T>(job, row, lane_bits(is_nan(g.sum)) & valid, facts));
        if (job.loss) store_part(loss_of_label(from, at, g, eight.y), job.loss + row, rows);
        if (ALL) {
            write_ranks(job, row, rows, valid, eight.y, g, facts);
            continue;
        }
        if (job.sum) store_part(g.sum, job.sum + row, rows);
        if (!total) continue;
        add_log(from, at, g, eight.y, valid, unusual, products, *total);
        if (((row - begin) / LANES + 1) % Products::MOST == 0) {
            into(products, *total);
            products = Products();
        }
    }
    if (checked) extremes.into(facts);
    if (total) into(products, *total);
    return -1;
}

template <class Pointer>
inline void advance(Pointer& p, int64_t rows) {
    if (p) p += rows;
}

template <bool ALL, class T>
int64_t visit_type(Visit what, const ProbsJob& job, int64_t begin, int64_t end, Facts& facts, Product* total) {
    const Grid& g = job.p;
    if (job.positive >= 0) return visit_rows<ALL, Single<T>>(what, job, begin, end, facts, total);
    if (g.classes == 2 && g.row_step == 2) return visit_rows<ALL, Pairs<T>>(what, job, begin, end, facts, total);
    if (g.classes <= MANY) return visit_rows<ALL, RowMajor<T>>(what, job, begin, end, facts, total);
    return visit_rows<ALL, LongRows<T>>(what, job, begin, end, facts, total);
}
inline int64_t visit_wide(Visit what, const ProbsJob& job, int64_t begin, int64_t end, Facts& facts, Product* total) {
    const bool all = what == VISIT_TOP || what == VISIT_BRIER || what == VISIT_SCORE;
    const bool single = job.p.type == Type::float32;
    const auto chosen = all ? (single ? visit_type<true, float> : visit_type<true, double>)
                            : (single ? visit_type<false, float> : visit_type<false, double>);
    return chosen(what, job, begin, end, facts, total);
}

// Rows of float32, float16 or bfloat16 as float32 without gaps.
inline void widen_rows(const Grid& g, int64_t row, int64_t rows, float* out) {
    for (int64_t i = 0; i < rows; ++i, out += g.classes) {
        const int64_t from = (row + i) * g.row_step;
        if (g.type == Type::float16)
            widen(static_cast<const Half16*>(g.data) + from, g.classes, out);
        else
            widen(static_cast<const BFloat16*>(g.data) + from, g.classes, out);
    }
}

// Half-precision rows are widened a few at a time.
inline int64_t visit(Visit what, const ProbsJob& job, int64_t begin, int64_t end, Facts& facts, Product* total) {
    if (job.p.type == Type::float32 || job.p.type == Type::float64) return visit_wide(what, job, begin, end, facts, total);
    const int64_t classes = job.p.classes, most = 4096 / (classes + 1) / LANES * LANES;
    const int64_t at_once = most ? most : LANES;
    const Buffer<float> wide(at_once * classes);
    for (int64_t row = begin; row < end; row += at_once) {
        const int64_t rows = end - row < at_once ? end - row : at_once;
        widen_rows(job.p, row, rows, wide.at);
        ProbsJob part = job;
        part.p = {wide.at, Type::float32, rows, classes, classes, 1};
        advance(part.labels, row);
        advance(part.sum, row), advance(part.loss, row), advance(part.brier, row);
        advance(part.top, row), advance(part.confidence, row), advance(part.tie, row);
        advance(part.hit, row), advance(part.wrong, row);
        const int64_t bad = visit_wide(what, part, 0, rows, facts, total);
        if (bad >= 0) return row + bad;
    }
    return -1;
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
