#include "exact/sums.h"
#include "exact/tables.h"
#include "isa/groups.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

ExactKernels exact_kernels() { return {exact_sum, exact_gram, cell_sums, cell_counts, grid}; }

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
