#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include "kernels.h"

namespace nb = nanobind;

namespace crossent {

void bind_probs(nb::module_& m, nb::class_<Kernels>& kernels);

}  // namespace crossent
