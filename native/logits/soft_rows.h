// Cross-entropy of float64 logits and a target that is spread over the classes: shares of its own for each row, or one
// share for all classes and more for the label (label smoothing); and log Σ exp z.
//
// With m the largest logit and W the sum of the target t the loss is Σ t_k (m − z_k) + W·log1p(Σ_{j≠top} exp(z_j − m)):
// nothing in it is negative, so nothing cancels.
#pragma once

#include "logits/long_rows.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

struct Target {
    const double* shares;  // one for each class, or null: then `share` is that of each
    double share;
    int64_t label;     // has `extra` on top of its share; −1 for none
    double extra;

    D at(int64_t k) const { return shares ? D::load(shares + k) : D::all(share); }
    D part_at(int64_t k, int count) const { return shares ? load_part(shares + k, count, 0.0) : load_part_of(share, count); }
    double one(int64_t k) const { return (shares ? shares[k] : share) + (k == label ? extra : 0.0); }

private:
    static D load_part_of(double x, int count) {
        double v[LANES];
        for (int i = 0; i < LANES; ++i) v[i] = i < count ? x : 0.0;
        return D::load(v);
    }
};

struct Shortfall {
    double gap, weight;  // Σ t_k (m − z_k), where t_k = 0 counts as 0; Σ t_k
    double elsewhere;    // Σ t_k without that of the largest logit
    bool usable;         // no share is negative, infinite or nan
};

inline Shortfall shortfall(const double* z, int64_t classes, const Target& target, int64_t top_class) {
    const double m = z[top_class];
    const D top = D::all(m), first = D::all(static_cast<double>(top_class)), zero = D::all(0.0), infinite = D::all(std::numeric_limits<double>::infinity());
    static const double steps[LANES] = {0, 1, 2, 3, 4, 5, 6, 7};
    // a million equal shares lose four digits otherwise
    Accumulators<true> gaps, elsewhere;
    D index = D::load(steps);
    Mask bad = zero < zero;
    auto add = [&](D x, D t) {
        bad = bad | !((!(t < zero)) & (t < infinite));
        gaps.add(0, pick(t > zero, t * (top - x), zero));
        elsewhere.add(0, pick(index == first, zero, t));
        index += D::all(LANES);
    };
    int64_t k = 0;
    for (; k + LANES <= classes; k += LANES) add(D::load(z + k), target.at(k));
    if (k < classes) {
        const int rest = static_cast<int>(classes - k);
        add(load_part(z + k, rest, 0.0), target.part_at(k, rest));
    }
    Shortfall s{gaps.total(), 0.0, elsewhere.total(), !any(bad)};
    if (target.label >= 0 && target.extra > 0.0) {
        s.gap += target.extra * (m - z[target.label]);
        if (target.label != top_class) s.elsewhere += target.extra;
    }
    s.weight = s.elsewhere + target.one(top_class);
    return s;
}

// The first class with the largest logit; nan is passed over.
inline int64_t top_of(const double* z, int64_t classes) {
    const double m = largest(lanes_max(z, classes));
    for (int64_t k = 0; k < classes; ++k)
        if (z[k] == m) return k;
    return 0;
}

// log Σ exp z
inline double log_sum_exp_of(const double* z, int64_t classes) {
    const int64_t top = top_of(z, classes);
    const double m = z[top];
    return m + loss_of(sum_of_others(z, classes, top), m);
}

// factor·(W·softmax(z) − t); where the largest logit has most of the softmax, the difference of what both leave to
// the others.
inline void soft_gradient(const double* z, int64_t classes, const Target& target, int64_t top, PowerSum s,
                          const Shortfall& sums, double factor, double* g) {
    const double weight = sums.weight;
    s.raise(z[top], 524288.0);
    const double own = term_of(z[top], s), total = s.t + own;
    const double at_top = factor * (s.t < own ? sums.elsewhere - weight * (s.t / total) : weight * (own / total) - target.one(top));
    const int64_t y = target.label;
    const double at_label = y >= 0 ? factor * (weight * (term_of(z[y], s) / total) - target.one(y)) : 0.0;
    const D c = D::all(s.c), k = D::all(s.k), low = D::all(s.top - 745.2), w = D::all(factor * weight / total), f = D::all(factor);
    auto entry = [&](D x, D t) {
        D n;
        const D r = Exact::reduced(max(low, x) - c, n);
        return fnma(f, t, pick(x < low, D::all(0.0), scale(Exact::exp(r), n - k) * w));
    };
    int64_t i = 0;
    for (; i + LANES <= classes; i += LANES) entry(D::load(z + i), target.at(i)).store(g + i);
    if (i < classes) {
        const int rest = static_cast<int>(classes - i);
        store_part(entry(load_part(z + i, rest, NEVER), target.part_at(i, rest)), g + i, rest);
    }
    if (y >= 0 && at_label == at_label) g[y] = at_label;
    if (at_top == at_top) g[top] = at_top;
}

// False where the target is no mass.
inline bool soft_row(const double* z, int64_t classes, const Target& target, double factor, double* loss, double* g) {
    const int64_t top = top_of(z, classes);
    const double m = z[top];
    const Shortfall s = shortfall(z, classes, target, top);
    if (!s.usable) return false;
    const PowerSum others = sum_of_others(z, classes, top);
    const double of_top = loss_of(others, m);
    *loss = of_top == of_top ? s.gap + s.weight * of_top : of_top;
    if (!g) return true;
    if (of_top == of_top)
        soft_gradient(z, classes, target, top, others, s, factor, g);
    else
        for (int64_t k = 0; k < classes; ++k) g[k] = of_top;
    return true;
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
