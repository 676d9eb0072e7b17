#pragma once

#include <nanobind/nanobind.h>

#include "kernels.h"

namespace nb = nanobind;

namespace crossent {

void bind_exact(nb::class_<Kernels>& kernels);

}  // namespace crossent
