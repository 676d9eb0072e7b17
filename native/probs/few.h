// Probabilities of rows with few classes: eight rows at a time, a row in each lane.
#pragma once

#include "probs/tiles.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

constexpr int64_t MANY = 16;  // classes; beyond, a row is read by itself

// Eight rows; lanes beyond `count` may hold anything that stands in the rows before.
struct Eight {
    int count;
    const int64_t* labels;  // eight of them, or null
    D y;                    // the same as numbers
};

// What is found in eight rows. A row's bits depend on nothing but the row.
struct Group {
    D sum = D::all(0.0), own = sum;
    D low = D::all(INFINITE), high = D::all(-INFINITE);  // of each lane, whatever row stands there
    // where all is asked for, of each row:
    D best = high, index = sum, square = sum;
    Mask tie = low < low, nan = tie;

    CROSSENT_HOT void see(D x) {
        low = min(x, low);
        high = max(x, high);
    }
    CROSSENT_HOT void rank(D x, D j, D y) {
        const Mask above = x > best;
        tie = (tie & !above) | (x == best);
        index = pick(above, j, index);
        best = max(x, best);
        const D e = pick(y == j, D::all(1.0) - x, x);
        square += e * e;
    }
};

// Sums in pairs: fewer additions wait for each other.
CROSSENT_HOT D total_of(const Tile<1>& t) { return t.column[0]; }
CROSSENT_HOT D total_of(const Tile<2>& t) { return t.column[0] + t.column[1]; }
CROSSENT_HOT D total_of(const Tile<4>& t) { return (t.column[0] + t.column[1]) + (t.column[2] + t.column[3]); }
CROSSENT_HOT D total_of(const Tile<8>& t) {
    return ((t.column[0] + t.column[1]) + (t.column[2] + t.column[3])) +
           ((t.column[4] + t.column[5]) + (t.column[6] + t.column[7]));
}

template <bool ALL, int COUNT, class T>
CROSSENT_HOT void take_tile(const T* p, int64_t step, D*& columns, Group& g) {
#if CROSSENT_ISA == 512
    if (!ALL && COUNT == 8) {
        g.sum += totals_of_eight(p, step, [&](D x) { g.see(x); });
        return;
    }
#endif
    Tile<COUNT> t;
    load_tile(p, step, t);
    g.sum += total_of(t);
    for (int k = 0; k < COUNT; ++k) g.see(t.column[k]);
    if (ALL)
        for (int k = 0; k < COUNT; ++k) *columns++ = t.column[k];
}

// --- where rows come from: `gather` finds out about eight of them, `entries` is what eight of them take

template <class T>
struct RowMajor {
    using Number = T;
    static constexpr int64_t COPIED = LANES * MANY;  // room for the last rows, where they are no eight
    const T* p;
    int64_t classes, step;

    explicit RowMajor(const ProbsJob& job) : p(static_cast<const T*>(job.p.data)), classes(job.p.classes), step(job.p.row_step) {}
    int64_t entries() const { return step == classes ? step * LANES : 0; }
    const T* at(int64_t row) const { return p + row * step; }
    // So many rows copied, the first one again in place of those that are not there.
    RowMajor last(int64_t row, int rows, T* copy) const {
        for (int i = 0; i < LANES; ++i)
            for (int64_t j = 0; j < classes; ++j) copy[i * classes + j] = at(row + (i < rows ? i : 0))[j];
        RowMajor found = *this;
        found.p = copy, found.step = classes;
        return found;
    }
    template <bool ALL>
    CROSSENT_HOT void gather(int64_t row, const Eight& eight, Group& g) const {
        D columns[ALL ? MANY : 1], *next = columns;
        const T* from = at(row);
        int64_t j = 0;
        for (; j + 8 <= classes; j += 8) take_tile<ALL, 8>(from + j, step, next, g);
        if (classes & 4) take_tile<ALL, 4>(from + j, step, next, g), j += 4;
        if (classes & 2) take_tile<ALL, 2>(from + j, step, next, g), j += 2;
        if (classes & 1) take_tile<ALL, 1>(from + j, step, next, g);
        // eight loads from the cache cost less than a comparison and a choice for each class
        if (eight.labels) g.own = at_labels(from, step, eight.labels);
        if (!ALL) return;
        D k = D::all(0.0);
        for (int64_t i = 0; i < classes; ++i, k += D::all(1.0)) g.rank(columns[i], k, eight.y);
        if (classes == 1) g.tie = k < k;  // nothing to be as large as
    }
};

template <bool ALL>
CROSSENT_HOT void take_both(D first, D second, D y, Group& g) {
    const D zero = D::all(0.0), one = D::all(1.0);
    g.sum = first + second;
    g.see(first);
    g.see(second);
    g.own = pick(y == zero, first, second);
    if (!ALL) return;
    g.rank(first, zero, y);
    g.rank(second, one, y);
}

// Two classes side by side, rows without gaps.
template <class T>
struct Pairs {
    using Number = T;
    static constexpr int64_t COPIED = 2 * LANES, classes = 2;
    const T* p;

    explicit Pairs(const ProbsJob& job) : p(static_cast<const T*>(job.p.data)) {}
    int64_t entries() const { return 2 * LANES; }
    const T* at(int64_t row) const { return p + 2 * row; }
    Pairs last(int64_t row, int rows, T* copy) const {
        for (int i = 0; i < 2 * LANES; ++i) copy[i] = at(row)[i < 2 * rows ? i : i % 2];
        Pairs found = *this;
        found.p = copy;
        return found;
    }
    template <bool ALL>
    CROSSENT_HOT void gather(int64_t row, const Eight& eight, Group& g) const {
        D first, second;
        unzip(at(row), first, second);
        take_both<ALL>(first, second, eight.y, g);
    }
};

// The probability of one of two classes.
template <class T>
struct Single {
    using Number = T;
    static constexpr int64_t COPIED = LANES, classes = 2;
    const T* p;
    int64_t positive;

    explicit Single(const ProbsJob& job) : p(static_cast<const T*>(job.p.data)), positive(job.positive) {}
    int64_t entries() const { return LANES; }
    const T* at(int64_t row) const { return p + row; }
    Single last(int64_t row, int rows, T* copy) const {
        for (int i = 0; i < LANES; ++i) copy[i] = at(row)[i < rows ? i : 0];
        Single found = *this;
        found.p = copy;
        return found;
    }
    template <bool ALL>
    CROSSENT_HOT void gather(int64_t row, const Eight& eight, Group& g) const {
        const D x = D::load(at(row)), rest = D::all(1.0) - x;
        take_both<ALL>(positive ? rest : x, positive ? x : rest, eight.y, g);
    }
};

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
