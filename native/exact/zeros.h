// Room for sums, all 0 at first.
#pragma once

#include <cstddef>
#include <cstdint>

namespace crossent {
namespace CROSSENT_NAMESPACE {

// Not a std::vector, whose code the linker might take from any instruction set.
template <class T>
struct Zeros {
    T* at;
    explicit Zeros(int64_t count) : at(new T[static_cast<size_t>(count)]) {
        for (int64_t i = 0; i < count; ++i) at[i] = T();
    }
    ~Zeros() { delete[] at; }
    Zeros(const Zeros&) = delete;
    Zeros& operator=(const Zeros&) = delete;
};

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
