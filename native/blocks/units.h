// Sums of exponentials of some columns of float32 logits, and the terms of a gradient by them.
#pragma once

#include "blocks/exponentials.h"
#include "blocks/jobs.h"
#include "simd/types.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

static_assert(TOGETHER == 4 * WIDE);

struct Total {
    D low = D::all(0.0), high = low;
    void add(F x) {
        low += x.low();
        high += x.high();
    }
    double all() const { return sum(low + high); }
};

inline double largest_of(const float* z, int64_t count) {
    // four at a time, as each waits for the one before
    F a = F::all(-INFINITY), b = a, c = a, d = a;
    for (int64_t i = 0; i < count; i += TOGETHER) {
        a = max(F::load(z + i), a);
        b = max(F::load(z + i + WIDE), b);
        c = max(F::load(z + i + 2 * WIDE), c);
        d = max(F::load(z + i + 3 * WIDE), d);
    }
    a = max(max(a, b), max(c, d));
    return largest(max(a.low(), a.high()));
}

inline UnitSums unit_sums(const float* z, int64_t count, bool entropy) {
    UnitSums u{largest_of(z, count), NAN, NAN};
    if (u.top == INFINITY) return u;
    const bool empty = u.top == -INFINITY;
    const Exponentials exponentials(empty ? 0.0 : u.top);
    const F zero = F::all(0.0f), top = F::all(static_cast<float>(u.top) - exponentials.base);
    Total sum, product;
    for (int64_t i = 0; i < count; i += TOGETHER) {
        // four are added in float32, the rest in float64
        F four = zero, products = zero;
        for (int64_t k = i; k < i + TOGETHER; k += WIDE) {
            const F moved = exponentials.moved(F::load(z + k)), y = exponentials.bounded(moved);
            // the exponent that is added to a nan may make a number of it
            const F e = fma(y, zero, exponentials.term(y, moved));
            four = four + e;
            if (entropy) products = fma(e, y - top, products);
        }
        sum.add(four);
        if (entropy) product.add(products);
    }
    const double factor = std::exp(exponentials.rest);
    u.sum = sum.all() * factor;
    u.product = product.all() * factor;
    // nothing but −inf, or nan
    if (empty) u.sum = u.product = u.sum * 0.0;
    return u;
}

inline double weighted_sum(const float* z, const double* weights, int64_t count) {
    const D zero = D::all(0.0);
    D total = zero;
    const auto add = [&](D x, D v) { total += pick(v == zero, zero, v * x); };
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) add(D::load(z + i), weights ? D::load(weights + i) : D::all(1.0));
    const int rest = static_cast<int>(count - i);
    if (rest) add(load_part(z + i, rest, 0.0), weights ? load_part(weights + i, rest, 0.0) : D::all(1.0));
    return sum(total);
}

inline void row_terms(const RowTerms& row, const float* z, const float* weights, int64_t count, float* out) {
    const Exponentials exponentials(std::isfinite(row.lse) ? row.lse : 0.0);
    // a row whose sum is no number has no gradient
    const double factor = std::exp(exponentials.rest) + (row.lse - row.lse);
    const float nearest = static_cast<float>(row.lse), bound = static_cast<float>(row.cap);
    const F scale = F::all(static_cast<float>(row.scale * factor)), slope = F::all(static_cast<float>(row.slope * factor));
    const F shift = F::all(static_cast<float>(-row.shift));
    const F high = F::all(nearest), low = F::all(static_cast<float>(row.lse - static_cast<double>(nearest)));
    const F cap = F::all(bound), lowest = F::all(-bound), inverse = F::all(1.0f / (bound * bound));
    const bool capped = row.cap > 0.0, plain = row.slope == 0.0 && !capped && !weights;
    for (int64_t i = 0; i < count; i += WIDE) {
        const F x = F::load(z + i), moved = exponentials.moved(x);
        const F e = exponentials.term(exponentials.bounded(moved), moved);
        if (plain) {
            fma(e, scale, shift).store(out + i);
            continue;
        }
        // below −86 anything finite does, as e is 0
        const F under = max(F::all(-100.0f), x - high) - low;
        F g = fma(e, fma(slope, under, scale), weights ? shift * F::load(weights + i) : shift);
        if (capped) {
            const F least = max(lowest, x);
            g = g * ((cap - least) * (cap + least) * inverse);
        }
        g.store(out + i);
    }
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
