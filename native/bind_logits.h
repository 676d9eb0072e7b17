#pragma once

#include "arrays.h"

namespace crossent {

void bind_logits(nb::class_<Kernels>& kernels);

}  // namespace crossent
