// What a compiled instruction set offers: plain functions over a range of rows, found through one table.
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

struct LogitsJob {
    Rows z;
    const int64_t* labels;
    double* loss;             // (rows,)
    void* gradient;           // rows of the type of z, or null
    int64_t gradient_stride;  // in entries
    const double* scale;      // (rows,) factor of each gradient row, or null for ones
};

// The words begin … end, read or copied.
struct LimitKernels {
    uint64_t (*read)(const uint64_t* p, int64_t begin, int64_t end);
    void (*copy)(const uint64_t* from, uint64_t* to, int64_t begin, int64_t end);
};

// Each function does the rows begin … end and returns the first row with a bad label, or −1.
struct Kernels {
    const char* name;
    int64_t (*losses_from_logits)(const LogitsJob&, int64_t begin, int64_t end);
    LimitKernels limits;
};

const Kernels& kernels_baseline();
#if defined(CROSSENT_X86)
const Kernels& kernels_avx2();
const Kernels& kernels_avx512();
#endif

}  // namespace crossent
