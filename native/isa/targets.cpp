#include "logits/targets.h"
#include "isa/groups.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

LogitsKernels logits_kernels() { return {logits_kernel(), soft_losses, sigmoid_losses, log_sum_exp}; }

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
