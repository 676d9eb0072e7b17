// Sixteen float32 numbers at a time: what the sums over many classes of float32 logits are made of.
#pragma once

#include "simd/doubles.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

constexpr int WIDE = 16;
constexpr float ROUND_F = 12582912.0f;  // 1.5·2^23: adding it rounds to a whole number, which stands in the low bits
constexpr float LOG2E_F = 1.44269504f;
constexpr float LN2_F = 0.693147182464599609f;      // ln 2 and a bit more:
constexpr float OVER_LN2_F = 1.9046543231482e-09f;

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
inline F operator/(F a, F b) { return {_mm512_div_ps(a.v, b.v)}; }
inline F fma(F a, F b, F c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline F fnma(F a, F b, F c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }
inline F max(F a, F b) { return {_mm512_max_ps(a.v, b.v)}; }
// x·2^n where t = n + ROUND_F and the result is a normal number: n goes to the exponent of x
inline F add_exponent(F x, F t) {
    const __m512i n = _mm512_slli_epi32(_mm512_castps_si512(t.v), 23);
    return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x.v), n))};
}
// the same, and 0 where i == j
inline F add_exponent_unless_equal(F x, F t, F i, F j) {
    const __m512i n = _mm512_slli_epi32(_mm512_castps_si512(t.v), 23);
    return {_mm512_castsi512_ps(_mm512_maskz_add_epi32(_mm512_cmp_ps_mask(i.v, j.v, _CMP_NEQ_UQ), _mm512_castps_si512(x.v), n))};
}
inline F pick_equal(F i, F j, F yes, F no) {
    return {_mm512_mask_mov_ps(no.v, _mm512_cmp_ps_mask(i.v, j.v, _CMP_EQ_OQ), yes.v)};
}
// the larger of |a| and m >= 0, for a that is not nan
inline F max_abs(F a, F m) { return {_mm512_range_ps(a.v, m.v, 0xb)}; }
inline bool any_above(F a, float bound) { return _mm512_cmp_ps_mask(a.v, _mm512_set1_ps(bound), _CMP_GT_OQ) != 0; }
inline void store_part(F x, float* p, int count) { _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << count) - 1), x.v); }
// The first `count` numbers, and 0 in the other lanes; nothing beyond is read.
inline F part_of(const float* p, int count) { return {_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), p)}; }
// Four numbers from each of four places, and back
inline F load_quarters(const float* a, const float* b, const float* c, const float* d) {
    const __m256 low = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(a)), _mm_loadu_ps(b), 1);
    const __m256 high = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(c)), _mm_loadu_ps(d), 1);
    return {_mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1)};
}
inline void store_quarters(F x, float* a, float* b, float* c, float* d) {
    _mm_storeu_ps(a, _mm512_castps512_ps128(x.v));
    _mm_storeu_ps(b, _mm512_extractf32x4_ps(x.v, 1));
    _mm_storeu_ps(c, _mm512_extractf32x4_ps(x.v, 2));
    _mm_storeu_ps(d, _mm512_extractf32x4_ps(x.v, 3));
}
// Within each quarter, entry j of x[i] and entry i of x[j] change places.
inline void transpose_quarters(F* x) {
    const __m512d a = _mm512_castps_pd(_mm512_unpacklo_ps(x[0].v, x[1].v)), b = _mm512_castps_pd(_mm512_unpacklo_ps(x[2].v, x[3].v));
    const __m512d c = _mm512_castps_pd(_mm512_unpackhi_ps(x[0].v, x[1].v)), d = _mm512_castps_pd(_mm512_unpackhi_ps(x[2].v, x[3].v));
    x[0].v = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
    x[1].v = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
    x[2].v = _mm512_castpd_ps(_mm512_unpacklo_pd(c, d));
    x[3].v = _mm512_castpd_ps(_mm512_unpackhi_pd(c, d));
}
// x, and 0 where by < bound
inline F zero_where_below(F x, F by, F bound) {
    return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(by.v, bound.v, _CMP_NLT_UQ), x.v)};
}
// x − n·LN2_F for whole |n| <= 128
inline F less_ln2(F n, F x) { return fnma(n, F::all(LN2_F), x); }
inline F last_lanes(F x, int count) { return {_mm512_maskz_mov_ps(static_cast<__mmask16>(0xffffu << (WIDE - count)), x.v)}; }
inline F joined(D low, D high) {
    return {_mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low.v)), _mm512_cvtpd_ps(high.v), 1)};
}

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
inline F operator/(F a, F b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
inline F fma(F a, F b, F c) { return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)}; }
inline F fnma(F a, F b, F c) {
    return {_mm256_fnmadd_ps(a.lo, b.lo, c.lo), _mm256_fnmadd_ps(a.hi, b.hi, c.hi)};
}
inline F max(F a, F b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }

inline F add_exponent(F x, F t) {
    const auto add = [](__m256 a, __m256 n) {
        return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), _mm256_slli_epi32(_mm256_castps_si256(n), 23)));
    };
    return {add(x.lo, t.lo), add(x.hi, t.hi)};
}
inline F add_exponent_unless_equal(F x, F t, F i, F j) {
    const F e = add_exponent(x, t);
    return {_mm256_and_ps(e.lo, _mm256_cmp_ps(i.lo, j.lo, _CMP_NEQ_UQ)), _mm256_and_ps(e.hi, _mm256_cmp_ps(i.hi, j.hi, _CMP_NEQ_UQ))};
}
inline F pick_equal(F i, F j, F yes, F no) {
    return {_mm256_blendv_ps(no.lo, yes.lo, _mm256_cmp_ps(i.lo, j.lo, _CMP_EQ_OQ)),
            _mm256_blendv_ps(no.hi, yes.hi, _mm256_cmp_ps(i.hi, j.hi, _CMP_EQ_OQ))};
}
inline F max_abs(F a, F m) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return {_mm256_max_ps(_mm256_andnot_ps(sign, a.lo), m.lo), _mm256_max_ps(_mm256_andnot_ps(sign, a.hi), m.hi)};
}
inline F load_quarters(const float* a, const float* b, const float* c, const float* d) {
    return {_mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(a)), _mm_loadu_ps(b), 1),
            _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(c)), _mm_loadu_ps(d), 1)};
}
inline void store_quarters(F x, float* a, float* b, float* c, float* d) {
    _mm_storeu_ps(a, _mm256_castps256_ps128(x.lo));
    _mm_storeu_ps(b, _mm256_extractf128_ps(x.lo, 1));
    _mm_storeu_ps(c, _mm256_castps256_ps128(x.hi));
    _mm_storeu_ps(d, _mm256_extractf128_ps(x.hi, 1));
}
inline void transpose_quarters(__m256& w, __m256& x, __m256& y, __m256& z) {
    const __m256d a = _mm256_castps_pd(_mm256_unpacklo_ps(w, x)), b = _mm256_castps_pd(_mm256_unpacklo_ps(y, z));
    const __m256d c = _mm256_castps_pd(_mm256_unpackhi_ps(w, x)), d = _mm256_castps_pd(_mm256_unpackhi_ps(y, z));
    w = _mm256_castpd_ps(_mm256_unpacklo_pd(a, b));
    x = _mm256_castpd_ps(_mm256_unpackhi_pd(a, b));
    y = _mm256_castpd_ps(_mm256_unpacklo_pd(c, d));
    z = _mm256_castpd_ps(_mm256_unpackhi_pd(c, d));
}
inline void transpose_quarters(F* x) {
    transpose_quarters(x[0].lo, x[1].lo, x[2].lo, x[3].lo);
    transpose_quarters(x[0].hi, x[1].hi, x[2].hi, x[3].hi);
}
inline F zero_where_below(F x, F by, F bound) {
    return {_mm256_and_ps(x.lo, _mm256_cmp_ps(by.lo, bound.lo, _CMP_NLT_UQ)),
            _mm256_and_ps(x.hi, _mm256_cmp_ps(by.hi, bound.hi, _CMP_NLT_UQ))};
}
inline F less_ln2(F n, F x) { return fnma(n, F::all(LN2_F), x); }
inline bool any_above(F a, float bound) {
    const __m256 b = _mm256_set1_ps(bound);
    return _mm256_movemask_ps(_mm256_or_ps(_mm256_cmp_ps(a.lo, b, _CMP_GT_OQ), _mm256_cmp_ps(a.hi, b, _CMP_GT_OQ))) != 0;
}
inline void store_part(F x, float* p, int count) {
    const __m256i n = _mm256_set1_epi32(count), lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_maskstore_ps(p, _mm256_cmpgt_epi32(n, lane), x.lo);
    if (count > 8) _mm256_maskstore_ps(p + 8, _mm256_cmpgt_epi32(n, _mm256_add_epi32(lane, _mm256_set1_epi32(8))), x.hi);
}
inline F last_lanes(F x, int count) {
    const __m256i from = _mm256_set1_epi32(WIDE - 1 - count), lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i upper = _mm256_add_epi32(lane, _mm256_set1_epi32(8));
    return {_mm256_and_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(lane, from)), x.lo),
            _mm256_and_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(upper, from)), x.hi)};
}
inline F joined(D low, D high) {
    const auto narrow = [](D x) { return _mm256_set_m128(_mm256_cvtpd_ps(x.hi), _mm256_cvtpd_ps(x.lo)); };
    return {narrow(low), narrow(high)};
}

#elif defined(CROSSENT_VECTORS)

#include "simd/floats_vectors.h"

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
CROSSENT_EACH(operator/, a.v[i] / b.v[i])
CROSSENT_EACH(max, a.v[i] > b.v[i] ? a.v[i] : b.v[i])
#undef CROSSENT_EACH
inline F fma(F a, F b, F c) { return a * b + c; }
inline F fnma(F a, F b, F c) { return c - a * b; }
inline F add_exponent(F x, F t) {
    F r;
    for (int i = 0; i < WIDE; ++i) {
        uint32_t bits, n;
        std::memcpy(&bits, &x.v[i], 4);
        std::memcpy(&n, &t.v[i], 4);
        bits += n << 23;
        std::memcpy(&r.v[i], &bits, 4);
    }
    return r;
}
inline F add_exponent_unless_equal(F x, F t, F i, F j) {
    F e = add_exponent(x, t);
    for (int a = 0; a < WIDE; ++a) e.v[a] = i.v[a] == j.v[a] ? 0.0f : e.v[a];
    return e;
}
inline F pick_equal(F i, F j, F yes, F no) {
    for (int a = 0; a < WIDE; ++a) no.v[a] = i.v[a] == j.v[a] ? yes.v[a] : no.v[a];
    return no;
}
inline F max_abs(F a, F m) {
    F r;
    for (int i = 0; i < WIDE; ++i) r.v[i] = std::fabs(a.v[i]) > m.v[i] ? std::fabs(a.v[i]) : m.v[i];
    return r;
}
inline bool any_above(F a, float bound) {
    bool found = false;
    for (float e : a.v) found |= e > bound;
    return found;
}
inline void store_part(F x, float* p, int count) { std::memcpy(p, x.v, static_cast<size_t>(count) * sizeof(float)); }
inline F load_quarters(const float* a, const float* b, const float* c, const float* d) {
    F r;
    std::memcpy(r.v, a, 16);
    std::memcpy(r.v + 4, b, 16);
    std::memcpy(r.v + 8, c, 16);
    std::memcpy(r.v + 12, d, 16);
    return r;
}
inline void store_quarters(F x, float* a, float* b, float* c, float* d) {
    std::memcpy(a, x.v, 16);
    std::memcpy(b, x.v + 4, 16);
    std::memcpy(c, x.v + 8, 16);
    std::memcpy(d, x.v + 12, 16);
}
inline void transpose_quarters(F* x) {
    for (int q = 0; q < WIDE; q += 4)
        for (int i = 0; i < 4; ++i)
            for (int j = 0; j < i; ++j) {
                const float t = x[i].v[q + j];
                x[i].v[q + j] = x[j].v[q + i];
                x[j].v[q + i] = t;
            }
}
inline F zero_where_below(F x, F by, F bound) {
    for (int i = 0; i < WIDE; ++i) x.v[i] = by.v[i] < bound.v[i] ? 0.0f : x.v[i];
    return x;
}
// without fma the product is exact only with a factor of few bits
inline F less_ln2(F n, F x) { return (x - n * F::all(0.693359375f)) - n * F::all(LN2_F - 0.693359375f); }
inline F last_lanes(F x, int count) {
    for (int i = 0; i < WIDE - count; ++i) x.v[i] = 0.0f;
    return x;
}
inline F joined(D low, D high) {
    F r;
    low.store(r.v);
    high.store(r.v + LANES);
    return r;
}

#endif

// x − n·ln 2
inline F less_all_ln2(F n, F x) { return fma(n, F::all(OVER_LN2_F), less_ln2(n, x)); }
#if CROSSENT_ISA != 512
inline F part_of(const float* p, int count) {
    float v[WIDE] = {};
    for (int i = 0; i < count; ++i) v[i] = p[i];
    return F::load(v);
}
#endif

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
