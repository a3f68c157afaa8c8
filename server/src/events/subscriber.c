// SPDX-License-Identifier: Apache-2.0
#include "events/subscriber.h"
#include "base/limits.h"
#include <stdlib.h>

enum { RING_FIRST = 16 };

struct xr_subscriber *xr_subscriber_new(void (*wake)(void *ctx), void *ctx) {
    struct xr_subscriber *subscriber = calloc(1, sizeof *subscriber);
    if (!subscriber)
        return NULL;
    pthread_mutex_init(&subscriber->lock, NULL);
    subscriber->wake = wake;
    subscriber->ctx = ctx;
    return subscriber;
}

static struct xr_event *take_locked(struct xr_subscriber *subscriber) {
    struct xr_event *event = subscriber->ring[subscriber->first];
    subscriber->first = (subscriber->first + 1) % subscriber->ring_cap;
    subscriber->count--;
    return event;
}

static void close_locked(struct xr_subscriber *subscriber) {
    while (subscriber->count > 0)
        xr_event_unref(take_locked(subscriber));
    free(subscriber->ring);
    subscriber->ring = NULL;
    subscriber->ring_cap = 0;
    subscriber->closed = true;
}

static void subscriber_free(struct xr_subscriber *subscriber) {
    close_locked(subscriber);
    pthread_mutex_destroy(&subscriber->lock);
    free(subscriber);
}

/* Room for one more event; false over XR_SSE_QUEUE_MAX and when out of memory. */
static bool make_room(struct xr_subscriber *subscriber) {
    if (subscriber->count < subscriber->ring_cap)
        return true;
    if (subscriber->count >= XR_SSE_QUEUE_MAX)
        return false;
    size_t cap = subscriber->ring_cap ? 2 * subscriber->ring_cap : RING_FIRST;
    if (cap > XR_SSE_QUEUE_MAX)
        cap = XR_SSE_QUEUE_MAX;
    struct xr_event **ring = calloc(cap, sizeof(struct xr_event *));
    if (!ring)
        return false;
    for (size_t i = 0, from = subscriber->first; i < subscriber->count; i++, from++)
        ring[i] = subscriber->ring[from < subscriber->ring_cap ? from : from - subscriber->ring_cap];
    free(subscriber->ring);
    subscriber->ring = ring;
    subscriber->ring_cap = cap;
    subscriber->first = 0;
    return true;
}

static bool reserve_wake(struct xr_subscriber *subscriber) {
    if (!subscriber->asleep || subscriber->wake_due)
        return false;
    subscriber->wake_due = true;
    return true;
}

bool xr_subscriber_push(struct xr_subscriber *subscriber, struct xr_event *event) {
    pthread_mutex_lock(&subscriber->lock);
    bool due = false;
    if (!subscriber->closed) {
        if (make_room(subscriber)) {
            subscriber->ring[(subscriber->first + subscriber->count) % subscriber->ring_cap] = xr_event_ref(event);
            subscriber->count++;
        } else {
            /* A gap would be worse than an end: the client comes back and reads the state afresh. */
            close_locked(subscriber);
        }
        due = reserve_wake(subscriber);
    }
    pthread_mutex_unlock(&subscriber->lock);
    return due;
}

bool xr_subscriber_close(struct xr_subscriber *subscriber) {
    pthread_mutex_lock(&subscriber->lock);
    close_locked(subscriber);
    bool due = reserve_wake(subscriber);
    pthread_mutex_unlock(&subscriber->lock);
    return due;
}

void xr_subscriber_deliver(struct xr_subscriber *subscriber) {
    pthread_mutex_lock(&subscriber->lock);
    subscriber->wake_due = false;
    bool gone = subscriber->gone;
    /* The owner may have looked again by itself since the push: then there is nothing to wake it for. */
    if (!gone && subscriber->asleep && (subscriber->count > 0 || subscriber->closed)) {
        subscriber->asleep = false;
        subscriber->wake(subscriber->ctx);
    }
    pthread_mutex_unlock(&subscriber->lock);
    if (gone)
        subscriber_free(subscriber);
}

void xr_subscriber_leave(struct xr_subscriber *subscriber) {
    pthread_mutex_lock(&subscriber->lock);
    subscriber->gone = true;
    bool due = subscriber->wake_due;
    pthread_mutex_unlock(&subscriber->lock);
    if (!due)
        subscriber_free(subscriber);
}

enum xr_next xr_subscriber_next(struct xr_subscriber *subscriber, void (*parked)(void *ctx),
                                struct xr_event **ret_event) {
    enum xr_next next = XR_NEXT_NOTHING;
    pthread_mutex_lock(&subscriber->lock);
    subscriber->asleep = false;
    if (subscriber->closed) {
        next = XR_NEXT_CLOSED;
    } else if (subscriber->count > 0) {
        *ret_event = take_locked(subscriber);
        next = XR_NEXT_EVENT;
    } else {
        subscriber->asleep = true;
        if (parked)
            parked(subscriber->ctx);
    }
    pthread_mutex_unlock(&subscriber->lock);
    return next;
}
