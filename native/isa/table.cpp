// The kernels of one instruction set in one table. The files of this folder are compiled once for each set, with
// CROSSENT_ISA, CROSSENT_NAMESPACE and CROSSENT_TABLE (the name of the function that hands them out) set by the build.
#include "bandwidth.h"
#include "isa/groups.h"

namespace crossent {

const Kernels& CROSSENT_TABLE() {
    using namespace CROSSENT_NAMESPACE;
    static const Kernels table = {
        CROSSENT_NAME, logits_kernels(), probs_kernels(), exact_kernels(), block_kernels(), {read_words, copy_words},
    };
    return table;
}

}  // namespace crossent
