// Whole numbers wide enough for sums of any float64 numbers and of their products: exact, order-free.
#pragma once

#include <cstdint>
#include <cstring>

// Outside the namespaces of the instruction sets: what were a function of its own would be one for all of them.
#if defined(_MSC_VER)
#define CROSSENT_WITHIN __forceinline
#else
#define CROSSENT_WITHIN inline __attribute__((always_inline))
#endif

namespace crossent {

// Exponent of the last bit of a float64 number, and its signed mantissa: x = mantissa·2^exponent.
struct Parts {
    int64_t mantissa;
    int exponent;
};
CROSSENT_WITHIN Parts parts_of(double x) {
    int64_t bits;
    std::memcpy(&bits, &x, 8);
    const int field = static_cast<int>(bits >> 52) & 0x7ff;
    const int64_t low = bits & 0xfffffffffffff, m = field ? low | int64_t{1} << 52 : low;
    return {bits < 0 ? -m : m, (field ? field : 1) - 1075};
}

// h·2^g for any h in two's complement, cut into three limbs of 32 bits from limb (g + UNIT) / 32 on.
struct ThreeLimbs {
    int64_t v[3];
    CROSSENT_WITHIN ThreeLimbs(int64_t h, int shift) {
        const uint64_t low = (static_cast<uint64_t>(h) & 0xffffffff) << shift;
        const int64_t high = (h >> 32) * (int64_t{1} << shift);
        v[0] = static_cast<int64_t>(low & 0xffffffff);
        v[1] = static_cast<int64_t>(low >> 32) + (high & 0xffffffff);
        v[2] = high >> 32;
    }
};

// A sum in units of 2^-UNIT: below the last bit of any product, and with room above the largest product.
class Limbs {
public:
    static constexpr int UNIT = 2176, COUNT = 139;

    // Adds h·2^g.
    CROSSENT_WITHIN void add(int64_t h, int g) {
        const int at = g + UNIT;
        const ThreeLimbs parts(h, at & 31);
        int64_t* limb = limbs_ + (at >> 5);
        limb[0] += parts.v[0];
        limb[1] += parts.v[1];
        limb[2] += parts.v[2];
        // each adds less than 2^33
        if (++pending_ == 1 << 29) carry();
    }

    CROSSENT_WITHIN void add(double x) {
        const Parts p = parts_of(x);
        add(p.mantissa, p.exponent);
    }

    CROSSENT_WITHIN void add_product(double x, double y) {
        const Parts a = parts_of(x), b = parts_of(y);
        const int64_t low = (1 << 27) - 1, a1 = a.mantissa >> 27, a0 = a.mantissa & low;
        const int64_t b1 = b.mantissa >> 27, b0 = b.mantissa & low;
        const int g = a.exponent + b.exponent;
        add(a1 * b1, g + 54);
        add(a1 * b0 + a0 * b1, g + 27);
        add(a0 * b0, g);
    }

    // Every limb but the last into 0 … 2^32 − 1.
    CROSSENT_WITHIN void carry() {
        for (int j = 0; j + 1 < COUNT; ++j) {
            const int64_t over = limbs_[j] >> 32;
            limbs_[j] &= 0xffffffff;
            limbs_[j + 1] += over;
        }
        pending_ = 0;
    }

    // The number in two's complement, the first byte the lowest: 4·COUNT of them.
    CROSSENT_WITHIN void bytes(unsigned char* out) {
        carry();
        for (int64_t limb : limbs_)
            for (int k = 0; k < 4; ++k) *out++ = static_cast<unsigned char>(limb >> (8 * k));
    }

private:
    int64_t limbs_[COUNT] = {};
    int pending_ = 0;
};

}  // namespace crossent
