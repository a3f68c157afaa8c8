// SPDX-License-Identifier: Apache-2.0
/* Compiled several times, with other instruction sets (meson.build): XR_ENERGY_VARIANT names this one. */
#include "audio/energy_kernels.h"

/* A vector holds that many frames, each as one 32-bit number: its two samples. */
#if defined(__AVX2__)
enum { FRAMES = 8 };
#else
enum { FRAMES = 4 };
#endif
enum {
    VECTOR_SAMPLES = FRAMES * XR_CHANNEL_COUNT,
    ROWS = 3, /* as many squares as 32 bits can add up: each is at most 2^30 */
    GROUPS = XR_FRAMES_PER_MS / FRAMES / ROWS,
    SAMPLES = XR_FRAMES_PER_MS * XR_CHANNEL_COUNT,
    BLOCK_SIZE = SAMPLES * (int)sizeof(int16_t),
    /* Recordings are read from end to end, and still the processor's own prefetching is late: with this one, samples
     * that are not in a cache yet take hardly longer than others. */
    AHEAD = 2048,
    LINE = 64, /* both in bytes */
};
_Static_assert(GROUPS *ROWS *FRAMES == XR_FRAMES_PER_MS, "a block is a whole number of groups");

/* Which channel is in the lower half of a frame's 32 bits. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { LOW = XR_CHANNEL_USER, HIGH = XR_CHANNEL_AGENT };
#else
enum { LOW = XR_CHANNEL_AGENT, HIGH = XR_CHANNEL_USER };
#endif

#define INLINE static inline __attribute__((always_inline))
#define VECTOR(type, count) __attribute__((vector_size(sizeof(type) * (size_t)(count))))
typedef uint32_t u32s VECTOR(uint32_t, FRAMES);
typedef int32_t i32s VECTOR(int32_t, FRAMES);
typedef int64_t i64s VECTOR(int64_t, FRAMES / 2);
typedef i32s frames_anywhere __attribute__((aligned(sizeof(int16_t)), may_alias));

/* Pairs of neighbours added up, in 64 bits. */
INLINE i64s widen(u32s x) {
    typedef uint64_t u64s VECTOR(uint64_t, FRAMES / 2);
    return (i64s)(((u64s)x & UINT32_MAX) + ((u64s)x >> 32));
}

/* { sum of low, sum of high, ...}: the two are interleaved first, and then one half is added to the other until two
 * numbers are left. */
typedef int64_t i64x2 VECTOR(int64_t, 2);
typedef int32_t i32x4 VECTOR(int32_t, 4);
#if defined(__AVX2__)
INLINE i64x2 add_up_64(i64s low, i64s high) {
    i64s both = __builtin_shufflevector(low, high, 0, 4, 2, 6) + __builtin_shufflevector(low, high, 1, 5, 3, 7);
    return __builtin_shufflevector(both, both, 0, 1) + __builtin_shufflevector(both, both, 2, 3);
}

INLINE i32x4 add_up_32(i32s low, i32s high) {
    i32s both = __builtin_shufflevector(low, high, 0, 8, 1, 9, 4, 12, 5, 13) +
                __builtin_shufflevector(low, high, 2, 10, 3, 11, 6, 14, 7, 15);
    i32x4 half = __builtin_shufflevector(both, both, 0, 1, 2, 3) + __builtin_shufflevector(both, both, 4, 5, 6, 7);
    return half + __builtin_shufflevector(half, half, 2, 3, 0, 1);
}
#else
INLINE i64x2 add_up_64(i64s low, i64s high) {
    return __builtin_shufflevector(low, high, 0, 2) + __builtin_shufflevector(low, high, 1, 3);
}

INLINE i32x4 add_up_32(i32s low, i32s high) {
    i32x4 half = __builtin_shufflevector(low, high, 0, 4, 1, 5) + __builtin_shufflevector(low, high, 2, 6, 3, 7);
    return half + __builtin_shufflevector(half, half, 2, 3, 0, 1);
}
#endif

INLINE void one_block(const int16_t *samples, struct xr_energy *out) {
    i64s low_squares = {0}, high_squares = {0};
    i32s low_sums = {0}, high_sums = {0};
    for (int group = 0; group < GROUPS; group++) {
        u32s low_some = {0}, high_some = {0};
        for (int row = 0; row < ROWS; row++, samples += VECTOR_SAMPLES) {
            i32s both = *(const frames_anywhere *)samples;
            i32s low = (i32s)((u32s)both << 16) >> 16, high = both >> 16;
            low_some += (u32s)(low * low);
            high_some += (u32s)(high * high);
            low_sums += low;
            high_sums += high;
        }
        low_squares += widen(low_some);
        high_squares += widen(high_some);
    }
    i64x2 squares = add_up_64(low_squares, high_squares);
    i32x4 sums = add_up_32(low_sums, high_sums);
    out->squares[LOW] = (float)squares[0];
    out->squares[HIGH] = (float)squares[1];
    out->sums[LOW] = (float)sums[0];
    out->sums[HIGH] = (float)sums[1];
}

INLINE void fetch(const char *block) {
    for (int at = 0; at < BLOCK_SIZE; at += LINE)
        __builtin_prefetch(block + at);
}

static void blocks(const int16_t *frames, size_t ms, struct xr_energy *out) {
    for (size_t i = 0; i < ms; i++) {
        fetch((const char *)(frames + i * SAMPLES) + AHEAD);
        one_block(frames + i * SAMPLES, out + i);
    }
}

/* Several sums side by side, since one has to wait for each of its steps. All are whole numbers, so that their order
 * does not matter. */
static void totals(const struct xr_energy *restrict blocks, size_t ms, double *restrict sums) {
    enum { BESIDE = 8 };
    double parts[BESIDE][XR_CHANNEL_COUNT] = {0};
    const size_t rows = ms / BESIDE * BESIDE;
    for (size_t i = 0; i < rows; i += BESIDE)
        for (size_t k = 0; k < BESIDE; k++)
            for (size_t c = 0; c < XR_CHANNEL_COUNT; c++)
                parts[k][c] += (double)blocks[i + k].sums[c];
    for (size_t i = rows; i < ms; i++)
        for (size_t c = 0; c < XR_CHANNEL_COUNT; c++)
            parts[0][c] += (double)blocks[i].sums[c];
    for (size_t c = 0; c < XR_CHANNEL_COUNT; c++) {
        sums[c] = 0;
        for (size_t k = 0; k < BESIDE; k++)
            sums[c] += parts[k][c];
    }
}

/* In doubles: at a large offset little is left of large numbers. */
INLINE float power_of(const struct xr_energy *energy, size_t channel, double offset) {
    const double power = ((double)energy->squares[channel] - 2 * offset * (double)energy->sums[channel]) *
                             (1 / (double)XR_FRAMES_PER_MS) +
                         offset * offset;
    return power > 0 ? (float)power : 0;
}

INLINE void channel_powers(const struct xr_energy *restrict blocks, size_t ms, size_t channel, double offset,
                           float *restrict powers) {
    for (size_t i = 0; i < ms; i++)
        powers[i] = power_of(&blocks[i], channel, offset);
}

static void powers(const struct xr_energy *blocks, size_t ms, const double *offsets, float *const *powers) {
    for (size_t c = 0; c < XR_CHANNEL_COUNT; c++)
        channel_powers(blocks, ms, c, offsets[c], powers[c]);
}

/* Each window by itself: a sum that slides would have to wait for itself, and would gather errors. */
static void windows(float *power, size_t windows) {
    for (size_t t = 0; t < windows; t++) {
        float sum = power[t];
        for (size_t i = 1; i < XR_VAD_WINDOW_MS; i++)
            sum += power[t + i];
        power[t] = sum * (1 / (float)XR_VAD_WINDOW_MS);
    }
}

#define JOIN(a, b) a##b
#define SYMBOL(variant) JOIN(xr_energy_kernels_, variant)
extern const struct xr_energy_kernels SYMBOL(XR_ENERGY_VARIANT);
const struct xr_energy_kernels SYMBOL(XR_ENERGY_VARIANT) = {
    .blocks = blocks,
    .totals = totals,
    .powers = powers,
    .windows = windows,
};
