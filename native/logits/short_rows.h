// Log loss from logits of rows with few classes: eight rows at a time, one in each lane.
#pragma once

#include "simd/math.h"
#include "simd/transpose.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

constexpr int64_t FEW = 128;  // classes; from here on a row fills whole vectors by itself

// Eight rows as columns: columns[j] holds entry j of every row. `end` is the end of what may be read.
template <class T>
inline void load_columns(const T* z, int64_t stride, int rows, int64_t classes, const T* end, D* columns) {
    for (int64_t j = 0; j < classes; j += LANES) {
        const int count = static_cast<int>(classes - j < LANES ? classes - j : LANES);
        D* tile = columns + j;
        for (int i = 0; i < LANES; ++i) {
            const T* p = z + (i < rows ? i : 0) * stride + j;
            // masked loads are five times as slow out of cache (Zen 5): whole ones wherever memory goes on
            tile[i] = p + LANES <= end ? D::load(p) : load_part(p, count, 0.0);
        }
        transpose(tile);
    }
}

// Of eight rows: their losses log1p(Σ_{j≠y} exp(z_j − z_y)), and Σ exp(z_j), apart for the label and the others,
// in units that differ from row to row.
struct RowSums {
    D losses;
    D others, own;
    Mask bad;  // the row holds nan or +inf, or nothing but −inf
};

template <class Poly>
inline void add(D e, D& total, D& lost) {
    if (Poly::CAREFUL) {
        const D after = total + e;
        lost += (total - after) + e;
        total = after;
    } else {
        total += e;
    }
}

// All logits within ±300: their exponentials are numbers, and so are ratios of sums of them.
template <class Poly>
inline void plain_sums(D* z, int64_t classes, D y, RowSums& s) {
    const D zero = D::all(0.0), one = D::all(1.0);
    D j = zero, lost = zero;
    for (int64_t i = 0; i < classes; ++i, j += one) {
        D n;
        const D r = Poly::reduced(z[i], n);
        const D e = scale(Poly::exp(r), n);
        const Mask is_label = y == j;
        add<Poly>(pick(is_label, zero, e), s.others, lost);
        s.own = pick(is_label, e, s.own);
        z[i] = e;
    }
    s.others += lost;
    s.losses = log1p(s.others / s.own);
    s.bad = is_nan(s.losses);
}

template <class Poly>
inline void scaled_sums(D* z, int64_t classes, D y, D top, D label, RowSums& s) {
    const D zero = D::all(0.0), one = D::all(1.0), infinite = D::all(std::numeric_limits<double>::infinity());
    const Mask usable = (top < infinite) & (zero - infinite < top);
    top = pick(usable, top, zero);
    // so far from 0 that n·ln 2 would not be exact
    const D c = pick(D::all(524288.0) < max(top, zero - top), top, zero);
    D k;
    Poly::reduced(top - c, k);
    const D low = top - D::all(745.2);
    D j = zero, lost = zero;
    for (int64_t i = 0; i < classes; ++i, j += one) {
        D n;
        const D r = Poly::reduced(max(low, z[i]) - c, n);  // nan stays: max gives its second operand then
        const D e = pick(z[i] < low, zero, scale(Poly::exp(r), n - k));
        const Mask is_label = y == j;
        add<Poly>(pick(is_label, zero, e), s.others, lost);
        s.own = pick(is_label, e, s.own);
        z[i] = e;
    }
    s.others += lost;
    s.bad = is_nan(s.others) | is_nan(s.own) | !usable;
    D n;
    const D r = Poly::reduced(max(label - c, D::all(-1e6)), n);
    const D power = k - n;
    s.losses = log1p(scale(s.others * Poly::exp(zero - r), min(power, D::all(60.0))));
    // a label 60 powers of two and more behind: the ratio may be no number, its logarithm is
    const Mask behind = D::all(60.0) < power;
    if (any(behind)) {
        const D distance = fma(k, D::all(LN2_HIGH), c - label) + k * D::all(LN2_LOW);
        s.losses = pick(behind, log(s.others) + distance, s.losses);
    }
}

// Every entry becomes its term, exp(z_j) in the units of the row's sums.
template <class Poly>
inline RowSums row_sums(D* z, int64_t classes, D y) {
    const D infinite = D::all(std::numeric_limits<double>::infinity());
    D top = D::all(0.0) - infinite, least = infinite, j = D::all(0.0), label = D::all(0.0);
    for (int64_t i = 0; i < classes; ++i, j += D::all(1.0)) {
        top = max(z[i], top);
        least = min(z[i], least);
        label = pick(y == j, z[i], label);
    }
    const Mask far = (top > D::all(300.0)) | (least < D::all(-300.0));
    RowSums s;
    s.others = s.own = D::all(0.0);
    if (!any(far)) {
        plain_sums<Poly>(z, classes, y, s);
    } else {
        // each row by what it holds itself, whatever the others in the vector hold
        D terms[FEW + LANES];
        std::memcpy(terms, z, static_cast<size_t>(classes) * sizeof(D));
        RowSums scaled = s;
        plain_sums<Poly>(z, classes, y, s);
        scaled_sums<Poly>(terms, classes, y, top, label, scaled);
        for (int64_t i = 0; i < classes; ++i) z[i] = pick(far, terms[i], z[i]);
        s.losses = pick(far, scaled.losses, s.losses);
        s.others = pick(far, scaled.others, s.others);
        s.own = pick(far, scaled.own, s.own);
        s.bad = (far & scaled.bad) | (!far & s.bad);
    }
    s.losses = pick(s.bad, D::all(std::numeric_limits<double>::quiet_NaN()), s.losses);
    return s;
}

// Eight rows of scale·(softmax(z) − onehot(y)) from their terms, the label's entry as −Σ of the others.
template <class T>
inline void store_gradient(D* terms, int64_t classes, D y, const RowSums& s, D row_scale, T* g, int64_t stride, int rows) {
    const D weight = row_scale / (s.others + s.own);
    const D own = pick(s.bad, D::all(std::numeric_limits<double>::quiet_NaN()), D::all(0.0) - s.others * weight);
    for (int64_t j = 0; j < classes; j += LANES) {
        const int count = static_cast<int>(classes - j < LANES ? classes - j : LANES);
        D tile[LANES];
        for (int i = 0; i < LANES; ++i) {
            const D p = i < count ? pick(s.bad, own, terms[j + i] * weight) : D::all(0.0);
            tile[i] = pick(y == D::all(static_cast<double>(j + i)), own, p);
        }
        transpose(tile);
        for (int i = 0; i < rows; ++i) store_part(tile[i], g + i * stride + j, count);
    }
}

// Losses, and where `g` is given the gradients, of up to eight rows.
template <class Poly, class T>
inline void short_rows(const T* z, int64_t stride, int rows, int64_t classes, const T* end, const double* y,
                       double* loss, T* g, int64_t g_stride, const double* row_scale) {
    alignas(64) D columns[FEW + LANES];
    load_columns(z, stride, rows, classes, end, columns);
    const D label = load_part(y, rows, 0.0);
    const RowSums s = row_sums<Poly>(columns, classes, label);
    store_part(s.losses, loss, rows);
    if (g) store_gradient(columns, classes, label, s, load_part(row_scale, rows, 0.0), g, g_stride, rows);
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
