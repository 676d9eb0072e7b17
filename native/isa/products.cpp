// Products, of the instruction set that has an instruction for them.
#include "kernels.h"
#include "products/bf16.h"

namespace crossent {

const ProductKernels& CROSSENT_TABLE() {
    static const ProductKernels table = {CROSSENT_NAMESPACE::product_room, CROSSENT_NAMESPACE::product_of_bfloat16};
    return table;
}

}  // namespace crossent
