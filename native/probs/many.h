// Probabilities of rows with many classes: a row by itself, eight entries at a time.
#pragma once

#include "probs/few.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

constexpr int64_t SEARCHED = 2048;  // entries a block: the first largest one is looked for in the cache
constexpr uintptr_t BYTES_AHEAD = 8192;   // bytes

// Without it reading takes 1.3 times as long.
template <class T>
inline void read_ahead(const T* p) {
#if defined(__GNUC__)
    __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(p) + BYTES_AHEAD));
#else
    (void)p;
#endif
}
template <class T>
inline void read_ahead(const T* p, int64_t entries) {
    for (int64_t i = 0; i < entries; i += static_cast<int64_t>(64 / sizeof(T))) read_ahead(p + i);
}

inline double smallest(D x) { return -largest(D::all(0.0) - x); }

// What is gathered of every fourth vector of a row. Four of these by name, as an array of them would live in
// memory: twice the time.
template <bool ALL>
struct Quarter {
    D sum = D::all(0.0), square = sum, low = D::all(INFINITE), high = D::all(-INFINITE);

    // `counted` is x, or what of it is not counted yet
    CROSSENT_HOT void take(D x, D counted, Mask is_label) {
        sum += counted;
        low = min(x, low);
        high = max(x, high);
        if (!ALL) return;
        const D e = pick(is_label, D::all(1.0) - counted, counted);
        square += e * e;
    }
};

template <bool ALL>
struct RowFacts {
    Quarter<ALL> a, b, c, d;
    int64_t best_block = 0;
    double best = -INFINITE;
    bool again = false;

    // Entries begin … end of a row.
    template <class T>
    CROSSENT_HOT void take(const T* p, int64_t begin, int64_t end, D label) {
        D j = lane_numbers() + D::all(static_cast<double>(begin));
        const D eight = D::all(8.0);
        int64_t i = begin;
        for (; i + 4 * LANES <= end; i += 4 * LANES) {
            read_ahead(p + i, 4 * LANES);
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
    // With blocks that are short enough to look for the first largest entry in them afterwards.
    template <class T>
    CROSSENT_HOT void row(const T* p, int64_t classes, D label) {
        const int64_t most = ALL ? SEARCHED : classes;
        for (int64_t begin = 0; begin < classes; begin += most) {
            a.high = b.high = c.high = d.high = D::all(-INFINITE);
            take(p, begin, begin + most < classes ? begin + most : classes, label);
            if (!ALL) return;
            const double m = largest(high());
            again = again ? !(m > best) : begin > 0 && m == best;
            if (m > best) best_block = begin, best = m;
        }
    }
    D sum() const { return (a.sum + b.sum) + (c.sum + d.sum); }
    D square() const { return (a.square + b.square) + (c.square + d.square); }
    D low() const { return min(min(a.low, b.low), min(c.low, d.low)); }
    D high() const { return max(max(a.high, b.high), max(c.high, d.high)); }
};

// Of eight vectors the sums of their lanes, in the order of `sum`.
CROSSENT_APART inline D sums_of(D* v) {
    transpose(v);
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
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

template <class T>
struct LongRows {
    using Number = T;
    static constexpr int64_t COPIED = 0;
    const T* p;
    int64_t classes, step;

    explicit LongRows(const ProbsJob& job) : p(static_cast<const T*>(job.p.data)), classes(job.p.classes), step(job.p.row_step) {}
    int64_t entries() const { return 0; }  // what comes next is asked for along the row
    const T* at(int64_t row) const { return p + row * step; }

    LongRows last(int64_t, int, T*) const { return *this; }

    template <bool ALL>
    CROSSENT_HOT void gather(int64_t row, const Eight& eight, Group& g) const {
        D sum[LANES], square[LANES];
        double labels[LANES], own[LANES], index[LANES], best[LANES];
        unsigned tie = 0;
        eight.y.store(labels);
        for (int i = 0; i < LANES; ++i) {
            if (i >= eight.count) {
                sum[i] = sum[0], square[i] = square[0], own[i] = own[0], index[i] = index[0], best[i] = best[0];
                continue;
            }
            const T* from = at(row + i);
            RowFacts<ALL> f;
            f.row(from, classes, D::all(labels[i]));
            sum[i] = f.sum(), square[i] = f.square();
            g.low = min(f.low(), g.low);
            g.high = max(ALL ? D::all(f.best) : f.high(), g.high);
            own[i] = static_cast<double>(from[static_cast<int64_t>(labels[i])]);
            if (!ALL) continue;
            const int64_t end = f.best_block + SEARCHED < classes ? f.best_block + SEARCHED : classes;
            Place place;
            place.search(from, f.best_block, end, f.best);
            best[i] = f.best, index[i] = static_cast<double>(place.at);
            if (f.again || place.tie) tie |= 1u << i;
        }
        g.sum = sums_of(sum);
        g.own = D::load(own);
        if (!ALL) return;
        g.square = sums_of(square);
        g.best = D::load(best), g.index = D::load(index), g.tie = lanes_of(tie);
    }
};

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
