// SPDX-License-Identifier: Apache-2.0
#include "http/gate.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 256 };

struct xr_gate {
    pthread_mutex_t lock;
    struct xr_gate_pass *buckets[BUCKETS]; /* those inside, linked by next */
};

struct xr_gate *xr_gate_new(void) {
    struct xr_gate *gate = calloc(1, sizeof *gate);
    if (gate && pthread_mutex_init(&gate->lock, NULL) != 0) {
        free(gate);
        return NULL;
    }
    return gate;
}

void xr_gate_free(struct xr_gate *gate) {
    if (!gate)
        return;
    pthread_mutex_destroy(&gate->lock);
    free(gate);
}

/* Replay ids are random, so any byte of them is a hash; the last is no version or variant bits. */
static struct xr_gate_pass **bucket_of(struct xr_gate *gate, const struct xr_uuid *replay) {
    return &gate->buckets[replay->bytes[XR_UUID_SIZE - 1] % BUCKETS];
}

/* The link that points to the pass inside for this replay, or to the bucket's end. */
static struct xr_gate_pass **find_inside(struct xr_gate *gate, const struct xr_uuid *replay) {
    struct xr_gate_pass **link = bucket_of(gate, replay);
    while (*link && memcmp(&(*link)->replay, replay, sizeof *replay) != 0)
        link = &(*link)->next;
    return link;
}

bool xr_gate_enter(struct xr_gate *gate, struct xr_gate_pass *pass) {
    pass->next = NULL;
    pass->waiting = NULL;
    pthread_mutex_lock(&gate->lock);
    struct xr_gate_pass **link = find_inside(gate, &pass->replay);
    bool entered = !*link;
    if (!entered) {
        link = &(*link)->waiting;
        while (*link)
            link = &(*link)->waiting;
    }
    *link = pass;
    pthread_mutex_unlock(&gate->lock);
    return entered;
}

void xr_gate_leave(struct xr_gate *gate, struct xr_gate_pass *pass) {
    pthread_mutex_lock(&gate->lock);
    struct xr_gate_pass **link = find_inside(gate, &pass->replay);
    struct xr_gate_pass *heir = pass->waiting; /* the rest of the queue hangs on it already */
    if (heir) {
        heir->next = pass->next;
        *link = heir;
    } else {
        *link = pass->next;
    }
    pthread_mutex_unlock(&gate->lock);
    if (heir)
        heir->enter(heir);
}
