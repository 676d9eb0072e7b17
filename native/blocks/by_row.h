// Rows of float32 logits that come block by block: their statistics, and the gradient once log Σ exp z is known.
//
// Columns are summed in units of 1024, counted from class 0, each about its own largest logit; units are merged one after
// another in float64. Blocks begin at a unit, so results do not depend on how classes are cut into blocks.
#pragma once

#include <cmath>
#include <cstring>
#include <limits>

#include "kernels.h"

namespace crossent {

// Running statistics of the rows, one number a row.
struct BlockStatistics {
    Rows z;                 // float32, the classes first … first + z.classes
    int64_t first;          // a multiple of the unit
    const int64_t* labels;  // of all classes, −1 for none
    const double* weights;  // of all classes, or null for ones
    double* top;            // the largest logit but the label's
    double* others;         // Σ exp(z − top) over all but the label; nan for rows with nan or +inf
    double* own;            // the label's logit
    double* sum_z;          // Σ weight·z, or null
    double* sum_ez;         // Σ exp(z − top)·(z − top) over all but the label, or null
    double* best;           // the largest logit, or null
    int64_t* best_at;       // and its class
};

struct BlockGradient {
    Rows z;
    int64_t first;
    const int64_t* labels;
    const double* lse;
    const double* scale;   // see RowTerms
    const double* entry;   // the label's, but for the factor of cap
    const double* slope;   // or null for zeros
    const double* shift;   // or null for zeros
    const float* weights;  // of the classes of the block, or null for ones
    double cap;
    void* out;             // may be z
    Type type;             // of out: float32, float16 or bfloat16
    int64_t stride;        // of out, in entries
};

constexpr int64_t PIECE = 2048;  // columns on their way to half precision
constexpr double INF = std::numeric_limits<double>::infinity();
constexpr double NOT_A_NUMBER = std::numeric_limits<double>::quiet_NaN();

inline const float* row_of(const Rows& z, int64_t row) { return static_cast<const float*>(z.data) + row * z.stride; }

// Copies numbers and fills up to what kernels take. Returns how many there are then.
inline int64_t pad(const float* from, int64_t count, float fill, float* to) {
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
    for (; count % TOGETHER; ++count) to[count] = fill;
    return count;
}

// Those of one row.
struct RowSoFar {
    double top, others, ez;

    void add(const UnitSums& u) {
        if (u.sum == 0.0) return;
        const double most = u.top > top ? u.top : top;
        const double rise = top == -INF ? 0.0 : top - most, less = u.top - most;
        const double before = std::exp(rise), now = std::exp(less);
        ez = before * (ez + others * rise) + now * (u.product + u.sum * less);
        others = before * others + now * u.sum;
        top = most;
    }
};

// The first of the largest logits.
inline void take_best(const float* z, double most, int64_t first, double& best, int64_t& best_at) {
    if (!(most > best)) return;
    int64_t at = 0;
    while (static_cast<double>(z[at]) != most) ++at;
    best = most;
    best_at = first + at;
}

inline void add_block(const BlockKernels& kernels, const BlockStatistics& job, int64_t row) {
    const float* z = row_of(job.z, row);
    RowSoFar so_far{job.top[row], job.others[row], job.sum_ez ? job.sum_ez[row] : 0.0};
    for (int64_t start = 0; start < job.z.classes; start += UNIT, z += UNIT) {
        const int64_t count = job.z.classes - start < UNIT ? job.z.classes - start : UNIT, first = job.first + start;
        const int64_t label = job.labels[row] - first;
        const bool labelled = label >= 0 && label < count;
        alignas(64) float others[UNIT];
        const float* summed = z;
        int64_t padded = count;
        if (labelled || count < UNIT) {
            padded = pad(z, count, static_cast<float>(-INF), others);
            if (labelled) others[label] = static_cast<float>(-INF);
            summed = others;
        }
        const UnitSums unit = kernels.sums(summed, padded, job.sum_ez);
        so_far.add(unit);
        double most = unit.top;
        if (labelled) {
            const double own = job.own[row] = static_cast<double>(z[label]);
            if (own > most) most = own;
            if (!(own < INF)) so_far.others = so_far.ez = NOT_A_NUMBER;
        }
        const bool usable = so_far.others == so_far.others;
        if (job.sum_z)
            job.sum_z[row] += usable ? kernels.weighted_sum(z, job.weights ? job.weights + first : nullptr, count) : NOT_A_NUMBER;
        if (job.best) take_best(z, most, first, job.best[row], job.best_at[row]);
    }
    job.top[row] = so_far.top;
    job.others[row] = so_far.others;
    if (job.sum_ez) job.sum_ez[row] = so_far.ez;
}

// The terms of any number of columns.
inline void terms_of(const BlockKernels& kernels, const RowTerms& row, const float* z, const float* weights, int64_t count, float* out) {
    const int64_t whole = count - count % TOGETHER, rest = count - whole;
    kernels.terms(row, z, weights, whole, out);
    if (!rest) return;
    alignas(64) float last[TOGETHER], of_last[TOGETHER];
    pad(z + whole, rest, 0.0f, last);
    if (weights) pad(weights + whole, rest, 0.0f, of_last);
    kernels.terms(row, last, weights ? of_last : nullptr, TOGETHER, last);
    std::memcpy(out + whole, last, static_cast<size_t>(rest) * sizeof(float));
}

inline void gradient_of_row(const BlockKernels& kernels, const BlockGradient& job, int64_t row) {
    const auto number = [row](const double* of) { return of ? of[row] : 0.0; };
    const RowTerms terms{job.lse[row], job.scale[row], number(job.slope), number(job.shift), job.cap};
    const float* z = row_of(job.z, row);
    const int64_t classes = job.z.classes, label = job.labels[row] - job.first, bytes = job.type == Type::float32 ? 4 : 2;
    char* out = static_cast<char*>(job.out) + row * job.stride * bytes;
    double entry = job.entry[row];
    if (terms.scale == 0.0 && terms.slope == 0.0 && terms.shift == 0.0 && entry == 0.0) {
        std::memset(out, 0, static_cast<size_t>(classes * bytes));
        return;
    }
    if (job.cap > 0.0 && label >= 0 && label < classes) {
        const double own = std::fmax(static_cast<double>(z[label]) / job.cap, -1.0);
        entry *= (1.0 - own) * (1.0 + own);
    }
    alignas(64) float piece[PIECE];
    const bool narrow = job.type != Type::float32;
    const int64_t step = narrow ? PIECE : classes;
    for (int64_t i = 0; i < classes; i += step) {
        const int64_t count = classes - i < step ? classes - i : step;
        float* to = narrow ? piece : reinterpret_cast<float*>(out);
        terms_of(kernels, terms, z + i, job.weights ? job.weights + i : nullptr, count, to);
        if (label >= i && label < i + count) to[label - i] = static_cast<float>(entry);
        if (narrow) kernels.narrow(piece, job.type, count, out + i * bytes);
    }
}

}  // namespace crossent
