// The Python face of the kernels.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bind_logits.h"
#include "dispatch.h"

namespace nb = nanobind;
using namespace crossent;

NB_MODULE(_native, m) {
    nb::class_<Kernels> kernels(m, "Kernels");
    kernels.def_prop_ro("name", [](const Kernels& k) { return k.name; });
    bind_logits(kernels);
    m.def("available", &available);
    m.def("find", &find, nb::rv_policy::reference);
}
