// The groups of kernels of one instruction set, each compiled by a file of its own.
#pragma once

#include "kernels.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

LossKernel logits_kernel();
LogitsKernels logits_kernels();  // with that one
ProbsKernels probs_kernels();
ExactKernels exact_kernels();

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
