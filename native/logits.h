// Log loss, and its gradient, of rows of logits of every type and number of classes.
#pragma once

#include <vector>

#include "halves.h"
#include "kernels.h"
#include "long_rows.h"
#include "short_rows.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

// Float32 logits need no more digits of exp than these.
template <class T>
struct Precision {
    using Poly = Short;
};
template <>
struct Precision<double> {
    using Poly = Exact;
};

inline bool bad_label(int64_t y, int64_t classes) { return static_cast<uint64_t>(y) >= static_cast<uint64_t>(classes); }

template <class T>
inline int64_t few_classes(const LogitsJob& job, int64_t begin, int64_t end) {
    const T* z = static_cast<const T*>(job.z.data);
    const T* limit = z + (job.z.rows - 1) * job.z.stride + job.z.classes;
    T* g = static_cast<T*>(job.gradient);
    for (int64_t row = begin; row < end; row += LANES) {
        const int rows = static_cast<int>(end - row < LANES ? end - row : LANES);
        double y[LANES], scale[LANES];
        for (int i = 0; i < rows; ++i) {
            if (bad_label(job.labels[row + i], job.z.classes)) return row + i;
            y[i] = static_cast<double>(job.labels[row + i]);
            scale[i] = job.scale ? job.scale[row + i] : 1.0;
        }
        short_rows<typename Precision<T>::Poly>(z + row * job.z.stride, job.z.stride, rows, job.z.classes, limit, y,
                                                job.loss + row, g ? g + row * job.gradient_stride : nullptr,
                                                job.gradient_stride, scale);
    }
    return -1;
}

template <class T>
inline int64_t many_classes(const LogitsJob& job, int64_t begin, int64_t end) {
    const T* z = static_cast<const T*>(job.z.data);
    T* g = static_cast<T*>(job.gradient);
    for (int64_t row = begin; row < end; ++row) {
        const int64_t y = job.labels[row];
        if (bad_label(y, job.z.classes)) return row;
        const T* logits = z + row * job.z.stride;
        if (g)
            job.loss[row] = long_gradient(logits, job.z.classes, y, job.scale ? job.scale[row] : 1.0, g + row * job.gradient_stride);
        else
            job.loss[row] = long_row(logits, job.z.classes, y);
    }
    return -1;
}

// Half-precision rows are widened a few at a time, and their gradients narrowed again.
template <class Half>
inline int64_t widened(const LogitsJob& job, int64_t begin, int64_t end) {
    const int64_t classes = job.z.classes, at_once = classes >= 4096 ? 1 : 4096 / (classes + 1) + 1;
    const Half* z = static_cast<const Half*>(job.z.data);
    Half* g = static_cast<Half*>(job.gradient);
    std::vector<float> wide(static_cast<size_t>(at_once * classes)), gradient(g ? wide.size() : 0);
    for (int64_t row = begin; row < end; row += at_once) {
        const int64_t rows = end - row < at_once ? end - row : at_once;
        for (int64_t i = 0; i < rows; ++i) widen(z + (row + i) * job.z.stride, classes, wide.data() + i * classes);
        LogitsJob part = job;
        part.z = {wide.data(), Type::float32, rows, classes, classes};
        part.labels += row;
        part.loss += row;
        if (part.scale) part.scale += row;
        part.gradient = g ? gradient.data() : nullptr;
        part.gradient_stride = classes;
        const int64_t bad = classes <= FEW ? few_classes<float>(part, 0, rows) : many_classes<float>(part, 0, rows);
        if (bad >= 0) return row + bad;
        for (int64_t i = 0; g && i < rows; ++i) narrow(gradient.data() + i * classes, classes, g + (row + i) * job.gradient_stride);
    }
    return -1;
}

inline int64_t losses_from_logits(const LogitsJob& job, int64_t begin, int64_t end) {
    const bool few = job.z.classes <= FEW;
    switch (job.z.type) {
        case Type::float32: return few ? few_classes<float>(job, begin, end) : many_classes<float>(job, begin, end);
        case Type::float64: return few ? few_classes<double>(job, begin, end) : many_classes<double>(job, begin, end);
        case Type::float16: return widened<Half16>(job, begin, end);
        default: return widened<BFloat16>(job, begin, end);
    }
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
