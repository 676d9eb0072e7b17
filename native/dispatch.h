// Which instruction set this processor has, and the kernels for it.
#pragma once

#include <string>
#include <vector>

#include "kernels.h"

namespace crossent {

// Names of the sets that were compiled and that this processor has, best first.
std::vector<std::string> available();

// The kernels of that set, or of the best one where `name` is empty; null where it is not available.
const Kernels* find(const std::string& name);

// The products that go with these kernels; null where the processor or the compiler has no instruction for them.
const ProductKernels* products_with(const Kernels& kernels);

}  // namespace crossent
