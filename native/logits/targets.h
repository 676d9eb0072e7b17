// Losses of targets that are not one class, over rows of every type.
#pragma once

#include "isa/groups.h"
#include "logits/sigmoid_rows.h"
#include "logits/soft_rows.h"
#include "simd/buffer.h"
#include "simd/types.h"

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

// A row of targets as float64: where it lies, or widened into `room`.
inline const double* shares_of(const Rows& targets, int64_t row, bool first, int64_t classes, double* room) {
    if (!targets.data) return nullptr;
    const void* shares = behind(targets.data, targets.type, row * targets.stride);
    if (targets.type == Type::float64) return static_cast<const double*>(shares);
    if (first || targets.stride != 0) widen_row(shares, targets.type, classes, room);
    return room;
}

struct SoftLoss {
    static bool row(const TargetJob& job, int64_t row, const double* z, const double* shares, double factor, double* g) {
        const Target target{shares, job.share, job.labels ? job.labels[row] : -1, job.labels ? job.extra[row * job.extra_step] : 0.0};
        if (job.labels && static_cast<uint64_t>(target.label) >= static_cast<uint64_t>(job.z.classes)) return false;
        return soft_row(z, job.z.classes, target, factor, job.loss + row, g);
    }
};
struct SigmoidLoss {
    template <class T>
    static bool row(const TargetJob& job, int64_t row, const T* z, const double* shares, double factor, T* g) {
        return sigmoid_row<typename Of<T>::Poly>(z, shares, job.z.classes, factor, job.loss + row, g);
    }
};
struct LogSumExp {
    static bool row(const TargetJob& job, int64_t row, const double* z, const double*, double, double*) {
        job.loss[row] = log_sum_exp_of(z, job.z.classes);
        return true;
    }
};

// Rows computed with as T, which they are widened to where they are not T.
template <class Loss, class T>
inline int64_t rows_as(const TargetJob& job, int64_t begin, int64_t end, Type own) {
    const int64_t classes = job.z.classes;
    const Type type = job.z.type;
    const bool narrow = type != own;
    const Buffer<T> wide(narrow ? classes : 0), slope(narrow && job.gradient ? classes : 0);
    const Buffer<double> shares(job.targets.data && job.targets.type != Type::float64 ? classes : 0);
    for (int64_t row = begin; row < end; ++row) {
        const void* z = behind(job.z.data, type, row * job.z.stride);
        void* g = job.gradient ? behind(job.gradient, type, row * job.gradient_stride) : nullptr;
        if (narrow) widen_row(z, type, classes, wide.at);
        const bool fine = Loss::row(job, row, narrow ? wide.at : static_cast<const T*>(z), shares_of(job.targets, row, row == begin, classes, shares.at),
                                    job.scale ? job.scale[row] : 1.0, narrow ? slope.at : static_cast<T*>(g));
        if (!fine) return row;
        if (narrow && g) narrow_row(slope.at, type, classes, g);
    }
    return -1;
}

inline int64_t soft_losses(const TargetJob& job, int64_t begin, int64_t end) {
    return job.z.type == Type::float64 ? rows_as<SoftLoss, double>(job, begin, end, Type::float64) : spread_kernel()(job, begin, end);
}
inline int64_t sigmoid_losses(const TargetJob& job, int64_t begin, int64_t end) {
    return job.z.type == Type::float64 ? rows_as<SigmoidLoss, double>(job, begin, end, Type::float64)
                                       : rows_as<SigmoidLoss, float>(job, begin, end, Type::float32);
}
inline int64_t log_sum_exp(const TargetJob& job, int64_t begin, int64_t end) {
    return job.z.type == Type::float64 ? rows_as<LogSumExp, double>(job, begin, end, Type::float64) : log_sum_kernel()(job, begin, end);
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
