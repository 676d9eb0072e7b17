// What the products of matrices are asked for.
#pragma once

#include <cstdint>

namespace crossent {

// out = x wᵀ + bias: (rows, columns) of float32 from (rows, depth) and (columns, depth) of bfloat16. The entries of a row
// are neighbours, of w those of a column where it is turned; strides go from row to row, or column to column, in entries.
struct ProductJob {
    const uint16_t* x;
    const uint16_t* w;
    const float* bias;  // (columns,) or null
    float* out;
    int64_t rows, columns, depth;
    int64_t x_stride, w_stride, out_stride;
    bool turned;
};

// Sixteen columns of w as the kernels keep them: of each a pair of neighbours.
struct alignas(64) Pairs {
    uint32_t lane[16];
};

constexpr int64_t PRODUCT_COLUMNS = 256;  // that a call does at most

// Each function does the columns begin … end, and needs so much room for them.
struct ProductKernels {
    int64_t (*room)(const ProductJob&);
    void (*of_bfloat16)(const ProductJob&, int64_t begin, int64_t end, Pairs* room);
};

}  // namespace crossent
