// Log loss of labels that are each there or not, from a logit each: Σ_k y log1p(exp(−z)) + (1 − y) log1p(exp(z)).
#pragma once

#include "logits/long_rows.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

// With e = exp(−|z|) the likelier answer costs log1p(e), the other |z| more; their probabilities are 1/(1 + e) and
// e/(1 + e). Each keeps its digits however small it is.
template <class Poly>
inline void sigmoid_terms(D z, D y, D& loss, D& slope, bool wants_slope) {
    const D zero = D::all(0.0), one = D::all(1.0), far = max(zero - z, z), x = max(D::all(-745.2), zero - far);
    D n;
    const D r = Poly::reduced(x, n);
    // below it lies 0, also for ±inf; nan has come through
    const D e = pick(far > D::all(745.2), zero, scale(Poly::exp(r), n));
    const D likely = log1p(e), unlikely = likely + far;
    const Mask above = z > zero;
    const D there = pick(above, likely, unlikely), absent = pick(above, unlikely, likely);
    // 0·∞ is never formed
    const D mixed = fma(y, there, (one - y) * absent);
    loss = pick(y == one, there, pick(y == zero, absent, mixed));
    if (!wants_slope) return;
    const D large = one / (one + e), small = e / (one + e);
    const D p = pick(above, large, small), rest = pick(above, small, large);
    slope = pick(y == one, zero - rest, pick(y == zero, p, fma(one - y, p, zero - y * rest)));
}

// The loss of a row; false where an indicator is not from 0 to 1.
template <class Poly, class T>
inline bool sigmoid_row(const T* z, const double* y, int64_t labels, double factor, double* loss, T* g) {
    const D zero = D::all(0.0), one = D::all(1.0), f = D::all(factor);
    // thousands of labels lose three digits otherwise
    Accumulators<true> total;
    Mask fine = zero == zero;
    int64_t k = 0;
    for (; k < labels; k += LANES) {
        const int count = static_cast<int>(labels - k < LANES ? labels - k : LANES);
        const D x = count == LANES ? D::load(z + k) : load_part(z + k, count, -std::numeric_limits<double>::infinity());
        const D t = count == LANES ? D::load(y + k) : load_part(y + k, count, 0.0);
        fine = fine & !(t < zero) & (t <= one);
        D term, slope;
        sigmoid_terms<Poly>(x, t, term, slope, g != nullptr);
        total.add(0, term);
        if (g) store_part(slope * f, g + k, count);
    }
    *loss = total.total();
    return !any(!fine);
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
