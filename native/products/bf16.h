// Products of bfloat16 matrices, accumulated in float32 by the instruction of AVX512-BF16.
//
// An entry of the result is one accumulator that takes the pairs of neighbours x[2k] w[2k] + x[2k+1] w[2k+1] in the order
// of k, from zero. What it becomes depends on the two rows alone: not on how many rows and columns there are, where tiles
// begin, or how many threads share them. The instruction (vdpbf16ps) rounds to nearest even after each product is added,
// takes subnormal numbers for zeros and gives zeros for them; the product of two bfloat16 is exact. So the error is at
// most depth · 2⁻²⁴ Σ |x w|, and depth · 2⁻¹²⁶.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "products/jobs.h"
#include "simd/inlining.h"

namespace crossent {
namespace CROSSENT_NAMESPACE {

constexpr int64_t LANES = 16;
constexpr int64_t PANEL = 2 * LANES;  // columns of a tile
constexpr int ROWS = 12;              // of a tile: 24 accumulators of the 32 registers
constexpr int64_t STEP = 2 * LANES;   // numbers of a row that are packed at a time
// Of a block: 12 rows of x are 24 KiB, half of a first cache, and 256 columns of w 512 KiB, half of a second one.
constexpr int64_t DEPTH = 1024;

// Lanes become vectors: v[i][j] of 32 bits becomes v[j][i].
CROSSENT_HOT void transpose(__m512i* v) {
    __m512i t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int j = 0; j < 2; ++j) {
            v[i + 2 * j] = _mm512_unpacklo_epi64(t[i + j], t[i + j + 2]);
            v[i + 2 * j + 1] = _mm512_unpackhi_epi64(t[i + j], t[i + j + 2]);
        }
    for (int j = 0; j < 4; ++j) {
        // v[4 i + j] holds columns j, j + 4, j + 8 and j + 12 of rows 4 i … 4 i + 3
        const __m512i a = _mm512_shuffle_i32x4(v[j], v[4 + j], 0x88), b = _mm512_shuffle_i32x4(v[8 + j], v[12 + j], 0x88);
        const __m512i c = _mm512_shuffle_i32x4(v[j], v[4 + j], 0xdd), d = _mm512_shuffle_i32x4(v[8 + j], v[12 + j], 0xdd);
        t[j] = _mm512_shuffle_i32x4(a, b, 0x88);
        t[j + 4] = _mm512_shuffle_i32x4(c, d, 0x88);
        t[j + 8] = _mm512_shuffle_i32x4(a, b, 0xdd);
        t[j + 12] = _mm512_shuffle_i32x4(c, d, 0xdd);
    }
    for (int i = 0; i < 16; ++i) v[i] = t[i];
}

// Rows of w, 16 of them or those there are, as lanes: to[k] has their pairs at k, k even, up to a multiple of 32. What is
// not there is zero.
CROSSENT_APART inline void pack(const uint16_t* w, int64_t stride, int64_t rows, int64_t depth, Pairs* to) {
    for (int64_t k = 0; k < depth; k += STEP) {
        const __mmask32 there = depth - k < STEP ? (1u << (depth - k)) - 1u : ~0u;
        __m512i v[LANES];
        for (int64_t i = 0; i < LANES; ++i) {
            const bool is_row = i < rows;
            v[i] = _mm512_maskz_loadu_epi16(is_row ? there : 0u, w + (is_row ? i * stride : 0) + k);
        }
        transpose(v);
        for (int64_t i = 0; i < LANES; ++i) _mm512_store_si512(to + k + 2 * i, v[i]);
    }
}

// The same of a w whose columns lie next to each other: from row to row of `w` the depth goes on.
CROSSENT_APART inline void pack_turned(const uint16_t* w, int64_t stride, int64_t rows, int64_t depth, Pairs* to) {
    const __mmask16 there = static_cast<__mmask16>(rows >= LANES ? 0xffff : (1 << rows) - 1);
    for (int64_t k = 0; k < depth; k += 2, w += 2 * stride) {
        const __m512i even = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(there, w));
        const __m512i odd = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(k + 1 < depth ? there : 0, k + 1 < depth ? w + stride : w));
        _mm512_store_si512(to + k, _mm512_or_si512(even, _mm512_slli_epi32(odd, 16)));
    }
}

// Part of the result: a few rows by the columns of a panel, over part of the depth.
struct Tile {
    const uint16_t* x;
    const Pairs* panel;
    const float* bias;  // or null: added at the end
    float* out;
    int64_t x_stride, out_stride, depth;
    __mmask16 there[2];  // columns
    bool more;           // they have the sum of what came before
};

// R rows over an even depth, or over a depth of ONE.
template <int R, bool ONE = false>
CROSSENT_APART void tile(const Tile& t) {
    __m512 sum[R][2];
    for (int r = 0; r < R; ++r) {
        float* out = t.out + r * t.out_stride;
        // what is written in the end comes from memory meanwhile
        __builtin_prefetch(out, 1);
        __builtin_prefetch(out + LANES, 1);
        sum[r][0] = t.more ? _mm512_maskz_loadu_ps(t.there[0], out) : _mm512_setzero_ps();
        sum[r][1] = t.more ? _mm512_maskz_loadu_ps(t.there[1], out + LANES) : _mm512_setzero_ps();
    }
    for (int64_t k = 0; k < t.depth; k += 2) {
        const __m512bh first = (__m512bh)_mm512_load_si512(t.panel + k), second = (__m512bh)_mm512_load_si512(t.panel + k + 1);
        for (int r = 0; r < R; ++r) {
            int32_t pair = 0;
            std::memcpy(&pair, t.x + r * t.x_stride + k, ONE ? sizeof(uint16_t) : sizeof pair);
            const __m512bh both = (__m512bh)_mm512_set1_epi32(pair);
            sum[r][0] = _mm512_dpbf16_ps(sum[r][0], both, first);
            sum[r][1] = _mm512_dpbf16_ps(sum[r][1], both, second);
        }
    }
    const __m512 first = t.bias ? _mm512_maskz_loadu_ps(t.there[0], t.bias) : _mm512_setzero_ps();
    const __m512 second = t.bias ? _mm512_maskz_loadu_ps(t.there[1], t.bias + LANES) : _mm512_setzero_ps();
    for (int r = 0; r < R; ++r) {
        _mm512_mask_storeu_ps(t.out + r * t.out_stride, t.there[0], _mm512_add_ps(sum[r][0], first));
        _mm512_mask_storeu_ps(t.out + r * t.out_stride + LANES, t.there[1], _mm512_add_ps(sum[r][1], second));
    }
}

inline __mmask16 lanes_there(int64_t count) {
    return static_cast<__mmask16>(count >= LANES ? 0xffff : count <= 0 ? 0 : (1 << count) - 1);
}

// All rows of the result, by the columns begin … end and the depth from … to, which is even or one.
CROSSENT_RARE inline void block(const ProductJob& job, Pairs* packed, int64_t begin, int64_t end, int64_t from, int64_t to) {
    const int64_t depth = to - from, panel = (depth + STEP - 1) / STEP * STEP;
    for (int64_t c = begin; c < end; c += PANEL)
        for (int64_t h = 0; h < 2; ++h) {
            const int64_t first = c + h * LANES < end ? c + h * LANES : end;
            const uint16_t* w = job.turned ? job.w + from * job.w_stride + first : job.w + first * job.w_stride + from;
            (job.turned ? pack_turned : pack)(w, job.w_stride, end - first, depth, packed + (c - begin) / PANEL * panel + h);
        }
    const bool bias = job.bias && to == job.depth;
    int64_t row = 0;
    const auto rows = [&](void (*of_rows)(const Tile&), int64_t count) {
        for (; row + count <= job.rows; row += count)
            for (int64_t c = begin; c < end; c += PANEL)
                of_rows({job.x + row * job.x_stride + from, packed + (c - begin) / PANEL * panel, bias ? job.bias + c : nullptr,
                         job.out + row * job.out_stride + c, job.x_stride, job.out_stride, depth,
                         {lanes_there(end - c), lanes_there(end - c - LANES)}, from > 0});
    };
    if (depth == 1) return rows(tile<1, true>, 1);
    rows(tile<ROWS>, ROWS);
    rows(tile<4>, 4);
    rows(tile<1>, 1);
}

inline int64_t product_room(const ProductJob& job) {
    return PRODUCT_COLUMNS / PANEL * ((job.depth < DEPTH ? job.depth : DEPTH) + STEP);
}

CROSSENT_RARE inline void product_of_bfloat16(const ProductJob& job, int64_t begin, int64_t end, Pairs* room) {
    int64_t from = 0;
    do {  // once at least: a sum of nothing is zero
        int64_t to = from + DEPTH < job.depth ? from + DEPTH : job.depth;
        if ((to - from) % 2 && to - from > 1) --to;
        block(job, room, begin, end, from, to);
        from = to;
    } while (from < job.depth);
}

}  // namespace CROSSENT_NAMESPACE
}  // namespace crossent
