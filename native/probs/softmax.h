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

// --- one number at a time, of any type and layout

template <class T>
inline double number_at(const T* p) {
    return static_cast<double>(*p);
}
inline double number_at(const Half16* p) {
    float x;
    widen(p, 1, &x);
    return x;
}
inline double number_at(const BFloat16* p) {
    float x;
    widen(p, 1, &x);
    return x;
}

// Calls done(row, rows, the entries at the labels of eight rows) along the rows.
template <class T, class Done>
inline int64_t by_labels(const RowsJob& job, int64_t begin, int64_t end, Done done) {
    const Grid& g = job.x;
    const T* p = static_cast<const T*>(g.data);
    for (int64_t row = begin; row < end; row += LANES) {
        const int rows = static_cast<int>(end - row < LANES ? end - row : LANES);
        const int64_t* labels = job.labels + row;
        D y;
        if (!read_labels(labels, rows, g.classes, y)) return first_bad(job.labels, row, g.classes);
        const T* from = p + row * g.row_step;
        done(row, rows, lanes_from([&](int i) {
            const int k = i < rows ? i : 0;
            return number_at(from + k * g.row_step + labels[k] * g.class_step);
        }));
    }
    return -1;
}

template <class Work>
inline int64_t by_type(Type type, Work work) {
    switch (type) {
        case Type::float32: return work(static_cast<float*>(nullptr));
        case Type::float64: return work(static_cast<double*>(nullptr));
        case Type::float16: return work(static_cast<Half16*>(nullptr));
        default: return work(static_cast<BFloat16*>(nullptr));
    }
}
template <class P>
struct Pointee;
template <class T>
struct Pointee<T*> {
    using type = T;
};

inline int64_t take_label(const RowsJob& job, int64_t begin, int64_t end) {
    return by_type(job.x.type, [&](auto* type) {
        using T = typename Pointee<decltype(type)>::type;
        return by_labels<T>(job, begin, end, [&](int64_t row, int rows, D own) { store_part(own, job.out + row, rows); });
    });
}
inline int64_t log_loss(const RowsJob& job, int64_t begin, int64_t end) {
    return by_type(job.x.type, [&](auto* type) {
        using T = typename Pointee<decltype(type)>::type;
        return by_labels<T>(job, begin, end, [&](int64_t row, int rows, D own) {
            store_part(minus_log(own), job.out + row, rows);
        });
    });
}

// --- single numbers that are neighbours

template <class T, class Function>
inline void each(const T* p, double* out, int64_t begin, int64_t end, Function f) {
    for (int64_t i = begin; i < end; i += LANES) {
        const int count = static_cast<int>(end - i < LANES ? end - i : LANES);
        double wide[LANES] = {};
        if (count < LANES)
            for (int k = 0; k < count; ++k) wide[k] = number_at(p + i + k);
        store_part(f(i, count, count < LANES ? D::load(wide) : D::load(p + i)), out + i, count);
    }
}
template <class Function>
inline void each_of(const Grid& g, double* out, int64_t begin, int64_t end, Function f) {
    if (g.type == Type::float32) return each(static_cast<const float*>(g.data), out, begin, end, f);
    each(static_cast<const double*>(g.data), out, begin, end, f);
}
inline void minus_logs(const Grid& g, double* out, int64_t begin, int64_t end) {
    each_of(g, out, begin, end, [](int64_t, int, D p) { return minus_log(p); });
}
inline void binary_losses(const Grid& g, const uint8_t* positive, double* out, int64_t begin, int64_t end) {
    each_of(g, out, begin, end, [&](int64_t i, int count, D p) {
        float flags[LANES] = {};
        for (int k = 0; k < count; ++k) flags[k] = positive[i + k];
        return binary_loss(D::all(0.5) < D::load(flags), p);
    });
}

// --- whole rows

// Eight rows with the classes one after another in `x`.
template <class Source>
inline void load_columns_of(const Source& source, int64_t row, int rows, D* x) {
    int64_t j = 0;
    for (; j + 8 <= source.classes; j += 8) source.tile(row, rows, j, *reinterpret_cast<Tile<8>*>(x + j));
    for (; j < source.classes; ++j) source.tile(row, rows, j, *reinterpret_cast<Tile<1>*>(x + j));
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

    ShiftedTerms(D* x, int64_t classes, D y) {
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

template <class T>
inline void softmax_of(const Grid& g, D* x, double* out, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row += LANES) {
        const int rows = static_cast<int>(end - row < LANES ? end - row : LANES);
        load_columns_of(RowMajor<T>(g), row, rows, x);
        const ShiftedTerms terms(x, g.classes, D::all(-1.0));
        for (int64_t j = 0; j < g.classes; j += LANES) {
            const int count = static_cast<int>(g.classes - j < LANES ? g.classes - j : LANES);
            D tile[LANES];
            for (int i = 0; i < LANES; ++i) tile[i] = i < count ? x[j + i] / terms.others : D::all(0.0);
            transpose(tile);
            for (int i = 0; i < rows; ++i) store_part(tile[i], out + (row + i) * g.classes + j, count);
        }
    }
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

template <class T, class Score>
inline int64_t brier_rows(const RowsJob& job, D* x, int64_t begin, int64_t end, Score score) {
    for (int64_t row = begin; row < end; row += LANES) {
        const int rows = static_cast<int>(end - row < LANES ? end - row : LANES);
        D y;
        if (!read_labels(job.labels + row, rows, job.x.classes, y)) return first_bad(job.labels, row, job.x.classes);
        load_columns_of(RowMajor<T>(job.x), row, rows, x);
        store_part(score(x, job.x.classes, y), job.out + row, rows);
    }
    return -1;
}

template <class Half, class Work>
inline int64_t widened_rows(const RowsJob& job, int64_t begin, int64_t end, bool wide_out, Work work) {
    const int64_t classes = job.x.classes;
    const Buffer<float> wide(LANES * classes);
    for (int64_t row = begin; row < end; row += LANES) {
        const int64_t rows = end - row < LANES ? end - row : LANES;
        const Half* p = static_cast<const Half*>(job.x.data) + row * job.x.row_step;
        for (int64_t i = 0; i < rows; ++i) widen(p + i * job.x.row_step, classes, wide.at + i * classes);
        RowsJob part = {{wide.at, Type::float32, rows, classes, classes, 1}, job.labels,
                        job.out + row * (wide_out ? classes : 1)};
        if (part.labels) part.labels += row;
        const int64_t bad = work(part, 0, rows);
        if (bad >= 0) return row + bad;
    }
    return -1;
}

template <class Work>
inline int64_t whole_rows(const RowsJob& job, int64_t begin, int64_t end, bool wide_out, Work work) {
    // eight rows in whole tiles, on whole cache lines
    const Buffer<double> room((job.x.classes + 2 * LANES) * LANES);
    D* x = reinterpret_cast<D*>((reinterpret_cast<uintptr_t>(room.at) + 63) / 64 * 64);
    auto single = [&](const RowsJob& part, int64_t b, int64_t e) { return work(part, x, b, e, static_cast<float*>(nullptr)); };
    switch (job.x.type) {
        case Type::float32: return single(job, begin, end);
        case Type::float64: return work(job, x, begin, end, static_cast<double*>(nullptr));
        case Type::float16: return widened_rows<Half16>(job, begin, end, wide_out, single);
        default: return widened_rows<BFloat16>(job, begin, end, wide_out, single);
    }
}

inline int64_t softmax(const RowsJob& job, int64_t begin, int64_t end) {
    return whole_rows(job, begin, end, true, [](const RowsJob& part, D* x, int64_t b, int64_t e, auto* type) {
        softmax_of<typename Pointee<decltype(type)>::type>(part.x, x, part.out, b, e);
        return int64_t{-1};
    });
}
inline int64_t brier_from_logits(const RowsJob& job, int64_t begin, int64_t end) {
    return whole_rows(job, begin, end, false, [](const RowsJob& part, D* x, int64_t b, int64_t e, auto* type) {
        return brier_rows<typename Pointee<decltype(type)>::type>(part, x, b, e, brier_of_logits);
    });
}
inline int64_t brier_from_log_probs(const RowsJob& job, int64_t begin, int64_t end) {
    return whole_rows(job, begin, end, false, [](const RowsJob& part, D* x, int64_t b, int64_t e, auto* type) {
        return brier_rows<typename Pointee<decltype(type)>::type>(part, x, b, e, brier_of_log_probs);
    });
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
