// The kernels of one instruction set. Compiled once for each, with CROSSENT_ISA, CROSSENT_NAMESPACE and
// CROSSENT_TABLE (the name of the function that hands them out) set by the build.
#include "exact.h"
#include "kernels.h"
#include "logits.h"
#include "tables.h"

namespace crossent {

const Kernels& CROSSENT_TABLE() {
    static const Kernels table = {CROSSENT_NAME, CROSSENT_NAMESPACE::losses_from_logits,
                                  CROSSENT_NAMESPACE::exact_sum, CROSSENT_NAMESPACE::exact_gram,
                                  CROSSENT_NAMESPACE::cell_sums, CROSSENT_NAMESPACE::cell_counts,
                                  CROSSENT_NAMESPACE::grid};
    return table;
}

}  // namespace crossent
