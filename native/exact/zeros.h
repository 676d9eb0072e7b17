// Room for sums.
#pragma once

#include "simd/buffer.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

// A buffer that starts with zeros.
template <class T>
struct Zeros : Buffer<T> {
    explicit Zeros(int64_t count) : Buffer<T>(count) {
        for (int64_t i = 0; i < count; ++i) this->at[i] = T();
    }
};

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
