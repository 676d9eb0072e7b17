// Each file of this folder gives Python one group of kernels, as methods of `Kernels`.
#pragma once

#include "bind/arrays.h"
#include "kernels.h"

namespace crossent {

void bind_logits(nb::class_<Kernels>& kernels);
void bind_probs(nb::class_<Kernels>& kernels);
void bind_exact(nb::class_<Kernels>& kernels);
void bind_blocks(nb::class_<Kernels>& kernels);
void bind_products(nb::class_<Kernels>& kernels);
void bind_limits(nb::class_<Kernels>& kernels);

}  // namespace crossent
