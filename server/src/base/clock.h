// SPDX-License-Identifier: Apache-2.0
/* base/clock.h - time as int64 nanoseconds, and ISO-8601 in and out. The clock is passed in, so tests own it. */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

#define XR_NS_PER_MS INT64_C(1000000)
#define XR_NS_PER_S INT64_C(1000000000)
/* "No time": what a nullable time holds. */
#define XR_TIME_NONE INT64_MIN

/* Both functions may be called from any thread. */
struct xr_clock {
    int64_t (*wall_ns)(void *ctx); /* since the Unix epoch, UTC */
    int64_t (*mono_ns)(void *ctx); /* never goes back; origin arbitrary */
    void *ctx;
};
const struct xr_clock *xr_clock_system(void);
static inline int64_t xr_clock_wall(const struct xr_clock *c) {
    return c->wall_ns(c->ctx);
}
static inline int64_t xr_clock_mono(const struct xr_clock *c) {
    return c->mono_ns(c->ctx);
}

/* floor(ns / 1,000,000), also for negative values. */
int64_t xr_ns_to_ms(int64_t ns);

/* "2026-01-02T03:04:05.678Z" (milliseconds, floor): always XR_ISO_LEN bytes, and a NUL. */
enum { XR_ISO_LEN = 24, XR_ISO_MAX = 32 };
void xr_time_format(int64_t wall_ns, char out[XR_ISO_MAX]);
/* YYYY-MM-DDTHH:MM:SS[.0-9 digits](Z|+HH:MM|-HH:MM), a real date, within int64 nanoseconds (years 1678..2261). */
XR_MUST_USE enum xr_code xr_time_parse(struct xr_str text, int64_t *ret_wall_ns, struct xr_err *err);
