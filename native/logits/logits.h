// Log loss, and its gradient, of rows of logits of every type and number of classes.
#pragma once

#include "logits/jobs.h"
#include "logits/pair_rows.h"
#include "logits/short_wide_rows.h"
#include "logits/wide_rows.h"
#include "simd/buffer.h"
#include "simd/types.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

inline bool bad_label(int64_t y, int64_t classes) { return static_cast<uint64_t>(y) >= static_cast<uint64_t>(classes); }

inline int64_t few_classes(const LogitsJob& job, int64_t begin, int64_t end) {
    if (job.z.classes == 2) return pairs<Exact, double>(job, begin, end, false);
    const double* z = static_cast<const double*>(job.z.data);
    // what lies behind the last of these rows may be another thread's to write
    const double* limit = z + (end - 1) * job.z.stride + job.z.classes;
    double* g = static_cast<double*>(job.gradient);
    for (int64_t row = begin; row < end; row += LANES) {
        const int rows = static_cast<int>(end - row < LANES ? end - row : LANES);
        double y[LANES], scale[LANES];
        for (int i = 0; i < rows; ++i) {
            if (bad_label(job.labels[row + i], job.z.classes)) return row + i;
            y[i] = static_cast<double>(job.labels[row + i]);
            scale[i] = job.scale ? job.scale[row + i] : 1.0;
        }
        short_rows<Exact>(z + row * job.z.stride, job.z.stride, rows, job.z.classes, limit, y, job.loss + row,
                          g ? g + row * job.gradient_stride : nullptr, job.gradient_stride, scale);
    }
    return -1;
}

// The labels of some rows. Returns the first row with a bad label, or −1.
inline int take_labels(const LogitsJob& job, int64_t row, int rows, ShortRows& s) {
    const int64_t* y = job.labels + row;
    const I last = I::all(job.z.classes - 1);
    I signs = I::all(0);  // negative where a label or what is left to the last is
    int i = 0;
    for (; i + WIDE <= rows; i += WIDE) {
        const I low = I::load(y + i), high = I::load(y + i + LANES);
        signs |= (low | (last - low)) | (high | (last - high));
        joined(whole(low), whole(high)).store(s.labels + i);
    }
    bool bad = any_negative(signs);
    for (; i < rows; ++i) {
        bad |= bad_label(y[i], job.z.classes);
        s.labels[i] = static_cast<float>(y[i]);
    }
    for (i = 0; bad && i < rows; ++i)
        if (bad_label(y[i], job.z.classes)) return i;
    return -1;
}

// Up to sixteen rows as columns; nothing behind the row `end` is read.
inline void columns_of(const LogitsJob& job, int64_t row, int64_t end, F* columns) {
    const int64_t classes = job.z.classes, stride = job.z.stride;
    const float* z = static_cast<const float*>(job.z.data) + row * stride;
    // only where rows follow one another is what lies behind one of them the next
    if (stride >= classes && (end - row - WIDE) * stride >= OVER) return load_columns(z, stride, classes, columns);
    float padded[WIDE * FEW + OVER + 1];
    for (int i = 0; i < WIDE; ++i)
        std::memcpy(padded + i * classes, z + (row + i < end ? i : 0) * stride, static_cast<size_t>(classes) * sizeof(float));
    load_columns(padded, classes, classes, columns);
}

template <bool GRADIENT>
inline int64_t few_wide_classes(const LogitsJob& job, int64_t begin, int64_t end) {
    const int64_t classes = job.z.classes, stride = job.z.stride;
    const float* z = static_cast<const float*>(job.z.data);
    float* g = static_cast<float*>(job.gradient);
    const bool packed = job.gradient_stride == classes, stream = GRADIENT && packed && g != z && job.z.rows * classes > STREAMED;
    const int together = GRADIENT ? static_cast<int>(FEW / classes < CHUNK / WIDE ? FEW / classes : CHUNK / WIDE) * WIDE : CHUNK;
    alignas(64) F columns[FEW + OVER];
    alignas(64) float out[GRADIENT ? WIDE * FEW + OVER + 1 : 1];
    ShortRows s;
    for (int64_t row = begin; row < end; row += together) {
        const int rows = static_cast<int>(end - row < together ? end - row : together);
        const int bad = take_labels(job, row, rows, s);
        if (bad >= 0) return row + bad;
        for (int i = 0; i < rows; i += WIDE) {
            columns_of(job, row + i, end, columns);
            short_sums<GRADIENT>(columns, classes, s, i, s.terms + i / WIDE * classes);
        }
        for (int i = 0; GRADIENT && job.scale && i < rows; ++i) s.factor[i] = static_cast<float>(job.scale[row + i]);
        F most = F::all(0.0f);
        for (int i = 0; i < rows; i += WIDE) {
            D losses[2];
            short_losses<GRADIENT>(s, i, losses);
            most = max(F::load(s.bound + i), most);
            for (int half = 0; half < 2 && i + half * LANES < rows; ++half) {
                const int first = i + half * LANES;
                store_part(losses[half], job.loss + row + first, rows - first < LANES ? rows - first : LANES);
            }
        }
        const bool far = any_above(most, REACH_F);
        for (int i = 0; GRADIENT && i < rows; i += WIDE) {
            const F* terms = s.terms + i / WIDE * classes;
            job.scale ? short_gradients<true>(terms, classes, s, i, out + i * classes)
                      : short_gradients<false>(terms, classes, s, i, out + i * classes);
        }
        for (int i = 0; far && i < rows; i += LANES)
            far_rows(z + (row + i) * stride, stride, rows - i < LANES ? rows - i : LANES, classes, z + (end - 1) * stride + classes, s, i,
                     job.scale ? job.scale + row + i : nullptr, job.loss + row + i, GRADIENT ? out + i * classes : nullptr);
        if (GRADIENT && packed) write_out(out, rows * classes, g + row * classes, stream);
        for (int i = 0; GRADIENT && !packed && i < rows; ++i)
            std::memcpy(g + (row + i) * job.gradient_stride, out + i * classes, static_cast<size_t>(classes) * sizeof(float));
    }
    return -1;
}

inline int64_t few_floats(const LogitsJob& job, int64_t begin, int64_t end) {
    if (job.z.classes == 2) return pairs<Short, float>(job, begin, end, job.gradient != job.z.data && job.z.rows > STREAMED / 2);
    return job.gradient ? few_wide_classes<true>(job, begin, end) : few_wide_classes<false>(job, begin, end);
}

inline int64_t many_classes(const LogitsJob& job, int64_t begin, int64_t end) {
    const double* z = static_cast<const double*>(job.z.data);
    double* g = static_cast<double*>(job.gradient);
    for (int64_t row = begin; row < end; ++row) {
        const int64_t y = job.labels[row];
        if (bad_label(y, job.z.classes)) return row;
        const double* logits = z + row * job.z.stride;
        if (g)
            job.loss[row] = long_gradient(logits, job.z.classes, y, job.scale ? job.scale[row] : 1.0, g + row * job.gradient_stride);
        else
            job.loss[row] = long_row(logits, job.z.classes, y);
    }
    return -1;
}

inline int64_t many_wide_classes(const LogitsJob& job, int64_t begin, int64_t end) {
    const int64_t classes = job.z.classes;
    const float* z = static_cast<const float*>(job.z.data);
    const Buffer<float> kept(job.gradient && classes <= KEPT ? classes : 0);
    WideGradient out{static_cast<float*>(job.gradient), job.gradient_stride, nullptr, false, kept.at};
    // what is larger than a cache is not read from it soon, and in place the lines are there already
    out.stream = out.g != z && job.z.rows * classes > STREAMED;
    for (int64_t row = begin; row < end; row += LANES) {
        const int rows = static_cast<int>(end - row < LANES ? end - row : LANES);
        for (int i = 0; i < rows; ++i)
            if (bad_label(job.labels[row + i], classes)) return row + i;
        const float* part = z + row * job.z.stride;
        if (!job.gradient) {
            wide_rows(part, job.z.stride, rows, classes, job.labels + row, job.loss + row);
            continue;
        }
        WideGradient here = out;
        here.g += row * job.gradient_stride;
        here.factor = job.scale ? job.scale + row : nullptr;
        wide_gradients(part, job.z.stride, rows, classes, job.labels + row, here, job.loss + row);
    }
    return -1;
}

CROSSENT_APART inline int64_t losses_of_floats(const LogitsJob& job, int64_t begin, int64_t end) {
    return job.z.classes <= FEW ? few_floats(job, begin, end) : many_wide_classes(job, begin, end);
}
CROSSENT_APART inline int64_t losses_of_doubles(const LogitsJob& job, int64_t begin, int64_t end) {
    return job.z.classes <= FEW ? few_classes(job, begin, end) : many_classes(job, begin, end);
}

template <class T>
inline void divide(T* x, int64_t count, double by) {
    for (int64_t k = 0; k < count; ++k) x[k] = static_cast<T>(x[k] / by);
}

// Rows that are computed with in another type, or of which z/T is: a few at a time are widened, and their gradients
// narrowed again.
template <class Wide>
CROSSENT_APART int64_t in_wider_type(const LogitsJob& job, int64_t begin, int64_t end, Type wider, LossKernel work) {
    const int64_t classes = job.z.classes, at_once = classes >= 4096 ? 1 : 4096 / (classes + 1) + 1;
    const Type type = job.z.type;
    const bool divides = job.temperature != 1.0;
    const Buffer<Wide> wide(at_once * classes), gradient(job.gradient ? at_once * classes : 0);
    for (int64_t row = begin; row < end; row += at_once) {
        const int64_t rows = end - row < at_once ? end - row : at_once;
        for (int64_t i = 0; i < rows; ++i)
            widen_row(behind(job.z.data, type, (row + i) * job.z.stride), type, classes, wide.at + i * classes);
        if (divides) divide(wide.at, rows * classes, job.temperature);
        LogitsJob part = job;
        part.z = {wide.at, wider, rows, classes, classes};
        part.labels += row;
        part.loss += row;
        if (part.scale) part.scale += row;
        part.gradient = gradient.at;
        part.gradient_type = wider;
        part.gradient_stride = classes;
        const int64_t bad = work(part, 0, rows);
        if (bad >= 0) return row + bad;
        if (!job.gradient) continue;
        if (divides) divide(gradient.at, rows * classes, job.temperature);
        for (int64_t i = 0; i < rows; ++i)
            narrow_row(gradient.at + i * classes, job.gradient_type, classes, behind(job.gradient, job.gradient_type, (row + i) * job.gradient_stride));
    }
    return -1;
}

inline int64_t losses_from_logits(const LogitsJob& job, int64_t begin, int64_t end) {
    if (begin >= end) return -1;
    const bool as_it_is = job.temperature == 1.0, wide = job.z.type == Type::float64;
    const bool own_type = !job.gradient || job.gradient_type == job.z.type;
    if (as_it_is && wide && own_type) return losses_of_doubles(job, begin, end);
    if (wide || job.precise || !own_type || !as_it_is) return in_wider_type<double>(job, begin, end, Type::float64, losses_of_doubles);
    if (job.z.type == Type::float32) return losses_of_floats(job, begin, end);
    return in_wider_type<float>(job, begin, end, Type::float32, losses_of_floats);
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
