// Log loss from float32 logits of rows with few classes: sixteen rows at a time, one in each lane.
//
// Where all logits of a row are within ±80, the terms exp(z_j) of the other classes are formed in float32 as
// 2^n + 2^n·p, to 5e-8 of themselves, and both parts are added in float64: the loss log1p(Σ_{j≠y} exp(z_j) / exp(z_y))
// is then within a float32 ulp however confident the row. Other rows take the float64 path of short_rows.h.
#pragma once

#include "logits/short_rows.h"
#include "logits/wide_rows.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

constexpr int64_t OVER = 3;      // entries that may be read, or written in a buffer, past a row's end
constexpr int CHUNK = 8 * WIDE;  // rows that go through each step together, so that none waits for the one before

// Some rows on their way: what is known of each so far.
struct ShortRows {
    float labels[CHUNK], bound[CHUNK], weight[CHUNK], entry[CHUNK], factor[CHUNK];
    double own[CHUNK], others[CHUNK];
    alignas(64) F terms[FEW];  // of each sixteen rows in turn, as many classes

    ShortRows() {
        for (float& label : labels) label = 0.0f;
        for (float& f : factor) f = 1.0f;
    }
};

// Sixteen rows as columns.
inline void load_columns(const float* z, int64_t stride, int64_t classes, F* columns) {
    for (int64_t j = 0; j < classes; j += 4) {
        const float* p = z + j;
        for (int i = 0; i < 4; ++i) prefetch(z + (j + i) * WIDE);
        for (int i = 0; i < 4; ++i, p += stride)
            columns[j + i] = load_quarters(p, p + 4 * stride, p + 8 * stride, p + 12 * stride);
        transpose_quarters(columns + j);
    }
}

// exp(r) − 1 for |r| <= ln 2 / 2, 3.8e-9 before rounding
inline F small_expm1(F r) {
    F q = fma(F::all(1.3814179692417383e-03f), r, F::all(8.368735201656818e-03f));
    q = fma(q, r, F::all(4.1668396443128586e-02f));
    q = fma(q, r, F::all(1.666652113199234e-01f));
    q = fma(q, r, F::all(4.999999403953552e-01f));
    return fma(q, r * r, r);
}

// exp(x)/2^n − 1 for t = n + ROUND_F next to x / ln 2
inline F beyond_power(F x, F t) { return small_expm1(less_all_ln2(t - F::all(ROUND_F), x)); }

// exp(z_y), Σ_{j≠y} exp(z_j) and the largest |z_j| of sixteen rows.
template <bool KEEPS>
inline void short_sums(const F* columns, int64_t classes, ShortRows& s, int first_row, F* terms) {
    const F y = F::load(s.labels + first_row), one = F::all(1.0f);
    F bound = F::all(0.0f), index = bound, label = bound;
    D low = D::all(0.0), high = low, low_rest = low, high_rest = low;
    for (int64_t j = 0; j < classes; ++j, index = index + one) {
        const F x = columns[j];
        bound = max_abs(x, bound);
        label = pick_equal(index, y, x, label);
        const F t = fma(x, F::all(LOG2E_F), F::all(ROUND_F));
        const F power = add_exponent_unless_equal(one, t, index, y);
        const F rest = power * beyond_power(x, t);
        low += power.low();
        high += power.high();
        low_rest += rest.low();
        high_rest += rest.high();
        if (KEEPS) terms[j] = power + rest;
    }
    const F t = fma(label, F::all(LOG2E_F), F::all(ROUND_F)), power = add_exponent(one, t), rest = power * beyond_power(label, t);
    (power.low() + rest.low()).store(s.own + first_row);
    (power.high() + rest.high()).store(s.own + first_row + LANES);
    bound.store(s.bound + first_row);
    (low + low_rest).store(s.others + first_row);
    (high + high_rest).store(s.others + first_row + LANES);
}

// Sixteen losses, and what the terms are multiplied with.
template <bool WEIGHS>
inline void short_losses(ShortRows& s, int first_row, D* losses) {
    const D own[] = {D::load(s.own + first_row), D::load(s.own + first_row + LANES)};
    const D others[] = {D::load(s.others + first_row), D::load(s.others + first_row + LANES)};
    const D sums[] = {own[0] + others[0], own[1] + others[1]};
    for (int i = 0; i < 2; ++i) losses[i] = short_log_ratio(others[i], sums[i], own[i]);
    if (!WEIGHS) return;
    const F weight = F::all(1.0f) / joined(sums[0], sums[1]);
    (F::all(0.0f) - joined(others[0], others[1]) * weight).store(s.entry + first_row);
    weight.store(s.weight + first_row);
}

// Rows of one to three entries from their tile.
inline void store_narrow(const F* tile, int64_t classes, float* out) {
    float rows[4 * WIDE];
    for (int i = 0; i < 4; ++i) {
        float* p = rows + 4 * i;
        store_quarters(tile[i], p, p + 16, p + 32, p + 48);
    }
    for (int i = 0; i < WIDE; ++i)
        for (int64_t j = 0; j < classes; ++j) out[i * classes + j] = rows[4 * i + j];
}

// The gradients of sixteen rows, one after another in `out`, which has room for OVER entries more. Factors come last:
// times the weight of large logits they may be less than float32 holds.
template <bool SCALES>
inline void short_gradients(const F* terms, int64_t classes, const ShortRows& s, int first_row, float* out) {
    const F y = F::load(s.labels + first_row), weight = F::load(s.weight + first_row), entry = F::load(s.entry + first_row);
    const F factor = SCALES ? F::load(s.factor + first_row) : weight;
    // the last classes first: what is written past a row's end is the beginning of the next, written later
    for (int64_t j = (classes - 1) / 4 * 4; j >= 0; j -= 4) {
        F tile[4] = {weight, weight, weight, weight};
        for (int i = 0; i < 4; ++i) {
            if (j + i < classes) tile[i] = pick_equal(F::all(static_cast<float>(j + i)), y, entry, terms[j + i] * weight);
            if (SCALES && j + i < classes) tile[i] = tile[i] * factor;
        }
        transpose_quarters(tile);
        if (classes < 4) return store_narrow(tile, classes, out);
        float* p = out + j;
        for (int i = 0; i < 4; ++i, p += classes) store_quarters(tile[i], p, p + 4 * classes, p + 8 * classes, p + 12 * classes);
    }
}

// Numbers that are not read again soon: whole cache lines past the cache.
inline void write_out(const float* from, int64_t count, float* to, bool stream) {
    int64_t i = 0;
    if (stream) {
        i = static_cast<int64_t>((64 - (reinterpret_cast<uintptr_t>(to) & 63)) & 63) / 4;
        if (i > count) i = count;
        std::memcpy(to, from, static_cast<size_t>(i) * sizeof(float));
        for (; i + WIDE <= count; i += WIDE) F::load(from + i).stream(to + i);
    }
    std::memcpy(to + i, from + i, static_cast<size_t>(count - i) * sizeof(float));
}

// Those of up to eight rows that go beyond ±80.
inline void far_rows(const float* z, int64_t stride, int rows, int64_t classes, const float* end, const ShortRows& s,
                     int first_row, const double* factor, double* loss, float* g) {
    double labels[LANES], losses[LANES], factors[LANES];
    float gradient[LANES * FEW];
    for (int i = 0; i < rows; ++i) {
        labels[i] = static_cast<double>(s.labels[first_row + i]);
        factors[i] = factor ? factor[i] : 1.0;
    }
    short_rows<Short>(z, stride, rows, classes, end, labels, losses, g ? gradient : nullptr, classes, factors);
    for (int i = 0; i < rows; ++i) {
        if (s.bound[first_row + i] <= REACH_F) continue;
        loss[i] = losses[i];
        if (g) std::memcpy(g + i * classes, gradient + i * classes, static_cast<size_t>(classes) * sizeof(float));
    }
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
