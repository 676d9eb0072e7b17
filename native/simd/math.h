// exp, log and log1p of eight float64 numbers. Errors are tested against mpmath: exp 0.8 ulp, log 0.9, log1p 1.0.
#pragma once

#include "simd/integers.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

constexpr double LOG2E = 1.4426950408889634074;
// 32 bits of ln 2, so that n·LN2_HIGH is exact for |n| < 2^21, and the rest
constexpr double LN2_HIGH = 6.93147180369123816490e-01;
constexpr double LN2_LOW = 1.90821492927058770002e-10;
constexpr double ROUND = 6755399441055744.0;  // 1.5·2^52: adding it rounds to a whole number

// How exp is formed: exp(x) = exp(r)·2^n with r = x − n·ln 2, for |x| < 2^20. The polynomials for
// (exp(r) − 1 − r) / r² go through Chebyshev's points of |r| <= ln 2 / 2.
struct Exact {  // 2e-17 before rounding, 1.05 ulp after it: for float64 data
    static constexpr bool CAREFUL = true;
    static D reduced(D x, D& n) {
        n = fma(x, D::all(LOG2E), D::all(ROUND)) - D::all(ROUND);
        return fnma(n, D::all(LN2_LOW), fnma(n, D::all(LN2_HIGH), x));
    }
    static D exp(D r) {
        D q = D::all(0x1.af38d53857513p-26);
        q = fma(q, r, D::all(0x1.2891a8c1d838dp-22));
        q = fma(q, r, D::all(0x1.71de0d9c145d0p-19));
        q = fma(q, r, D::all(0x1.a019b8ef67c6cp-16));
        q = fma(q, r, D::all(0x1.a01a01a7c8d47p-13));
        q = fma(q, r, D::all(0x1.6c16c17893833p-10));
        q = fma(q, r, D::all(0x1.11111111109adp-7));
        q = fma(q, r, D::all(0x1.5555555553d4fp-5));
        q = fma(q, r, D::all(0x1.5555555555556p-3));
        q = fma(q, r, D::all(0x1.0000000000001p-1));
        return D::all(1.0) + fma(q, r * r, r);
    }
};
struct Short {  // 1.1e-8, a tenth of a float32 ulp: for float32 data
    static constexpr bool CAREFUL = false;
    static D reduced(D x, D& n) {
        n = fma(x, D::all(LOG2E), D::all(ROUND)) - D::all(ROUND);
        return fnma(n, D::all(LN2_HIGH + LN2_LOW), x);
    }
    static D exp(D r) {
        D q = D::all(0x1.6d113c8ed96b6p-10);
        q = fma(q, r, D::all(0x1.120ba1a05966cp-7));
        q = fma(q, r, D::all(0x1.55551914b31dcp-5));
        q = fma(q, r, D::all(0x1.5554dcc72f691p-3));
        q = fma(q, r, D::all(0.5));
        q = fma(q, r, D::all(1.0));
        return fma(q, r, D::all(1.0));
    }
};

// log of (1 + f)·2^e for f in [1/√2 − 1, √2 − 1], plus a correction that is small against it.
inline D log_of_parts(D f, D e, D correction) {
    const D s = f / (D::all(2.0) + f);
    const D z = s * s;
    D r = D::all(1.479819860511658591e-01);
    r = fma(r, z, D::all(1.531383769920937332e-01));
    r = fma(r, z, D::all(1.818357216161805012e-01));
    r = fma(r, z, D::all(2.222219843214978396e-01));
    r = fma(r, z, D::all(2.857142874366239149e-01));
    r = fma(r, z, D::all(3.999999999940941908e-01));
    r = fma(r, z, D::all(6.666666666666735130e-01));
    const D half = D::all(0.5) * f * f;
    const D small = fma(s, fma(r, z, half), correction);
    const D low = fma(e, D::all(LN2_LOW), small);
    return fma(e, D::all(LN2_HIGH), f - (half - low));
}

// log x; −inf at 0, nan below 0 and for nan, inf at inf.
inline D log(D x) {
    const D zero = D::all(0.0), infinite = D::all(std::numeric_limits<double>::infinity());
    const Mask tiny = x < D::all(2.2250738585072014e-308);
    const D normal = pick(tiny, x * D::all(18014398509481984.0), x);  // 2^54
    D m, e;
    split(normal, m, e);
    e = pick(tiny, e - D::all(54.0), e);
    D y = log_of_parts(m - D::all(1.0), e, zero);
    y = pick(x < infinite, y, x);
    y = pick(x == zero, zero - infinite, y);
    return pick((x < zero) | is_nan(x), D::all(std::numeric_limits<double>::quiet_NaN()), y);
}

// log(total / own) for total = own + others of finite numbers >= 0, own > 0, to 3e-11 of itself, for float32 data; nan for
// what is not finite. One division for both the ratio and its logarithm, 2·atanh of (total − own) / (total + own).
inline D short_log_ratio(D others, D total, D own) {
    // the power of two that brings total within 1.5 times of own
    const I n = shifted_right<52>(bits_of(total) - bits_of(own) + I::all(1LL << 51));
    const D e = whole(n), near = number_of(bits_of(total) - shifted_left<52>(n));
    const D s = pick(e == D::all(0.0), others, near - own) / (near + own), z = s * s;
    D r = D::all(0x1.edbcd47a0d92cp-3);
    r = fma(r, z, D::all(0x1.23e800533cf46p-2));
    r = fma(r, z, D::all(0x1.999be412a9217p-2));
    r = fma(r, z, D::all(0x1.5555541c61b33p-1));
    return fma(e, D::all(LN2_HIGH), fma(s * z, r, s + s)) + (others - others);
}

// log(1 + x) for x >= 0 (inf and nan give themselves), precise for x far below 1 too.
inline D log1p(D x) {
    const D one = D::all(1.0);
    const D u = one + x;
    D m, e;
    split(u, m, e);
    // what 1 + x lost by rounding, relative to u; where u stays near 1, x itself is the exact argument
    const D lost = pick(x < one, x - (u - one), one - (u - x)) / u;
    const Mask near = u < D::all(1.4142135623730951);
    const D y = log_of_parts(pick(near, x, m - one), e, pick(near, D::all(0.0), lost));
    return pick(x < D::all(std::numeric_limits<double>::infinity()), y, x);
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
