// The kernels of one instruction set. Compiled once for each, with CROSSENT_ISA, CROSSENT_NAMESPACE and
// CROSSENT_TABLE (the name of the function that hands them out) set by the build.
#include "kernels.h"
#include "limits.h"
#include "logits.h"

namespace crossent {

const Kernels& CROSSENT_TABLE() {
    static const Kernels table = {CROSSENT_NAME, CROSSENT_NAMESPACE::losses_from_logits,
                                  {CROSSENT_NAMESPACE::read_words, CROSSENT_NAMESPACE::copy_words}};
    return table;
}

}  // namespace crossent
