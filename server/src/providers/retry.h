// SPDX-License-Identifier: Apache-2.0
/* providers/retry.h - which failures of a request are worth another attempt, and when to make it. Pure; any thread. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum {
    XR_RETRY_ATTEMPTS = 3, /* in all */
    XR_RETRY_BACKOFF_MS = 500, /* before the second; doubled before each one after it */
    XR_RETRY_AFTER_MAX_S = 30
};

/* 408, 409, 429 and 5xx. */
bool xr_retry_status(int status);
/* How long to wait after the attempt-th attempt (from 1) failed: exponential, of which a random share of a half is
 * taken off, so that calls that failed together do not come back together. A response's Retry-After (RFC 9110, 10.2.3)
 * of retry_after_s seconds (0: none) is waited for in full, up to XR_RETRY_AFTER_MAX_S, with the random share on top.
 */
int64_t xr_retry_delay_ms(int attempt, int64_t backoff_ms, int64_t retry_after_s, uint64_t random);
