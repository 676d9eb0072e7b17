// The groups of kernels of one instruction set, each compiled by a file of its own.
#pragma once

#include "kernels.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

LossKernel logits_kernel();
TargetKernel spread_kernel();   // of float32 and narrower logits
TargetKernel log_sum_kernel();  // of the same
LogitsKernels logits_kernels();  // with these
ProbsKernels probs_kernels();
ExactKernels exact_kernels();
BlockKernels block_kernels();

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
