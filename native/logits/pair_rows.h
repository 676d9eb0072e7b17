// Log loss from logits of two classes: one exp and one logarithm a row, eight rows at a time.
//
// With d the other logit less the label's the loss is log1p(exp(d)) = max(d, 0) + log1p(exp(−|d|)), which keeps its
// digits however far apart the two are; the gradient is ±exp(d)/(1 + exp(d)).
#pragma once

#include "logits/jobs.h"
#include "simd/floats.h"
#include "simd/math.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

// log(1 + e) for 0 <= e <= 1, from float32 logits to 2e-10 of itself
inline D pair_log1p(D e, float) {
    const D s = e / (D::all(2.0) + e), z = s * s;
    D q = D::all(0x1.f396553366952p-3);
    q = fma(q, z, D::all(0x1.b63e15bc9ce88p-3));
    q = fma(q, z, D::all(0x1.25122810f580ap-2));
    q = fma(q, z, D::all(0x1.999638bb7f313p-2));
    q = fma(q, z, D::all(0x1.5555597b077dap-1));
    q = fma(q, z, D::all(0x1.ffffffff2e000p+0));
    return s * q;
}
inline D pair_log1p(D e, double) { return log1p(e); }

// What the rounding of d = a − b lost: of float32 logits nothing that matters
inline D lost_of(D, D, D, float) { return D::all(0.0); }
inline D lost_of(D a, D b, D d, double) {
    const D z = d - a, lost = (a - (d - z)) - (b + z);
    return pick(max(d, D::all(0.0) - d) < D::all(746.0), lost, D::all(0.0));
}

inline void store_pairs(D a, D b, float* g, bool stream) {
    zip(a, b);
    const F both = joined(a, b);
    stream ? both.stream(g) : both.store(g);
}
inline void store_pairs(D a, D b, double* g, bool) {
    zip(a, b);
    a.store(g);
    b.store(g + LANES);
}

// Eight rows one after another.
template <class Poly, bool GRADIENT, class T>
inline void eight_pairs(const T* z, const int64_t* y, const double* factor, double* loss, T* g, bool stream) {
    const D zero = D::all(0.0);
    D a = D::load(z), b = D::load(z + LANES);
    unzip(a, b);
    const D top = max(a, b), plain = b - a;
    // +inf is no logit: top − top makes nan of its row
    const D d = minus_where_odd(plain, y) + (top - top), near = min(d, zero - d);
    const D lost = lost_of(b, a, plain, T());
    D n;
    // the lost part with the sign that −|d| has
    const D r = Poly::reduced(max(D::all(-746.0), near), n) + pick(plain < zero, lost, zero - lost);
    const D e = scale(Poly::exp(r), n);
    // one nan for all: the sign of what arithmetic gives hangs on the order the compiler chose
    const D nan = D::all(std::numeric_limits<double>::quiet_NaN());
    const Mask bad = is_nan(d);
    pick(bad, nan, max(zero, d) + pair_log1p(e, T())).store(loss);
    if (!GRADIENT) return;
    const D share = pick(d > zero, D::all(1.0), e) / (D::all(1.0) + e);
    const D other = pick(bad, nan, share * (factor ? D::load(factor) : D::all(1.0)));
    const D second = minus_where_odd(other, y);
    store_pairs(zero - second, second, g, stream);
}

// Fewer than eight rows, or rows that are apart.
template <class Poly, bool GRADIENT, class T>
inline void some_pairs(const LogitsJob& job, int64_t row, int rows) {
    T z[2 * LANES] = {}, g[2 * LANES];
    int64_t y[LANES] = {};
    double factor[LANES] = {}, loss[LANES];
    for (int i = 0; i < rows; ++i) {
        std::memcpy(z + 2 * i, static_cast<const T*>(job.z.data) + (row + i) * job.z.stride, 2 * sizeof(T));
        y[i] = job.labels[row + i];
        factor[i] = job.scale ? job.scale[row + i] : 1.0;
    }
    eight_pairs<Poly, GRADIENT>(z, y, factor, loss, g, false);
    for (int i = 0; i < rows; ++i) {
        job.loss[row + i] = loss[i];
        if (GRADIENT) std::memcpy(static_cast<T*>(job.gradient) + (row + i) * job.gradient_stride, g + 2 * i, 2 * sizeof(T));
    }
}

constexpr int64_t PAIRS = 512;  // rows whose labels are looked at together

template <class Poly, bool GRADIENT, class T>
inline int64_t pairs(const LogitsJob& job, int64_t begin, int64_t end, bool streamed) {
    const T* z = static_cast<const T*>(job.z.data);
    T* g = static_cast<T*>(job.gradient);
    const bool packed = job.z.stride == 2 && (!GRADIENT || job.gradient_stride == 2);
    // rows up to the first cache line that is written as a whole
    const uintptr_t at = GRADIENT ? reinterpret_cast<uintptr_t>(g + begin * 2) % 64 : 0;
    const bool stream = GRADIENT && streamed && packed && at % (2 * sizeof(T)) == 0;
    int64_t row = begin;
    int before = stream && at ? static_cast<int>((64 - at) / (2 * sizeof(T))) : 0;
    for (int64_t stop; row < end; row = stop) {
        stop = before ? row + before : row + PAIRS;
        if (stop > end) stop = end;
        uint64_t all = 0;
        for (int64_t i = row; i < stop; ++i) all |= static_cast<uint64_t>(job.labels[i]);
        for (int64_t i = row; all > 1 && i < stop; ++i)
            if (static_cast<uint64_t>(job.labels[i]) > 1) return i;
        int64_t i = row;
        for (; packed && !before && i + LANES <= stop; i += LANES)
            eight_pairs<Poly, GRADIENT>(z + 2 * i, job.labels + i, job.scale ? job.scale + i : nullptr, job.loss + i,
                                        GRADIENT ? g + 2 * i : nullptr, stream);
        for (; i < stop; i += LANES) some_pairs<Poly, GRADIENT, T>(job, i, static_cast<int>(stop - i < LANES ? stop - i : LANES));
        before = 0;
    }
    return -1;
}

template <class Poly, class T>
inline int64_t pairs(const LogitsJob& job, int64_t begin, int64_t end, bool streamed) {
    return job.gradient ? pairs<Poly, true, T>(job, begin, end, streamed) : pairs<Poly, false, T>(job, begin, end, false);
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
