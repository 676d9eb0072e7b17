// What probabilities need of eight numbers at a time: labels in lanes, −log p and −log(1 − p), long products.
#pragma once

#include "simd/inlining.h"
#include "simd/math.h"
#include "probs/jobs.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

constexpr double INFINITE = std::numeric_limits<double>::infinity();
constexpr double NOT_A_NUMBER = std::numeric_limits<double>::quiet_NaN();
constexpr double LEAST_NORMAL = 2.2250738585072014e-308;
constexpr int64_t BITS_2_52 = 0x4330000000000000LL;  // of 2^52, after which whole numbers follow bit by bit
constexpr double TWO_52 = 4503599627370496.0;

// Labels as numbers. One outside 0 … 2^52 − 1 gives a number outside too (or nan), so that a range test holds.
// And whole numbers 0 … 2^52 − 1 as integers.
#if CROSSENT_ISA == 512
inline D whole(const int64_t* y) {
    const __m512i bits = _mm512_add_epi64(_mm512_loadu_si512(y), _mm512_set1_epi64(BITS_2_52));
    return D{_mm512_castsi512_pd(bits)} - D::all(TWO_52);
}
inline void store_whole(D x, int64_t* out) {
    const __m512i bits = _mm512_castpd_si512((x + D::all(TWO_52)).v);
    _mm512_storeu_si512(out, _mm512_sub_epi64(bits, _mm512_set1_epi64(BITS_2_52)));
}
inline bool all_labels(const int64_t* y, int64_t classes) {
    return _mm512_cmpge_epu64_mask(_mm512_loadu_si512(y), _mm512_set1_epi64(classes)) == 0;
}
inline unsigned lane_bits(Mask m) { return m.bits; }
#elif CROSSENT_ISA == 2
inline __m256d whole4(const int64_t* y) {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(y));
    return _mm256_castsi256_pd(_mm256_add_epi64(v, _mm256_set1_epi64x(BITS_2_52)));
}
inline D whole(const int64_t* y) { return D{whole4(y), whole4(y + 4)} - D::all(TWO_52); }
inline void store_whole(D x, int64_t* out) {
    const D shifted = x + D::all(TWO_52);
    const __m256i offset = _mm256_set1_epi64x(BITS_2_52);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_sub_epi64(_mm256_castpd_si256(shifted.lo), offset));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 4), _mm256_sub_epi64(_mm256_castpd_si256(shifted.hi), offset));
}
inline unsigned lane_bits(Mask m) { return static_cast<unsigned>(bits(m)); }
#elif defined(CROSSENT_VECTORS)
inline Two whole_two(const int64_t* y) {
    TwoBits bits;
    std::memcpy(&bits, y, sizeof bits);
    return (Two)(bits + static_cast<uint64_t>(BITS_2_52)) - TWO_52;
}
inline D whole(const int64_t* y) { return {whole_two(y), whole_two(y + 2), whole_two(y + 4), whole_two(y + 6)}; }
inline void store_two_whole(Two x, int64_t* out) {
    const TwoBits bits = (TwoBits)(x + TWO_52) - static_cast<uint64_t>(BITS_2_52);
    std::memcpy(out, &bits, sizeof bits);
}
inline void store_whole(D x, int64_t* out) {
    store_two_whole(x.a, out);
    store_two_whole(x.b, out + 2);
    store_two_whole(x.c, out + 4);
    store_two_whole(x.d, out + 6);
}
inline unsigned lane_bits(TwoWhole m) { return (m[0] ? 1u : 0u) | (m[1] ? 2u : 0u); }
inline unsigned lane_bits(Mask m) { return lane_bits(m.a) | lane_bits(m.b) << 2 | lane_bits(m.c) << 4 | lane_bits(m.d) << 6; }
#else
inline D whole(const int64_t* y) {
    D r;
    for (int i = 0; i < LANES; ++i) {
        const uint64_t bits = static_cast<uint64_t>(y[i]) + static_cast<uint64_t>(BITS_2_52);
        std::memcpy(&r.v[i], &bits, 8);
    }
    return r - D::all(TWO_52);
}
inline void store_whole(D x, int64_t* out) {
    for (int i = 0; i < LANES; ++i) out[i] = static_cast<int64_t>(x.v[i]);
}
inline unsigned lane_bits(Mask m) {
    unsigned found = 0;
    for (int i = 0; i < LANES; ++i) found |= m.v[i] ? 1u << i : 0u;
    return found;
}
#endif

// at(0), … at(7) in lanes, without a way through memory, which would wait for each store.
template <class At>
inline D lanes_from(At at) {
#if CROSSENT_ISA == 512
    return {_mm512_setr_pd(at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7))};
#elif CROSSENT_ISA == 2
    return {_mm256_setr_pd(at(0), at(1), at(2), at(3)), _mm256_setr_pd(at(4), at(5), at(6), at(7))};
#elif defined(CROSSENT_VECTORS)
    return {Two{at(0), at(1)}, Two{at(2), at(3)}, Two{at(4), at(5)}, Two{at(6), at(7)}};
#else
    return {{at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)}};
#endif
}

// The entries at eight labels, `step` from row to row.
inline D at_labels(const double* p, int64_t step, const int64_t* y) {
    return lanes_from([&](int i) { return p[i * step + y[i]]; });
}
inline D at_labels(const float* p, int64_t step, const int64_t* y) {
    const auto at = [&](int i) { return p[i * step + y[i]]; };
#if CROSSENT_ISA == 512
    return {_mm512_cvtps_pd(_mm256_setr_ps(at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)))};
#else
    return lanes_from([&](int i) { return static_cast<double>(at(i)); });
#endif
}

#if CROSSENT_ISA != 512
// Whether eight labels are all classes.
inline bool all_labels(const int64_t* y, int64_t classes) {
    const D labels = whole(y);
    return !any(!((D::all(0.0) <= labels) & (labels <= D::all(static_cast<double>(classes - 1)))));
}
#endif

inline int count_of(unsigned lanes) {
    int n = 0;
    for (; lanes; lanes &= lanes - 1) ++n;
    return n;
}
inline int first_of(unsigned lanes) {
    int i = 0;
    for (; !(lanes & 1u); lanes >>= 1) ++i;
    return i;
}

inline Mask lanes_of(unsigned bits) {
    double v[LANES];
    for (int i = 0; i < LANES; ++i) v[i] = bits >> i & 1u ? 1.0 : 0.0;
    return D::all(0.5) < D::load(v);
}

// The first `count` lanes, as bytes 0 and 1.
inline void store_bools(Mask m, uint8_t* out, int count) {
    const unsigned found = lane_bits(m);
    uint8_t bytes[LANES];
    for (int i = 0; i < LANES; ++i) bytes[i] = static_cast<uint8_t>(found >> i & 1u);
    if (count == LANES)
        std::memcpy(out, bytes, LANES);
    else
        for (int i = 0; i < count; ++i) out[i] = bytes[i];
}
inline void store_some(D x, int64_t* out, int count) {
    if (count == LANES) return store_whole(x, out);
    int64_t all[LANES];
    store_whole(x, all);
    for (int i = 0; i < count; ++i) out[i] = all[i];
}

inline D lane_numbers() {
    static constexpr double numbers[LANES] = {0, 1, 2, 3, 4, 5, 6, 7};
    return D::load(numbers);
}

// −log p: +inf for p <= 0, nan for nan.
CROSSENT_APART inline D minus_log(D p) { return D::all(0.0) - log(max(D::all(0.0), p)); }

// −log p where `positive`, else −log(1 − p) with the digits of a tiny p; +inf where that probability is <= 0.
CROSSENT_APART inline D binary_loss(Mask positive, D p) {
    const D zero = D::all(0.0), one = D::all(1.0);
    const D rest = one - p;
    const D u = pick(positive, p, rest);
    const Mask tiny = u < D::all(LEAST_NORMAL);  // of p alone: 1 − p is 0 or 2^-53 at least
    D m, e;
    split(pick(tiny, u * D::all(18014398509481984.0), u), m, e);  // 2^54
    e = pick(tiny, e - D::all(54.0), e);
    const Mask near = e == zero;
    // Where the probability is within √2 of 1 its distance from 1 is exact: −p itself for 1 − p. Elsewhere
    // what 1 − p lost by rounding is put back (Knuth's two-sum).
    const D back = rest - one;
    const D lost = (one - (rest - back)) - (p + back);
    const D f = pick(near, pick(positive, p - one, zero - p), m - one);
    const D y = log_of_parts(f, e, pick(near, zero, pick(positive, zero, lost / u)));
    D loss = zero - pick(u < D::all(INFINITE), y, u);
    loss = pick(u <= zero, D::all(INFINITE), loss);
    return pick(is_nan(p), p, loss);
}

// What a·b has too much by rounding, without overflow on the way for factors within 2^±500.
#if defined(CROSSENT_FUSED)
inline D product_excess(D a, D b, D ab) { return fnma(a, b, ab); }
#else
inline D product_excess(D a, D b, D ab) {
    const D splitter = D::all(134217729.0);  // 2^27 + 1 (Dekker)
    const D ta = splitter * a, tb = splitter * b;
    const D ah = ta - (ta - a), bh = tb - (tb - b), al = a - ah, bl = b - bh;
    return (((ab - ah * bh) - ah * bl) - al * bh) - al * bl;
}
#endif

// Σ log q as the logarithm of a product: mantissas are multiplied and exponents added, so no logarithm a row.
// What each product rounds away is carried along, to some 100 bits in all.
struct Products {
    D high = D::all(1.0), excess = D::all(0.0), exponent = D::all(0.0);
    static constexpr int MOST = 1024;  // factors in [1/√2, √2) whose product is a number

    // A normal positive number, and what it has too much, relative to it.
    CROSSENT_HOT void take(D q) {
        D m, e;
        split(q, m, e);
        const D next = high * m;
        excess = fma(excess, m, product_excess(high, m, next));
        high = next;
        exponent += e;
    }
    CROSSENT_HOT void take(D q, D too_much) {
        take(q);
        excess = fma(high, too_much, excess);
    }
};

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
