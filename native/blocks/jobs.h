// What each instruction set offers for blocks of logits: sums and terms of some columns of one row. What is done with
// them row by row is compiled once, see blocks/by_row.h.
#pragma once

#include "rows.h"

namespace crossent {

constexpr int64_t UNIT = 1024;    // columns that are summed together
constexpr int64_t TOGETHER = 64;  // divides the number of columns that kernels are given, but for weighted_sum

struct UnitSums {
    double top;
    double sum, product;  // Σ exp(z − top) and Σ exp(z − top)·(z − top); nan where a logit is nan or +inf
};

// (exp(z − lse)·(scale + slope·(z − lse)) − shift·weight)·(1 − (z/cap)²)
struct RowTerms {
    double lse, scale, slope, shift, cap;  // cap 0 for none
};

struct BlockKernels {
    // product where `entropy` asks for it
    UnitSums (*sums)(const float* z, int64_t count, bool entropy);
    // Σ v·z, where v = 0 counts as 0; weights null for ones
    double (*weighted_sum)(const float* z, const double* weights, int64_t count);
    // weights null for ones; `out` may be z
    void (*terms)(const RowTerms& row, const float* z, const float* weights, int64_t count, float* out);
    // to float16 or bfloat16
    void (*narrow)(const float* x, Type type, int64_t count, void* out);
};

}  // namespace crossent
