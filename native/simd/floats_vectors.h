// Sixteen float32 lanes as vectors that GCC and Clang keep in registers; part of floats.h, inside its namespace.

typedef float Four __attribute__((vector_size(16)));
typedef int32_t FourWhole __attribute__((vector_size(16)));
typedef uint32_t FourBits __attribute__((vector_size(16)));

inline Four load_four(const float* p) {
    Four x;
    std::memcpy(&x, p, sizeof x);
    return x;
}
inline void store_four(Four x, float* p) { std::memcpy(p, &x, sizeof x); }
inline Four chosen(FourWhole m, Four yes, Four no) { return (Four)((m & (FourWhole)yes) | (~m & (FourWhole)no)); }
inline void widen_four(Four x, Two& low, Two& high) {
    const TwoFloats first = {x[0], x[1]}, second = {x[2], x[3]};
    low = __builtin_convertvector(first, Two);
    high = __builtin_convertvector(second, Two);
}
inline Four narrow_four(Two low, Two high) {
    return Four{static_cast<float>(low[0]), static_cast<float>(low[1]), static_cast<float>(high[0]), static_cast<float>(high[1])};
}

inline Four larger(Four x, Four y) { return x > y ? x : y; }

struct F {
    Four a, b, c, d;
    static F all(float x) {
        const Four v = {x, x, x, x};
        return {v, v, v, v};
    }
    static F load(const float* p) { return {load_four(p), load_four(p + 4), load_four(p + 8), load_four(p + 12)}; }
    void store(float* p) const {
        store_four(a, p);
        store_four(b, p + 4);
        store_four(c, p + 8);
        store_four(d, p + 12);
    }
    void stream(float* p) const { store(p); }
    D low() const {
        D r;
        widen_four(a, r.a, r.b);
        widen_four(b, r.c, r.d);
        return r;
    }
    D high() const {
        D r;
        widen_four(c, r.a, r.b);
        widen_four(d, r.c, r.d);
        return r;
    }
};

#define CROSSENT_EACH(NAME, EXPRESSION)                                   \
    inline F NAME(F p, F q) {                                             \
        const auto each = [](Four x, Four y) { return EXPRESSION; };      \
        return {each(p.a, q.a), each(p.b, q.b), each(p.c, q.c), each(p.d, q.d)}; \
    }
CROSSENT_EACH(operator+, x + y)
CROSSENT_EACH(operator-, x - y)
CROSSENT_EACH(operator*, x* y)
CROSSENT_EACH(operator/, x / y)
CROSSENT_EACH(max, x > y ? x : y)
CROSSENT_EACH(add_exponent, (Four)((FourBits)x + ((FourBits)y << 23)))
CROSSENT_EACH(max_abs, larger((Four)((FourBits)x & 0x7fffffffu), y))
#undef CROSSENT_EACH

#if defined(CROSSENT_FUSED)
inline Four fused(Four x, Four y, Four z) {
    return Four{__builtin_fmaf(x[0], y[0], z[0]), __builtin_fmaf(x[1], y[1], z[1]), __builtin_fmaf(x[2], y[2], z[2]),
                __builtin_fmaf(x[3], y[3], z[3])};
}
inline F fma(F x, F y, F z) { return {fused(x.a, y.a, z.a), fused(x.b, y.b, z.b), fused(x.c, y.c, z.c), fused(x.d, y.d, z.d)}; }
inline F fnma(F x, F y, F z) { return fma({-x.a, -x.b, -x.c, -x.d}, y, z); }
inline F less_ln2(F n, F x) { return fnma(n, F::all(LN2_F), x); }
#else
inline F fma(F x, F y, F z) { return x * y + z; }
inline F fnma(F x, F y, F z) { return z - x * y; }
// without fma the product is exact only with a factor of few bits
inline F less_ln2(F n, F x) { return (x - n * F::all(0.693359375f)) - n * F::all(LN2_F - 0.693359375f); }
#endif
inline bool any_above(F x, float bound) {
    const FourWhole all = ((x.a > bound) | (x.b > bound)) | ((x.c > bound) | (x.d > bound));
    return ((all[0] | all[1]) | (all[2] | all[3])) != 0;
}
inline F add_exponent_unless_equal(F x, F t, F i, F j) {
    const F e = add_exponent(x, t);
    const Four zero = {0.0f, 0.0f, 0.0f, 0.0f};
    return {chosen(i.a == j.a, zero, e.a), chosen(i.b == j.b, zero, e.b), chosen(i.c == j.c, zero, e.c), chosen(i.d == j.d, zero, e.d)};
}
inline F pick_equal(F i, F j, F yes, F no) {
    return {chosen(i.a == j.a, yes.a, no.a), chosen(i.b == j.b, yes.b, no.b), chosen(i.c == j.c, yes.c, no.c), chosen(i.d == j.d, yes.d, no.d)};
}
inline F zero_where_below(F x, F by, F bound) {
    const Four zero = {0.0f, 0.0f, 0.0f, 0.0f};
    return {chosen(by.a < bound.a, zero, x.a), chosen(by.b < bound.b, zero, x.b), chosen(by.c < bound.c, zero, x.c), chosen(by.d < bound.d, zero, x.d)};
}
inline F last_lanes(F x, int count) {
    float v[WIDE];
    x.store(v);
    for (int i = 0; i < WIDE - count; ++i) v[i] = 0.0f;
    return F::load(v);
}
inline void store_part(F x, float* p, int count) {
    float v[WIDE];
    x.store(v);
    std::memcpy(p, v, static_cast<size_t>(count) * sizeof(float));
}
inline F joined(D low, D high) {
    return {narrow_four(low.a, low.b), narrow_four(low.c, low.d), narrow_four(high.a, high.b), narrow_four(high.c, high.d)};
}
inline F load_quarters(const float* a, const float* b, const float* c, const float* d) {
    return {load_four(a), load_four(b), load_four(c), load_four(d)};
}
inline void store_quarters(F x, float* a, float* b, float* c, float* d) {
    store_four(x.a, a);
    store_four(x.b, b);
    store_four(x.c, c);
    store_four(x.d, d);
}
inline void transpose_four(Four& w, Four& x, Four& y, Four& z) {
    const Four p = w, q = x, r = y, s = z;
    w = Four{p[0], q[0], r[0], s[0]};
    x = Four{p[1], q[1], r[1], s[1]};
    y = Four{p[2], q[2], r[2], s[2]};
    z = Four{p[3], q[3], r[3], s[3]};
}
inline void transpose_quarters(F* x) {
    transpose_four(x[0].a, x[1].a, x[2].a, x[3].a);
    transpose_four(x[0].b, x[1].b, x[2].b, x[3].b);
    transpose_four(x[0].c, x[1].c, x[2].c, x[3].c);
    transpose_four(x[0].d, x[1].d, x[2].d, x[3].d);
}
