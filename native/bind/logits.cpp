// The kernels of logits, bound: shapes are checked in Python, addresses are taken here, the lock is released.
#include "bind/groups.h"

#include "over_rows.h"

namespace crossent {
namespace {

void into(std::optional<OutMatrix>& gradient, void*& data, int64_t& stride) {
    data = gradient ? gradient->data() : nullptr;
    stride = gradient ? gradient->stride(0) : 0;
}

int64_t losses_from_logits(const Kernels& kernels, Matrix z, Labels labels, Out loss, std::optional<OutMatrix> gradient,
                           std::optional<Scale> scale, double temperature, int threads, bool precise) {
    LogitsJob job{rows_of(z), labels.data(), loss.data(), nullptr, Type::float64, 0, scale ? scale->data() : nullptr, temperature, precise};
    if (gradient) job.gradient_type = type_of(*gradient);
    into(gradient, job.gradient, job.gradient_stride);
    const nb::gil_scoped_release unlocked;
    return over_rows(job.z.rows, block_of(job.z), threads,
                     [&](int64_t begin, int64_t end) { return kernels.logits.losses(job, begin, end); });
}

using Kernel = int64_t (*LogitsKernels::*)(const TargetJob&, int64_t, int64_t);

int64_t run(const Kernels& kernels, Kernel kernel, const TargetJob& job, int threads) {
    const nb::gil_scoped_release unlocked;
    return over_rows(job.z.rows, block_of(job.z), threads,
                     [&](int64_t begin, int64_t end) { return (kernels.logits.*kernel)(job, begin, end); });
}

// `targets` has a row for each row of z, or one row for all.
TargetJob target_job(Matrix& z, std::optional<Matrix>& targets, Out& loss, std::optional<OutMatrix>& gradient, std::optional<Scale>& scale) {
    TargetJob job{rows_of(z), {nullptr, Type::float64, 0, 0, 0}, 0.0, nullptr, nullptr, 0, loss.data(), nullptr, 0, scale ? scale->data() : nullptr};
    if (targets) {
        job.targets = rows_of(*targets);
        if (job.targets.rows == 1) job.targets.stride = 0;
        if (job.targets.type != Type::float32 && job.targets.type != Type::float64) throw nb::type_error("targets must be float32 or float64");
    }
    into(gradient, job.gradient, job.gradient_stride);
    return job;
}

// `extra` has an entry for each label, or one for all.
int64_t soft_losses(const Kernels& kernels, Matrix z, std::optional<Matrix> targets, double share, std::optional<Labels> labels,
                    std::optional<Scale> extra, Out loss, std::optional<OutMatrix> gradient, std::optional<Scale> scale, int threads) {
    TargetJob job = target_job(z, targets, loss, gradient, scale);
    job.share = share;
    job.labels = labels && extra ? labels->data() : nullptr;
    job.extra = extra ? extra->data() : nullptr;
    job.extra_step = extra && extra->size() == 1 ? 0 : 1;
    return run(kernels, &LogitsKernels::soft_losses, job, threads);
}

int64_t sigmoid_losses(const Kernels& kernels, Matrix z, Matrix indicators, Out loss, std::optional<OutMatrix> gradient,
                       std::optional<Scale> scale, int threads) {
    std::optional<Matrix> given = indicators;
    return run(kernels, &LogitsKernels::sigmoid_losses, target_job(z, given, loss, gradient, scale), threads);
}

void log_sum_exp(const Kernels& kernels, Matrix z, Out out, int threads) {
    std::optional<Matrix> targets;
    std::optional<OutMatrix> gradient;
    std::optional<Scale> scale;
    run(kernels, &LogitsKernels::log_sum_exp, target_job(z, targets, out, gradient, scale), threads);
}

}  // namespace

void bind_logits(nb::class_<Kernels>& kernels) {
    kernels
        .def("losses_from_logits", &losses_from_logits, nb::arg("z").noconvert(), nb::arg("labels").noconvert(),
             nb::arg("loss").noconvert(), nb::arg("gradient").noconvert().none(), nb::arg("scale").noconvert().none(),
             nb::arg("temperature"), nb::arg("threads"), nb::arg("precise") = false)
        .def("soft_losses", &soft_losses, nb::arg("z").noconvert(), nb::arg("targets").noconvert().none(), nb::arg("share"),
             nb::arg("labels").noconvert().none(), nb::arg("extra").noconvert().none(), nb::arg("loss").noconvert(),
             nb::arg("gradient").noconvert().none(), nb::arg("scale").noconvert().none(), nb::arg("threads"))
        .def("sigmoid_losses", &sigmoid_losses, nb::arg("z").noconvert(), nb::arg("indicators").noconvert(),
             nb::arg("loss").noconvert(), nb::arg("gradient").noconvert().none(), nb::arg("scale").noconvert().none(),
             nb::arg("threads"))
        .def("log_sum_exp", &log_sum_exp, nb::arg("z").noconvert(), nb::arg("out").noconvert(), nb::arg("threads"));
}

}  // namespace crossent
