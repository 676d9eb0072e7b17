// Eight int64 numbers at a time: the bits of float64 numbers, labels, and sums of them; shifts fill with zeros.
#pragma once

#include "simd/doubles.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

#if CROSSENT_ISA == 512

struct I {
    __m512i v;
    static I all(int64_t x) { return {_mm512_set1_epi64(x)}; }
    static I load(const int64_t* p) { return {_mm512_loadu_si512(p)}; }
    void store(int64_t* p) const { _mm512_storeu_si512(p, v); }
};
inline I bits_of(D x) { return {_mm512_castpd_si512(x.v)}; }
inline I operator+(I a, I b) { return {_mm512_add_epi64(a.v, b.v)}; }
inline I operator-(I a, I b) { return {_mm512_sub_epi64(a.v, b.v)}; }
inline I operator|(I a, I b) { return {_mm512_or_si512(a.v, b.v)}; }
inline I operator&(I a, I b) { return {_mm512_and_si512(a.v, b.v)}; }
// the larger of two numbers from 0
inline I larger(I a, I b) { return {_mm512_max_epu64(a.v, b.v)}; }
inline D number_of(I bits) { return {_mm512_castsi512_pd(bits.v)}; }
template <int N>
inline I shifted_left(I a) { return {_mm512_slli_epi64(a.v, N)}; }
template <int N>
inline I shifted_right(I a) { return {_mm512_srli_epi64(a.v, N)}; }

#elif CROSSENT_ISA == 2

struct I {
    __m256i lo, hi;
    static I all(int64_t x) { return {_mm256_set1_epi64x(x), _mm256_set1_epi64x(x)}; }
    static I load(const int64_t* p) {
        return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
                _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 4))};
    }
    void store(int64_t* p) const {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), lo);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 4), hi);
    }
};
inline I bits_of(D x) { return {_mm256_castpd_si256(x.lo), _mm256_castpd_si256(x.hi)}; }
#define CROSSENT_BOTH(NAME, CALL) \
    inline I NAME(I a, I b) { return {CALL(a.lo, b.lo), CALL(a.hi, b.hi)}; }
CROSSENT_BOTH(operator+, _mm256_add_epi64)
CROSSENT_BOTH(operator-, _mm256_sub_epi64)
CROSSENT_BOTH(operator|, _mm256_or_si256)
CROSSENT_BOTH(operator&, _mm256_and_si256)
#undef CROSSENT_BOTH
inline __m256i larger(__m256i a, __m256i b) {
    // signed comparison is enough for numbers from 0
    return _mm256_blendv_epi8(a, b, _mm256_cmpgt_epi64(b, a));
}
inline I larger(I a, I b) { return {larger(a.lo, b.lo), larger(a.hi, b.hi)}; }
inline D number_of(I bits) { return {_mm256_castsi256_pd(bits.lo), _mm256_castsi256_pd(bits.hi)}; }
template <int N>
inline I shifted_left(I a) { return {_mm256_slli_epi64(a.lo, N), _mm256_slli_epi64(a.hi, N)}; }
template <int N>
inline I shifted_right(I a) { return {_mm256_srli_epi64(a.lo, N), _mm256_srli_epi64(a.hi, N)}; }

#elif defined(CROSSENT_VECTORS)

struct I {
    TwoBits a, b, c, d;
    static I all(int64_t x) {
        const TwoBits v = {static_cast<uint64_t>(x), static_cast<uint64_t>(x)};
        return {v, v, v, v};
    }
    static I load(const int64_t* p) {
        I r;
        std::memcpy(&r, p, sizeof r);
        return r;
    }
    void store(int64_t* p) const { std::memcpy(p, this, sizeof *this); }
};
inline I bits_of(D x) { return {(TwoBits)x.a, (TwoBits)x.b, (TwoBits)x.c, (TwoBits)x.d}; }
inline TwoBits larger(TwoBits x, TwoBits y) {
    const TwoBits less = (TwoBits)((TwoWhole)x < (TwoWhole)y);
    return (y & less) | (x & ~less);
}
#define CROSSENT_EACH(NAME, EXPRESSION)                                            \
    inline I NAME(I x, I y) {                                                      \
        const auto each = [](TwoBits a, TwoBits b) { return EXPRESSION; };         \
        return {each(x.a, y.a), each(x.b, y.b), each(x.c, y.c), each(x.d, y.d)};   \
    }
CROSSENT_EACH(operator+, a + b)
CROSSENT_EACH(operator-, a - b)
CROSSENT_EACH(operator|, a | b)
CROSSENT_EACH(operator&, a & b)
CROSSENT_EACH(larger, larger(a, b))
#undef CROSSENT_EACH
inline D number_of(I bits) { return {(Two)bits.a, (Two)bits.b, (Two)bits.c, (Two)bits.d}; }
template <int N>
inline I shifted_left(I x) { return {x.a << N, x.b << N, x.c << N, x.d << N}; }
template <int N>
inline I shifted_right(I x) { return {x.a >> N, x.b >> N, x.c >> N, x.d >> N}; }

#else

struct I {
    int64_t v[LANES];
    static I all(int64_t x) {
        I r;
        for (int64_t& e : r.v) e = x;
        return r;
    }
    static I load(const int64_t* p) {
        I r;
        std::memcpy(r.v, p, sizeof r.v);
        return r;
    }
    void store(int64_t* p) const { std::memcpy(p, v, sizeof v); }
};
inline I bits_of(D x) {
    I r;
    std::memcpy(r.v, &x, sizeof r.v);
    return r;
}
#define CROSSENT_EACH(NAME, EXPRESSION)                      \
    inline I NAME(I a, I b) {                                \
        I r;                                                 \
        for (int i = 0; i < LANES; ++i) r.v[i] = EXPRESSION; \
        return r;                                            \
    }
// sums wrap around, as they do in vectors
CROSSENT_EACH(operator+, static_cast<int64_t>(static_cast<uint64_t>(a.v[i]) + static_cast<uint64_t>(b.v[i])))
CROSSENT_EACH(operator-, static_cast<int64_t>(static_cast<uint64_t>(a.v[i]) - static_cast<uint64_t>(b.v[i])))
CROSSENT_EACH(operator|, a.v[i] | b.v[i])
CROSSENT_EACH(operator&, a.v[i] & b.v[i])
CROSSENT_EACH(larger, a.v[i] < b.v[i] ? b.v[i] : a.v[i])
#undef CROSSENT_EACH
inline D number_of(I bits) {
    D x;
    std::memcpy(&x, bits.v, sizeof bits.v);
    return x;
}
template <int N>
inline I shifted_left(I x) {
    for (int64_t& e : x.v) e = static_cast<int64_t>(static_cast<uint64_t>(e) << N);
    return x;
}
template <int N>
inline I shifted_right(I x) {
    for (int64_t& e : x.v) e = static_cast<int64_t>(static_cast<uint64_t>(e) >> N);
    return x;
}

#endif

inline I& operator+=(I& a, I b) { return a = a + b; }
inline I& operator|=(I& a, I b) { return a = a | b; }
// the number 0 <= x < 2^52
inline D whole(I x) { return number_of(x | I::all(0x4330000000000000)) - D::all(4503599627370496.0); }

inline int64_t largest(I x) {
    int64_t v[LANES];
    x.store(v);
    int64_t m = v[0];
    for (int i = 1; i < LANES; ++i) m = v[i] > m ? v[i] : m;
    return m;
}
inline bool any_negative(I x) {
    int64_t v[LANES], all = 0;
    x.store(v);
    for (int i = 0; i < LANES; ++i) all |= v[i];
    return all < 0;
}
inline bool any(I x) {
    int64_t v[LANES], all = 0;
    x.store(v);
    for (int i = 0; i < LANES; ++i) all |= v[i];
    return all != 0;
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
