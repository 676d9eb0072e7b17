// What the compiler must inline, and what it must not.
#pragma once

// HOT: inner loops hold everything in registers only where all of this is inlined, and the RARE cases are not.
// APART: compiled once, however many call it.
#if defined(_MSC_VER)
#define CROSSENT_RARE __declspec(noinline)
#define CROSSENT_APART __declspec(noinline)
#else
#define CROSSENT_RARE __attribute__((noinline, cold))
#define CROSSENT_APART __attribute__((noinline))
#endif
#if CROSSENT_ISA == 0
#define CROSSENT_HOT inline
#elif defined(_MSC_VER)
#define CROSSENT_HOT __forceinline
#else
#define CROSSENT_HOT inline __attribute__((always_inline))
#endif
