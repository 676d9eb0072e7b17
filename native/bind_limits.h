#pragma once

#include <nanobind/nanobind.h>

#include "kernels.h"

// read(x, threads) and copy(x, out, threads): the limits that benchmarks measure against.
void bind_limits(nanobind::class_<crossent::Kernels>& kernels);
