// Every kernel from several threads at once, for ThreadSanitizer: threads inside a call, and calls side by side
// that read the same input. Ends with 1 where a result depends on them, or is not what the C library's long double
// gives. No Python: what it does with its own locks would hide races, and other processors are emulated without it.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

#include "blocks/by_row.h"
#include "dispatch.h"
#include "over_rows.h"

using namespace crossent;

namespace {

struct Case {
    int64_t rows, classes;
    std::vector<float> z;
    std::vector<int64_t> labels;

    Case(int64_t rows, int64_t classes) : rows(rows), classes(classes), z(rows * classes), labels(rows) {
        for (size_t i = 0; i < z.size(); ++i) z[i] = static_cast<float>(std::sin(0.37 * static_cast<double>(i)) * 20.0);
        for (int64_t i = 0; i < rows; ++i) labels[i] = i * 7 % classes;
    }
};

struct Result {
    std::vector<double> loss;
    std::vector<float> gradient;
    int64_t bad = -1;

    bool operator==(const Result& other) const {
        return bad == other.bad && std::memcmp(loss.data(), other.loss.data(), loss.size() * sizeof(double)) == 0 &&
               std::memcmp(gradient.data(), other.gradient.data(), gradient.size() * sizeof(float)) == 0;
    }
};

Result run(const Kernels& kernels, const Case& c, int threads) {
    Result result{std::vector<double>(c.rows), std::vector<float>(c.z.size())};
    LogitsJob job{};
    job.temperature = 1.0;
    job.z = {c.z.data(), Type::float32, c.rows, c.classes, c.classes};
    job.labels = c.labels.data();
    job.loss = result.loss.data();
    job.gradient = result.gradient.data();
    job.gradient_stride = c.classes;
    result.bad = over_rows(c.rows, 8, threads, [&](int64_t begin, int64_t end) {
        return kernels.logits.losses(job, begin, end);
    });
    return result;
}

// Whether the losses are right to a float32 ulp.
bool precise(const Case& c, const Result& result) {
    for (int64_t i = 0; i < c.rows; ++i) {
        const float* z = c.z.data() + i * c.classes;
        long double others = 0.0L;
        for (int64_t k = 0; k < c.classes; ++k)
            if (k != c.labels[i]) others += std::exp(static_cast<long double>(z[k]) - z[c.labels[i]]);
        const long double loss = std::log1p(others);
        if (!(std::fabs(result.loss[i] - loss) <= loss * 0x1p-23L)) return false;
    }
    return true;
}

// The same of probabilities, here the logits as they are: what is out of range is counted, not refused. What each
// block finds is merged under a lock, as in bind/probs.cpp.
Result scored(const Kernels& kernels, const Case& c, int threads) {
    Result result{std::vector<double>(c.rows), std::vector<float>(c.z.size())};
    std::vector<double> confidence(c.rows);
    ProbsJob job;
    job.p = {c.z.data(), Type::float32, c.rows, c.classes, c.classes, 1};
    job.labels = c.labels.data();
    job.loss = result.loss.data();
    job.confidence = confidence.data();
    Facts facts;
    std::mutex lock;
    result.bad = over_rows(c.rows, 8, threads, [&](int64_t begin, int64_t end) {
        Facts mine;
        const int64_t bad = kernels.probs.visit(VISIT_SCORE, job, begin, end, mine, nullptr);
        const std::lock_guard<std::mutex> held(lock);
        merge(facts, mine);
        return bad;
    });
    for (int64_t i = 0; i < c.rows; ++i) result.gradient[i] = static_cast<float>(confidence[i]);
    result.gradient.back() = result.bad < 0 ? static_cast<float>(facts.below_zero) : 0.0f;
    return result;
}

// Sums and gradients of blocks of the logits, as bind/blocks.cpp asks for them.
Result in_blocks(const Kernels& kernels, const Case& c, int threads) {
    Result result{std::vector<double>(c.rows), std::vector<float>(c.z.size())};
    std::vector<double> top(c.rows, -INF), own(c.rows, NOT_A_NUMBER), ones(c.rows, 1.0);
    std::vector<double>& others = result.loss;
    for (int64_t first = 0; first < c.classes; first += 2 * UNIT) {
        const int64_t classes = c.classes - first < 2 * UNIT ? c.classes - first : 2 * UNIT;
        const Rows z{c.z.data() + first, Type::float32, c.rows, classes, c.classes};
        BlockStatistics sums{};
        sums.z = z;
        sums.first = first;
        sums.labels = c.labels.data();
        sums.top = top.data();
        sums.others = others.data();
        sums.own = own.data();
        BlockGradient slopes{};
        slopes.z = z;
        slopes.first = first;
        slopes.labels = c.labels.data();
        slopes.lse = slopes.scale = slopes.entry = ones.data();
        slopes.out = result.gradient.data() + first;
        slopes.type = Type::float32;
        slopes.stride = c.classes;
        over_rows(c.rows, 8, threads, [&](int64_t begin, int64_t end) {
            for (int64_t row = begin; row < end; ++row) {
                add_block(kernels.blocks, sums, row);
                gradient_of_row(kernels.blocks, slopes, row);
            }
            return int64_t{-1};
        });
    }
    return result;
}

using Run = Result (*)(const Kernels&, const Case&, int threads);

// Calls side by side, each with four threads of its own, against one call with one.
bool same_everywhere(Run run, const Kernels& kernels, const Case& c) {
    const Result alone = run(kernels, c, 1);
    std::vector<Result> results(3);
    std::vector<std::thread> callers;
    for (Result& result : results) callers.emplace_back([&] { result = run(kernels, c, 4); });
    for (std::thread& caller : callers) caller.join();
    bool same = true;
    for (const Result& result : results) same = same && result == alone;
    return same;
}

}  // namespace

int main() {
    int failures = 0;
    // the table of kernels, too, is first asked for by several threads
    std::vector<std::thread> first;
    for (int i = 0; i < 4; ++i) first.emplace_back([] { find(""); });
    for (std::thread& thread : first) thread.join();
    for (const std::string& name : available())
        for (const int64_t classes : {2, 10, 130, 3000}) {
            const Case c(classes < 100 ? 1000 : 100, classes);
            Case wrong = c;  // several bad labels: the first is named, whoever found one first
            wrong.labels[77] = classes;
            wrong.labels[50] = -1;
            if (!precise(c, run(*find(name), c, 4))) {
                std::printf("%s, %lld classes: a loss is wrong\n", name.c_str(), static_cast<long long>(classes));
                ++failures;
            }
            for (const Run what : {run, scored, in_blocks}) {
                // blocks know no bad labels
                const bool found = what == in_blocks || what(*find(name), wrong, 4).bad == 50;
                if (same_everywhere(what, *find(name), c) && found) continue;
                std::printf("%s, %lld classes: results depend on threads\n", name.c_str(), static_cast<long long>(classes));
                ++failures;
            }
        }
    if (!failures) std::printf("threads: the same results on %zu instruction sets\n", available().size());
    return failures != 0;
}
