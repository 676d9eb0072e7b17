// Exact sums by cell: histograms whose weights are float64 and whose sums are whole numbers.
#pragma once

#include <algorithm>

#include "exact/sums.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

constexpr int64_t CELL_BLOCK = 1024;
// Rows that follow each other often fall into one cell, and an addition waits for that before it: neighbours go
// to copies of the table, as long as these stay in the first cache.
constexpr int64_t COPIES = 4, COPIED_CELLS = 1024;

// Slices of 16 bits have room for 2^46 rows, and so many of them hold all bits of all numbers.
constexpr int FEWEST_BITS = 16, MOST_SLICES = (HIGHEST - LOWEST) / (FEWEST_BITS + 1) + 3;

inline int64_t copies_for(int64_t cells) { return cells <= COPIED_CELLS ? COPIES : 1; }

// The largest code read as an unsigned number, so that a negative one is beyond every table.
inline bool bad_codes(const int64_t* codes, int64_t count, int64_t cells) {
    uint64_t bad = 0;
    for (int64_t i = 0; i < count; ++i) bad |= static_cast<uint64_t>(codes[i]) >= static_cast<uint64_t>(cells);
    return bad != 0;
}

inline void add_copies(const int64_t* table, int64_t copies, int64_t width, int64_t* out) {
    for (int64_t copy = 0; copy < copies; ++copy)
        for (int64_t i = 0; i < width; ++i) out[i] += table[copy * width + i];
}

inline Fault cell_counts(const int64_t* codes, int64_t rows, int64_t cells, int64_t* counts) {
    const int64_t copies = copies_for(cells);
    const Zeros<int64_t> table(copies * cells);
    for (int64_t start = 0; start < rows; start += CELL_BLOCK) {
        const int64_t here = std::min(CELL_BLOCK, rows - start);
        if (bad_codes(codes + start, here, cells)) return Fault::bad_cell;
        const int64_t* c = codes + start;
        for (int64_t i = 0; i < here; ++i) ++table.at[(i & (copies - 1)) * cells + c[i]];
    }
    add_copies(table.at, copies, cells, counts);
    return Fault::none;
}

// Rounds a block to multiples of 2^g, |h| ≤ 2^51 of them; what is left replaces the block. Returns whether
// anything is.
inline bool take_slice(double* x, int64_t* h, int64_t count, int g) {
    const D magic = D::all(rounder(g));
    const I constant = bits_of(magic);
    I left = I::all(0);
    for (int64_t i = 0; i < count; i += LANES) {
        const D v = D::load(x + i), rounded = v + magic, rest = v - (rounded - magic);
        (bits_of(rounded) - constant).store(h + i);
        rest.store(x + i);
        left |= bits_of(rest + D::all(0.0));
    }
    return any(left);
}

// The first two slices, which are all that most data have, next to each other in a table of their own.
struct CellTable {
    int64_t cells, copies;
    Zeros<int64_t> two;

    explicit CellTable(int64_t n) : cells(n), copies(copies_for(n)), two(2 * n * copies) {}

    void add(const int64_t* codes, const int64_t* high, const int64_t* low, int64_t count) {
        int64_t* table = two.at;
        const int64_t mask = copies - 1;
        for (int64_t i = 0; i < count; ++i) {
            int64_t* cell = table + 2 * ((i & mask) * cells + codes[i]);
            cell[0] += high[i];
            if (low) cell[1] += low[i];
        }
    }
    void store(int64_t which, int64_t* out) const {
        for (int64_t copy = 0; copy < copies; ++copy)
            for (int64_t i = 0; i < cells; ++i) out[i] += two.at[2 * (copy * cells + i) + which];
    }
};

inline int top_power(const double* x, int64_t count) {
    const int64_t whole = count / LANES * LANES;
    int top = top_exponent(x, whole);
    for (int64_t i = whole; i < count; ++i) {
        const int64_t bits = bits_of(x[i]) & 0x7fffffffffffffffLL;
        if (bits) top = std::max(top, exponent_above(bits));
    }
    return top;
}

// Slices have as many bits as the sum over all rows has room for in 63.
inline Fault cell_sums(const CellJob& job) {
    const int top = top_power(job.values, job.rows);
    if (top > 1024) return Fault::not_finite;
    if (top > HIGHEST) return Fault::beyond;
    int bits = 51;
    while (bits > FEWEST_BITS && (job.rows >> (62 - bits)) > 0) --bits;
    // what rounding to 2^g leaves is at most 2^(g−1): one bit more fits in each slice after the first
    const auto exponent = [&](int k) { return std::max(LOWEST, top - bits - k * (bits + 1)); };
    alignas(64) double x[CELL_BLOCK];
    alignas(64) int64_t high[CELL_BLOCK], low[CELL_BLOCK];
    CellTable table(job.cells);
    int64_t* slices[MOST_SLICES];
    int count = 0;
    const auto slice = [&](int k) {
        for (; count <= k; ++count) slices[count] = job.slices->add(exponent(count));
        return slices[k];
    };
    for (int64_t start = 0; start < job.rows; start += CELL_BLOCK) {
        const int64_t here = std::min(CELL_BLOCK, job.rows - start);
        const int64_t padded = (here + LANES - 1) / LANES * LANES;
        const int64_t* codes = job.codes + start;
        if (bad_codes(codes, here, job.cells)) return Fault::bad_cell;
        std::copy(job.values + start, job.values + start + here, x);
        std::fill(x + here, x + padded, 0.0);
        bool left = take_slice(x, high, padded, exponent(0));
        const bool both = left;
        if (both) left = take_slice(x, low, padded, exponent(1));
        table.add(codes, high, both ? low : nullptr, here);
        for (int k = 2; left; ++k) {
            left = take_slice(x, low, padded, exponent(k));
            int64_t* sums = slice(k);
            for (int64_t i = 0; i < here; ++i) sums[codes[i]] += low[i];
        }
    }
    for (int k = 0; k < 2; ++k) table.store(k, slice(k));
    return Fault::none;
}

// Whole numbers of a vector of numbers from −2^51 to 2^51, rounded to the nearest, ties to even.
inline D nearest(D x) {
    const D magic = D::all(6755399441055744.0);  // 1.5·2^52
    return (x + magic) - magic;
}

// Cell 2j of a grid of `steps` steps for exactly j/steps, 2j + 1 for the open interval up to the next edge;
// numbers outside [0, 1] belong to the outermost cells.
inline void grid(const GridJob& job) {
    const D steps = D::all(static_cast<double>(job.steps)), zero = D::all(0.0), one = D::all(1.0);
    const D unit = D::all(0x1p40), magic = D::all(6755399441055744.0);
    const int64_t cells = 2 * job.steps + 1, width = 3 * cells, copies = copies_for(cells);
    const Zeros<int64_t> table(copies * width);
    alignas(64) int64_t where[LANES], variance[LANES];
    for (int64_t start = 0; start < job.rows; start += LANES) {
        const int here = static_cast<int>(std::min<int64_t>(LANES, job.rows - start));
        const D p = here == LANES ? D::load(job.confidence + start) : load_part(job.confidence + start, here, 0.0);
        const D c = min(max(p, zero), one);  // nan is cell 0
        const D j = nearest(c * steps), edge = j / steps;
        const D cell = j + j + pick(c > edge, one, zero) - pick(c < edge, one, zero);
        (bits_of(cell + magic) - bits_of(magic)).store(where);
        const D spread = min(max(p * (one - p), zero), one);
        (bits_of(spread * unit + magic) - bits_of(magic)).store(variance);
        for (int i = 0; i < here; ++i) {
            const int64_t happened = job.happened[start + i] != 0;
            job.cells[start + i] = where[i];
            int64_t* sums = table.at + (i & (copies - 1)) * width + 3 * where[i];
            sums[0] += 1;
            sums[1] += happened;
            sums[2] += variance[i];
        }
    }
    add_copies(table.at, copies, width, job.sums);
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
