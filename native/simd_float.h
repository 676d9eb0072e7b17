// Sixteen float32 numbers at a time: what the sums over many classes of float32 logits are made of.
#pragma once

#include "simd.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

constexpr int WIDE = 16;

#if CROSSENT_ISA == 512

struct F {
    __m512 v;
    static F all(float x) { return {_mm512_set1_ps(x)}; }
    static F load(const float* p) { return {_mm512_loadu_ps(p)}; }
    void store(float* p) const { _mm512_storeu_ps(p, v); }
    void stream(float* p) const { _mm512_stream_ps(p, v); }
    D low() const { return {_mm512_cvtps_pd(_mm512_castps512_ps256(v))}; }
    D high() const { return {_mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1))}; }
};
inline F operator+(F a, F b) { return {_mm512_add_ps(a.v, b.v)}; }
inline F operator-(F a, F b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline F operator*(F a, F b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline F fma(F a, F b, F c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline F fnma(F a, F b, F c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }
inline F max(F a, F b) { return {_mm512_max_ps(a.v, b.v)}; }
inline F scale(F x, F n) { return {_mm512_scalef_ps(x.v, n.v)}; }
inline bool has_nan(F a) { return _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q) != 0; }

#elif CROSSENT_ISA == 2

struct F {
    __m256 lo, hi;
    static F all(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
    static F load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
    void store(float* p) const {
        _mm256_storeu_ps(p, lo);
        _mm256_storeu_ps(p + 8, hi);
    }
    void stream(float* p) const {
        _mm256_stream_ps(p, lo);
        _mm256_stream_ps(p + 8, hi);
    }
    static D widened(__m256 x) {
        return {_mm256_cvtps_pd(_mm256_castps256_ps128(x)), _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1))};
    }
    D low() const { return widened(lo); }
    D high() const { return widened(hi); }
};
inline F operator+(F a, F b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
inline F operator-(F a, F b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
inline F operator*(F a, F b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
inline F fma(F a, F b, F c) { return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)}; }
inline F fnma(F a, F b, F c) {
    return {_mm256_fnmadd_ps(a.lo, b.lo, c.lo), _mm256_fnmadd_ps(a.hi, b.hi, c.hi)};
}
inline F max(F a, F b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
inline __m256 scale(__m256 x, __m256 n) {
    // for −126 <= n <= 1: n goes to the exponent of x, which is near 0
    const __m256i k = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), k));
}
inline F scale(F x, F n) { return {scale(x.lo, n.lo), scale(x.hi, n.hi)}; }
inline bool has_nan(F a) {
    return _mm256_movemask_ps(_mm256_or_ps(_mm256_cmp_ps(a.lo, a.lo, _CMP_UNORD_Q), _mm256_cmp_ps(a.hi, a.hi, _CMP_UNORD_Q))) != 0;
}

#else

struct F {
    float v[WIDE];
    static F all(float x) {
        F r;
        for (float& e : r.v) e = x;
        return r;
    }
    static F load(const float* p) {
        F r;
        std::memcpy(r.v, p, sizeof r.v);
        return r;
    }
    void store(float* p) const { std::memcpy(p, v, sizeof v); }
    void stream(float* p) const { store(p); }
    D low() const { return D::load(v); }
    D high() const { return D::load(v + LANES); }
};
#define CROSSENT_EACH(NAME, EXPRESSION)                       \
    inline F NAME(F a, F b) {                                 \
        F r;                                                  \
        for (int i = 0; i < WIDE; ++i) r.v[i] = EXPRESSION;   \
        return r;                                             \
    }
CROSSENT_EACH(operator+, a.v[i] + b.v[i])
CROSSENT_EACH(operator-, a.v[i] - b.v[i])
CROSSENT_EACH(operator*, a.v[i] * b.v[i])
CROSSENT_EACH(max, a.v[i] > b.v[i] ? a.v[i] : b.v[i])
#undef CROSSENT_EACH
inline F fma(F a, F b, F c) { return a * b + c; }
inline F fnma(F a, F b, F c) { return c - a * b; }
inline F scale(F x, F n) {
    F r;
    for (int i = 0; i < WIDE; ++i) {
        uint32_t bits;
        std::memcpy(&bits, &x.v[i], 4);
        // nan and inf are no exponents: x is nan then, and stays so
        const int32_t whole = n.v[i] > -256.0f && n.v[i] < 256.0f ? static_cast<int32_t>(n.v[i]) : 0;
        bits += static_cast<uint32_t>(whole) << 23;
        std::memcpy(&r.v[i], &bits, 4);
    }
    return r;
}
inline bool has_nan(F a) {
    bool found = false;
    for (float e : a.v) found |= e != e;
    return found;
}

#endif

inline float largest(F x) {
    float v[WIDE];
    x.store(v);
    float m = v[0];
    for (int i = 1; i < WIDE; ++i) m = v[i] > m ? v[i] : m;
    return m;
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
