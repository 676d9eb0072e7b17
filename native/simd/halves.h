// Float16 and bfloat16 as they lie in memory, widened to float32 exactly and rounded back to nearest even.
#pragma once

#include <cstdint>
#include <cstring>

#include "simd/doubles.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

struct Half16 {
    uint16_t bits;
};
struct BFloat16 {
    uint16_t bits;
};

inline float from_bits(uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, 4);
    return x;
}
inline uint32_t to_bits(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    return bits;
}

inline void widen(const BFloat16* p, int64_t count, float* out) {
    for (int64_t i = 0; i < count; ++i) out[i] = from_bits(static_cast<uint32_t>(p[i].bits) << 16);
}
inline void narrow(const float* p, int64_t count, BFloat16* out) {
    for (int64_t i = 0; i < count; ++i) {
        const uint32_t bits = to_bits(p[i]);
        const uint32_t rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
        out[i].bits = static_cast<uint16_t>((p[i] != p[i] ? bits | 0x400000u : rounded) >> 16);
    }
}

inline void widen(const Half16* p, int64_t count, float* out) {
    int64_t i = 0;
#if CROSSENT_ISA == 512 || CROSSENT_ISA == 2
    for (; i + 8 <= count; i += 8)
        _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i))));
#endif
    for (; i < count; ++i) {
        const uint32_t h = p[i].bits, sign = (h & 0x8000u) << 16, rest = h & 0x7fffu;
        // subnormals and the exponents of normal numbers alike: a product with 2^112
        const float x = rest >= 0x7c00u ? from_bits(0x7f800000u | (rest & 0x3ffu) << 13)
                                        : from_bits(rest << 13) * from_bits(0x77800000u);
        out[i] = from_bits(to_bits(x) | sign);
    }
}
inline void narrow(const float* p, int64_t count, Half16* out) {
    int64_t i = 0;
#if CROSSENT_ISA == 512 || CROSSENT_ISA == 2
    for (; i + 8 <= count; i += 8)
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm256_cvtps_ph(_mm256_loadu_ps(p + i), 0));
#endif
    for (; i < count; ++i) {
        const uint32_t bits = to_bits(p[i]), sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
        uint32_t h;
        if (rest > 0x7f800000u) {
            h = 0x7e00u;
        } else if (rest >= 0x477ff000u) {
            h = 0x7c00u;
        } else if (rest < 0x38800000u) {
            // adding 0.5 rounds to the spacing of subnormals, 2^-24
            h = to_bits(from_bits(rest) + 0.5f) - 0x3f000000u;
        } else {
            h = (rest - 0x38000000u + 0xfffu + (rest >> 13 & 1u)) >> 13;
        }
        out[i].bits = static_cast<uint16_t>(h | sign);
    }
}

// The other ways between types that rows are computed in.
inline void widen(const double* p, int64_t count, double* out) { std::memcpy(out, p, static_cast<size_t>(count) * sizeof(double)); }
inline void narrow(const double* p, int64_t count, double* out) { widen(p, count, out); }
inline void widen(const float* p, int64_t count, double* out) {
    for (int64_t i = 0; i < count; ++i) out[i] = static_cast<double>(p[i]);
}
inline void narrow(const double* p, int64_t count, float* out) {
    for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(p[i]);
}
// In small pieces by way of float32: a double that lies within 2^-25 of a tie of halves is rounded to that first.
template <class Half>
inline void widen(const Half* p, int64_t count, double* out) {
    float part[256];
    for (int64_t i = 0; i < count; i += 256) {
        const int64_t n = count - i < 256 ? count - i : 256;
        widen(p + i, n, part);
        widen(part, n, out + i);
    }
}
template <class Half>
inline void narrow(const double* p, int64_t count, Half* out) {
    float part[256];
    for (int64_t i = 0; i < count; i += 256) {
        const int64_t n = count - i < 256 ? count - i : 256;
        narrow(p + i, n, part);
        narrow(part, n, out + i);
    }
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
