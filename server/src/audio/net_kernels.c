// SPDX-License-Identifier: Apache-2.0
/* Compiled several times, with other instruction sets (meson.build): XR_NET_VARIANT names this one. The compiler makes
 * the vectors, of as many floats as a register holds. */
#include "audio/net_kernels.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

/* How wide a vector is, and how large the tile of sums that stays in registers: ROWS rows of PANELS panels, or WIDE
 * panels where there is one row only. At least eight sums are needed to hide how long one takes; with many more than
 * that gcc no longer keeps all of them in the 16 registers that there are before AVX-512. */
#if defined(__AVX512F__)
enum { WIDTH = 16, ROWS = 8, PANELS = 2, WIDE = 8 };
#elif defined(__AVX2__)
enum { WIDTH = 8, ROWS = 4, PANELS = 1, WIDE = 4 };
#else
enum { WIDTH = 4, ROWS = 2, PANELS = 1, WIDE = 2 };
#endif
enum { PARTS = XR_NET_PANEL / WIDTH, SUMS_MAX = 8 }; /* vectors a panel; vectors of a row in a tile */
_Static_assert(PANELS *PARTS <= SUMS_MAX && WIDE * PARTS <= SUMS_MAX, "a row of a tile");

#define INLINE static inline __attribute__((always_inline))
/* Anywhere in an array of floats. */
typedef float vec __attribute__((vector_size(WIDTH * sizeof(float)), aligned(sizeof(float)), may_alias));

INLINE vec load(const float *from) {
    return *(const vec *)from;
}

INLINE void store(float *to, vec value) {
    *(vec *)to = value;
}

INLINE void rectify(float *values, size_t n) {
    for (size_t i = 0; i < n; i++)
        values[i] = values[i] > 0 ? values[i] : 0;
}

/* One tile. rows and panels are constants where it is called, so that all loops but the one over k unroll and the sums
 * are registers. */
INLINE void tile(const struct xr_net_product *p, size_t row, size_t panel, size_t rows, size_t panels) {
    vec sums[ROWS][SUMS_MAX], weight[SUMS_MAX];
    const float *weights = p->weights + panel * p->panel_stride, *in = p->in + row * p->in_stride;
    const float *bias = p->bias + row * p->bias_stride + panel * XR_NET_PANEL;
    float *out = p->out + row * p->out_stride + panel * XR_NET_PANEL;
    size_t depth = p->depth, in_stride = p->in_stride, panel_stride = p->panel_stride, width = panels * PARTS;
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < width; v++)
            sums[r][v] = load(bias + r * p->bias_stride + v * WIDTH);
    for (size_t k = 0; k < depth; k++) {
        for (size_t v = 0; v < width; v++)
            weight[v] = load(weights + v / PARTS * panel_stride + k * XR_NET_PANEL + v % PARTS * WIDTH);
        for (size_t r = 0; r < rows; r++)
            for (size_t v = 0; v < width; v++)
                sums[r][v] += weight[v] * in[r * in_stride + k];
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < width; v++)
            store(out + r * p->out_stride + v * WIDTH, sums[r][v]);
    if (p->rectify)
        for (size_t r = 0; r < rows; r++)
            rectify(out + r * p->out_stride, panels * XR_NET_PANEL);
}

/* All rows of so many panels: their weights stay in the nearest cache. */
INLINE void column(const struct xr_net_product *p, size_t panel, size_t panels) {
    size_t row = 0;
    for (; row + ROWS <= p->rows; row += ROWS)
        tile(p, row, panel, ROWS, panels);
    for (; row < p->rows; row++)
        tile(p, row, panel, 1, panels);
}

static void product(const struct xr_net_product *p) {
    size_t panel = 0;
    if (p->rows == 1)
        for (; panel + WIDE <= p->panels; panel += WIDE)
            tile(p, 0, panel, 1, WIDE);
    for (; panel + PANELS <= p->panels; panel += PANELS)
        column(p, panel, PANELS);
    for (; panel < p->panels; panel++)
        column(p, panel, 1);
}

static void fold(const float *restrict frame, float *restrict even, float *restrict odd) {
    for (size_t n = 1; n < XR_NET_HALF; n++) {
        even[n - 1] = frame[n] + frame[XR_NET_FRAME - n];
        odd[n - 1] = frame[n] - frame[XR_NET_FRAME - n];
    }
    even[XR_NET_HALF - 1] = frame[XR_NET_HALF];
    odd[XR_NET_HALF - 1] = 0;
}

static void magnitudes(const float *restrict cosines, const float *restrict sines, float *restrict out) {
    for (size_t k = 0; k < XR_NET_HALF; k++)
        out[k] = sqrtf(cosines[k] * cosines[k] + sines[k] * sines[k]);
    out[XR_NET_HALF] = fabsf(cosines[XR_NET_HALF]);
}

/* e to the x, to 2 parts in 10 million: 2 to a whole number is an exponent, the rest a polynomial over ±ln 2 / 2. */
INLINE float exponential(float x) {
    const float to_whole = 12582912.0F; /* 1.5 * 2^23: what is added to it is rounded to a whole number */
    x = x < -87.0F ? -87.0F : x;
    x = x > 87.0F ? 87.0F : x;
    float shifted = x * 1.44269504F + to_whole, whole = shifted - to_whole;
    float rest = x - whole * 0.693145752F - whole * 1.42860677e-6F;
    float power = 1.0F / 720;
    power = power * rest + 1.0F / 120;
    power = power * rest + 1.0F / 24;
    power = power * rest + 1.0F / 6;
    power = power * rest + 0.5F;
    power = power * rest + 1.0F;
    power = power * rest + 1.0F;
    uint32_t bits, exponent;
    memcpy(&bits, &power, sizeof bits);
    memcpy(&exponent, &shifted, sizeof exponent);
    bits += exponent << 23;
    memcpy(&power, &bits, sizeof power);
    return power;
}

INLINE float logistic(float x) {
    return 1 / (1 + exponential(-x));
}

INLINE float hyperbolic_tangent(float x) {
    return 2 * logistic(2 * x) - 1;
}

static void step(const float *restrict gates, float *restrict cell, float *restrict hidden, float *restrict rectified) {
    const float *forget = gates + XR_NET_UNITS, *candidate = forget + XR_NET_UNITS, *out = candidate + XR_NET_UNITS;
    for (size_t i = 0; i < XR_NET_UNITS; i++) {
        cell[i] = logistic(forget[i]) * cell[i] + logistic(gates[i]) * hyperbolic_tangent(candidate[i]);
        hidden[i] = logistic(out[i]) * hyperbolic_tangent(cell[i]);
        rectified[i] = hidden[i] > 0 ? hidden[i] : 0;
    }
}

static void sigmoid(float *values, size_t n) {
    for (size_t i = 0; i < n; i++)
        values[i] = logistic(values[i]);
}

#define JOIN(a, b) a##b
#define SYMBOL(variant) JOIN(xr_net_kernels_, variant)
#define TEXT(variant) #variant
#define NAME(variant) TEXT(variant)
extern const struct xr_net_kernels SYMBOL(XR_NET_VARIANT);
const struct xr_net_kernels SYMBOL(XR_NET_VARIANT) = {
    .name = NAME(XR_NET_VARIANT),
    .product = product,
    .fold = fold,
    .magnitudes = magnitudes,
    .step = step,
    .sigmoid = sigmoid,
};
