#include "blocks/units.h"
#include "isa/groups.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

BlockKernels block_kernels() { return {unit_sums, weighted_sum, row_terms, narrow_row}; }

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
