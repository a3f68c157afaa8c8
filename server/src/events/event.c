// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "events/subscriber.h"
#include <stdatomic.h>
#include <stdlib.h>

struct xr_event {
    atomic_uint refs;
    bool is_state, is_last;
    int64_t seq;
    size_t len;
    char bytes[];
};

struct xr_event *xr_event_new(struct xr_str bytes, int64_t seq, bool is_state, bool is_last) {
    if (bytes.len > XR_RESPONSE_MAX)
        return NULL;
    struct xr_event *event = malloc(sizeof *event + bytes.len);
    if (!event)
        return NULL;
    atomic_init(&event->refs, 1);
    event->is_state = is_state;
    event->is_last = is_last;
    event->seq = seq;
    event->len = bytes.len;
    if (bytes.len > 0)
        memcpy(event->bytes, bytes.ptr, bytes.len);
    return event;
}

struct xr_event *xr_event_ref(struct xr_event *event) {
    atomic_fetch_add_explicit(&event->refs, 1, memory_order_relaxed);
    return event;
}

void xr_event_unref(struct xr_event *event) {
    if (event && atomic_fetch_sub_explicit(&event->refs, 1, memory_order_acq_rel) == 1)
        free(event);
}

struct xr_str xr_event_bytes(const struct xr_event *event) {
    return (struct xr_str){.ptr = event->bytes, .len = event->len};
}

int64_t xr_event_seq(const struct xr_event *event) {
    return event->seq;
}

bool xr_event_is_state(const struct xr_event *event) {
    return event->is_state;
}

bool xr_event_is_last(const struct xr_event *event) {
    return event->is_last;
}
