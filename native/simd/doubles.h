// Eight float64 and sixteen float32 numbers at a time, the same on every instruction set.
//
// A source that includes this file is compiled once for each instruction set with CROSSENT_ISA = 0 (plain C++,
// which the compiler vectorises as it can), 2 (AVX2 and FMA) or 512 (AVX-512). The number of lanes never
// changes, so that sums are formed in the same order everywhere.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#if CROSSENT_ISA == 512 || CROSSENT_ISA == 2
#include <immintrin.h>
#endif

#if CROSSENT_ISA == 0 && defined(__GNUC__) && (defined(__SSE2__) || defined(__aarch64__)) && !defined(CROSSENT_PLAIN)
#define CROSSENT_VECTORS
#endif
// Whether fma rounds once. Where the processor has none it would be a call of the C library, 20 times as slow.
#if CROSSENT_ISA != 0 || defined(__FMA__) || defined(__aarch64__) || defined(_M_ARM64)
#define CROSSENT_FUSED
#endif

namespace crossent {
namespace CROSSENT_NAMESPACE {

constexpr int LANES = 8;

#if CROSSENT_ISA == 512

struct Mask {
    __mmask8 bits;
};

struct D {
    __m512d v;
    static D all(double x) { return {_mm512_set1_pd(x)}; }
    static D load(const double* p) { return {_mm512_loadu_pd(p)}; }
    static D load(const float* p) { return {_mm512_cvtps_pd(_mm256_loadu_ps(p))}; }
    void store(double* p) const { _mm512_storeu_pd(p, v); }
    void store(float* p) const { _mm256_storeu_ps(p, _mm512_cvtpd_ps(v)); }
};
// a0 b0 a1 b1 … in two vectors become a0 a1 … and b0 b1 …, and back
inline void unzip(D& a, D& b) {
    const __m512d x = a.v;
    a.v = _mm512_permutex2var_pd(x, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), b.v);
    b.v = _mm512_permutex2var_pd(x, _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15), b.v);
}
inline void zip(D& a, D& b) {
    const __m512d x = a.v;
    a.v = _mm512_permutex2var_pd(x, _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11), b.v);
    b.v = _mm512_permutex2var_pd(x, _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15), b.v);
}
// −x where the whole number is odd
inline D minus_where_odd(D x, const int64_t* n) {
    const __m512i sign = _mm512_slli_epi64(_mm512_loadu_si512(n), 63);
    return {_mm512_castsi512_pd(_mm512_xor_si512(_mm512_castpd_si512(x.v), sign))};
}

inline D operator+(D a, D b) { return {_mm512_add_pd(a.v, b.v)}; }
inline D operator-(D a, D b) { return {_mm512_sub_pd(a.v, b.v)}; }
inline D operator*(D a, D b) { return {_mm512_mul_pd(a.v, b.v)}; }
inline D operator/(D a, D b) { return {_mm512_div_pd(a.v, b.v)}; }
inline D fma(D a, D b, D c) { return {_mm512_fmadd_pd(a.v, b.v, c.v)}; }
inline D fnma(D a, D b, D c) { return {_mm512_fnmadd_pd(a.v, b.v, c.v)}; }
// max(nan, x) and min(nan, x) are x: the second operand, where either is nan
inline D max(D a, D b) { return {_mm512_max_pd(a.v, b.v)}; }
inline D min(D a, D b) { return {_mm512_min_pd(a.v, b.v)}; }
inline Mask operator<(D a, D b) { return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_LT_OQ)}; }
inline Mask operator>(D a, D b) { return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_GT_OQ)}; }
inline Mask operator<=(D a, D b) { return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_LE_OQ)}; }
inline Mask operator==(D a, D b) { return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_EQ_OQ)}; }
inline Mask is_nan(D a) { return {_mm512_cmp_pd_mask(a.v, a.v, _CMP_UNORD_Q)}; }
inline Mask operator|(Mask a, Mask b) { return {static_cast<__mmask8>(a.bits | b.bits)}; }
inline Mask operator&(Mask a, Mask b) { return {static_cast<__mmask8>(a.bits & b.bits)}; }
inline Mask operator!(Mask a) { return {static_cast<__mmask8>(~a.bits)}; }
inline bool any(Mask m) { return m.bits != 0; }
inline bool at(Mask m, int lane) { return (m.bits >> lane) & 1; }
inline D pick(Mask m, D yes, D no) { return {_mm512_mask_blend_pd(m.bits, no.v, yes.v)}; }

// The first `count` lanes from memory, `fill` in the others; nothing beyond is read.
inline D load_part(const double* p, int count, double fill) {
    return {_mm512_mask_loadu_pd(_mm512_set1_pd(fill), static_cast<__mmask8>((1u << count) - 1), p)};
}
inline D load_part(const float* p, int count, double fill) {
    const __mmask8 k = static_cast<__mmask8>((1u << count) - 1);
    return {_mm512_mask_cvtps_pd(_mm512_set1_pd(fill), k, _mm256_maskz_loadu_ps(k, p))};
}

// x·2^n for whole n where the result is a normal number
inline D scale(D x, D n) { return {_mm512_scalef_pd(x.v, n.v)}; }
// x = m·2^e with m in [1/√2, √2), for normal x
inline void split(D x, D& m, D& e) {
    const __m512i offset = _mm512_set1_epi64(0x3fe6a09e667f3bcdLL);  // bits of 1/√2
    const __m512i shifted = _mm512_sub_epi64(_mm512_castpd_si512(x.v), offset);
    const __m512i k = _mm512_srai_epi64(shifted, 52);
    m.v = _mm512_castsi512_pd(_mm512_sub_epi64(_mm512_castpd_si512(x.v), _mm512_slli_epi64(k, 52)));
    e.v = _mm512_cvtepi64_pd(k);
}

#elif CROSSENT_ISA == 2

struct Mask {
    __m256d lo, hi;
};

struct D {
    __m256d lo, hi;
    static D all(double x) { return {_mm256_set1_pd(x), _mm256_set1_pd(x)}; }
    static D load(const double* p) { return {_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4)}; }
    static D load(const float* p) {
        return {_mm256_cvtps_pd(_mm_loadu_ps(p)), _mm256_cvtps_pd(_mm_loadu_ps(p + 4))};
    }
    void store(double* p) const {
        _mm256_storeu_pd(p, lo);
        _mm256_storeu_pd(p + 4, hi);
    }
    void store(float* p) const {
        _mm_storeu_ps(p, _mm256_cvtpd_ps(lo));
        _mm_storeu_ps(p + 4, _mm256_cvtpd_ps(hi));
    }
};
inline void unzip(D& a, D& b) {
    const auto order = [](__m256d x) { return _mm256_permute4x64_pd(x, _MM_SHUFFLE(3, 1, 2, 0)); };
    const D x = a, y = b;
    a = {order(_mm256_unpacklo_pd(x.lo, x.hi)), order(_mm256_unpacklo_pd(y.lo, y.hi))};
    b = {order(_mm256_unpackhi_pd(x.lo, x.hi)), order(_mm256_unpackhi_pd(y.lo, y.hi))};
}
inline void zip(__m256d x, __m256d y, D& out) {
    const __m256d even = _mm256_unpacklo_pd(x, y), odd = _mm256_unpackhi_pd(x, y);
    out = {_mm256_permute2f128_pd(even, odd, 0x20), _mm256_permute2f128_pd(even, odd, 0x31)};
}
inline void zip(D& a, D& b) {
    const D x = a, y = b;
    zip(x.lo, y.lo, a);
    zip(x.hi, y.hi, b);
}
inline __m256d minus_where_odd(__m256d x, const int64_t* n) {
    const __m256i sign = _mm256_slli_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(n)), 63);
    return _mm256_xor_pd(x, _mm256_castsi256_pd(sign));
}
inline D minus_where_odd(D x, const int64_t* n) { return {minus_where_odd(x.lo, n), minus_where_odd(x.hi, n + 4)}; }

#define CROSSENT_BOTH(NAME, CALL) \
    inline D NAME(D a, D b) { return {CALL(a.lo, b.lo), CALL(a.hi, b.hi)}; }
CROSSENT_BOTH(operator+, _mm256_add_pd)
CROSSENT_BOTH(operator-, _mm256_sub_pd)
CROSSENT_BOTH(operator*, _mm256_mul_pd)
CROSSENT_BOTH(operator/, _mm256_div_pd)
CROSSENT_BOTH(max, _mm256_max_pd)
CROSSENT_BOTH(min, _mm256_min_pd)
#undef CROSSENT_BOTH
inline D fma(D a, D b, D c) { return {_mm256_fmadd_pd(a.lo, b.lo, c.lo), _mm256_fmadd_pd(a.hi, b.hi, c.hi)}; }
inline D fnma(D a, D b, D c) {
    return {_mm256_fnmadd_pd(a.lo, b.lo, c.lo), _mm256_fnmadd_pd(a.hi, b.hi, c.hi)};
}
#define CROSSENT_COMPARE(NAME, HOW) \
    inline Mask NAME(D a, D b) { return {_mm256_cmp_pd(a.lo, b.lo, HOW), _mm256_cmp_pd(a.hi, b.hi, HOW)}; }
CROSSENT_COMPARE(operator<, _CMP_LT_OQ)
CROSSENT_COMPARE(operator>, _CMP_GT_OQ)
CROSSENT_COMPARE(operator<=, _CMP_LE_OQ)
CROSSENT_COMPARE(operator==, _CMP_EQ_OQ)
#undef CROSSENT_COMPARE
inline Mask is_nan(D a) {
    return {_mm256_cmp_pd(a.lo, a.lo, _CMP_UNORD_Q), _mm256_cmp_pd(a.hi, a.hi, _CMP_UNORD_Q)};
}
inline Mask operator|(Mask a, Mask b) { return {_mm256_or_pd(a.lo, b.lo), _mm256_or_pd(a.hi, b.hi)}; }
inline Mask operator&(Mask a, Mask b) { return {_mm256_and_pd(a.lo, b.lo), _mm256_and_pd(a.hi, b.hi)}; }
inline Mask operator!(Mask a) {
    const __m256d ones = _mm256_castsi256_pd(_mm256_set1_epi64x(-1));
    return {_mm256_xor_pd(a.lo, ones), _mm256_xor_pd(a.hi, ones)};
}
inline int bits(Mask m) { return _mm256_movemask_pd(m.lo) | _mm256_movemask_pd(m.hi) << 4; }
inline bool any(Mask m) { return bits(m) != 0; }
inline bool at(Mask m, int lane) { return (bits(m) >> lane) & 1; }
inline D pick(Mask m, D yes, D no) {
    return {_mm256_blendv_pd(no.lo, yes.lo, m.lo), _mm256_blendv_pd(no.hi, yes.hi, m.hi)};
}

template <class T>
inline D load_part(const T* p, int count, double fill) {
    T all[LANES];
    for (int i = 0; i < LANES; ++i) all[i] = i < count ? p[i] : static_cast<T>(fill);
    return D::load(all);
}

inline __m256d scale(__m256d x, __m256d n) {
    // n + 2^52 + 2^51 holds n + 1023 in its low bits; two halves, as 2^n alone may not be a number
    const __m256d magic = _mm256_set1_pd(6755399441055744.0 + 1023.0);
    const __m256d half = _mm256_round_pd(_mm256_mul_pd(n, _mm256_set1_pd(0.5)), _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    const __m256d rest = _mm256_sub_pd(n, half);
    const __m256i a = _mm256_slli_epi64(_mm256_castpd_si256(_mm256_add_pd(half, magic)), 52);
    const __m256i b = _mm256_slli_epi64(_mm256_castpd_si256(_mm256_add_pd(rest, magic)), 52);
    return _mm256_mul_pd(_mm256_mul_pd(x, _mm256_castsi256_pd(a)), _mm256_castsi256_pd(b));
}
inline D scale(D x, D n) { return {scale(x.lo, n.lo), scale(x.hi, n.hi)}; }
inline void split(__m256d x, __m256d& m, __m256d& e) {
    const __m256i offset = _mm256_set1_epi64x(0x3fe6a09e667f3bcdLL);
    const __m256i shifted = _mm256_sub_epi64(_mm256_castpd_si256(x), offset);
    // no 64-bit arithmetic shift in AVX2: the exponent stands in the upper half, which has a 32-bit one
    const __m256i high = _mm256_srai_epi32(shifted, 20);
    const __m256i k = _mm256_shuffle_epi32(high, _MM_SHUFFLE(3, 3, 1, 1));
    m = _mm256_castsi256_pd(_mm256_sub_epi64(_mm256_castpd_si256(x), _mm256_slli_epi64(k, 52)));
    const __m128i four = _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(k, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6)));
    e = _mm256_cvtepi32_pd(four);
}
inline void split(D x, D& m, D& e) {
    split(x.lo, m.lo, e.lo);
    split(x.hi, m.hi, e.hi);
}

#elif defined(CROSSENT_VECTORS)

#include "simd/doubles_vectors.h"

#else

struct Mask {
    int64_t v[LANES];
};

struct D {
    double v[LANES];
    static D all(double x) {
        D r;
        for (double& e : r.v) e = x;
        return r;
    }
    template <class T>
    static D load(const T* p) {
        D r;
        for (int i = 0; i < LANES; ++i) r.v[i] = static_cast<double>(p[i]);
        return r;
    }
    template <class T>
    void store(T* p) const {
        for (int i = 0; i < LANES; ++i) p[i] = static_cast<T>(v[i]);
    }
};
inline void unzip(D& a, D& b) {
    double v[2 * LANES];
    a.store(v);
    b.store(v + LANES);
    for (int i = 0; i < LANES; ++i) a.v[i] = v[2 * i], b.v[i] = v[2 * i + 1];
}
inline void zip(D& a, D& b) {
    double v[2 * LANES];
    for (int i = 0; i < LANES; ++i) v[2 * i] = a.v[i], v[2 * i + 1] = b.v[i];
    a = D::load(v);
    b = D::load(v + LANES);
}
inline D minus_where_odd(D x, const int64_t* n) {
    for (int i = 0; i < LANES; ++i) x.v[i] = n[i] & 1 ? -x.v[i] : x.v[i];
    return x;
}

#define CROSSENT_EACH(TYPE, NAME, EXPRESSION)                      \
    inline TYPE NAME(D a, D b) {                                   \
        TYPE r;                                                    \
        for (int i = 0; i < LANES; ++i) r.v[i] = EXPRESSION;       \
        return r;                                                  \
    }
CROSSENT_EACH(D, operator+, a.v[i] + b.v[i])
CROSSENT_EACH(D, operator-, a.v[i] - b.v[i])
CROSSENT_EACH(D, operator*, a.v[i] * b.v[i])
CROSSENT_EACH(D, operator/, a.v[i] / b.v[i])
CROSSENT_EACH(D, max, a.v[i] > b.v[i] ? a.v[i] : b.v[i])
CROSSENT_EACH(D, min, a.v[i] < b.v[i] ? a.v[i] : b.v[i])
CROSSENT_EACH(Mask, operator<, -static_cast<int64_t>(a.v[i] < b.v[i]))
CROSSENT_EACH(Mask, operator>, -static_cast<int64_t>(a.v[i] > b.v[i]))
CROSSENT_EACH(Mask, operator<=, -static_cast<int64_t>(a.v[i] <= b.v[i]))
CROSSENT_EACH(Mask, operator==, -static_cast<int64_t>(a.v[i] == b.v[i]))
#undef CROSSENT_EACH
inline D fma(D a, D b, D c) {
    D r;
#if defined(CROSSENT_FUSED)
    for (int i = 0; i < LANES; ++i) r.v[i] = std::fma(a.v[i], b.v[i], c.v[i]);
#else
    for (int i = 0; i < LANES; ++i) r.v[i] = a.v[i] * b.v[i] + c.v[i];
#endif
    return r;
}
inline D fnma(D a, D b, D c) {
    D n;
    for (int i = 0; i < LANES; ++i) n.v[i] = -a.v[i];
    return fma(n, b, c);
}
inline Mask is_nan(D a) {
    Mask r;
    for (int i = 0; i < LANES; ++i) r.v[i] = -static_cast<int64_t>(a.v[i] != a.v[i]);
    return r;
}
inline Mask operator|(Mask a, Mask b) {
    for (int i = 0; i < LANES; ++i) a.v[i] |= b.v[i];
    return a;
}
inline Mask operator&(Mask a, Mask b) {
    for (int i = 0; i < LANES; ++i) a.v[i] &= b.v[i];
    return a;
}
inline Mask operator!(Mask a) {
    for (int i = 0; i < LANES; ++i) a.v[i] = ~a.v[i];
    return a;
}
inline bool any(Mask m) {
    int64_t all = 0;
    for (int i = 0; i < LANES; ++i) all |= m.v[i];
    return all != 0;
}
inline bool at(Mask m, int lane) { return m.v[lane] != 0; }
inline D pick(Mask m, D yes, D no) {
    D r;
    for (int i = 0; i < LANES; ++i) r.v[i] = m.v[i] ? yes.v[i] : no.v[i];
    return r;
}
template <class T>
inline D load_part(const T* p, int count, double fill) {
    D r = D::all(fill);
    for (int i = 0; i < count; ++i) r.v[i] = static_cast<double>(p[i]);
    return r;
}
inline D scale(D x, D n) {
    D r;
    for (int i = 0; i < LANES; ++i) {
        // nan and inf are no exponents: x is nan then, and stays so
        const int64_t whole = n.v[i] > -4096.0 && n.v[i] < 4096.0 ? static_cast<int64_t>(n.v[i]) : 0, half = whole / 2;
        const uint64_t a = static_cast<uint64_t>(half + 1023) << 52, b = static_cast<uint64_t>(whole - half + 1023) << 52;
        double p, q;
        std::memcpy(&p, &a, 8);
        std::memcpy(&q, &b, 8);
        r.v[i] = x.v[i] * p * q;
    }
    return r;
}
inline void split(D x, D& m, D& e) {
    for (int i = 0; i < LANES; ++i) {
        int64_t bits;
        std::memcpy(&bits, &x.v[i], 8);
        // as in vectors, where what is below 0 wraps around
        const int64_t k = static_cast<int64_t>(static_cast<uint64_t>(bits) - 0x3fe6a09e667f3bcdULL) >> 52;
        bits = static_cast<int64_t>(static_cast<uint64_t>(bits) - (static_cast<uint64_t>(k) << 52));
        std::memcpy(&m.v[i], &bits, 8);
        e.v[i] = static_cast<double>(k);
    }
}

#endif

// The first `count` lanes to memory; nothing beyond is written.
template <class T>
inline void store_part(D x, T* p, int count) {
    if (count == LANES) return x.store(p);
    T all[LANES];
    x.store(all);
    for (int i = 0; i < count; ++i) p[i] = all[i];
}

inline D& operator+=(D& a, D b) { return a = a + b; }

// Sum, largest and smallest of the lanes, always in the same order.
inline double sum(D x) {
    double v[LANES];
    x.store(v);
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}
inline double first(D x) {
    double v[LANES];
    x.store(v);
    return v[0];
}
inline double largest(D x) {
    double v[LANES];
    x.store(v);
    double m = v[0];
    for (int i = 1; i < LANES; ++i) m = v[i] > m || m != m ? v[i] : m;
    return m;
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
