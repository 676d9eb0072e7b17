// Probabilities of rows with many classes: a row by itself, eight entries at a time.
#pragma once

#include "probs/few.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

constexpr int64_t SEARCHED = 2048;  // entries a block: the first largest one is looked for in the cache

template <class T>
struct LongRows {
    static constexpr int CLASSES = 0;
    static constexpr bool MIXED = true;  // low and high are of all eight rows, but where the top is asked for
    const T* p;
    int64_t classes, step;

    explicit LongRows(const Grid& g) : p(static_cast<const T*>(g.data)), classes(g.classes), step(g.row_step) {}
    double entry(int64_t row, int64_t j) const { return static_cast<double>(p[row * step + j]); }
};

inline double smallest(D x) { return -largest(D::all(0.0) - x); }

// What is gathered of every fourth vector of a row. Four of these by name, as an array of them would live in
// memory: twice the time.
template <Visit V>
struct Quarter {
    D sum = D::all(0.0), square = D::all(0.0), low = D::all(INFINITE), high = D::all(-INFINITE);
    Mask nan = low < low;

    // `counted` is x, or what of it is not counted yet
    CROSSENT_HOT void take(D x, D counted, Mask is_label) {
        if (Wants<V>::sums) {
            sum += counted;
            low = min(x, low);
        }
        if (Wants<V>::sums || Wants<V>::top) high = max(x, high);
        if (Wants<V>::top && !Wants<V>::sums) nan = nan | is_nan(x);
        if (Wants<V>::brier) {
            const D e = pick(is_label, D::all(1.0) - counted, counted);
            square += e * e;
        }
    }
};

template <Visit V>
struct RowFacts {
    Quarter<V> a, b, c, d;
    int64_t best_block = 0;
    double best = -INFINITE;
    bool again = false;

    // Entries begin … end of a row, whose last vector starts at `done` or before.
    template <class T>
    void take(const T* p, int64_t begin, int64_t end, D label) {
        D j = lane_numbers() + D::all(static_cast<double>(begin));
        const D eight = D::all(8.0);
        int64_t i = begin;
        for (; i + 4 * LANES <= end; i += 4 * LANES) {
            const D w = D::load(p + i), x = D::load(p + i + 8), y = D::load(p + i + 16), z = D::load(p + i + 24);
            const D k = j + eight, l = k + eight, m = l + eight;
            a.take(w, w, j == label);
            b.take(x, x, k == label);
            c.take(y, y, l == label);
            d.take(z, z, m == label);
            j = m + eight;
        }
        for (; i + LANES <= end; i += LANES, j += eight) {
            const D w = D::load(p + i);
            a.take(w, w, j == label);
        }
        if (i == end) return;
        // the last eight entries, those counted before left out: a masked load is slow out of cache
        const D x = D::load(p + end - LANES), place = lane_numbers() + D::all(static_cast<double>(end - LANES));
        const Mask fresh = D::all(static_cast<double>(i) - 0.5) < place;
        b.take(x, pick(fresh, x, D::all(0.0)), fresh & (place == label));
    }
    template <class T>
    void row(const T* p, int64_t classes, D label) {
        if (!Wants<V>::top || classes <= SEARCHED) return take(p, 0, classes, label);
        for (int64_t begin = 0; begin < classes; begin += SEARCHED) {
            a.high = b.high = c.high = d.high = D::all(-INFINITE);
            take(p, begin, begin + SEARCHED < classes ? begin + SEARCHED : classes, label);
            const double m = largest(high());
            again = again ? !(m > best) : begin > 0 && m == best;
            if (m > best) best_block = begin, best = m;
        }
        a.high = D::all(best);
    }
    D sum() const { return (a.sum + b.sum) + (c.sum + d.sum); }
    D square() const { return (a.square + b.square) + (c.square + d.square); }
    D low() const { return min(min(a.low, b.low), min(c.low, d.low)); }
    D high() const { return max(max(a.high, b.high), max(c.high, d.high)); }
};

// Of eight vectors the sums of their lanes, in the order of `sum`, and the largest ones.
inline D sums_of(D* v) {
    transpose(v);
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}
inline D largest_of(D* v) {
    transpose(v);
    return max(max(max(v[0], v[4]), max(v[2], v[6])), max(max(v[1], v[5]), max(v[3], v[7])));
}

// Where the largest entry stands, and whether there is another as large.
struct Place {
    int64_t at = 0;
    bool tie = false;

    // `high` is among these, unless all are nan.
    template <class T>
    void search(const T* p, int64_t begin, int64_t end, double high) {
        const D m = D::all(high);
        bool found = false;
        for (int64_t i = begin; i < end && !tie; i += LANES) {
            const int count = static_cast<int>(end - i < LANES ? end - i : LANES);
            const D x = count == LANES ? D::load(p + i) : load_part(p + i, count, NOT_A_NUMBER);
            const unsigned lanes = lane_bits(x == m);
            if (!lanes) continue;
            tie = found || (lanes & (lanes - 1));
            if (!found) at = i + first_of(lanes);
            found = true;
        }
    }
};

template <Visit V, class T>
inline void gather(const LongRows<T>& source, int64_t row, int rows, const int64_t*, D y, Group& g) {
    D sum[LANES], square[LANES], high[LANES];
    double labels[LANES], own[LANES] = {}, index[LANES] = {}, best[LANES];
    int64_t block[LANES];
    unsigned tie = 0, nan = 0;
    y.store(labels);
    g.low = D::all(INFINITE), g.high = D::all(-INFINITE);
    for (int i = 0; i < LANES; ++i) {
        const int lane = i < rows ? i : 0;
        if (i >= rows) {
            sum[i] = sum[0], square[i] = square[0], high[i] = high[0], own[i] = own[0];
            continue;
        }
        const T* p = source.p + (row + lane) * source.step;
        RowFacts<V> f;
        f.row(p, source.classes, D::all(labels[i]));
        sum[i] = f.sum(), square[i] = f.square(), high[i] = f.high();
        g.low = min(f.low(), g.low);
        g.high = max(high[i], g.high);
        if (Wants<V>::own) own[i] = static_cast<double>(p[static_cast<int64_t>(labels[i])]);
        block[i] = f.best_block;
        if (f.again) tie |= 1u << i;
        if (any(f.a.nan | f.b.nan | f.c.nan | f.d.nan)) nan |= 1u << i;
    }
    if (Wants<V>::sums) g.sum = sums_of(sum);
    if (Wants<V>::brier) g.square = sums_of(square);
    g.own = D::load(own);
    if (!Wants<V>::top) return;
    g.high = largest_of(high);
    g.high.store(best);
    for (int i = 0; i < rows; ++i) {
        const int64_t end = block[i] + SEARCHED < source.classes ? block[i] + SEARCHED : source.classes;
        Place place;
        place.search(source.p + (row + i) * source.step, block[i], end, best[i]);
        index[i] = static_cast<double>(place.at);
        if (place.tie) tie |= 1u << i;
    }
    g.index = D::load(index);
    g.tie = lanes_of(tie), g.nan = lanes_of(nan);
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
