// Entries of eight rows as columns, a row in each lane. Loads as wide as what is asked for, as masked ones are five
// times as slow out of cache (Zen 5).
#pragma once

#include "probs/math.h"
#include "simd/transpose.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

// COUNT entries (1, 2, 4 or 8) of eight rows, reading nothing else.
template <int COUNT>
struct Tile {
    D column[COUNT];
};

template <class T>
CROSSENT_HOT void load_tile(const T* p, int64_t step, Tile<1>& t) {
    t.column[0] = lanes_from([&](int i) { return static_cast<double>(p[i * step]); });
}

#if CROSSENT_ISA == 512
template <class T>
CROSSENT_HOT void load_tile(const T* p, int64_t step, Tile<8>& t) {
    for (int i = 0; i < LANES; ++i) t.column[i] = D::load(p + i * step);
    transpose(t.column);
}
// Sums of eight entries of eight rows, in pairs; calls see(…) with them all. Ten shuffles fewer than by columns.
template <class T, class See>
CROSSENT_HOT D totals_of_eight(const T* p, int64_t step, See see) {
    __m512d pairs[4], fours[2];
    for (int i = 0; i < 4; ++i) {
        const D a = D::load(p + 2 * i * step), b = D::load(p + (2 * i + 1) * step);
        see(a);
        see(b);
        pairs[i] = _mm512_add_pd(_mm512_unpacklo_pd(a.v, b.v), _mm512_unpackhi_pd(a.v, b.v));
    }
    for (int i = 0; i < 2; ++i) {
        const __m512d a = pairs[2 * i], b = pairs[2 * i + 1];
        fours[i] = _mm512_add_pd(_mm512_shuffle_f64x2(a, b, 0x88), _mm512_shuffle_f64x2(a, b, 0xdd));
    }
    return {_mm512_add_pd(_mm512_shuffle_f64x2(fours[0], fours[1], 0x88), _mm512_shuffle_f64x2(fours[0], fours[1], 0xdd))};
}
// Four entries of a row and of the fourth row after it.
inline __m512d rows_apart(const double* p, int64_t step) {
    return _mm512_insertf64x4(_mm512_castpd256_pd512(_mm256_loadu_pd(p)), _mm256_loadu_pd(p + 4 * step), 1);
}
inline __m512d rows_apart(const float* p, int64_t step) {
    return _mm512_cvtps_pd(_mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(p + 4 * step), 1));
}
template <class T>
CROSSENT_HOT void load_tile(const T* p, int64_t step, Tile<4>& t) {
    const __m512d a = rows_apart(p, step), b = rows_apart(p + step, step);
    const __m512d c = rows_apart(p + 2 * step, step), d = rows_apart(p + 3 * step, step);
    const __m512d e = _mm512_unpacklo_pd(a, b), f = _mm512_unpackhi_pd(a, b);
    const __m512d g = _mm512_unpacklo_pd(c, d), h = _mm512_unpackhi_pd(c, d);
    const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13), high = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
    t.column[0].v = _mm512_permutex2var_pd(e, low, g);
    t.column[1].v = _mm512_permutex2var_pd(f, low, h);
    t.column[2].v = _mm512_permutex2var_pd(e, high, g);
    t.column[3].v = _mm512_permutex2var_pd(f, high, h);
}
// Two entries of a row and of the second, fourth and sixth row after it.
inline __m256d two_rows(const double* p, int64_t step) {
    return _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(p)), _mm_loadu_pd(p + 2 * step), 1);
}
inline __m512d four_rows(const double* p, int64_t step) {
    return _mm512_insertf64x4(_mm512_castpd256_pd512(two_rows(p, step)), two_rows(p + 4 * step, step), 1);
}
inline __m128 two_rows(const float* p, int64_t step) {
    const __m128 first = _mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    return _mm_loadh_pi(first, reinterpret_cast<const __m64*>(p + 2 * step));
}
inline __m512d four_rows(const float* p, int64_t step) {
    return _mm512_cvtps_pd(_mm256_insertf128_ps(_mm256_castps128_ps256(two_rows(p, step)), two_rows(p + 4 * step, step), 1));
}
template <class T>
CROSSENT_HOT void load_tile(const T* p, int64_t step, Tile<2>& t) {
    const __m512d a = four_rows(p, step), b = four_rows(p + step, step);
    t.column[0].v = _mm512_unpacklo_pd(a, b);
    t.column[1].v = _mm512_unpackhi_pd(a, b);
}
#elif CROSSENT_ISA == 2
inline __m256d four_of(const double* p) { return _mm256_loadu_pd(p); }
inline __m256d four_of(const float* p) { return _mm256_cvtps_pd(_mm_loadu_ps(p)); }
inline __m128d two_of(const double* p) { return _mm_loadu_pd(p); }
inline __m128d two_of(const float* p) {
    return _mm_cvtps_pd(_mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
template <class T>
CROSSENT_HOT void load_tile(const T* p, int64_t step, Tile<4>& t) {
    __m256d r[8];
    for (int i = 0; i < LANES; ++i) r[i] = four_of(p + i * step);
    transpose4(r[0], r[1], r[2], r[3]);
    transpose4(r[4], r[5], r[6], r[7]);
    for (int k = 0; k < 4; ++k) t.column[k] = {r[k], r[k + 4]};
}
template <class T>
inline __m256d rows_apart(const T* p, int64_t step) {
    return _mm256_insertf128_pd(_mm256_castpd128_pd256(two_of(p)), two_of(p + 2 * step), 1);
}
template <class T>
CROSSENT_HOT void load_tile(const T* p, int64_t step, Tile<2>& t) {
    const __m256d a = rows_apart(p, step), b = rows_apart(p + step, step);
    const __m256d c = rows_apart(p + 4 * step, step), d = rows_apart(p + 5 * step, step);
    t.column[0] = {_mm256_unpacklo_pd(a, b), _mm256_unpacklo_pd(c, d)};
    t.column[1] = {_mm256_unpackhi_pd(a, b), _mm256_unpackhi_pd(c, d)};
}
#else
template <class T>
CROSSENT_HOT void load_tile(const T* p, int64_t step, Tile<2>& t) {
#if defined(CROSSENT_VECTORS)
    Two r[LANES];
    for (int i = 0; i < LANES; ++i) r[i] = load_two(p + i * step);
    for (int k = 0; k < 2; ++k)
        t.column[k] = {Two{r[0][k], r[1][k]}, Two{r[2][k], r[3][k]}, Two{r[4][k], r[5][k]}, Two{r[6][k], r[7][k]}};
#else
    for (int k = 0; k < 2; ++k) t.column[k] = lanes_from([&](int i) { return static_cast<double>(p[i * step + k]); });
#endif
}
#endif

#if CROSSENT_ISA != 512
template <class T, int COUNT>
CROSSENT_HOT void load_tile(const T* p, int64_t step, Tile<COUNT>& t) {
    Tile<COUNT / 2> half;
    for (int k = 0; k < COUNT; ++k) {
        if (k % (COUNT / 2) == 0) load_tile(p + k, step, half);
        t.column[k] = half.column[k % (COUNT / 2)];
    }
}
#endif

// Entries k, k + 2, … of sixteen: the two classes of eight rows without gaps.
#if CROSSENT_ISA == 512
inline void unzip(const double* p, D& even, D& odd) {
    const __m512d a = _mm512_loadu_pd(p), b = _mm512_loadu_pd(p + 8);
    even.v = _mm512_permutex2var_pd(a, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), b);
    odd.v = _mm512_permutex2var_pd(a, _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15), b);
}
inline void unzip(const float* p, D& even, D& odd) {
    const __m512i order = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    const __m512 both = _mm512_permutexvar_ps(order, _mm512_loadu_ps(p));
    even.v = _mm512_cvtps_pd(_mm512_castps512_ps256(both));
    odd.v = _mm512_cvtps_pd(_mm512_extractf32x8_ps(both, 1));
}
#elif CROSSENT_ISA == 2
inline void unzip4(__m256d a, __m256d b, __m256d& even, __m256d& odd) {
    even = _mm256_permute4x64_pd(_mm256_unpacklo_pd(a, b), 0xd8);
    odd = _mm256_permute4x64_pd(_mm256_unpackhi_pd(a, b), 0xd8);
}
template <class T>
inline void unzip(const T* p, D& even, D& odd) {
    const D a = D::load(p), b = D::load(p + 8);
    unzip4(a.lo, a.hi, even.lo, odd.lo);
    unzip4(b.lo, b.hi, even.hi, odd.hi);
}
#else
template <class T>
inline void unzip(const T* p, D& even, D& odd) {
    Tile<2> t;
    load_tile(p, 2, t);
    even = t.column[0], odd = t.column[1];
}
#endif

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
