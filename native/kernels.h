// What a compiled instruction set offers: plain functions over a range of rows, found through one table.
#pragma once

#include <cstdint>
#include <vector>

#include "probs_table.h"

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
    double temperature;       // of z/T; gradients are by z
    bool precise;             // narrow logits are computed with in float64
};

// Losses of targets that are not one class; see soft_rows.h and sigmoid_rows.h.
struct TargetJob {
    Rows z;
    Rows targets;             // shares of the classes, or indicators, float32 or float64; data null: `share` for each class
    double share;
    const int64_t* labels;    // or null
    const double* extra;      // (rows,) what the label has on top of its share
    double* loss;
    void* gradient;           // rows of the type of z, or null
    int64_t gradient_stride;
    const double* scale;      // (rows,) factor of each gradient row, or null
};

// The words begin … end, read or copied.
struct LimitKernels {
    uint64_t (*read)(const uint64_t* p, int64_t begin, int64_t end);
    void (*copy)(const uint64_t* from, uint64_t* to, int64_t begin, int64_t end);
};

class Limbs;

// Sums of products of pairs of columns; a null column stands for ones.
struct GramJob {
    const double* const* columns;
    int count;
    const int* left;
    const int* right;
    int pairs;
    int64_t rows;
};

// Whole numbers in units of 2^g, one a cell.
struct CellSlice {
    int g;
    std::vector<int64_t> sums;
};

// Sums of one column by cell. `slices` grows by the sums of each power of two that is needed.
struct CellJob {
    const int64_t* codes;
    const double* values;
    int64_t rows, cells;
    std::vector<CellSlice>* slices;
};

// Counts and sums by cell of a grid of probabilities; `sums` has GRID_SUMS entries a cell, in this order:
// rows, rows where it happened, and the variance c(1 − c) in units of 2^-40.
struct GridJob {
    const double* confidence;
    const uint8_t* happened;
    int64_t rows, steps;  // 2·steps + 1 cells
    int64_t* cells;       // (rows,) the cell of each row
    int64_t* sums;
};

enum class Fault : int { none = 0, not_finite = 1, bad_cell = 2, beyond = 3 };

// Each function does the rows begin … end and returns the first row with a bad label, or −1.
struct Kernels {
    const char* name;
    int64_t (*losses_from_logits)(const LogitsJob&, int64_t begin, int64_t end);
    int64_t (*soft_losses)(const TargetJob&, int64_t begin, int64_t end);
    int64_t (*sigmoid_losses)(const TargetJob&, int64_t begin, int64_t end);
    int64_t (*log_sum_exp)(const TargetJob&, int64_t begin, int64_t end);
    LimitKernels limits;
    // exact.h and tables.h; the sums are added to what is there
    bool (*exact_sum)(const double* x, int64_t count, Limbs& total);
    bool (*exact_gram)(const GramJob&, Limbs* totals);
    Fault (*cell_sums)(const CellJob&);
    Fault (*cell_counts)(const int64_t* codes, int64_t rows, int64_t cells, int64_t* counts);
    void (*grid)(const GridJob&);
    ProbsKernels probs;
};

const Kernels& kernels_baseline();
#if defined(CROSSENT_X86)
const Kernels& kernels_avx2();
const Kernels& kernels_avx512();
#endif

}  // namespace crossent
