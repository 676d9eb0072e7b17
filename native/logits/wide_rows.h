// Log loss from float32 logits of rows with many classes, sixteen logits at a time.
//
// Where the logits of a row are within ±80, their exponentials and sums of them are normal float32 numbers: one
// pass, without a maximum, adds them up. Each term is within 1.6e-7 of itself, enough where the loss is 2 or more
// (a float32 ulp is 2.4e-7 there). Confident rows, where the label holds most of the sum, are visited once more
// in float64, without the label; rows beyond ±80 as well.
#pragma once

#include "logits/long_rows.h"
#include "logits/spread.h"
#include "simd/halves.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

constexpr float REACH_F = 80.0f;
constexpr uintptr_t AHEAD = 8192;        // bytes
constexpr int64_t STREAMED = 1 << 20;  // entries of a gradient that is written past the caches
constexpr int64_t PART = 1024;        // entries between two looks at the range
constexpr double CONFIDENT = 6.5;     // e² − 1, and a little: others/own where the loss is 2
constexpr double OFF_BASE = 1.904654323148236e-09;  // see LN2_F

// exp(r) for |r| <= ln 2 / 2 to 9.3e-8 before rounding
inline F exp_poly(F r) {
    F q = F::all(8.290272206068039e-03f);
    q = fma(q, r, F::all(4.189816117286682e-02f));
    q = fma(q, r, F::all(1.666763871908188e-01f));
    q = fma(q, r, F::all(4.999914765357971e-01f));
    q = fma(q, r, F::all(9.999997019767761e-01f));
    return fma(q, r, F::all(1.0f));
}

// exp(x) for |x| <= 86. One float stands for ln 2 (LN2_F, 1.9e-9 too large), so what comes out is exp(x) / b^n
// with b = 1 + 1.9e-9: a factor
// that the terms that matter share, and that is taken out of their sum.
inline F wide_exp(F x) {
    const F t = fma(x, F::all(1.44269504f), F::all(ROUND_F));
    return add_exponent(exp_poly(less_ln2(t - F::all(ROUND_F), x)), t);
}

struct Terms {
    D low = D::all(0.0), high = low;
    void add(F e) {
        low += e.low();
        high += e.high();
    }
};

// Without it reading takes 1.3 times as long, and 1.9 where rows are no multiple of 64 entries and so break the
// pattern that the processor itself prefetches by.
inline void prefetch(const float* p) {
#if defined(__GNUC__)
    __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(p) + AHEAD));
#else
    (void)p;
#endif
}
inline void prefetch_to_write(const float* p) {
#if defined(__GNUC__)
    __builtin_prefetch(p, 1);
#else
    (void)p;
#endif
}

inline bool within(F bound) { return !any_above(bound, REACH_F); }

// What is far below 0, such as a class that is ruled out by −inf, has the term 0.
inline F clamped_exp(F x) {
    const F least = F::all(-87.0f);
    return zero_where_below(wide_exp(max(least, x)), x, least);
}

// Rows up to this long keep their terms for the gradient (512 KiB) where forming them takes longer than memory does:
// AVX2 3.0 → 1.8 times a copy at 1000 classes. With AVX-512 forming them again costs nothing.
constexpr int64_t KEPT = CROSSENT_ISA == 512 ? 0 : 131072;

// The gradient of a row, weight·exp(z) − factor·share and `entry` at the label. It is written bit by bit while the next row is read:
// memory is then read and written at the same time.
struct Writer {
    const float* z = nullptr;
    float* kept = nullptr;  // the terms exp(z), where they are kept
    float* g = nullptr;
    int64_t at = 0, classes = 0, label = 0;
    float entry = 0.0f;
    F weight, last, shift = F::all(-0.0f);  // − factor·share, where it is the same for all
    const float* shares = nullptr;          // or one each
    F factor;
    float* late = nullptr;  // an entry that is written last
    float late_entry = 0.0f;
    bool clamped = false;
    bool stream = false;  // whole cache lines go past the cache, and are not touched otherwise

    F term(int64_t i) const {
        if (KEPT && kept) return entries(F::load(kept + i), i);
        const F x = F::load(z + i);
        return entries(clamped ? clamped_exp(x) : wide_exp(x), i);
    }
    F entries(F e, int64_t i) const {
        return shares ? fnma(factor, F::load(shares + i), e * weight) : fma(e, weight, shift);
    }
    CROSSENT_APART void begin() {
        last = term(classes - WIDE);  // before anything that it may overlap is written
        at = stream ? static_cast<int64_t>((64 - (reinterpret_cast<uintptr_t>(g) & 63)) & 63) / 4 : 0;
        if (at) store_part(term(0), g, static_cast<int>(at));
        if (label < at) g[label] = entry;
    }
    template <int COUNT>
    void some() {
        F e[COUNT];
        for (int a = 0; a < COUNT; ++a) e[a] = term(at + a * WIDE);
        if (label - at >= 0 && label - at < COUNT * WIDE) {
            // a store of its own would fetch the line that was sent to memory
            float plain[COUNT * WIDE];
            for (int a = 0; a < COUNT; ++a) e[a].store(plain + a * WIDE);
            plain[label - at] = entry;
            for (int a = 0; a < COUNT; ++a) e[a] = F::load(plain + a * WIDE);
        }
        for (int a = 0; a < COUNT; ++a) stream ? e[a].stream(g + at + a * WIDE) : e[a].store(g + at + a * WIDE);
        at += COUNT * WIDE;
    }
    void four() {
        if (at + 4 * WIDE <= classes) some<4>();
    }
    CROSSENT_APART void finish() {
        while (at + 4 * WIDE <= classes) some<4>();
        while (at + WIDE <= classes) some<1>();
        if (at < classes) {
            float rest[WIDE];
            last.store(rest);
            std::memcpy(g + at, rest + WIDE - (classes - at), static_cast<size_t>(classes - at) * sizeof(float));
            if (label >= at) g[label] = entry;
        }
        if (late) *late = late_entry;
        late = nullptr;
        classes = 0;
    }
};

// Σ exp(z_j), where all are within the range; else −1. CLAMPED bounds them above only, if the largest is not far
// below 0 itself.
template <bool CLAMPED, bool WRITES>
inline double wide_sum(const float* z, int64_t classes, Writer* writer) {
    float* kept = KEPT && writer ? writer->kept : nullptr;
    D low = D::all(0.0), high = low;
    F bound = CLAMPED ? F::all(-INFINITY) : F::all(0.0f);
    auto term = [&](int64_t i) {
        const F x = F::load(z + i);
        bound = CLAMPED ? max(x, bound) : max_abs(x, bound);
        const F e = CLAMPED ? clamped_exp(x) : wide_exp(x);
        if (KEPT && kept) e.store(kept + i);
        return e;
    };
    auto add = [&](F e) {
        low += e.low();
        high += e.high();
    };
    int64_t i = 0;
    while (i + 4 * WIDE <= classes) {
        const int64_t stop = classes - 4 * WIDE < i + PART - 1 ? classes - 4 * WIDE : i + PART - 1;
        for (; i <= stop; i += 4 * WIDE) {
            F e[4];
            for (int a = 0; a < 4; ++a) {
                prefetch(z + i + a * WIDE);
                e[a] = term(i + a * WIDE);
            }
            // two roundings in float32, the rest in float64
            add((e[0] + e[1]) + (e[2] + e[3]));
            if (WRITES) writer->four();
        }
        if (!CLAMPED && !within(bound)) return -1.0;
    }
    for (; i + WIDE <= classes; i += WIDE) add(term(i));
    // the last sixteen once more, with those that were counted left out
    if (i < classes) add(last_lanes(term(classes - WIDE), static_cast<int>(classes - i)));
    const double total = sum(low + high);
    return total == total && within(bound) && (!CLAMPED || any_above(bound, -5.0f)) ? total : -1.0;
}

// Up to eight rows, so that their logarithms are taken together.
struct WideRows {
    double total[LANES], own[LANES], others[LANES], label[LANES];
    bool wide[LANES];  // formed here; else in float64 afterwards
    bool clamped;      // the row that was summed last
    WideRows() {
        for (int i = 0; i < LANES; ++i) total[i] = own[i] = others[i] = 1.0, label[i] = 0.0;
    }
};

inline D short_exp(D x) {
    D n;
    const D r = Short::reduced(x, n);
    return scale(Short::exp(r), n);
}

CROSSENT_APART inline double small_exp(double x) { return first(short_exp(D::all(x < -700.0 ? -700.0 : x))); }

// Σ exp(z_j) over all but the label, within ±80, to 1.1e-8.
CROSSENT_APART inline double precise_others(const float* z, int64_t classes, int64_t y) {
    PowerSum s;
    s.top = REACH_F;
    Accumulators<false> acc;
    add_range<Short>(z, y, s, acc);
    add_range<Short>(z + y + 1, classes - y - 1, s, acc);
    return acc.total();
}

// The writer, which may have the row before at hand, goes on with it.
template <bool WRITES>
inline void wide_row(const float* z, int64_t classes, int64_t y, WideRows& w, int i, Writer* writer) {
    const float label = z[y];
    double total = wide_sum<false, WRITES>(z, classes, writer);
    w.clamped = total < 0.0;
    if (w.clamped && label > -REACH_F) total = wide_sum<true, false>(z, classes, writer);
    w.wide[i] = total >= 0.0 && std::fabs(label) <= REACH_F;
    w.label[i] = w.wide[i] ? label : 0.0;
    w.total[i] = w.wide[i] ? total : 1.0;
}

// What the label holds of a row's sum, and what the others do.
inline void shares(D label, D sum_of_all, D& own, D& others) {
    D m, e;
    split(sum_of_all, m, e);
    own = short_exp(label);
    others = sum_of_all * fma(e, D::all(OFF_BASE), D::all(1.0)) - own;
}
inline bool is_confident(double others, double own) { return others < own * CONFIDENT; }

// Losses of the rows whose shares are known.
inline void losses_of(const WideRows& w, int rows, double* loss) {
    const D own = D::load(w.own), others = D::load(w.others);
    const D far = log(others + own) - D::load(w.label);
    store_part(pick(others < own * D::all(CONFIDENT), log1p(others / own), far), loss, rows);
}

inline void wide_rows(const float* z, int64_t stride, int rows, int64_t classes, const int64_t* y, double* loss) {
    WideRows w;
    for (int i = 0; i < rows; ++i) wide_row<false>(z + i * stride, classes, y[i], w, i, nullptr);
    D own, others;
    shares(D::load(w.label), D::load(w.total), own, others);
    own.store(w.own);
    others.store(w.others);
    for (int i = 0; i < rows; ++i)
        if (w.wide[i] && is_confident(w.others[i], w.own[i])) w.others[i] = precise_others(z + i * stride, classes, y[i]);
    losses_of(w, rows, loss);
    for (int i = 0; i < rows; ++i)
        if (!w.wide[i]) loss[i] = loss_of(power_sum<Short, false>(z + i * stride, classes, y[i]), z[i * stride + y[i]]);
}

// --- with the gradient --------------------------------------------------------------------------------------

struct WideGradient {
    float* g;  // or null: losses alone
    int64_t stride;
    const double* factor;  // of each row, or null
    bool stream;
    float* kept;  // room for the terms of a row, or null
};

// Targets of rows that are spread over the classes, the first of them that of `row`.
struct WideTargets {
    const TargetJob& job;
    int64_t row;
    float* room;                       // for the shares of a row as float32
    double whole;                      // Σ shares where they are the same for all rows, or nan
    bool empty = true;                 // nothing is in the room yet
    int64_t unusable = -1;             // the first row whose target is no mass
    double gap[LANES] = {}, weight[LANES] = {};  // see Spread

    RowTarget of(int64_t i) const { return RowTarget(job, row + i, whole); }

    // The shares as float32, or null where there is one for all.
    const float* floats(const RowTarget& t) {
        if (!t.shares || t.type == Type::float32) return static_cast<const float*>(t.shares);
        if (job.targets.stride != 0 || empty) narrow(static_cast<const double*>(t.shares), job.z.classes, room);
        empty = false;
        return room;
    }
};

// What one class holds of the row i, whose sum is known, and what the others do.
CROSSENT_APART inline void settle(const float* z, int64_t classes, int64_t c, WideRows& w, int i) {
    D own, others;
    w.label[i] = z[c];
    shares(D::all(w.label[i]), D::all(w.total[i]), own, others);
    w.own[i] = first(own);
    w.others[i] = is_confident(first(others), w.own[i]) ? precise_others(z, classes, c) : first(others);
}

// The row i by class c, or by that of the largest logit. Returns which.
CROSSENT_APART inline int64_t settle_spread(const float* z, int64_t classes, int64_t c, const RowTarget& t, WideRows& w, int i,
                                            WideTargets& targets) {
    Spread s = spread_of(z, classes, t, c);
    if (!s.usable && targets.unusable < 0) targets.unusable = i;
    if (!keeps_digits(s, first(log1p(D::all(w.others[i] / w.own[i]))))) {
        c = top_of(z, classes);
        settle(z, classes, c, w, i);
        s = spread_of(z, classes, t, c);
    }
    targets.gap[i] = s.gap;
    targets.weight[i] = s.weight;
    return c;
}

inline void write_spread(WideTargets& targets, const RowTarget& t, int i, double factor, const WideRows& w, Writer& writer) {
    const double weight = targets.weight[i] * factor / (w.others[i] + w.own[i]);
    // from what the class leaves to the others where it has most of the sum
    const double rest = w.own[i] < w.others[i] ? -t.at(writer.label) : targets.weight[i] - t.at(writer.label);
    writer.entry = static_cast<float>(factor * rest + weight * (w.own[i] < w.others[i] ? w.own[i] : -w.others[i]));
    writer.weight = F::all(static_cast<float>(weight));
    writer.shift = F::all(static_cast<float>(-factor * t.share));
    writer.shares = targets.floats(t);
    writer.factor = F::all(static_cast<float>(factor));
    if (t.label < 0 || t.label == writer.label) return;
    writer.late = writer.g + t.label;
    writer.late_entry = static_cast<float>(weight * small_exp(static_cast<double>(writer.z[t.label])) - factor * t.at(t.label));
}

// Losses, and gradients where there is room for them, of labels or, with `targets`, of those. Returns the rows, one a
// bit, that are left: with targets, those beyond the range.
CROSSENT_APART inline int wide_gradients(const float* z, int64_t stride, int rows, int64_t classes, const int64_t* y,
                          const WideGradient& out, double* loss, WideTargets* targets = nullptr) {
    WideRows w;
    Writer writer;
    writer.stream = out.stream;
    writer.kept = out.kept;
    for (int i = 0; i <= rows; ++i) {
        const float* row = z + i * stride;
        float* g = out.g + (out.g ? i * out.stride : 0);
        if (i < rows) {
            if (out.stream) prefetch_to_write(g + classes - 1);
            wide_row<true>(row, classes, y[i], w, i, &writer);
        }
        if (writer.classes) writer.finish();
        if (i == rows) break;
        if (!w.wide[i]) continue;
        settle(row, classes, y[i], w, i);
        const double factor = out.factor ? out.factor[i] : 1.0;
        writer.label = y[i];
        writer.z = row;
        writer.g = g;
        writer.clamped = w.clamped;
        if (targets) {
            const RowTarget t = targets->of(i);
            writer.label = settle_spread(row, classes, y[i], t, w, i, *targets);
            if (out.g) write_spread(*targets, t, i, factor, w, writer);
        } else {
            const double weight = factor / (w.others[i] + w.own[i]);
            writer.entry = static_cast<float>(-w.others[i] * weight);
            writer.weight = F::all(static_cast<float>(weight));
        }
        if (!out.g) continue;
        writer.classes = classes;
        writer.begin();
        if (writer.kept) writer.finish();
    }
    losses_of(w, rows, loss);
    int left = 0;
    for (int i = 0; i < rows; ++i) {
        if (targets && w.wide[i]) loss[i] = targets->gap[i] + targets->weight[i] * loss[i];
        if (targets && !w.wide[i]) left |= 1 << i;
        if (targets || w.wide[i]) continue;
        const float* row = z + i * stride;
        loss[i] = long_gradient<Short>(row, classes, y[i], out.factor ? out.factor[i] : 1.0,
                                       power_sum<Short, false>(row, classes, y[i]), out.g + i * out.stride);
    }
    return left;
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
