// What the kernels of probabilities are asked for, and what they find.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "rows.h"

namespace crossent {

// Predictions as they lie in memory, one row a case; steps are counted in entries.
struct Grid {
    const void* data;
    Type type;
    int64_t rows, classes;
    int64_t row_step, class_step;
};

// One visit of probabilities: everything that is not null is filled in.
struct ProbsJob {
    Grid p;
    const int64_t* labels = nullptr;
    int64_t positive = -1;  // 0 or 1: p is one column, the probability of that class of two
    double* sum = nullptr;
    double* loss = nullptr;
    double* brier = nullptr;
    int64_t* top = nullptr;
    double* confidence = nullptr;
    uint8_t* tie = nullptr;
    uint8_t* hit = nullptr;    // the top class is the label
    double* wrong = nullptr;   // zero-one loss
};

// Which of them a visit is for.
enum Visit : int { VISIT_SUMS, VISIT_TOP, VISIT_BRIER, VISIT_CHECKED, VISIT_TOTAL, VISIT_SCORE };

// Of all entries and rows seen. Extremes leave out nan; `nans` says that there is one.
struct Facts {
    double least = std::numeric_limits<double>::infinity(), most = -std::numeric_limits<double>::infinity();
    double least_sum = least, most_sum = most;
    int64_t below_zero = 0, above_one = 0, off_1e6 = 0, off_1e3 = 0, ties = 0;
    bool nans = false, nan_sums = false;
};

// A product (high + low)·2^exponent of many positive numbers, to some 100 bits.
struct Product {
    double high = 1.0, low = 0.0, exponent = 0.0;
    bool zero = false, infinite = false, nan = false;
};

// Static, as everything that several instruction sets are compiled with: one copy for all might be the newest.
static inline void merge(Facts& f, const Facts& o) {
    f.least = o.least < f.least ? o.least : f.least;
    f.most = o.most > f.most ? o.most : f.most;
    f.least_sum = o.least_sum < f.least_sum ? o.least_sum : f.least_sum;
    f.most_sum = o.most_sum > f.most_sum ? o.most_sum : f.most_sum;
    f.below_zero += o.below_zero;
    f.above_one += o.above_one;
    f.off_1e6 += o.off_1e6;
    f.off_1e3 += o.off_1e3;
    f.ties += o.ties;
    f.nans |= o.nans;
    f.nan_sums |= o.nan_sums;
}

// What a·b lost by rounding (Dekker), for factors near 1.
static inline double lost_in(double a, double b, double ab) {
    const double ta = 134217729.0 * a, tb = 134217729.0 * b;  // 2^27 + 1
    const double ah = ta - (ta - a), bh = tb - (tb - b), al = a - ah, bl = b - bh;
    return ((ah * bh - ab) + ah * bl + al * bh) + al * bl;
}

// Times (high + low)·2^exponent; the high part is kept in [1/2, 1).
static inline void multiply(Product& p, double high, double low, double exponent) {
    int shift, again;
    const double m = std::frexp(high, &shift), next = p.high * m;
    const double rest = (lost_in(p.high, m, next) + p.high * std::ldexp(low, -shift)) + p.low * m;
    p.high = std::frexp(next, &again);
    p.low = std::ldexp(rest, -again);
    p.exponent += exponent + shift + again;
}

// What turns a matrix into a matrix or a row of it into one number.
struct RowsJob {
    Grid x;
    const int64_t* labels;
    double* out;  // (rows,), or (rows, classes) without gaps
};

struct ProbsKernels {
    // Rows begin … end; the first row with a bad label, or −1. `total` is null but for VISIT_TOTAL.
    int64_t (*visit)(Visit, const ProbsJob&, int64_t begin, int64_t end, Facts&, Product* total);
    int64_t (*take_label)(const RowsJob&, int64_t begin, int64_t end);
    int64_t (*log_loss)(const RowsJob&, int64_t begin, int64_t end);
    int64_t (*softmax)(const RowsJob&, int64_t begin, int64_t end);
    int64_t (*brier_from_logits)(const RowsJob&, int64_t begin, int64_t end);
    int64_t (*brier_from_log_probs)(const RowsJob&, int64_t begin, int64_t end);
    // −log of single numbers, and −log of what `positive` says: p or 1 − p
    void (*minus_log)(const Grid&, double* out, int64_t begin, int64_t end);
    void (*binary_loss)(const Grid&, const uint8_t* positive, double* out, int64_t begin, int64_t end);
};

}  // namespace crossent
