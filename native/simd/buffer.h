// Room for numbers while a kernel runs.
#pragma once

#include <cstddef>
#include <cstdint>

namespace crossent {
namespace CROSSENT_NAMESPACE {

// Not a std::vector, whose code the linker might take from any instruction set.
template <class T>
struct Buffer {
    T* at;
    explicit Buffer(int64_t count) : at(count ? new T[static_cast<size_t>(count)] : nullptr) {}
    ~Buffer() { delete[] at; }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
};

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
