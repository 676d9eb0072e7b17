// The kernels of one instruction set. Compiled once for each, with CROSSENT_ISA, CROSSENT_NAMESPACE and
// CROSSENT_TABLE (the name of the function that hands them out) set by the build.
#include "kernels.h"
#include "logits.h"
#include "targets.h"

namespace crossent {

const Kernels& CROSSENT_TABLE() {
    static const Kernels table = {CROSSENT_NAME, CROSSENT_NAMESPACE::losses_from_logits, CROSSENT_NAMESPACE::soft_losses,
                                  CROSSENT_NAMESPACE::sigmoid_losses, CROSSENT_NAMESPACE::log_sum_exp};
    return table;
}

}  // namespace crossent
