// What memory allows: a plain read and a plain copy, written as the kernels are. Benchmarks put times beside them.
#pragma once

#include <cstdint>
#include <cstring>

#include "simd/doubles.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

// Reads every byte of the words begin … end.
inline uint64_t read_words(const uint64_t* p, int64_t begin, int64_t end) {
    constexpr int AT_ONCE = 64;  // eight vectors of 512 bits
    uint64_t folded[AT_ONCE] = {};
    int64_t i = begin;
    for (; i + AT_ONCE <= end; i += AT_ONCE)
        for (int j = 0; j < AT_ONCE; ++j) folded[j] ^= p[i + j];
    for (; i < end; ++i) folded[0] ^= p[i];
    for (int j = 1; j < AT_ONCE; ++j) folded[0] ^= folded[j];
    return folded[0];
}

// Copies the words begin … end past the caches, which a copy within them would only empty.
inline void copy_words(const uint64_t* from, uint64_t* to, int64_t begin, int64_t end) {
#if CROSSENT_ISA == 512 || CROSSENT_ISA == 2
    int64_t i = begin;
    for (; i < end && reinterpret_cast<uintptr_t>(to + i) % 64; ++i) to[i] = from[i];
    for (; i + 8 <= end; i += 8) {
#if CROSSENT_ISA == 512
        _mm512_stream_si512(reinterpret_cast<__m512i*>(to + i), _mm512_loadu_si512(from + i));
#else
        for (int half = 0; half < 8; half += 4)
            _mm256_stream_si256(reinterpret_cast<__m256i*>(to + i + half),
                                _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i + half)));
#endif
    }
    for (; i < end; ++i) to[i] = from[i];
    _mm_sfence();
#else
    std::memcpy(to + begin, from + begin, static_cast<size_t>(end - begin) * sizeof(uint64_t));
#endif
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
