// Exact sums for Python: whole numbers as bytes, tables as limbs of 32 bits.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "bind/groups.h"
#include "exact/limbs.h"

namespace crossent {
namespace {

using Floats = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Codes = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Bools = nb::ndarray<const bool, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Ints = nb::ndarray<nb::numpy, int64_t>;

// An array for NumPy, and its numbers to be written.
std::pair<Ints, int64_t*> new_ints(std::initializer_list<size_t> shape) {
    size_t size = 1;
    for (size_t n : shape) size *= n;
    int64_t* numbers = new int64_t[size]();
    nb::capsule owner(numbers, [](void* p) noexcept { delete[] static_cast<int64_t*>(p); });
    return {Ints(numbers, shape.size(), shape.begin(), owner), numbers};
}

nb::bytes bytes_of(Limbs& total) {
    unsigned char bytes[4 * Limbs::COUNT];
    total.bytes(bytes);
    return nb::bytes(reinterpret_cast<const char*>(bytes), sizeof bytes);
}

nb::object exact_sum(const Kernels& kernels, Floats x) {
    Limbs total;
    bool finite;
    {
        const nb::gil_scoped_release unlocked;
        finite = kernels.exact.sum(x.data(), static_cast<int64_t>(x.shape(0)), total);
    }
    return finite ? nb::object(bytes_of(total)) : nb::none();
}

nb::object exact_gram(const Kernels& kernels, nb::list columns, nb::list pairs, int64_t rows) {
    std::vector<Floats> held;
    std::vector<const double*> data;
    for (nb::handle column : columns) {
        data.push_back(nullptr);
        if (column.is_none()) continue;
        held.push_back(nb::cast<Floats>(column, false));
        if (static_cast<int64_t>(held.back().shape(0)) != rows) throw nb::value_error("columns of other lengths");
        data.back() = held.back().data();
    }
    std::vector<int> left, right;
    for (nb::handle pair : pairs) {
        left.push_back(nb::cast<int>(pair[0]));
        right.push_back(nb::cast<int>(pair[1]));
        for (int k : {left.back(), right.back()})
            if (k < 0 || k >= static_cast<int>(data.size())) throw nb::index_error("no such column");
    }
    std::vector<Limbs> totals(left.size());
    const GramJob job{data.data(), static_cast<int>(data.size()), left.data(), right.data(),
                      static_cast<int>(left.size()), rows};
    bool finite;
    {
        const nb::gil_scoped_release unlocked;
        finite = kernels.exact.gram(job, totals.data());
    }
    if (!finite) return nb::none();
    nb::list found;
    for (Limbs& total : totals) found.append(bytes_of(total));
    return found;
}

int floor32(int g) { return g >= 0 ? g / 32 : -((31 - g) / 32); }

// Where sums go: limb j of a table is limbs[j], int64 (cells,), made here where there is none; the k-th sum
// belongs to cell offset + k, or to cell index[k].
struct Table {
    nb::dict limbs;
    int64_t cells, offset;
    std::optional<Codes> index;

    int64_t* limb(int j) {
        const nb::int_ key(j);
        if (!limbs.contains(key)) limbs[key] = nb::cast(new_ints({static_cast<size_t>(cells)}).first);
        const auto found = nb::cast<nb::ndarray<int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>>(limbs[key], false);
        if (static_cast<int64_t>(found.shape(0)) != cells) throw nb::value_error("a limb of another length");
        return found.data();
    }
    // How many sums there is room for.
    int64_t room() const {
        if (!index) return cells - offset;
        for (size_t k = 0; k < index->shape(0); ++k)
            if (index->data()[k] < 0 || index->data()[k] >= cells) return -1;
        return static_cast<int64_t>(index->shape(0));
    }
    template <class Sum>
    void add(int j, int64_t count, Sum sum) {
        int64_t all = 0;
        for (int64_t k = 0; k < count && !all; ++k) all = sum(k);
        if (!all) return;
        int64_t* to = limb(j);
        const int64_t* where = index ? index->data() : nullptr;
        for (int64_t k = 0; k < count; ++k) to[where ? where[k] : offset + k] += sum(k);
    }
};

class Slices final : public CellSlices {
public:
    explicit Slices(int64_t cells) : cells_(static_cast<size_t>(cells)) {}
    int64_t* add(int g) override {
        all.emplace_back(g, std::vector<int64_t>(cells_));
        return all.back().second.data();
    }
    std::vector<std::pair<int, std::vector<int64_t>>> all;

private:
    size_t cells_;
};

// Adds the slices to the limbs of 32 bits that they overlap.
void add_slices(const Slices& slices, int64_t count, bool negative, Table& table) {
    for (const auto& [g, of_cells] : slices.all) {
        const int j = floor32(g), shift = g - 32 * j;
        const int64_t* sums = of_cells.data();
        for (int part = 0; part < 3; ++part)
            table.add(j + part, count, [=](int64_t k) {
                const int64_t h = ThreeLimbs(sums[k], shift).v[part];
                return negative ? -h : h;
            });
    }
}

// Adds the sums of the values of each code to a table; what is wrong, or 0.
int cell_sums(const Kernels& kernels, Codes codes, Floats values, nb::dict limbs, int64_t cells, int64_t offset,
              std::optional<Codes> index, bool negative) {
    if (codes.shape(0) != values.shape(0)) throw nb::value_error("codes and values of other lengths");
    Table table{limbs, cells, offset, index};
    const int64_t room = table.room();
    if (room < 0) return static_cast<int>(Fault::bad_cell);
    Slices slices(room);
    Fault fault;
    {
        const nb::gil_scoped_release unlocked;
        fault = kernels.exact.cell_sums({codes.data(), values.data(), static_cast<int64_t>(values.shape(0)), room, &slices});
    }
    if (fault == Fault::none) add_slices(slices, room, negative, table);
    return static_cast<int>(fault);
}

nb::object cell_counts(const Kernels& kernels, Codes codes, int64_t cells) {
    auto [array, counts] = new_ints({static_cast<size_t>(cells)});
    Fault fault;
    {
        const nb::gil_scoped_release unlocked;
        fault = kernels.exact.cell_counts(codes.data(), static_cast<int64_t>(codes.shape(0)), cells, counts);
    }
    if (fault != Fault::none) throw nb::index_error("a code without a cell");
    return nb::cast(array);
}

// The cell of each row, and (2·steps + 1, 3) sums of GridJob.
nb::tuple grid(const Kernels& kernels, Floats confidence, Bools happened, int64_t steps) {
    if (confidence.shape(0) != happened.shape(0)) throw nb::value_error("columns of other lengths");
    auto [cells, where] = new_ints({confidence.shape(0)});
    auto [sums, numbers] = new_ints({static_cast<size_t>(2 * steps + 1), 3});
    {
        const nb::gil_scoped_release unlocked;
        kernels.exact.grid({confidence.data(), reinterpret_cast<const uint8_t*>(happened.data()),
                      static_cast<int64_t>(confidence.shape(0)), steps, where, numbers});
    }
    return nb::make_tuple(cells, sums);
}

}  // namespace

void bind_exact(nb::class_<Kernels>& kernels) {
    kernels.def("exact_sum", &exact_sum, nb::arg("x").noconvert())
        .def("exact_gram", &exact_gram, nb::arg("columns"), nb::arg("pairs"), nb::arg("rows"))
        .def("cell_sums", &cell_sums, nb::arg("codes").noconvert(), nb::arg("values").noconvert(),
             nb::arg("limbs"), nb::arg("cells"), nb::arg("offset"), nb::arg("index").noconvert().none(), nb::arg("negative"))
        .def("cell_counts", &cell_counts, nb::arg("codes").noconvert(), nb::arg("cells"))
        .def("grid", &grid, nb::arg("confidence").noconvert(), nb::arg("happened").noconvert(), nb::arg("steps"));
}

}  // namespace crossent
