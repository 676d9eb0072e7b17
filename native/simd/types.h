// Rows of any type of number, widened to the one that is computed with and narrowed back.
#pragma once

#include "rows.h"
#include "simd/halves.h"
#include "simd/inlining.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

inline int64_t bytes_of(Type type) { return type == Type::float64 ? 8 : type == Type::float32 ? 4 : 2; }

// The entries of a row, `offset` entries behind `data`.
inline const void* behind(const void* data, Type type, int64_t offset) {
    return static_cast<const char*>(data) + offset * bytes_of(type);
}
inline void* behind(void* data, Type type, int64_t offset) { return static_cast<char*>(data) + offset * bytes_of(type); }

CROSSENT_APART inline void widen_row(const void* from, Type type, int64_t count, double* to) {
    switch (type) {
        case Type::float32: return widen(static_cast<const float*>(from), count, to);
        case Type::float64: return widen(static_cast<const double*>(from), count, to);
        case Type::float16: return widen(static_cast<const Half16*>(from), count, to);
        default: return widen(static_cast<const BFloat16*>(from), count, to);
    }
}
CROSSENT_APART inline void narrow_row(const double* from, Type type, int64_t count, void* to) {
    switch (type) {
        case Type::float32: return narrow(from, count, static_cast<float*>(to));
        case Type::float64: return narrow(from, count, static_cast<double*>(to));
        case Type::float16: return narrow(from, count, static_cast<Half16*>(to));
        default: return narrow(from, count, static_cast<BFloat16*>(to));
    }
}
// To float32 from half precision only.
CROSSENT_APART inline void widen_row(const void* from, Type type, int64_t count, float* to) {
    if (type == Type::float16) return widen(static_cast<const Half16*>(from), count, to);
    widen(static_cast<const BFloat16*>(from), count, to);
}
CROSSENT_APART inline void narrow_row(const float* from, Type type, int64_t count, void* to) {
    if (type == Type::float16) return narrow(from, count, static_cast<Half16*>(to));
    narrow(from, count, static_cast<BFloat16*>(to));
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
