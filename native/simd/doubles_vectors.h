// The plain C++ lanes as vectors that GCC and Clang keep in registers; part of doubles.h, inside its namespace.
//
// Arrays of eight in a struct stay in memory: 3 times as slow. Two lanes are what every x86-64 processor (SSE2) and
// every 64-bit Arm processor (NEON) has.

typedef double Two __attribute__((vector_size(16)));
typedef int64_t TwoWhole __attribute__((vector_size(16)));
typedef uint64_t TwoBits __attribute__((vector_size(16)));
typedef float TwoFloats __attribute__((vector_size(8)));

struct Mask {
    TwoWhole a, b, c, d;
};

inline Two load_two(const double* p) {
    Two x;
    std::memcpy(&x, p, sizeof x);
    return x;
}
inline Two load_two(const float* p) {
    TwoFloats x;
    std::memcpy(&x, p, sizeof x);
    return __builtin_convertvector(x, Two);
}
inline void store_two(Two x, double* p) { std::memcpy(p, &x, sizeof x); }
inline void store_two(Two x, float* p) {
    const TwoFloats y = __builtin_convertvector(x, TwoFloats);
    std::memcpy(p, &y, sizeof y);
}
inline Two chosen(TwoWhole m, Two yes, Two no) { return (Two)((m & (TwoWhole)yes) | (~m & (TwoWhole)no)); }

struct D {
    Two a, b, c, d;
    static D all(double x) {
        const Two v = {x, x};
        return {v, v, v, v};
    }
    template <class T>
    static D load(const T* p) {
        return {load_two(p), load_two(p + 2), load_two(p + 4), load_two(p + 6)};
    }
    template <class T>
    void store(T* p) const {
        store_two(a, p);
        store_two(b, p + 2);
        store_two(c, p + 4);
        store_two(d, p + 6);
    }
};

inline void unzip(D& x, D& y) {
    const D p = x, q = y;
    x = {Two{p.a[0], p.b[0]}, Two{p.c[0], p.d[0]}, Two{q.a[0], q.b[0]}, Two{q.c[0], q.d[0]}};
    y = {Two{p.a[1], p.b[1]}, Two{p.c[1], p.d[1]}, Two{q.a[1], q.b[1]}, Two{q.c[1], q.d[1]}};
}
inline void zip(D& x, D& y) {
    const D p = x, q = y;
    x = {Two{p.a[0], q.a[0]}, Two{p.a[1], q.a[1]}, Two{p.b[0], q.b[0]}, Two{p.b[1], q.b[1]}};
    y = {Two{p.c[0], q.c[0]}, Two{p.c[1], q.c[1]}, Two{p.d[0], q.d[0]}, Two{p.d[1], q.d[1]}};
}
inline Two minus_where_odd(Two x, const int64_t* n) {
    TwoBits whole;
    std::memcpy(&whole, n, sizeof whole);
    return (Two)((TwoBits)x ^ (whole << 63));
}
inline D minus_where_odd(D x, const int64_t* n) {
    return {minus_where_odd(x.a, n), minus_where_odd(x.b, n + 2), minus_where_odd(x.c, n + 4), minus_where_odd(x.d, n + 6)};
}

#define CROSSENT_EACH(TYPE, NAME, X, Y, EXPRESSION)                       \
    inline TYPE NAME(X p, Y q) {                                          \
        const auto each = [](auto x, auto y) { return EXPRESSION; };      \
        return {each(p.a, q.a), each(p.b, q.b), each(p.c, q.c), each(p.d, q.d)}; \
    }
CROSSENT_EACH(D, operator+, D, D, x + y)
CROSSENT_EACH(D, operator-, D, D, x - y)
CROSSENT_EACH(D, operator*, D, D, x* y)
CROSSENT_EACH(D, operator/, D, D, x / y)
CROSSENT_EACH(D, max, D, D, x > y ? x : y)
CROSSENT_EACH(D, min, D, D, x < y ? x : y)
CROSSENT_EACH(Mask, operator<, D, D, x < y)
CROSSENT_EACH(Mask, operator>, D, D, x > y)
CROSSENT_EACH(Mask, operator<=, D, D, x <= y)
CROSSENT_EACH(Mask, operator==, D, D, x == y)
CROSSENT_EACH(Mask, operator|, Mask, Mask, x | y)
CROSSENT_EACH(Mask, operator&, Mask, Mask, x& y)
#undef CROSSENT_EACH

#if defined(CROSSENT_FUSED)
inline Two fused(Two x, Two y, Two z) { return Two{__builtin_fma(x[0], y[0], z[0]), __builtin_fma(x[1], y[1], z[1])}; }
inline D fma(D x, D y, D z) { return {fused(x.a, y.a, z.a), fused(x.b, y.b, z.b), fused(x.c, y.c, z.c), fused(x.d, y.d, z.d)}; }
inline D fnma(D x, D y, D z) { return fma({-x.a, -x.b, -x.c, -x.d}, y, z); }
#else
inline D fma(D x, D y, D z) { return x * y + z; }
inline D fnma(D x, D y, D z) { return z - x * y; }
#endif
inline Mask is_nan(D x) { return {x.a != x.a, x.b != x.b, x.c != x.c, x.d != x.d}; }
inline Mask operator!(Mask m) { return {~m.a, ~m.b, ~m.c, ~m.d}; }
inline bool any(Mask m) {
    const TwoWhole all = (m.a | m.b) | (m.c | m.d);
    return (all[0] | all[1]) != 0;
}
inline bool at(Mask m, int lane) {
    const TwoWhole two = lane < 4 ? (lane < 2 ? m.a : m.b) : (lane < 6 ? m.c : m.d);
    return two[lane & 1] != 0;
}
inline D pick(Mask m, D yes, D no) {
    return {chosen(m.a, yes.a, no.a), chosen(m.b, yes.b, no.b), chosen(m.c, yes.c, no.c), chosen(m.d, yes.d, no.d)};
}
template <class T>
inline D load_part(const T* p, int count, double fill) {
    double all[LANES];
    for (int i = 0; i < LANES; ++i) all[i] = i < count ? static_cast<double>(p[i]) : fill;
    return D::load(all);
}

inline Two scale(Two x, Two n) {
    // n + 1.5·2^52 holds n in its low bits; two halves, as 2^n alone may not be a number
    const Two magic = {6755399441055744.0 + 1023.0, 6755399441055744.0 + 1023.0};
    const Two plain = {6755399441055744.0, 6755399441055744.0};
    const Two half = (n * 0.5 + plain) - plain, rest = n - half;
    return x * (Two)((TwoBits)(half + magic) << 52) * (Two)((TwoBits)(rest + magic) << 52);
}
inline D scale(D x, D n) { return {scale(x.a, n.a), scale(x.b, n.b), scale(x.c, n.c), scale(x.d, n.d)}; }

inline void split(Two x, Two& m, Two& e) {
    // exponents are shifted as what is not negative, 1024 too large: SSE2 has no arithmetic shift of 64 bits
    const TwoBits moved = (TwoBits)x - 0x3fe6a09e667f3bcdULL + 0x4000000000000000ULL;
    const TwoBits k = moved >> 52;
    m = (Two)((TwoBits)x - ((k - 1024) << 52));
    e = (Two)(k | 0x4330000000000000ULL) - (4503599627370496.0 + 1024.0);
}
inline void split(D x, D& m, D& e) {
    split(x.a, m.a, e.a);
    split(x.b, m.b, e.b);
    split(x.c, m.c, e.c);
    split(x.d, m.d, e.d);
}
