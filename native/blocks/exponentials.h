// exp(x − at) of float32 numbers x, where `at` is a float64 number of any size.
//
// x − at is never rounded: what is subtracted first is 0 or, where |at| is large, the float next to it, from which every
// x whose exponential is not 0 has an exact difference; what is left of `at` goes into one factor of all terms.
#pragma once

#include "simd/floats.h"
#include "simd/math.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

constexpr double FAR_OFF = 176.0;    // twice NEGLIGIBLE and more: x is at least at/2 then, and x − at exact
constexpr double NEGLIGIBLE = 86.0;  // exp(−86), times √2 or divided by it, is a normal float

struct Exponentials {
    float base, power, least;
    double rest;  // exp(x − at) = exp(rest)·term, |rest| <= ln 2 / 2

    explicit Exponentials(double at) {
        const double near = std::fabs(at) > FAR_OFF ? static_cast<double>(static_cast<float>(at)) : 0.0;
        const double k = std::nearbyint((at - near) * LOG2E);
        base = static_cast<float>(near);
        power = static_cast<float>(k);
        least = static_cast<float>(at - near - NEGLIGIBLE);
        rest = k * LN2_LOW + (k * LN2_HIGH + (near - at));
    }

    F moved(F x) const { return x - F::all(base); }
    // nan stays
    F bounded(F moved) const { return max(F::all(least), moved); }
    // To 9e-8: 2e-9 of the polynomial, and roundings; 0 for what is negligible.
    F term(F bounded, F moved) const {
        const F t = fma(bounded, F::all(LOG2E_F), F::all(ROUND_F));
        const F r = less_all_ln2(t - F::all(ROUND_F), bounded);
        F q = F::all(0x1.6d113cp-10f);
        q = fma(q, r, F::all(0x1.120ba2p-7f));
        q = fma(q, r, F::all(0x1.555520p-5f));
        q = fma(q, r, F::all(0x1.5554dcp-3f));
        q = fma(q, r, F::all(0.5f));
        q = fma(q, r, F::all(1.0f));
        return zero_where_below(add_exponent(fma(q, r, F::all(1.0f)), t - F::all(power)), moved, F::all(least));
    }
};

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
