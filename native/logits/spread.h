// A target of float32 logits that is spread over the classes: one share for all or one each, and more for a label.
#pragma once

#include "logits/jobs.h"
#include "simd/floats.h"
#include "simd/inlining.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

struct RowTarget {
    const void* shares;  // float32 or float64, one for each class, or null: then `share` is that of each
    Type type;
    double share;
    int64_t label;       // has `extra` on top of its share; −1 for none
    double extra;
    double whole;        // Σ shares where it is known before, or nan

    RowTarget(const TargetJob& job, int64_t row, double sum_of_shares)
        : shares(nullptr), type(job.targets.type), share(job.share), label(job.labels ? job.labels[row] : -1),
          extra(job.labels ? job.extra[row * job.extra_step] : 0.0),
          whole(sum_of_shares) {
        if (!job.targets.data) return;
        const int64_t bytes = type == Type::float32 ? 4 : 8;
        shares = static_cast<const char*>(job.targets.data) + row * job.targets.stride * bytes;
    }
    double at(int64_t k) const {
        double own = share;
        if (shares) own = type == Type::float32 ? static_cast<double>(static_cast<const float*>(shares)[k]) : static_cast<const double*>(shares)[k];
        return own + (k == label ? extra : 0.0);
    }
};

struct Spread {
    double gap, weight;  // Σ t_k (z_c − z_k) for one class c, where t_k = 0 counts as 0; Σ t_k
    bool usable;         // no share is negative, infinite or nan
};

// A sum over the logits: add(sum so far, logits x, which are z_k and those behind it, how many they are).
template <class Add>
inline double sum_of(const float* z, int64_t classes, Add add) {
    D sums[4];
    for (D& s : sums) s = D::all(0.0);
    int64_t k = 0;
    for (; k + 2 * WIDE <= classes; k += 2 * WIDE)
        for (int a = 0; a < 4; ++a) sums[a] = add(sums[a], D::load(z + k + a * LANES), k + a * LANES, LANES);
    for (; k < classes; k += LANES) {
        const int rest = static_cast<int>(classes - k < LANES ? classes - k : LANES);
        sums[0] = add(sums[0], load_part(z + k, rest, 0.0), k, rest);
    }
    return sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
}
// Σ share_k z_k of shares that are the same for all rows
inline double shared_sum(const float* z, int64_t classes, const RowTarget& t) {
    if (!t.shares) return t.share * sum_of(z, classes, [](D s, D x, int64_t, int) { return s + x; });
    const double* shares = static_cast<const double*>(t.shares);
    return sum_of(z, classes, [&](D s, D x, int64_t k, int rest) {
        return fma(x, rest == LANES ? D::load(shares + k) : load_part(shares + k, rest, 0.0), s);
    });
}

template <class T>
inline Spread spread_over(const float* z, int64_t classes, const T* shares, float z_c) {
    const D c = D::all(static_cast<double>(z_c)), zero = D::all(0.0);
    D gaps[2] = {zero, zero}, weights[2] = {zero, zero}, least = zero, most = zero;
    auto add = [&](int a, D x, D t) {
        gaps[a] += pick(t > zero, t * (c - x), zero);
        weights[a] += t;
        least = min(t, least);  // passes nan over, which their sum does not
        most = max(t, most);
    };
    int64_t k = 0;
    for (; k + WIDE <= classes; k += WIDE)
        for (int a = 0; a < 2; ++a) add(a, D::load(z + k + a * LANES), D::load(shares + k + a * LANES));
    for (; k < classes; k += LANES) {
        const int rest = static_cast<int>(classes - k < LANES ? classes - k : LANES);
        add(0, load_part(z + k, rest, 0.0), load_part(shares + k, rest, 0.0));
    }
    const double weight = sum(weights[0] + weights[1]);
    const bool within = !any((least < zero) | (most > D::all(std::numeric_limits<double>::max())));
    return {sum(gaps[0] + gaps[1]), weight, within && weight == weight};
}

// With the extra share of the label.
inline Spread with_label(const float* z, const RowTarget& t, int64_t c, Spread s) {
    const bool apart = t.label >= 0 && t.label != c && t.extra > 0.0;
    if (apart) s.gap += t.extra * (static_cast<double>(z[c]) - static_cast<double>(z[t.label]));
    s.weight += t.extra;
    return s;
}
inline bool is_finite(double x) { return x - x == 0.0; }

CROSSENT_APART inline Spread spread_of(const float* z, int64_t classes, const RowTarget& t, int64_t c) {
    Spread s{0.0, t.whole, true};
    if (t.whole == t.whole) {
        s.gap = t.whole > 0.0 ? t.whole * static_cast<double>(z[c]) - shared_sum(z, classes, t) : 0.0;
        // −inf counts nothing where its share is 0
        if (is_finite(s.gap) || !t.shares) return with_label(z, t, c, s);
    }
    s = t.type == Type::float32 ? spread_over(z, classes, static_cast<const float*>(t.shares), z[c])
                                : spread_over(z, classes, static_cast<const double*>(t.shares), z[c]);
    return with_label(z, t, c, s);
}

// Whether the loss has its digits, formed as W·L_c + Σ t_k (z_c − z_k): where L_c is 2 or more it is known to 1.6e-7,
// below to a float32 ulp of itself.
inline bool keeps_digits(const Spread& s, double loss_of_c) {
    return loss_of_c <= 1e6 && s.gap + s.weight * loss_of_c >= 0.5 * s.weight * (loss_of_c < 2.0 ? loss_of_c : 2.0);
}

// The first class with the largest logit; nan is passed over.
CROSSENT_APART inline int64_t top_of(const float* z, int64_t classes) {
    const float least = -std::numeric_limits<float>::infinity();
    float top = least;
    int64_t k = 0, at = 0;
    if (classes < 2 * WIDE) {
        for (; k < classes; ++k) at = z[k] > top ? k : at, top = z[k] > top ? z[k] : top;
        return at;
    }
    F lanes = F::all(least);
    for (; k + WIDE <= classes; k += WIDE) lanes = max(F::load(z + k), lanes);
    float each[WIDE];
    lanes.store(each);
    for (float x : each) top = x > top ? x : top;
    for (; k < classes; ++k) top = z[k] > top ? z[k] : top;
    k = 0;
    // what is not below is looked at one by one
    const float below = std::nextafter(top, least);
    while (k + WIDE <= classes && !any_above(F::load(z + k), below)) k += WIDE;
    for (; k < classes; ++k)
        if (z[k] == top) return k;
    return 0;
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
