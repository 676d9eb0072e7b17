// Cross-entropy of float32 logits and a target that is spread over the classes, and log Σ exp z: from the loss of one
// class, at nearly its speed.
//
// With L_c the loss of class c and W the sum of the target t the loss is W·L_c + Σ t_k (z_c − z_k), and W times the
// gradient of L_c, less t, and W more at c, is the gradient W·softmax(z) − t. With c the class of the largest logit
// nothing in the loss is negative, so nothing cancels. Any class serves, and need not be looked for, unless the loss is
// far below L_c.
#pragma once

#include "logits/logits.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

// Some rows of a job as float32, and where their gradients go.
struct FloatRows {
    const TargetJob& job;
    int64_t row, count;
    const float* z;
    int64_t stride;
    float* g;
    int64_t g_stride;

    int64_t classes() const { return job.z.classes; }
    const float* logits(int64_t i) const { return z + i * stride; }
    float* gradient(int64_t i) const { return g ? g + i * g_stride : nullptr; }
    const double* factors(int64_t i) const { return job.scale ? job.scale + row + i : nullptr; }
    double* losses(int64_t i) const { return job.loss + row + i; }

    // Of one class each: for `many` rows from i on.
    LogitsJob job_of(const int64_t* c, int64_t i, int64_t many) const {
        const Rows some{logits(i), Type::float32, many, classes(), stride};
        return {some, c, losses(i), gradient(i), Type::float32, g_stride, factors(i), 1.0, false};
    }
    // Returns the first row without such a class, or −1.
    int64_t of_classes(const int64_t* c, int64_t i, int64_t many) const { return losses_of_floats(job_of(c, i, many), 0, many); }
};

// The gradient of a target from that of class c, whose probability is p_c.
CROSSENT_APART inline void take_target(const FloatRows& rows, int64_t i, int64_t c, double p_c, const RowTarget& t, double weight,
                                       const float* shares) {
    float* g = rows.gradient(i);
    const double factor = rows.job.scale ? *rows.factors(i) : 1.0, at_c = static_cast<double>(g[c]);
    const double at_label = t.label < 0 ? 0.0 : static_cast<double>(g[t.label]);
    const F w = F::all(static_cast<float>(weight)), f = F::all(static_cast<float>(factor));
    const F same = F::all(static_cast<float>(t.share));
    int64_t k = 0;
    for (; k + WIDE <= rows.classes(); k += WIDE)
        fnma(f, shares ? F::load(shares + k) : same, F::load(g + k) * w).store(g + k);
    const int rest = static_cast<int>(rows.classes() - k);
    if (rest) store_part(fnma(f, shares ? part_of(shares + k, rest) : same, part_of(g + k, rest) * w), g + k, rest);
    if (t.label >= 0) g[t.label] = static_cast<float>(weight * at_label - factor * t.at(t.label));
    // from what the class leaves to the others where it has most of the sum
    const double share = t.at(c), plain = factor * (weight * p_c - share), most = weight * at_c + factor * (weight - share);
    g[c] = static_cast<float>(p_c < 0.5 ? plain : most);
}

// A row by its largest logit, whatever it holds. The logits may lie where the gradient goes.
CROSSENT_APART inline bool by_the_top(const FloatRows& rows, int64_t i, WideTargets& targets) {
    const int64_t top = top_of(rows.logits(i), rows.classes());
    const RowTarget t = targets.of(i);
    const Spread s = spread_of(rows.logits(i), rows.classes(), t, top);
    rows.of_classes(&top, i, 1);
    double& loss = *rows.losses(i);
    const double own = loss;
    if (own == own) loss = s.gap + s.weight * own;
    if (rows.g) take_target(rows, i, top, small_exp(-own), t, s.weight, targets.floats(t));
    return s.usable;
}

// Σ share_k z_k of sixteen rows, from i on, whose shares are the same.
inline void shared_sums(const FloatRows& rows, int64_t i, const RowTarget& t, double* sums) {
    alignas(64) F columns[FEW + OVER];
    columns_of(rows.job_of(nullptr, 0, rows.count), i, rows.count, columns);
    D low = D::all(0.0), high = low;
    for (int64_t k = 0; k < rows.classes(); ++k) {
        const D share = D::all(t.shares ? static_cast<const double*>(t.shares)[k] : t.share);
        low = fma(columns[k].low(), share, low);
        high = fma(columns[k].high(), share, high);
    }
    low.store(sums);
    high.store(sums + LANES);
}

// exp(−loss) of sixteen rows from i on.
inline void probabilities(const FloatRows& rows, int64_t i, double* p) {
    for (int64_t at = 0; at < WIDE && i + at < rows.count; at += LANES) {
        const int64_t left = rows.count - i - at;
        const D losses = load_part(rows.losses(i + at), static_cast<int>(left < LANES ? left : LANES), 0.0);
        short_exp(max(D::all(-700.0), D::all(0.0) - losses)).store(p + at);
    }
}

// Rows of few classes, with room for their gradients apart from the logits. Returns the first bad row, or −1.
inline int64_t few_spread(const FloatRows& rows, const int64_t* c, WideTargets& targets) {
    const int64_t bad = rows.of_classes(c, 0, rows.count);
    if (bad >= 0) return bad;
    double sums[WIDE] = {}, p[WIDE] = {};
    for (int64_t i = 0; i < rows.count; ++i) {
        const RowTarget t = targets.of(i);
        const float* z = rows.logits(i);
        const bool shared = t.whole == t.whole;
        if (shared && i % WIDE == 0) shared_sums(rows, i, t, sums);
        if (rows.g && i % WIDE == 0) probabilities(rows, i, p);
        Spread s{t.whole * static_cast<double>(z[c[i]]) - sums[i % WIDE], t.whole, true};
        s = shared && is_finite(s.gap) ? with_label(z, t, c[i], s) : spread_of(z, rows.classes(), t, c[i]);
        const double own = *rows.losses(i);
        if (!s.usable) return i;
        if (keeps_digits(s, own)) {
            *rows.losses(i) = s.gap + s.weight * own;
            if (rows.g) take_target(rows, i, c[i], p[i % WIDE], t, s.weight, targets.floats(t));
        } else {
            by_the_top(rows, i, targets);
        }
    }
    return -1;
}

// Up to eight rows of many classes.
inline int64_t wide_spread(const FloatRows& rows, const int64_t* c, const WideGradient& out, WideTargets& targets) {
    for (int64_t i = 0; i < rows.count; ++i)
        if (bad_label(c[i], rows.classes())) return i;
    int left = wide_gradients(rows.z, rows.stride, static_cast<int>(rows.count), rows.classes(), c, out, rows.losses(0), &targets);
    for (int64_t i = 0; targets.unusable < 0 && i < rows.count; ++i)
        if (left >> i & 1 && !by_the_top(rows, i, targets)) return i;
    return targets.unusable;
}

constexpr int64_t TOGETHER = 4096;  // logits, about, that are done together

// A few rows at a time, widened and narrowed again where they are not float32: work.of(rows),
// which returns the first bad row or −1.
struct Work {
    virtual int64_t of(const FloatRows& rows) = 0;
};
CROSSENT_APART inline int64_t few_at_a_time(const TargetJob& job, int64_t begin, int64_t end, Work& work) {
    const int64_t classes = job.z.classes;
    const Type type = job.z.type;
    const bool narrow = type != Type::float32, direct = !narrow && classes > FEW;
    const int64_t at_once = direct ? LANES : classes >= TOGETHER ? 1 : TOGETHER / (classes + 1) + 1;
    const bool stream = job.gradient != job.z.data && job.z.rows * classes > STREAMED;
    const Buffer<float> wide(narrow ? at_once * classes : 0), slope(job.gradient && !direct ? at_once * classes : 0);
    for (int64_t row = begin; row < end; row += at_once) {
        FloatRows rows{job, row, end - row < at_once ? end - row : at_once, wide.at, classes, slope.at, classes};
        const auto at = [&](void* data, int64_t stride, int64_t i) { return behind(data, type, (row + i) * stride); };
        void* z = const_cast<void*>(job.z.data);
        for (int64_t i = 0; narrow && i < rows.count; ++i)
            widen_row(at(z, job.z.stride, i), type, classes, wide.at + i * classes);
        if (!narrow) {
            rows.z = static_cast<const float*>(at(z, job.z.stride, 0));
            rows.stride = job.z.stride;
        }
        if (direct && job.gradient) {
            rows.g = static_cast<float*>(at(job.gradient, job.gradient_stride, 0));
            rows.g_stride = job.gradient_stride;
        }
        const int64_t bad = work.of(rows);
        if (bad >= 0) return row + bad;
        if (direct || !job.gradient) continue;
        const int64_t together = !narrow && job.gradient_stride == classes ? rows.count : 1;
        for (int64_t i = 0; i < rows.count; i += together) {
            void* g = at(job.gradient, job.gradient_stride, i);
            if (narrow) narrow_row(rows.gradient(i), type, classes, g);
            else write_out(rows.gradient(i), together * classes, static_cast<float*>(g), stream);
        }
    }
    return -1;
}

// Σ shares where they are the same for all rows (class weights, as float64), or nan.
inline double sum_of_shares(const TargetJob& job) {
    if (!job.targets.data) return job.share * static_cast<double>(job.z.classes);
    // with labels: a single row of soft targets is computed with as it is among others
    const double unknown = std::numeric_limits<double>::quiet_NaN();
    if (!job.labels || job.targets.stride != 0 || job.targets.type != Type::float64) return unknown;
    double sum = 0.0;
    for (int64_t k = 0; k < job.z.classes; ++k) {
        const double share = static_cast<const double*>(job.targets.data)[k];
        sum += share >= 0.0 ? share : unknown;
    }
    return is_finite(sum) ? sum : unknown;
}

struct SpreadLosses final : Work {
    const TargetJob& job;
    const bool few;
    const Buffer<float> room, kept;
    const Buffer<int64_t> found;  // classes, where there are no labels
    WideTargets targets;
    bool stream;

    explicit SpreadLosses(const TargetJob& given)
        : job(given), few(job.z.classes <= FEW),
          room(job.gradient && job.targets.data && job.targets.type == Type::float64 ? job.z.classes : 0),
          kept(!few && job.gradient && job.z.classes <= KEPT ? job.z.classes : 0), found(job.labels ? 0 : TOGETHER + 1),
          targets{job, 0, room.at, sum_of_shares(job)},
          stream(job.gradient && job.z.type == Type::float32 && job.gradient != job.z.data &&
                 job.z.rows * job.z.classes > STREAMED) {
        if (!job.labels) std::memset(found.at, 0, (TOGETHER + 1) * sizeof(int64_t));
    }
    int64_t of(const FloatRows& rows) override {
        targets.row = rows.row;
        if (!few) return of_many_classes(rows);
        for (int64_t i = 0; !job.labels && i < rows.count; ++i) found.at[i] = top_of(rows.logits(i), rows.classes());
        return few_spread(rows, job.labels ? job.labels + rows.row : found.at, targets);
    }
    int64_t of_many_classes(const FloatRows& rows) {
        for (int64_t i = 0; i < rows.count; i += LANES) {
            const int64_t count = rows.count - i < LANES ? rows.count - i : LANES;
            const FloatRows some{job, rows.row + i, count, rows.logits(i), rows.stride, rows.gradient(i), rows.g_stride};
            targets.row = some.row;
            const WideGradient out{some.g, some.g_stride, some.factors(0), stream, kept.at};
            const int64_t bad = wide_spread(some, job.labels ? job.labels + some.row : found.at, out, targets);
            if (bad >= 0) return i + bad;
        }
        return -1;
    }
};

// log Σ exp z
struct LogSums final : Work {
    int64_t tops[TOGETHER + 1] = {};
    int64_t of(const FloatRows& rows) override {
        const bool few = rows.classes() <= FEW;
        for (int64_t i = 0; few && i < rows.count; ++i) tops[i] = top_of(rows.logits(i), rows.classes());
        rows.of_classes(tops, 0, rows.count);
        for (int64_t i = 0; i < rows.count; ++i) {
            double& sum = *rows.losses(i);
            const double first = static_cast<double>(rows.logits(i)[tops[i]]);
            // where the sum is 1 or more, what L_0 is off by is nothing to it
            if (few || (sum <= 1e6 && std::fabs(first + sum) >= 1.0)) {
                sum += first;
                continue;
            }
            const int64_t top = top_of(rows.logits(i), rows.classes());
            rows.of_classes(&top, i, 1);
            sum += static_cast<double>(rows.logits(i)[top]);
        }
        return -1;
    }
};

inline int64_t spread_losses(const TargetJob& job, int64_t begin, int64_t end) {
    SpreadLosses work(job);
    return few_at_a_time(job, begin, end, work);
}
inline int64_t log_sums(const TargetJob& job, int64_t begin, int64_t end) {
    LogSums work;
    return few_at_a_time(job, begin, end, work);
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
