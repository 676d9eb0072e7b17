// Matrices to matrices or single numbers a row: entries at the label, softmax, Brier scores of logits.
#pragma once

#include "probs/visit.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

// exp x of any x: 0 from −745.2 down, +inf from 709.8 up, nan of nan.
inline D exp_of(D x) {
    D n;
    const D r = Exact::reduced(min(D::all(710.0), max(D::all(-746.0), x)), n);
    const D y = scale(Exact::exp(r), n);
    return pick(x < D::all(-745.2), D::all(0.0), pick(D::all(709.79) < x, D::all(INFINITE), y));
}

// --- entries at the labels, of any type and layout

inline double number_at(const float* p) { return static_cast<double>(*p); }
inline double number_at(const double* p) { return *p; }
template <class Half>
inline double number_at(const Half* p) {
    float x;
    widen(p, 1, &x);
    return static_cast<double>(x);
}

template <class T>
inline int64_t labelled(const RowsJob& job, bool minus_logs, int64_t begin, int64_t end) {
    const Grid& g = job.x;
    for (int64_t row = begin; row < end; row += LANES) {
        const int rows = static_cast<int>(end - row < LANES ? end - row : LANES);
        const int64_t* labels = job.labels + row;
        D y;
        if (!read_labels(labels, rows, g.classes, y)) return first_bad(job.labels, row, g.classes);
        const T* from = static_cast<const T*>(g.data) + row * g.row_step;
        const D own = lanes_from([&](int i) {
            const int k = i < rows ? i : 0;
            return number_at(from + k * g.row_step + labels[k] * g.class_step);
        });
        store_part(minus_logs ? minus_log(own) : own, job.out + row, rows);
    }
    return -1;
}
inline int64_t labelled(const RowsJob& job, bool minus_logs, int64_t begin, int64_t end) {
    switch (job.x.type) {
        case Type::float32: return labelled<float>(job, minus_logs, begin, end);
        case Type::float64: return labelled<double>(job, minus_logs, begin, end);
        case Type::float16: return labelled<Half16>(job, minus_logs, begin, end);
        default: return labelled<BFloat16>(job, minus_logs, begin, end);
    }
}
inline int64_t take_label(const RowsJob& job, int64_t begin, int64_t end) { return labelled(job, false, begin, end); }
inline int64_t log_loss(const RowsJob& job, int64_t begin, int64_t end) { return labelled(job, true, begin, end); }

// --- single numbers that are neighbours: calls done(i, count, the next eight)

template <class T, class Done>
inline void each(const T* p, int64_t begin, int64_t end, Done done) {
    for (int64_t i = begin; i < end; i += LANES) {
        const int count = static_cast<int>(end - i < LANES ? end - i : LANES);
        T some[LANES] = {};
        if (count < LANES)
            for (int k = 0; k < count; ++k) some[k] = p[i + k];
        done(i, count, D::load(count < LANES ? some : p + i));
    }
}
template <class Done>
inline void each_of(const Grid& g, int64_t begin, int64_t end, Done done) {
    if (g.type == Type::float32) return each(static_cast<const float*>(g.data), begin, end, done);
    each(static_cast<const double*>(g.data), begin, end, done);
}
inline void minus_logs(const Grid& g, double* out, int64_t begin, int64_t end) {
    each_of(g, begin, end, [&](int64_t i, int count, D p) { store_part(minus_log(p), out + i, count); });
}
inline void binary_losses(const Grid& g, const uint8_t* positive, double* out, int64_t begin, int64_t end) {
    each_of(g, begin, end, [&](int64_t i, int count, D p) {
        float flags[LANES] = {};
        for (int k = 0; k < count; ++k) flags[k] = positive[i + k];
        store_part(binary_loss(D::all(0.5) < D::load(flags), p), out + i, count);
    });
}

// --- whole rows

// Eight rows with the classes one after another in `x`.
template <class T>
inline void load_columns(const T* p, int64_t step, int64_t classes, int rows, D* x) {
    int64_t j = 0;
    for (; rows == LANES && j + 8 <= classes; j += 8) load_tile(p + j, step, *reinterpret_cast<Tile<8>*>(x + j));
    for (; j < classes; ++j)
        x[j] = lanes_from([&](int i) { return static_cast<double>(p[(i < rows ? i : 0) * step + j]); });
}
// Of any type; half precision is widened to `wide` first.
CROSSENT_APART inline void load_columns(const Grid& g, int64_t row, int rows, float* wide, D* x) {
    if (g.type == Type::float64)
        return load_columns(static_cast<const double*>(g.data) + row * g.row_step, g.row_step, g.classes, rows, x);
    if (g.type == Type::float32)
        return load_columns(static_cast<const float*>(g.data) + row * g.row_step, g.row_step, g.classes, rows, x);
    widen_rows(g, row, rows, wide);
    load_columns(wide, g.classes, g.classes, rows, x);
}

// Calls done(row, rows, x, y) with the columns and the labels, if there are any, of eight rows after eight.
template <class Done>
inline int64_t by_columns(const RowsJob& job, int64_t begin, int64_t end, Done done) {
    const Grid& g = job.x;
    // eight rows in whole tiles, on whole cache lines
    const Buffer<double> room((g.classes + 2 * LANES) * LANES);
    const Buffer<float> wide(g.type == Type::float16 || g.type == Type::bfloat16 ? LANES * g.classes : 1);
    D* x = reinterpret_cast<D*>((reinterpret_cast<uintptr_t>(room.at) + 63) / 64 * 64);
    D y = D::all(-1.0);
    for (int64_t row = begin; row < end; row += LANES) {
        const int rows = static_cast<int>(end - row < LANES ? end - row : LANES);
        if (job.labels && !read_labels(job.labels + row, rows, g.classes, y)) return first_bad(job.labels, row, g.classes);
        load_columns(g, row, rows, wide.at, x);
        done(row, rows, x, y);
    }
    return -1;
}

// A sum over many classes that keeps what each addition rounds away.
struct CarefulSum {
    D total = D::all(0.0), lost = D::all(0.0);
    void add(D x) {
        const D after = total + x;
        lost += (total - after) + x;
        total = after;
    }
    D value() const { return total + lost; }
};

// exp(z − max z), and their sum apart for the label.
struct ShiftedTerms {
    D others, own = D::all(0.0);

    CROSSENT_APART ShiftedTerms(D* x, int64_t classes, D y) {
        D m = x[0], j = D::all(0.0);
        for (int64_t i = 1; i < classes; ++i) m = max(x[i], m);
        CarefulSum sum;
        for (int64_t i = 0; i < classes; ++i, j += D::all(1.0)) {
            x[i] = exp_of(x[i] - m);
            const Mask label = y == j;
            sum.add(pick(label, D::all(0.0), x[i]));
            own = pick(label, x[i], own);
        }
        others = sum.value();
    }
};

inline int64_t softmax(const RowsJob& job, int64_t begin, int64_t end) {
    const int64_t classes = job.x.classes;
    return by_columns(job, begin, end, [&](int64_t row, int rows, D* x, D) {
        const ShiftedTerms terms(x, classes, D::all(-1.0));
        for (int64_t j = 0; j < classes; j += LANES) {
            const int count = static_cast<int>(classes - j < LANES ? classes - j : LANES);
            D tile[LANES];
            for (int i = 0; i < LANES; ++i) tile[i] = i < count ? x[j + i] / terms.others : D::all(0.0);
            transpose(tile);
            for (int i = 0; i < rows; ++i) store_part(tile[i], job.out + (row + i) * classes + j, count);
        }
    });
}

// Σ (p_k − y_k)² with 1 − p of the label as the share of the others.
inline D brier_of_logits(D* x, int64_t classes, D y) {
    const ShiftedTerms terms(x, classes, y);
    const D total = terms.others + terms.own, rest = terms.others / total;
    D j = D::all(0.0);
    CarefulSum square;
    square.add(rest * rest);
    for (int64_t i = 0; i < classes; ++i, j += D::all(1.0)) {
        const D p = pick(y == j, D::all(0.0), x[i] / total);
        square.add(p * p);
    }
    return square.value();
}

inline D brier_of_log_probs(D* x, int64_t classes, D y) {
    D own = D::all(0.0), j = D::all(0.0);
    CarefulSum square;
    for (int64_t i = 0; i < classes; ++i, j += D::all(1.0)) {
        const Mask label = y == j;
        const D p = pick(label, D::all(0.0), exp_of(x[i]));
        own = pick(label, x[i], own);
        square.add(p * p);
    }
    double e[LANES];
    own.store(e);
    for (double& v : e) v = std::expm1(v);
    const D rest = D::load(e);
    square.add(rest * rest);
    return square.value();
}

inline int64_t brier_from_logits(const RowsJob& job, int64_t begin, int64_t end) {
    return by_columns(job, begin, end, [&](int64_t row, int rows, D* x, D y) {
        store_part(brier_of_logits(x, job.x.classes, y), job.out + row, rows);
    });
}
inline int64_t brier_from_log_probs(const RowsJob& job, int64_t begin, int64_t end) {
    return by_columns(job, begin, end, [&](int64_t row, int rows, D* x, D y) {
        store_part(brier_of_log_probs(x, job.x.classes, y), job.out + row, rows);
    });
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
