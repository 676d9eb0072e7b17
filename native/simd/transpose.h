// Eight rows of eight numbers turned into columns.
#pragma once

#include "simd/doubles.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

#if CROSSENT_ISA == 512
inline void transpose(D* r) {
    __m512d t[8], u[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm512_unpacklo_pd(r[i].v, r[i + 1].v);
        t[i + 1] = _mm512_unpackhi_pd(r[i].v, r[i + 1].v);
    }
    for (int i = 0; i < 2; ++i) {
        u[i] = _mm512_shuffle_f64x2(t[i], t[i + 2], 0x88);
        u[i + 2] = _mm512_shuffle_f64x2(t[i], t[i + 2], 0xdd);
        u[i + 4] = _mm512_shuffle_f64x2(t[i + 4], t[i + 6], 0x88);
        u[i + 6] = _mm512_shuffle_f64x2(t[i + 4], t[i + 6], 0xdd);
    }
    for (int i = 0; i < 2; ++i) {
        r[i].v = _mm512_shuffle_f64x2(u[i], u[i + 4], 0x88);
        r[i + 2].v = _mm512_shuffle_f64x2(u[i + 2], u[i + 6], 0x88);
        r[i + 4].v = _mm512_shuffle_f64x2(u[i], u[i + 4], 0xdd);
        r[i + 6].v = _mm512_shuffle_f64x2(u[i + 2], u[i + 6], 0xdd);
    }
}
#elif CROSSENT_ISA == 2
inline void transpose4(__m256d& a, __m256d& b, __m256d& c, __m256d& d) {
    const __m256d e = _mm256_unpacklo_pd(a, b), f = _mm256_unpackhi_pd(a, b);
    const __m256d g = _mm256_unpacklo_pd(c, d), h = _mm256_unpackhi_pd(c, d);
    a = _mm256_permute2f128_pd(e, g, 0x20);
    b = _mm256_permute2f128_pd(f, h, 0x20);
    c = _mm256_permute2f128_pd(e, g, 0x31);
    d = _mm256_permute2f128_pd(f, h, 0x31);
}
inline void transpose(D* r) {
    transpose4(r[0].lo, r[1].lo, r[2].lo, r[3].lo);
    transpose4(r[0].hi, r[1].hi, r[2].hi, r[3].hi);
    transpose4(r[4].lo, r[5].lo, r[6].lo, r[7].lo);
    transpose4(r[4].hi, r[5].hi, r[6].hi, r[7].hi);
    for (int i = 0; i < 4; ++i) {
        const __m256d corner = r[i].hi;
        r[i].hi = r[i + 4].lo;
        r[i + 4].lo = corner;
    }
}
#else
inline void transpose(D* r) {
    double v[LANES][LANES], t[LANES];
    for (int i = 0; i < LANES; ++i) r[i].store(v[i]);
    for (int j = 0; j < LANES; ++j) {
        for (int i = 0; i < LANES; ++i) t[i] = v[i][j];
        r[j] = D::load(t);
    }
}
#endif

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
