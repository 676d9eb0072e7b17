// Losses of targets that are not one class, over rows of every type.
#pragma once

#include <vector>

#include "simd/halves.h"
#include "logits/jobs.h"
#include "logits/sigmoid_rows.h"
#include "logits/soft_rows.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

template <class T>
struct Of {
    using Poly = Short;  // float32 logits need no more digits of exp
};
template <>
struct Of<double> {
    using Poly = Exact;
};

template <class T>
inline T* row_of(void* data, int64_t row, int64_t stride) {
    return data ? static_cast<T*>(data) + row * stride : nullptr;
}
template <class T>
inline const T* row_of(const Rows& rows, int64_t row) {
    return rows.data ? static_cast<const T*>(rows.data) + row * rows.stride : nullptr;
}
inline double factor_of(const TargetJob& job, int64_t row) { return job.scale ? job.scale[row] : 1.0; }

struct SoftLoss {
    template <class T, class Y>
    static bool row(const TargetJob& job, int64_t row, const T* z, T* g) {
        const Target<Y> target{row_of<Y>(job.targets, row), job.share, job.labels ? job.labels[row] : -1, job.labels ? job.extra[row] : 0.0};
        if (job.labels && static_cast<uint64_t>(target.label) >= static_cast<uint64_t>(job.z.classes)) return false;
        return soft_row<typename Of<T>::Poly>(z, job.z.classes, target, factor_of(job, row), job.loss + row, g);
    }
};
struct SigmoidLoss {
    template <class T, class Y>
    static bool row(const TargetJob& job, int64_t row, const T* z, T* g) {
        return sigmoid_row<typename Of<T>::Poly>(z, row_of<Y>(job.targets, row), job.z.classes, factor_of(job, row), job.loss + row, g);
    }
};
struct LogSumExp {
    template <class T, class Y>
    static bool row(const TargetJob& job, int64_t row, const T* z, T*) {
        job.loss[row] = log_sum_exp_of(z, job.z.classes);
        return true;
    }
};

template <class Loss, class T, class Y>
inline int64_t as_it_is(const TargetJob& job, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
        if (!Loss::template row<T, Y>(job, row, row_of<T>(job.z, row), row_of<T>(job.gradient, row, job.gradient_stride))) return row;
    return -1;
}

template <class Loss, class Half, class Y>
inline int64_t widened_rows(const TargetJob& job, int64_t begin, int64_t end) {
    const int64_t classes = job.z.classes;
    std::vector<float> z(static_cast<size_t>(classes)), g(job.gradient ? z.size() : 0);
    for (int64_t row = begin; row < end; ++row) {
        widen(row_of<Half>(job.z, row), classes, z.data());
        if (!Loss::template row<float, Y>(job, row, z.data(), job.gradient ? g.data() : nullptr)) return row;
        if (job.gradient) narrow(g.data(), classes, row_of<Half>(job.gradient, row, job.gradient_stride));
    }
    return -1;
}

template <class Loss, class Y>
inline int64_t by_type(const TargetJob& job, int64_t begin, int64_t end) {
    switch (job.z.type) {
        case Type::float32: return as_it_is<Loss, float, Y>(job, begin, end);
        case Type::float64: return as_it_is<Loss, double, Y>(job, begin, end);
        case Type::float16: return widened_rows<Loss, Half16, Y>(job, begin, end);
        default: return widened_rows<Loss, BFloat16, Y>(job, begin, end);
    }
}
template <class Loss>
inline int64_t by_types(const TargetJob& job, int64_t begin, int64_t end) {
    return job.targets.type == Type::float32 ? by_type<Loss, float>(job, begin, end) : by_type<Loss, double>(job, begin, end);
}

inline int64_t soft_losses(const TargetJob& job, int64_t begin, int64_t end) { return by_types<SoftLoss>(job, begin, end); }
inline int64_t sigmoid_losses(const TargetJob& job, int64_t begin, int64_t end) { return by_types<SigmoidLoss>(job, begin, end); }
inline int64_t log_sum_exp(const TargetJob& job, int64_t begin, int64_t end) { return by_type<LogSumExp, double>(job, begin, end); }

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
