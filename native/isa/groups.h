// The groups of kernels of one instruction set, each compiled by a file of its own.
#pragma once

#include "kernels.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

LogitsKernels logits_kernels();
ProbsKernels probs_kernels();
ExactKernels exact_kernels();

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
