// What the kernels of logits are asked for.
#pragma once

#include "rows.h"

namespace crossent {

struct LogitsJob {
    Rows z;
    const int64_t* labels;
    double* loss;             // (rows,)
    void* gradient;           // rows of the type of z; or of float64, and narrow logits are computed with as such; or null
    Type gradient_type;
    int64_t gradient_stride;  // in entries
    const double* scale;      // (rows,) factor of each gradient row, or null for ones
    double temperature;       // of z/T; gradients are by z
    bool precise;             // narrow logits are computed with in float64
};

// Losses of targets that are not one class; see soft_rows.h and sigmoid_rows.h.
struct TargetJob {
    Rows z;
    Rows targets;             // shares of the classes, or indicators, float32 or float64; data null: `share` for each class
    double share;
    const int64_t* labels;    // or null
    const double* extra;      // what the label has on top of its share
    int64_t extra_step;       // from row to row; 0: the same for all
    double* loss;
    void* gradient;           // rows of the type of z, or null
    int64_t gradient_stride;
    const double* scale;      // (rows,) factor of each gradient row, or null
};

// Each function does the rows begin … end and returns the first row with a bad label or target, or −1.
using LossKernel = int64_t (*)(const LogitsJob&, int64_t begin, int64_t end);
using TargetKernel = int64_t (*)(const TargetJob&, int64_t begin, int64_t end);
struct LogitsKernels {
    LossKernel losses;
    TargetKernel soft_losses, sigmoid_losses, log_sum_exp;
};

}  // namespace crossent
