// Predictions as they lie in memory.
#pragma once

#include <cstdint>

namespace crossent {

enum class Type : int { float32 = 0, float64 = 1, float16 = 2, bfloat16 = 3 };

// Rows of predictions as they lie in memory; entries of a row are neighbours.
struct Rows {
    const void* data;
    Type type;
    int64_t rows, classes;
    int64_t stride;  // from row to row, in entries
};

}  // namespace crossent
