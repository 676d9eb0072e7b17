// Exact sums of float64 numbers and of products, as whole numbers.
//
// Adding 1.5·2^(g+52) to x rounds it to a multiple of 2^g, and the bits of that sum count the multiples: their
// sum in int64 is the sum of the rounded numbers, and what rounding took away is exact in float64. Three such
// slices hold 155 bits below the largest number of a block, which is all there is of most data; blocks that
// have more left go round again. (The idea of cutting without error: Rump, Ogita & Oishi, 2008.)
#pragma once

#include <utility>

#include "exact/by_exponent.h"
#include "exact/jobs.h"
#include "exact/limbs.h"
#include "simd/integers.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

constexpr int64_t EXACT_BLOCK = 2048;  // numbers; 16 KiB, and 2^8 of 51 bits a lane stay below 2^63
constexpr int LOWEST = -1074;          // exponent of the last bit of the smallest number
constexpr int HIGHEST = 960;           // beyond, 1.5·2^(g+52) may not be a number

inline I magnitude(D x) { return bits_of(x) & I::all(0x7fffffffffffffffLL); }
// e with |x| < 2^e for the number of these bits; 1025 for inf and nan
inline int exponent_above(int64_t bits) { return static_cast<int>(bits >> 52) - 1022; }

inline double rounder(int g) {
    const int64_t bits = static_cast<int64_t>(g + 52 + 1023) << 52 | int64_t{1} << 51;
    double magic;
    std::memcpy(&magic, &bits, 8);
    return magic;
}
inline int64_t bits_of(double x) {
    int64_t bits;
    std::memcpy(&bits, &x, 8);
    return bits;
}

// One slice of a block: the multiples of 2^g, added up in each lane.
struct Slice {
    int g;
    D magic;
    I sum = I::all(0);

    explicit Slice(int exponent) : g(exponent < LOWEST ? LOWEST : exponent), magic(D::all(rounder(g))) {}
    // Counts x, |x| ≤ 2^(g+51), and returns what is left of it: at most 2^(g−1), nothing where g is LOWEST.
    D take(D x) {
        const D rounded = x + magic;
        sum += bits_of(rounded);
        return x - (rounded - magic);
    }
    // Adds the lanes, of `taken` numbers each, to the total.
    void flush(int64_t taken, Limbs& total) const {
        int64_t lanes[LANES];
        sum.store(lanes);
        // the bits of the constant come off again; both wrap around
        const uint64_t constants = static_cast<uint64_t>(taken) * static_cast<uint64_t>(bits_of(rounder(g)));
        for (int64_t lane : lanes)
            if (const int64_t h = static_cast<int64_t>(static_cast<uint64_t>(lane) - constants)) total.add(h, g);
    }
};

inline int top_exponent(const double* x, int64_t count) {
    I most = I::all(0), more = most;
    int64_t i = 0;
    for (; i + 2 * LANES <= count; i += 2 * LANES) {
        most = larger(most, magnitude(D::load(x + i)));
        more = larger(more, magnitude(D::load(x + i + LANES)));
    }
    if (i < count) most = larger(most, magnitude(D::load(x + i)));
    const int64_t bits = largest(larger(most, more));
    return bits == 0 ? LOWEST : exponent_above(bits);
}

// Adds what three slices hold of whole vectors of numbers below 2^top in size. What is left of them is below
// 2^(top−155), and goes to `rest`; returns whether anything is.
inline bool add_round(const double* x, double* rest, int64_t count, int top, Limbs& total) {
    Slice a(top - 51), b(a.g - 52), c(b.g - 52);
    I left = I::all(0);
    for (int64_t i = 0; i < count; i += LANES) {
        const D r = c.take(b.take(a.take(D::load(x + i))));
        left |= bits_of(r + D::all(0.0));  // −0 + 0 is 0
        r.store(rest + i);
    }
    a.flush(count / LANES, total);
    b.flush(count / LANES, total);
    c.flush(count / LANES, total);
    return any(left);
}

inline void add_rounds(double* x, int64_t count, int top, Limbs& total) {
    while (add_round(x, x, count, top, total)) top -= 155;
}

// Adds numbers to a total, one by one; false where one of them is not finite.
inline bool add_each(const double* x, int64_t count, Limbs& total) {
    for (int64_t i = 0; i < count; ++i) {
        if (!std::isfinite(x[i])) return false;
        total.add(x[i]);
    }
    return true;
}

// Adds a few numbers to a total; false where one of them is not finite.
inline bool short_sum(const double* x, int64_t count, Limbs& total) {
    alignas(64) double rest[EXACT_BLOCK];
    const int64_t whole = count / LANES * LANES;
    const int top = top_exponent(x, whole);
    if (top > HIGHEST) return add_each(x, count, total);
    if (whole && add_round(x, rest, whole, top, total)) add_rounds(rest, whole, top - 155, total);
    return add_each(x + whole, count - whole, total);
}

// Adds numbers to a total; false where one of them is not finite. Of a block that two rounds do not
// empty the rest, and some blocks after it, are added up by exponent: 1 ns a number, however far these lie apart.
inline bool exact_sum(const double* x, int64_t count, Limbs& total) {
    constexpr int64_t MANY_NUMBERS = 16 * EXACT_BLOCK, AFTER = 15;
    if (count <= EXACT_BLOCK) return short_sum(x, count, total);
    alignas(64) double rest[EXACT_BLOCK];
    const bool many = count >= MANY_NUMBERS;
    ByExponent spread(many);
    int64_t by_exponent = 0;
    for (int64_t start = 0; start < count; start += EXACT_BLOCK) {
        const double* block = x + start;
        const int64_t here = count - start < EXACT_BLOCK ? count - start : EXACT_BLOCK;
        if (!many || here < EXACT_BLOCK) {
            if (!short_sum(block, here, total)) return false;
            continue;
        }
        if (by_exponent == 0) {
            const int top = top_exponent(block, here);
            if (top <= HIGHEST) {
                if (!add_round(block, rest, here, top, total)) continue;
                if (!add_round(rest, rest, here, top - 155, total)) continue;
                block = rest;
            }
            by_exponent = AFTER + 1;
        }
        --by_exponent;
        if (!spread.add(block, here, total)) return false;
    }
    return spread.flush(total);
}

// p + e = a·b exactly where no part of the product is below the smallest number
inline void two_product(D a, D b, D& p, D& e) {
    p = a * b;
#if defined(CROSSENT_FUSED)
    e = fma(a, b, D::all(0.0) - p);
#else
    const D half = D::all(134217729.0);  // 2^27 + 1 (Veltkamp, Dekker)
    const D s = half * a, a1 = s - (s - a), a0 = a - a1;
    const D t = half * b, b1 = t - (t - b), b0 = b - b1;
    e = ((a1 * b1 - p) + a1 * b0 + a0 * b1) + a0 * b0;
#endif
}

// What a block of one column is like.
struct Column {
    const double* x = nullptr;  // null for ones
    int top = 1;
    bool plain = true;  // products of its numbers have all their parts in the range of float64
};

inline Column column_of(const double* x, int64_t count) {
    if (!x) return {};
    const D least = D::all(0x1p-480), most = D::all(0x1p480), zero = D::all(0.0);
    Mask unusual = zero < zero;
    I top = I::all(0);
    for (int64_t i = 0; i < count; i += LANES) {
        const D v = D::load(x + i), size = max(v, zero - v);
        unusual = unusual | !(size <= most) | ((size < least) & !(size == zero));
        top = larger(top, magnitude(v));
    }
    return {x, exponent_above(largest(top)), !any(unusual)};
}

inline void add_products(Column a, Column b, double* rest, int64_t count, Limbs& total) {
    const int top = a.top + b.top;
    Slice first(top - 51), second(first.g - 52), third(second.g - 52);
    I left = I::all(0);
    for (int64_t i = 0; i < count; i += LANES) {
        D p, e;
        two_product(D::load(a.x + i), D::load(b.x + i), p, e);
        // |e| ≤ 2^(top−53) fits in the second slice, whose sum has room for two numbers a row
        const D r = third.take(second.take(first.take(p))), s = third.take(second.take(e));
        left |= bits_of(r + D::all(0.0)) | bits_of(s + D::all(0.0));
        r.store(rest + i);
        s.store(rest + count + i);
    }
    first.flush(count / LANES, total);
    second.flush(2 * (count / LANES), total);
    third.flush(2 * (count / LANES), total);
    if (any(left)) add_rounds(rest, 2 * count, top - 155, total);
}

// Adds Σ a·b for each pair of columns; false where a number is not finite.
inline bool exact_gram(const GramJob& job, Limbs* totals) {
    alignas(64) double rest[EXACT_BLOCK];
    constexpr int64_t block = EXACT_BLOCK / 2;
    const Zeros<Column> held(job.count);
    Column* columns = held.at;
    for (int64_t start = 0; start < job.rows; start += block) {
        const int64_t here = job.rows - start < block ? job.rows - start : block;
        const int64_t whole = here / LANES * LANES;
        for (int k = 0; k < job.count; ++k) {
            const double* x = job.columns[k] ? job.columns[k] + start : nullptr;
            columns[k] = column_of(x, whole);
            if (columns[k].top > 1024) return false;
            for (int64_t i = whole; x && i < here; ++i)
                if (!std::isfinite(x[i])) return false;
        }
        for (int pair = 0; pair < job.pairs; ++pair) {
            Column a = columns[job.left[pair]], b = columns[job.right[pair]];
            if (!a.x) std::swap(a, b);
            Limbs& total = totals[pair];
            if (!a.x) {
                total.add(here, 0);
            } else if (!b.x) {
                short_sum(a.x, here, total);
            } else {
                const int64_t fast = a.plain && b.plain ? whole : 0;
                if (fast) add_products(a, b, rest, fast, total);
                for (int64_t i = fast; i < here; ++i) total.add_product(a.x[i], b.x[i]);
            }
        }
    }
    return true;
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
