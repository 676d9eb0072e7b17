// The kernels of one instruction set. Compiled once for each, with CROSSENT_ISA, CROSSENT_NAMESPACE and
// CROSSENT_TABLE (the name of the function that hands them out) set by the build.
#include "exact/sums.h"
#include "exact/tables.h"
#include "kernels.h"
#include "bandwidth.h"
#include "logits/logits.h"
#include "logits/targets.h"
#include "probs/softmax.h"

namespace crossent {

const Kernels& CROSSENT_TABLE() {
    using namespace CROSSENT_NAMESPACE;
    static const Kernels table = {
        CROSSENT_NAME,
        {losses_from_logits, soft_losses, sigmoid_losses, log_sum_exp},
        probs_kernels(),
        {exact_sum, exact_gram, cell_sums, cell_counts, grid},
        {read_words, copy_words},
    };
    return table;
}

}  // namespace crossent
