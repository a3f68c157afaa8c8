// SPDX-License-Identifier: Apache-2.0
#include "metrics/metrics.h"

void xr_windows_build(const struct xr_turn *turns, size_t count, struct xr_window *windows) {
    int64_t cursor = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t end = turns[i].voice_end_ns > cursor ? turns[i].voice_end_ns : cursor;
        windows[i] = (struct xr_window){.start_ns = cursor, .end_ns = end};
        cursor = end;
    }
}
