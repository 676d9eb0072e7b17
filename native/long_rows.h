// Log loss from logits of rows with many classes: one visit of memory, block by block.
//
// Σ_j exp(z_j) is kept as T·2^k·e^c with whole k, so that every term is exp(z_j − c − n·ln 2)·2^(n−k): the
// argument of the polynomial is formed from z_j itself, never from a rounded z_j − max. c is 0 unless the
// logits are huge.
#pragma once

#include "math.h"
#include "simd_float.h"

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
        return CAREFUL ? t + sum((lost[0] + lost[1]) + (lost[2] + lost[3])) : t;
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
        if (s.top == NEVER && !any(is_nan(m))) continue;
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

// --- float32, sixteen at a time -----------------------------------------------------------------------------

constexpr float LN2_HIGH_F = 0.693359375f;      // 10 bits: exact times any n of these
constexpr float LN2_LOW_F = -2.12194440e-4f;
constexpr float ROUND_F = 12582912.0f;          // 1.5·2^23
constexpr double REACH_F = 512.0;

inline F exp_poly(F r) {
    F q = F::all(1.3926213e-3f);
    q = fma(q, r, F::all(8.3632030e-3f));
    q = fma(q, r, F::all(4.1666554e-2f));
    q = fma(q, r, F::all(1.6666577e-1f));
    q = fma(q, r, F::all(0.5f));
    return fma(fma(q, r, F::all(1.0f)), r, F::all(1.0f));
}

// exp(z − c)·2^−k; logits 86 and more below the largest count as that, 5e-38 of the largest term.
template <bool CENTRED>
struct Scaled {
    F c, k, low;
    explicit Scaled(const PowerSum& s)
        : c(F::all(static_cast<float>(s.c))),
          k(F::all(static_cast<float>(s.k))),
          low(F::all(static_cast<float>(s.top) - 86.0f)) {}
    F term(F x) const {
        const F z = max(low, x), d = CENTRED ? z : z - c;
        const F n = fma(d, F::all(1.44269504f), F::all(ROUND_F)) - F::all(ROUND_F);
        const F r = fnma(n, F::all(LN2_LOW_F), fnma(n, F::all(LN2_HIGH_F), d));
        return scale(exp_poly(r), n - k);
    }
};

inline float block_max(const float* z, int64_t count) {
    F a[4];
    for (F& m : a) m = F::all(-std::numeric_limits<float>::infinity());
    int64_t i = 0;
    for (; i + 4 * WIDE <= count; i += 4 * WIDE)
        for (int j = 0; j < 4; ++j) a[j] = max(F::load(z + i + j * WIDE), a[j]);
    float m = largest(max(max(a[0], a[1]), max(a[2], a[3])));
    for (; i < count; ++i) m = z[i] > m ? z[i] : m;
    return m;
}

inline void prefetch(const void* p) {
#if defined(__GNUC__)
    __builtin_prefetch(p);
#else
    (void)p;
#endif
}

// Whole quarters of 64 entries: four terms are added in float32 (two roundings), then in float64.
template <bool CENTRED>
inline int64_t wide_range(const float* z, int64_t count, PowerSum& s) {
    const Scaled<CENTRED> scaled(s);
    D low = D::all(0.0), high = low;
    int64_t i = 0;
    for (; i + 4 * WIDE <= count; i += 4 * WIDE) {
        F e[4];
        for (int a = 0; a < 4; ++a) {
            prefetch(z + i + a * WIDE + BLOCK);
            e[a] = scaled.term(F::load(z + i + a * WIDE));
        }
        const F four = (e[0] + e[1]) + (e[2] + e[3]);
        low += four.low();
        high += four.high();
    }
    for (; i + WIDE <= count; i += WIDE) {
        const F e = scaled.term(F::load(z + i));
        low += e.low();
        high += e.high();
    }
    s.t += sum(low + high);
    return i;
}

// Σ over all entries, each term to 1e-7 of itself.
inline PowerSum wide_sum(const float* z, int64_t classes) {
    PowerSum s;
    for (int64_t b = 0; b < classes; b += BLOCK) {
        const int64_t count = b + BLOCK < classes ? BLOCK : classes - b;
        const float* q = z + b;
        s.raise(block_max(q, count), REACH_F);
        const int64_t done = s.c == 0.0 ? wide_range<true>(q, count, s) : wide_range<false>(q, count, s);
        if (done < count) {
            Accumulators<false> acc;
            add_range<Short>(q + done, count - done, s, acc);
            s.t += acc.total();
        }
    }
    return s;
}

inline double long_row(const float* z, int64_t classes, int64_t y) {
    PowerSum all = wide_sum(z, classes);
    const double zy = z[y];
    const Label label(zy, all.c);
    const double own = std::ldexp(std::exp(label.r), static_cast<int>(std::fmax(label.n - all.k, -2200.0)));
    // Where the others hold less than two thirds, the label's part would hide the digits of theirs.
    if (!(all.t - own >= 2.0 * own)) return loss_of(power_sum<Short, false>(z, classes, y), zy);
    return std::log(all.t) + (std::fma(all.k, LN2_HIGH, all.c - zy) + all.k * LN2_LOW);
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

template <bool CENTRED>
inline int64_t write_wide(const float* z, int64_t classes, const PowerSum& s, float weight, float* g) {
    const Scaled<CENTRED> scaled(s);
    const F w = F::all(weight);
    int64_t i = 0;
    for (; i + WIDE <= classes; i += WIDE) (scaled.term(F::load(z + i)) * w).store(g + i);
    return i;
}

// The gradient of a row that holds nan or +inf, or nothing but −inf: nan everywhere.
template <class T>
inline double no_gradient(int64_t classes, T* g) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (int64_t i = 0; i < classes; ++i) g[i] = static_cast<T>(nan);
    return nan;
}

// Loss, and factor·(softmax(z) − onehot(y)), whose entry at the label is −Σ of the others.
inline double long_gradient(const double* z, int64_t classes, int64_t y, double factor, double* g) {
    PowerSum s = sum_of_others(z, classes, y);
    const double loss = loss_of(s, z[y]);
    if (loss != loss) return no_gradient(classes, g);
    s.raise(z[y], 524288.0);
    const double weight = factor / (s.t + term_of(z[y], s));
    const double others = s.t * weight;
    write_softmax<Exact>(z, classes, s, weight, g);
    g[y] = -others;
    return loss;
}

inline double long_gradient(const float* z, int64_t classes, int64_t y, double factor, float* g) {
    PowerSum s = wide_sum(z, classes);
    const double zy = z[y], own = term_of(zy, s);
    double loss, others = s.t - own;
    if (others >= 2.0 * own) {
        loss = std::log(s.t) + (std::fma(s.k, LN2_HIGH, s.c - zy) + s.k * LN2_LOW);
    } else {
        PowerSum exact = power_sum<Short, false>(z, classes, y);
        loss = loss_of(exact, zy);
        exact.raise(s.top, REACH_F);
        s = exact;
        others = s.t;
    }
    if (loss != loss) return no_gradient(classes, g);
    const double weight = factor / (others + term_of(zy, s));
    const int64_t done = s.c == 0.0 ? write_wide<true>(z, classes, s, static_cast<float>(weight), g)
                                    : write_wide<false>(z, classes, s, static_cast<float>(weight), g);
    write_softmax<Short>(z + done, classes - done, s, weight, g + done);
    g[y] = static_cast<float>(-others * weight);
    return loss;
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
