#include "probs/softmax.h"
#include "isa/groups.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

ProbsKernels probs_kernels() {
    return {visit, take_label, log_loss, softmax, brier_from_logits, brier_from_log_probs, minus_logs, binary_losses};
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
