// Log loss from logits of rows with many classes: one visit of memory, block by block.
//
// Σ_j exp(z_j) is kept as T·2^k·e^c with whole k, so that every term is exp(z_j − c − n·ln 2)·2^(n−k): the
// argument of the polynomial is formed from z_j itself, never from a rounded z_j − max. c is 0 unless the
// logits are huge.
#pragma once

#include "simd/math.h"
#include "simd/doubles.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

constexpr int64_t BLOCK = 2048;  // entries: 8 or 16 KiB, read from memory once and from the L1 cache again
constexpr double NEVER = -std::numeric_limits<double>::infinity();

struct PowerSum {
    double t = 0.0;     // T
    double k = 0.0;     // whole
    double c = 0.0;
    double top = NEVER; // largest logit so far

    // Make room for logits up to m. `reach` is how far from 0 a logit may be before c follows it.
    void raise(double m, double reach) {
        if (!(m > top)) return;
        const double old_c = c, old_k = k;
        top = m;
        if (std::fabs(m - c) > reach) c = m;
        k = std::nearbyint((m - c) * LOG2E);
        if (t != 0.0) t *= std::ldexp(std::exp(old_c - c), static_cast<int>(std::fmax(old_k - k, -3000.0)));
    }
};

// The label's logit as z − c = n·ln 2 + r.
struct Label {
    double n, r;
    Label(double z, double c) {
        n = std::nearbyint((z - c) * LOG2E);
        r = std::fma(-n, LN2_LOW, std::fma(-n, LN2_HIGH, z - c));
    }
};

// log1p(Σ_{j≠y} exp(z_j − z_y)) from the sum over the others.
inline double loss_of(const PowerSum& others, double z) {
    if (others.t != others.t || z != z || z == -NEVER) return std::numeric_limits<double>::quiet_NaN();
    if (others.t == 0.0) return z == NEVER ? std::numeric_limits<double>::quiet_NaN() : 0.0;
    if (z == NEVER) return -NEVER;
    const Label label(z, others.c);
    const double power = others.k - label.n;
    if (power < -1200.0) return 0.0;  // below the smallest number; so far away r has lost its digits
    if (power > 60.0) return std::log(others.t) + (std::fma(others.k, LN2_HIGH, others.c - z) + others.k * LN2_LOW);
    return std::log1p(std::ldexp(others.t * std::exp(-label.r), static_cast<int>(std::fmax(power, -2200.0))));
}

template <class T>
inline D lanes_max(const T* z, int64_t count) {
    D m = D::all(NEVER);
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) m = max(D::load(z + i), m);
    if (i < count) m = max(load_part(z + i, static_cast<int>(count - i), NEVER), m);
    return m;
}

template <class T>
inline bool holds_nan(const T* z, int64_t count) {
    bool found = false;
    for (int64_t i = 0; i < count; ++i) found |= z[i] != z[i];
    return found;
}

// Four accumulators. A careful one keeps what each addition rounds away (Dekker's fast two-sum).
template <bool CAREFUL>
struct Accumulators {
    D sums[4], lost[4];
    Accumulators() {
        for (int a = 0; a < 4; ++a) sums[a] = lost[a] = D::all(0.0);
    }
    void add(int a, D e) {
        const D before = sums[a], after = before + e;
        if (CAREFUL) lost[a] += (before - after) + e;
        sums[a] = after;
    }
    double total() const {
        const double t = sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
        // what an infinite sum lost is nan
        return CAREFUL && t - t == 0.0 ? t + sum((lost[0] + lost[1]) + (lost[2] + lost[3])) : t;
    }
};

// Adds exp(z_i − c)·2^−k of a range; nan in gives nan.
template <class Poly, class T, class Acc>
inline void add_range(const T* z, int64_t count, const PowerSum& s, Acc& acc) {
    const D c = D::all(s.c), k = D::all(s.k), low = D::all(s.top - 745.2);
    auto term = [&](D x) {
        D n;
        const D r = Poly::reduced(max(low, x) - c, n);
        const D e = scale(Poly::exp(r), n - k);
        return pick(x < low, D::all(0.0), e);
    };
    int64_t i = 0;
    for (; i + 4 * LANES <= count; i += 4 * LANES)
        for (int a = 0; a < 4; ++a) acc.add(a, term(D::load(z + i + a * LANES)));
    for (int a = 0; i + LANES <= count; i += LANES, ++a) acc.add(a, term(D::load(z + i)));
    if (i < count) acc.add(3, term(load_part(z + i, static_cast<int>(count - i), NEVER)));
}

// Σ over all entries but `skip` (negative: over all), in float64 arithmetic.
template <class Poly, bool CAREFUL, class T>
inline PowerSum power_sum(const T* z, int64_t classes, int64_t skip) {
    PowerSum s;
    for (int64_t b = 0; b < classes; b += BLOCK) {
        const int64_t end = b + BLOCK < classes ? b + BLOCK : classes;
        const bool inside = skip >= b && skip < end;
        const int64_t cut = inside ? skip : end, again = inside ? skip + 1 : end;
        const D m = max(lanes_max(z + again, end - again), lanes_max(z + b, cut - b));
        s.raise(largest(m), 524288.0);
        // a maximum passes nan over; where there is nothing else, it is looked for
        if (s.top == NEVER && !holds_nan(z + b, cut - b) && !holds_nan(z + again, end - again)) continue;
        Accumulators<CAREFUL> acc;
        add_range<Poly>(z + b, cut - b, s, acc);
        add_range<Poly>(z + again, end - again, s, acc);
        s.t += acc.total();
    }
    return s;
}

// Where the loss is below 3 its logarithm hides nothing of the rounding of the sum, 7 ulp for 3000 equal logits.
inline PowerSum sum_of_others(const double* z, int64_t classes, int64_t y) {
    const PowerSum s = power_sum<Exact, false>(z, classes, y);
    return loss_of(s, z[y]) < 3.0 ? power_sum<Exact, true>(z, classes, y) : s;
}

inline double long_row(const double* z, int64_t classes, int64_t y) {
    return loss_of(sum_of_others(z, classes, y), z[y]);
}

// --- with the gradient ----------------------------------------------------------------------------------------

// exp(z − c)·2^−k, or 0 where it is below the range.
inline double term_of(double z, const PowerSum& s) {
    const double d = z - s.c, n = std::nearbyint(d * LOG2E);
    if (!(d > -1e6)) return d != d ? d : 0.0;
    const double r = std::fma(-n, LN2_LOW, std::fma(-n, LN2_HIGH, d));
    return std::ldexp(std::exp(r), static_cast<int>(std::fmax(n - s.k, -2200.0)));
}

template <class T, class Term>
inline void write_terms(const T* z, int64_t count, Term term, T* g) {
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) term(D::load(z + i)).store(g + i);
    if (i < count) store_part(term(load_part(z + i, static_cast<int>(count - i), NEVER)), g + i, static_cast<int>(count - i));
}

template <class Poly, class T>
inline void write_softmax(const T* z, int64_t classes, const PowerSum& s, double weight, T* g) {
    const D c = D::all(s.c), k = D::all(s.k), low = D::all(s.top - 745.2), w = D::all(weight);
    write_terms(z, classes, [&](D x) {
        D n;
        const D r = Poly::reduced(max(low, x) - c, n);
        return pick(x < low, D::all(0.0), scale(Poly::exp(r), n - k) * w);
    }, g);
}

// Loss, and factor·(softmax(z) − onehot(y)), whose entry at the label is −Σ of the others, from that sum.
template <class Poly, class T>
inline double long_gradient(const T* z, int64_t classes, int64_t y, double factor, PowerSum s, T* g) {
    const double zy = z[y], loss = loss_of(s, zy);
    s.raise(zy, 524288.0);
    const double weight = factor / (s.t + term_of(zy, s)), others = s.t * weight;
    if (loss != loss) {
        for (int64_t k = 0; k < classes; ++k) g[k] = static_cast<T>(loss);
        return loss;
    }
    write_softmax<Poly>(z, classes, s, weight, g);
    g[y] = static_cast<T>(-others);
    return loss;
}
inline double long_gradient(const double* z, int64_t classes, int64_t y, double factor, double* g) {
    return long_gradient<Exact>(z, classes, y, factor, sum_of_others(z, classes, y), g);
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
