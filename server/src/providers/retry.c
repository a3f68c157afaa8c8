// SPDX-License-Identifier: Apache-2.0
#include "providers/retry.h"

enum { REQUEST_TIMEOUT = 408, CONFLICT = 409, TOO_MANY_REQUESTS = 429, SERVER_ERROR = 500, STATUS_END = 600 };
enum { MS_PER_S = 1000, DOUBLINGS_MAX = 10 };

bool xr_retry_status(int status) {
    return status == REQUEST_TIMEOUT || status == CONFLICT || status == TOO_MANY_REQUESTS ||
           (status >= SERVER_ERROR && status < STATUS_END);
}

int64_t xr_retry_delay_ms(int attempt, int64_t backoff_ms, int64_t retry_after_s, uint64_t random) {
    int doublings = attempt < 1 ? 0 : attempt - 1 < DOUBLINGS_MAX ? attempt - 1 : DOUBLINGS_MAX;
    int64_t full = backoff_ms << doublings;
    int64_t share = full < 2 ? 0 : (int64_t)(random % (uint64_t)(full / 2));
    if (retry_after_s <= 0)
        return full - share;
    return (retry_after_s < XR_RETRY_AFTER_MAX_S ? retry_after_s : XR_RETRY_AFTER_MAX_S) * MS_PER_S + share;
}
