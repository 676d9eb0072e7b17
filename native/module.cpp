// The Python face of the kernels.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bind/groups.h"
#include "dispatch.h"
#include "over_rows.h"

using namespace crossent;

NB_MODULE(_native, m) {
    // what a cache of the interpreter still holds when it ends is no leak
    nb::set_leak_warnings(false);
    nb::class_<Kernels> kernels(m, "Kernels");
    kernels.def_prop_ro("name", [](const Kernels& k) { return k.name; });
    bind_logits(kernels);
    bind_probs(kernels);
    bind_exact(kernels);
    bind_blocks(kernels);
    bind_products(kernels);
    bind_limits(kernels);
    m.def("available", &available);
    m.def("borrow_team", [](uintptr_t team) { borrow_team(reinterpret_cast<Team>(team)); }, nb::arg("address"));
    m.def("find", &find, nb::rv_policy::reference);
}
