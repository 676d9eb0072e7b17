// What a compiled instruction set offers: plain functions over a range of rows, found through one table.
#pragma once

#include "blocks/jobs.h"
#include "exact/jobs.h"
#include "logits/jobs.h"
#include "probs/jobs.h"
#include "products/jobs.h"

namespace crossent {

// The words begin … end, read or copied.
struct LimitKernels {
    uint64_t (*read)(const uint64_t* p, int64_t begin, int64_t end);
    void (*copy)(const uint64_t* from, uint64_t* to, int64_t begin, int64_t end);
};

struct Kernels {
    const char* name;
    LogitsKernels logits;
    ProbsKernels probs;
    ExactKernels exact;
    BlockKernels blocks;
    LimitKernels limits;
};

const Kernels& kernels_baseline();
#if defined(CROSSENT_X86)
const Kernels& kernels_avx2();
const Kernels& kernels_avx512();
#endif
#if defined(CROSSENT_BF16)
const ProductKernels& kernels_avx512_bf16();
#endif

}  // namespace crossent
