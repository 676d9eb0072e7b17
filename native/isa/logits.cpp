#include "logits/logits.h"
#include "isa/groups.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

LossKernel logits_kernel() { return losses_from_logits; }

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
