// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "queue/queue.h"

int64_t xr_queue_backoff_ns(int attempt, uint64_t random) {
    int64_t delay = XR_JOB_BACKOFF_MS * XR_NS_PER_MS;
    for (int i = 1; i < attempt && delay < XR_JOB_BACKOFF_MAX_MS * XR_NS_PER_MS; i++)
        delay *= 2;
    if (delay > XR_JOB_BACKOFF_MAX_MS * XR_NS_PER_MS)
        delay = XR_JOB_BACKOFF_MAX_MS * XR_NS_PER_MS;
    /* Jobs that failed together must not come back together. */
    return delay + (int64_t)(random % ((uint64_t)delay / 2 + 1));
}
