// What the kernels of exact sums are asked for.
#pragma once

#include <cstdint>

namespace crossent {

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

// Where sums by cell go: whole numbers in units of 2^g, one a cell, for as many g as the data need.
class CellSlices {
public:
    // The sums in units of another power of two, all 0; they stay where they are.
    virtual int64_t* add(int g) = 0;

protected:
    ~CellSlices() = default;
};

// Sums of one column by cell.
struct CellJob {
    const int64_t* codes;
    const double* values;
    int64_t rows, cells;
    CellSlices* slices;
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

// The sums are added to what is there.
struct ExactKernels {
    bool (*sum)(const double* x, int64_t count, Limbs& total);
    bool (*gram)(const GramJob&, Limbs* totals);
    Fault (*cell_sums)(const CellJob&);
    Fault (*cell_counts)(const int64_t* codes, int64_t rows, int64_t cells, int64_t* counts);
    void (*grid)(const GridJob&);
};

}  // namespace crossent
