// The kernels of one instruction set. Compiled once for each, with CROSSENT_ISA, CROSSENT_NAMESPACE and
// CROSSENT_TABLE (the name of the function that hands them out) set by the build.
#include "exact.h"
#include "kernels.h"
#include "limits.h"
#include "logits.h"
#include "softmax_rows.h"
#include "tables.h"
#include "targets.h"

namespace crossent {

const Kernels& CROSSENT_TABLE() {
    using namespace CROSSENT_NAMESPACE;
    static const Kernels table = {
        CROSSENT_NAME,
        losses_from_logits,
        soft_losses,
        sigmoid_losses,
        log_sum_exp,
        {read_words, copy_words},
        exact_sum,
        exact_gram,
        cell_sums,
        cell_counts,
        grid,
        probs_kernels(),
    };
    return table;
}

}  // namespace crossent
