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
    // two roundings in float32, the rest in float64
    void add(const F* x) {
        const F four = (x[0] + x[1]) + (x[2] + x[3]);
        low += four.low();
        high += four.high();
    }
    double all() const { return sum(low + high); }
};

inline double largest_of(const float* z, int64_t count) {
    F most[4];
    for (F& m : most) m = F::all(-INFINITY);
    for (int64_t i = 0; i < count; i += TOGETHER)
        for (int a = 0; a < 4; ++a) most[a] = max(F::load(z + i + a * WIDE), most[a]);
    const F all = max(max(most[0], most[1]), max(most[2], most[3]));
    return largest(max(all.low(), all.high()));
}

inline UnitSums unit_sums(const float* z, int64_t count, bool entropy) {
    UnitSums u{largest_of(z, count), NAN, NAN};
    if (u.top == INFINITY) return u;
    const bool empty = u.top == -INFINITY;
    const Exponentials exponentials(empty ? 0.0 : u.top);
    const F top = F::all(static_cast<float>(u.top) - exponentials.base);
    Total sum, product;
    for (int64_t i = 0; i < count; i += TOGETHER) {
        F y[4], e[4];
        for (int a = 0; a < 4; ++a) {
            const F moved = exponentials.moved(F::load(z + i + a * WIDE));
            y[a] = exponentials.bounded(moved);
            // the exponent that is added to a nan may make a number of it
            e[a] = fma(y[a], F::all(0.0f), exponentials.term(y[a], moved));
        }
        sum.add(e);
        if (!entropy) continue;
        for (int a = 0; a < 4; ++a) e[a] = e[a] * (y[a] - top);
        product.add(e);
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
    for (int64_t i = 0; i < count; i += TOGETHER) {
        F x[4], e[4];
        for (int a = 0; a < 4; ++a) {
            x[a] = F::load(z + i + a * WIDE);
            const F y = exponentials.moved(x[a]);
            e[a] = exponentials.term(exponentials.bounded(y), y);
        }
        if (plain) {
            for (int a = 0; a < 4; ++a) fma(e[a], scale, shift).store(out + i + a * WIDE);
            continue;
        }
        for (int a = 0; a < 4; ++a) {
            // below −86 anything finite does, as e is 0
            const F under = max(F::all(-100.0f), x[a] - high) - low;
            F g = fma(e[a], fma(slope, under, scale), weights ? shift * F::load(weights + i + a * WIDE) : shift);
            if (capped) {
                x[a] = max(lowest, x[a]);
                g = g * ((cap - x[a]) * (cap + x[a]) * inverse);
            }
            g.store(out + i + a * WIDE);
        }
    }
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
