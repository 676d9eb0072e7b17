// Probabilities of eight rows at a time, a row in each lane: where they come from, and what is gathered of them.
#pragma once

#include <utility>

#include "probs/math.h"
#include "simd/transpose.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

// What a visit looks at; the compiler leaves out the rest.
template <Visit V>
struct Wants {
    static constexpr bool sums = V != VISIT_TOP && V != VISIT_BRIER;
    static constexpr bool top = V == VISIT_TOP || V == VISIT_SCORE;
    static constexpr bool brier = V == VISIT_BRIER || V == VISIT_SCORE;
    static constexpr bool label = V != VISIT_SUMS && V != VISIT_TOP;
    static constexpr bool own = V == VISIT_CHECKED || V == VISIT_TOTAL || V == VISIT_SCORE;
};

// Of eight rows: over their classes one after another, so that a row's bits depend on nothing but the row.
struct Group {
    D sum = D::all(0.0), low = D::all(INFINITE), high = D::all(-INFINITE), index = sum, own = sum, square = sum;
    Mask tie = low < low, nan = tie;

    // Picks the label's entry only where `OWN`.
    template <Visit V, bool OWN>
    CROSSENT_HOT void take(D x, D j, D y) {
        if (Wants<V>::sums) {
            sum += x;
            low = min(x, low);
        }
        if (Wants<V>::top) {
            const Mask above = x > high;
            tie = (tie & !above) | (x == high);
            index = pick(above, j, index);
            if (!Wants<V>::sums) nan = nan | is_nan(x);
        }
        if (Wants<V>::sums || Wants<V>::top) high = max(x, high);
        if (!(Wants<V>::own && OWN) && !Wants<V>::brier) return;
        const Mask here = y == j;
        if (Wants<V>::own && OWN) own = pick(here, x, own);
        if (Wants<V>::brier) {
            const D e = pick(here, D::all(1.0) - x, x);
            square += e * e;
        }
    }
};

// COUNT entries (1, 2, 4 or 8) of eight rows as columns, reading nothing else. Loads as wide as that, as masked
// ones are five times as slow out of cache (Zen 5).
template <int COUNT>
struct Tile {
    D column[COUNT];
};

template <class T>
inline void load_tile(const T* p, int64_t step, Tile<8>& t) {
    for (int i = 0; i < LANES; ++i) t.column[i] = D::load(p + i * step);
    transpose(t.column);
}
template <class T>
inline void load_tile(const T* p, int64_t step, Tile<1>& t) {
    t.column[0] = lanes_from([&](int i) { return static_cast<double>(p[i * step]); });
}

#if CROSSENT_ISA == 512
inline __m512d rows_apart(const double* p, int64_t step) {
    return _mm512_insertf64x4(_mm512_castpd256_pd512(_mm256_loadu_pd(p)), _mm256_loadu_pd(p + 4 * step), 1);
}
inline void load_tile(const double* p, int64_t step, Tile<4>& t) {
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
inline __m256 rows_apart(const float* p, int64_t step) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(p + 4 * step), 1);
}
inline void load_tile(const float* p, int64_t step, Tile<4>& t) {
    const __m256 a = rows_apart(p, step), b = rows_apart(p + step, step);
    const __m256 c = rows_apart(p + 2 * step, step), d = rows_apart(p + 3 * step, step);
    const __m256d e = _mm256_castps_pd(_mm256_unpacklo_ps(a, b)), f = _mm256_castps_pd(_mm256_unpackhi_ps(a, b));
    const __m256d g = _mm256_castps_pd(_mm256_unpacklo_ps(c, d)), h = _mm256_castps_pd(_mm256_unpackhi_ps(c, d));
    t.column[0].v = _mm512_cvtps_pd(_mm256_castpd_ps(_mm256_unpacklo_pd(e, g)));
    t.column[1].v = _mm512_cvtps_pd(_mm256_castpd_ps(_mm256_unpackhi_pd(e, g)));
    t.column[2].v = _mm512_cvtps_pd(_mm256_castpd_ps(_mm256_unpacklo_pd(f, h)));
    t.column[3].v = _mm512_cvtps_pd(_mm256_castpd_ps(_mm256_unpackhi_pd(f, h)));
}
inline __m256d two_rows(const double* p, int64_t step) {
    return _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(p)), _mm_loadu_pd(p + step), 1);
}
inline __m512d four_rows(const double* p, int64_t step) {
    return _mm512_insertf64x4(_mm512_castpd256_pd512(two_rows(p, step)), two_rows(p + 2 * step, step), 1);
}
inline void load_tile(const double* p, int64_t step, Tile<2>& t) {
    const __m512d a = four_rows(p, step), b = four_rows(p + 4 * step, step);
    t.column[0].v = _mm512_permutex2var_pd(a, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), b);
    t.column[1].v = _mm512_permutex2var_pd(a, _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15), b);
}
inline __m128 two_rows(const float* p, int64_t step) {
    const __m128 first = _mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    return _mm_loadh_pi(first, reinterpret_cast<const __m64*>(p + step));
}
inline void load_tile(const float* p, int64_t step, Tile<2>& t) {
    const __m256 a = _mm256_insertf128_ps(_mm256_castps128_ps256(two_rows(p, step)), two_rows(p + 4 * step, step), 1);
    const __m256 b = _mm256_insertf128_ps(_mm256_castps128_ps256(two_rows(p + 2 * step, step)), two_rows(p + 6 * step, step), 1);
    t.column[0].v = _mm512_cvtps_pd(_mm256_shuffle_ps(a, b, 0x88));
    t.column[1].v = _mm512_cvtps_pd(_mm256_shuffle_ps(a, b, 0xdd));
}
// Rows i and i + 4 in one vector: fewer shuffles than of widened numbers.
inline __m512 wide_apart(const float* p, int64_t step) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(p)), _mm256_loadu_ps(p + 4 * step), 1);
}
inline void load_tile(const float* p, int64_t step, Tile<8>& t) {
    const __m512 a = wide_apart(p, step), b = wide_apart(p + step, step);
    const __m512 c = wide_apart(p + 2 * step, step), d = wide_apart(p + 3 * step, step);
    const __m512d e = _mm512_castps_pd(_mm512_unpacklo_ps(a, b)), f = _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
    const __m512d g = _mm512_castps_pd(_mm512_unpacklo_ps(c, d)), h = _mm512_castps_pd(_mm512_unpackhi_ps(c, d));
    // class k of rows 0 … 3, k + 4 of them, k of rows 4 … 7, k + 4 of them
    const __m512d columns[4] = {_mm512_unpacklo_pd(e, g), _mm512_unpackhi_pd(e, g), _mm512_unpacklo_pd(f, h),
                                _mm512_unpackhi_pd(f, h)};
    for (int k = 0; k < 4; ++k) {
        const __m512 both = _mm512_castpd_ps(_mm512_shuffle_f64x2(columns[k], columns[k], 0xd8));
        t.column[k].v = _mm512_cvtps_pd(_mm512_castps512_ps256(both));
        t.column[k + 4].v = _mm512_cvtps_pd(_mm512_extractf32x8_ps(both, 1));
    }
}
#elif CROSSENT_ISA == 2
inline __m256d four_of(const double* p) { return _mm256_loadu_pd(p); }
inline __m256d four_of(const float* p) { return _mm256_cvtps_pd(_mm_loadu_ps(p)); }
inline __m128d two_of(const double* p) { return _mm_loadu_pd(p); }
inline __m128d two_of(const float* p) {
    return _mm_cvtps_pd(_mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
template <class T>
inline void load_tile(const T* p, int64_t step, Tile<4>& t) {
    __m256d r[8];
    for (int i = 0; i < LANES; ++i) r[i] = four_of(p + i * step);
    transpose4(r[0], r[1], r[2], r[3]);
    transpose4(r[4], r[5], r[6], r[7]);
    for (int k = 0; k < 4; ++k) t.column[k] = {r[k], r[k + 4]};
}
template <class T>
inline __m256d apart(const T* p, int64_t step) {
    return _mm256_insertf128_pd(_mm256_castpd128_pd256(two_of(p)), two_of(p + 2 * step), 1);
}
template <class T>
inline void load_tile(const T* p, int64_t step, Tile<2>& t) {
    const __m256d a = apart(p, step), b = apart(p + step, step);
    const __m256d c = apart(p + 4 * step, step), d = apart(p + 5 * step, step);
    t.column[0] = {_mm256_unpacklo_pd(a, b), _mm256_unpacklo_pd(c, d)};
    t.column[1] = {_mm256_unpackhi_pd(a, b), _mm256_unpackhi_pd(c, d)};
}
#else
template <class T, int COUNT>
inline void load_tile(const T* p, int64_t step, Tile<COUNT>& t) {
    for (int k = 0; k < COUNT; ++k) t.column[k] = lanes_from([&](int i) { return static_cast<double>(p[i * step + k]); });
}
#endif

// --- where eight rows come from: `tile` gives the entries j … of as many classes as a tile has. Lanes beyond
// `rows` repeat the first row.

// Rows whose entries are neighbours.
template <class T>
struct RowMajor {
    static constexpr bool MIXED = false;
    static constexpr int CLASSES = 0;  // known when it runs only
    const T* p;
    int64_t classes, step;

    explicit RowMajor(const Grid& g) : p(static_cast<const T*>(g.data)), classes(g.classes), step(g.row_step) {}
    double entry(int64_t row, int64_t j) const { return static_cast<double>(p[row * step + j]); }
    D labelled(int64_t row, int rows, const int64_t* labels) const {
        if (rows == LANES) return at_labels(p + row * step, step, labels);
        return lanes_from([&](int i) { return entry(row + (i < rows ? i : 0), labels[i < rows ? i : 0]); });
    }
    template <int COUNT>
    void tile(int64_t row, int rows, int64_t j, Tile<COUNT>& t) const {
        if (rows == LANES) return load_tile(p + row * step + j, step, t);
        T some[LANES * COUNT];
        for (int i = 0; i < LANES; ++i)
            for (int k = 0; k < COUNT; ++k) some[i * COUNT + k] = p[(row + (i < rows ? i : 0)) * step + j + k];
        load_tile(some, COUNT, t);
    }
};

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
inline void unzip(const double* p, D& even, D& odd) {
    unzip4(_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4), even.lo, odd.lo);
    unzip4(_mm256_loadu_pd(p + 8), _mm256_loadu_pd(p + 12), even.hi, odd.hi);
}
inline void unzip(const float* p, D& even, D& odd) {
    const D a = D::load(p), b = D::load(p + 8);
    unzip4(a.lo, a.hi, even.lo, odd.lo);
    unzip4(b.lo, b.hi, even.hi, odd.hi);
}
#else
template <class T>
inline void unzip(const T* p, D& even, D& odd) {
    even = lanes_from([&](int i) { return static_cast<double>(p[2 * i]); });
    odd = lanes_from([&](int i) { return static_cast<double>(p[2 * i + 1]); });
}
#endif

// Two classes side by side, rows without gaps.
template <class T>
struct Pairs {
    static constexpr bool MIXED = false;
    static constexpr int CLASSES = 2;
    static constexpr int64_t classes = 2;
    const T* p;

    explicit Pairs(const Grid& g) : p(static_cast<const T*>(g.data)) {}
    double entry(int64_t row, int64_t j) const { return static_cast<double>(p[row * 2 + j]); }
    void tile(int64_t row, int rows, int64_t, Tile<2>& t) const {
        if (rows == LANES) return unzip(p + row * 2, t.column[0], t.column[1]);
        T all[2 * LANES];
        for (int i = 0; i < 2 * LANES; ++i) all[i] = p[(row + (i < 2 * rows ? i / 2 : 0)) * 2 + i % 2];
        unzip(all, t.column[0], t.column[1]);
    }
};

template <class T>
inline D eight_rows(const T* p, int rows) {
    if (rows == LANES) return D::load(p);
    T all[LANES];
    for (int i = 0; i < LANES; ++i) all[i] = p[i < rows ? i : 0];
    return D::load(all);
}

// The probability of one of two classes.
template <class T>
struct Single {
    static constexpr bool MIXED = false;
    static constexpr int CLASSES = 2;
    static constexpr int64_t classes = 2;
    const T* p;
    int64_t positive;

    Single(const Grid& g, int64_t positive) : p(static_cast<const T*>(g.data)), positive(positive) {}
    double entry(int64_t row, int64_t j) const {
        const double given = static_cast<double>(p[row]);
        return j == positive ? given : 1.0 - given;
    }
    D given(int64_t row, int rows) const { return eight_rows(p + row, rows); }
    void tile(int64_t row, int rows, int64_t, Tile<2>& t) const {
        const D x = given(row, rows), rest = D::all(1.0) - x;
        t.column[0] = positive ? rest : x;
        t.column[1] = positive ? x : rest;
    }
};

template <Visit V, bool OWN, int COUNT, int... K>
CROSSENT_HOT void take_columns(const Tile<COUNT>& t, D first, D y, Group& g, std::integer_sequence<int, K...>) {
    (g.take<V, OWN>(t.column[K], first + D::all(K), y), ...);
}
template <Visit V, bool OWN, int COUNT, class Source>
CROSSENT_HOT void take_tile(const Source& source, int64_t row, int rows, int64_t& at, D y, Group& g) {
    Tile<COUNT> t;
    source.tile(row, rows, at, t);
    take_columns<V, OWN>(t, D::all(static_cast<double>(at)), y, g, std::make_integer_sequence<int, COUNT>());
    at += COUNT;
}

template <Visit V, class Source>
CROSSENT_HOT void gather(const Source& source, int64_t row, int rows, const int64_t* labels, D y, Group& g) {
    int64_t at = 0;
    if constexpr (Source::CLASSES == 2) {
        (void)labels;
        take_tile<V, true, 2>(source, row, rows, at, y, g);
    } else {
        // eight loads from the cache cost less than a comparison and a choice for each class
        const int64_t classes = source.classes;
        while (at + 8 <= classes) take_tile<V, false, 8>(source, row, rows, at, y, g);
#if CROSSENT_ISA == 512 || CROSSENT_ISA == 2
        if (classes & 4) take_tile<V, false, 4>(source, row, rows, at, y, g);
        if (classes & 2) take_tile<V, false, 2>(source, row, rows, at, y, g);
        if (classes & 1) take_tile<V, false, 1>(source, row, rows, at, y, g);
#else
        while (at < classes) take_tile<V, false, 1>(source, row, rows, at, y, g);
#endif
        if (Wants<V>::own) g.own = source.labelled(row, rows, labels);
        if (classes == 1) g.tie = y < y;  // nothing to be as large as
    }
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
