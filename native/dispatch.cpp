#include "dispatch.h"

#if defined(CROSSENT_X86) && defined(_MSC_VER)
#include <intrin.h>
#elif defined(CROSSENT_BF16)
#include <cpuid.h>
#endif

namespace crossent {
namespace {

#if defined(CROSSENT_X86)
struct Features {
    bool avx2 = false, avx512 = false;
};

#if defined(_MSC_VER)
Features detect() {
    Features found;
    int r[4];
    __cpuid(r, 0);
    const int leaves = r[0];
    __cpuid(r, 1);
    const bool fma = r[2] & (1 << 12), f16c = r[2] & (1 << 29), saves = r[2] & (1 << 27);
    if (leaves < 7 || !saves) return found;
    const unsigned long long kept = _xgetbv(0);
    __cpuidex(r, 7, 0);
    found.avx2 = fma && f16c && (r[1] & (1 << 5)) && (kept & 0x6) == 0x6;
    const int needed = 1 << 16 | 1 << 17 | 1 << 30 | static_cast<int>(1u << 31);  // F, DQ, BW, VL
    found.avx512 = found.avx2 && (r[1] & needed) == needed && (kept & 0xe6) == 0xe6;
    return found;
}
#else
// By features, never by the name of an architecture: names picked the slowest variant on AMD processors.
Features detect() {
    Features found;
    __builtin_cpu_init();
    found.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    found.avx512 = found.avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    return found;
}
#endif
#endif

const std::vector<const Kernels*>& tables() {
    static const std::vector<const Kernels*> found = [] {
        std::vector<const Kernels*> list;
#if defined(CROSSENT_X86)
        const Features has = detect();
        if (has.avx512) list.push_back(&kernels_avx512());
        if (has.avx2) list.push_back(&kernels_avx2());
#endif
        list.push_back(&kernels_baseline());
        return list;
    }();
    return found;
}

#if defined(CROSSENT_BF16)
// Of a processor that has AVX-512, whose registers the system keeps.
bool detect_bf16() {
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 5));
}
#endif

}  // namespace

std::vector<std::string> available() {
    std::vector<std::string> names;
    for (const Kernels* table : tables()) names.emplace_back(table->name);
    return names;
}

const Kernels* find(const std::string& name) {
    for (const Kernels* table : tables())
        if (name.empty() || name == table->name) return table;
    return nullptr;
}

const ProductKernels* products_with(const Kernels& kernels) {
#if defined(CROSSENT_BF16)
    static const bool has = detect_bf16();
    if (has && &kernels == &kernels_avx512()) return &kernels_avx512_bf16();
#endif
    static_cast<void>(kernels);
    return nullptr;
}

}  // namespace crossent
