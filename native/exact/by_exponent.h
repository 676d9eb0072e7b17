// Numbers of any size added up by sign and exponent, as whole numbers: a superaccumulator of 4096 cells.
//
// All numbers of a cell have their mantissas in the same unit. Of each number the low 32 bits go to one sum, the
// other 20 to a second one that counts the numbers, too, from bit 42 on; 2^21 numbers fit. (Cells by exponent that
// take whole numbers: R. M. Neal, Fast exact summation using small and large superaccumulators, arXiv:1505.05571.)
#pragma once

#include <cstdint>
#include <cstring>

#include "exact/zeros.h"
#include "exact/limbs.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

class ByExponent {
public:
    // `there`: whether anything will be added.
    explicit ByExponent(bool there) : cells_(there ? CELLS : 0) {}

    // False where a number added so far is not finite; not every such number is found at once.
    bool add(const double* x, int64_t count, Limbs& total) {
        held_ += count;
        if (held_ > MOST && !flush(total)) return false;
        Cell* cells = cells_.at;
        for (int64_t i = 0; i < count; ++i) {
            uint64_t bits;
            std::memcpy(&bits, x + i, 8);
            add(cells[bits >> 52], bits);
        }
        return true;
    }

    // Moves all to the total; false where a number is not finite.
    bool flush(Limbs& total) {
        if (held_ == 0) return true;
        held_ = 0;
        for (int at = 0; at < CELLS; ++at) {
            Cell& cell = cells_.at[at];
            if (cell.high == 0) continue;
            const int field = at & 0x7ff, exponent = (field ? field : 1) - 1075;
            if (field == 0x7ff) return false;
            const int64_t count = static_cast<int64_t>(cell.high >> COUNT_AT), low = static_cast<int64_t>(cell.low);
            // numbers that are not subnormal have a bit more than is written
            const int64_t written = static_cast<int64_t>(cell.high & ((uint64_t{1} << COUNT_AT) - 1));
            const int64_t high = written + (field ? count << 20 : 0);
            const bool negative = at >= CELLS / 2;
            total.add(negative ? -low : low, exponent);
            total.add(negative ? -high : high, exponent + 32);
            cell = Cell();
        }
        return true;
    }

private:
    struct alignas(16) Cell {
        uint64_t low = 0, high = 0;
    };
    static constexpr int CELLS = 4096, COUNT_AT = 42;
#if defined(__GNUC__)
    static void add(Cell& cell, uint64_t bits) {
        typedef uint64_t Two __attribute__((vector_size(16), may_alias));
        const Two parts = Two{bits, bits >> 32} & Two{0xffffffff, 0xfffff};
        *reinterpret_cast<Two*>(&cell) += parts + Two{0, uint64_t{1} << COUNT_AT};
    }
#else
    static void add(Cell& cell, uint64_t bits) {
        cell.low += bits & 0xffffffff;
        cell.high += (bits >> 32 & 0xfffff) + (uint64_t{1} << COUNT_AT);
    }
#endif
    static constexpr int64_t MOST = int64_t{1} << 21;

    Zeros<Cell> cells_;
    int64_t held_ = 0;
};

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
