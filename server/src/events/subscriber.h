// SPDX-License-Identifier: Apache-2.0
/* events/subscriber.h - one subscriber's bounded queue and its sleep. For hub.c only.
 *
 * Waking takes two steps, so that wake() runs without the hub's lock: under it, push() and close() say whether the
 * subscriber has to be woken and reserve that for the caller (`wake_due`: at most one thread holds it); after it, that
 * caller calls deliver(). A subscriber that leaves in between is freed by deliver().
 *
 * Lock order: the hub's lock, then a subscriber's. */
#pragma once
#include "events/hub.h"
#include <pthread.h>

struct xr_topic;
struct xr_subscriber {
    pthread_mutex_t lock;
    void (*wake)(void *ctx);
    void *ctx;

    /* Under `lock`. The ring holds one reference of each event. */
    struct xr_event **ring;
    size_t ring_cap, first, count;
    bool asleep; /* next() said NOTHING and nobody has called wake() since */
    bool closed;
    bool gone; /* unsubscribed */
    bool wake_due; /* a thread is on its way to deliver() */

    /* Under the hub's lock. */
    struct xr_topic *topic;
    struct xr_subscriber *topic_prev, *topic_next;
    struct xr_subscriber *all_prev, *all_next;

    struct xr_subscriber *due_next; /* belongs to the thread that reserved the wake */
};

struct xr_subscriber *xr_subscriber_new(void (*wake)(void *ctx), void *ctx); /* NULL when out of memory */
/* Both: true when the caller must call deliver() once it holds no lock. */
bool xr_subscriber_push(struct xr_subscriber *subscriber, struct xr_event *event);
bool xr_subscriber_close(struct xr_subscriber *subscriber);
void xr_subscriber_deliver(struct xr_subscriber *subscriber);
/* The end of the owner's use: no wake() after it. The subscriber must not be reachable from the hub any more. */
void xr_subscriber_leave(struct xr_subscriber *subscriber);

struct xr_event *xr_event_ref(struct xr_event *event); /* returns event */
