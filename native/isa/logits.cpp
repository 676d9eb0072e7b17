#include "logits/spread_rows.h"
#include "isa/groups.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

LossKernel logits_kernel() { return losses_from_logits; }
TargetKernel spread_kernel() { return spread_losses; }
TargetKernel log_sum_kernel() { return log_sums; }

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
