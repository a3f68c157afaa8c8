// SPDX-License-Identifier: Apache-2.0
#include "events/hub.h"
#include "base/limits.h"
#include "events/subscriber.h"
#include <assert.h>
#include <stdlib.h>

enum { BUCKETS = 1024 }; /* a power of two, about one topic in each at XR_SUBSCRIBERS_MAX */

/* Lives as long as it has a subscriber. */
struct xr_topic {
    struct xr_uuid id;
    struct xr_topic *next; /* in its bucket */
    struct xr_subscriber *first;
};

struct xr_hub {
    pthread_mutex_t lock;
    struct xr_topic *buckets[BUCKETS];
    struct xr_subscriber *all;
    size_t count;
    bool closed;
};

enum xr_code xr_hub_new(struct xr_hub **ret_hub, struct xr_err *err) {
    struct xr_hub *hub = calloc(1, sizeof *hub);
    if (!hub)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    pthread_mutex_init(&hub->lock, NULL);
    *ret_hub = hub;
    return XR_OK;
}

void xr_hub_free(struct xr_hub *hub) {
    if (!hub)
        return;
    assert(hub->count == 0);
    pthread_mutex_destroy(&hub->lock);
    free(hub);
}

static struct xr_topic **bucket_of(struct xr_hub *hub, const struct xr_uuid *id) {
    uint64_t halves[2];
    static_assert(sizeof halves == sizeof id->bytes, "a UUID is two words");
    memcpy(halves, id->bytes, sizeof halves);
    /* Fibonacci hashing: the product's top bits depend on every bit. */
    return &hub->buckets[((halves[0] ^ halves[1]) * UINT64_C(0x9E3779B97F4A7C15)) >> 32 & (BUCKETS - 1)];
}

/* The link that points at the topic, or the bucket's last link (holding NULL) if there is none. */
static struct xr_topic **find_topic(struct xr_hub *hub, const struct xr_uuid *id) {
    struct xr_topic **link = bucket_of(hub, id);
    while (*link && memcmp(&(*link)->id, id, sizeof *id) != 0)
        link = &(*link)->next;
    return link;
}

static struct xr_topic *ensure_topic(struct xr_hub *hub, const struct xr_uuid *id) {
    struct xr_topic **link = find_topic(hub, id);
    if (!*link) {
        *link = calloc(1, sizeof **link);
        if (*link)
            (*link)->id = *id;
    }
    return *link;
}

static void link_subscriber(struct xr_hub *hub, struct xr_topic *topic, struct xr_subscriber *subscriber) {
    subscriber->topic = topic;
    subscriber->topic_next = topic->first;
    if (topic->first)
        topic->first->topic_prev = subscriber;
    topic->first = subscriber;
    subscriber->all_next = hub->all;
    if (hub->all)
        hub->all->all_prev = subscriber;
    hub->all = subscriber;
    hub->count++;
}

static void unlink_subscriber(struct xr_hub *hub, struct xr_subscriber *subscriber) {
    struct xr_topic *topic = subscriber->topic;
    if (subscriber->topic_prev)
        subscriber->topic_prev->topic_next = subscriber->topic_next;
    else
        topic->first = subscriber->topic_next;
    if (subscriber->topic_next)
        subscriber->topic_next->topic_prev = subscriber->topic_prev;
    if (subscriber->all_prev)
        subscriber->all_prev->all_next = subscriber->all_next;
    else
        hub->all = subscriber->all_next;
    if (subscriber->all_next)
        subscriber->all_next->all_prev = subscriber->all_prev;
    hub->count--;
    if (!topic->first) {
        *find_topic(hub, &topic->id) = topic->next;
        free(topic);
    }
}

enum xr_code xr_hub_subscribe(struct xr_hub *hub, const struct xr_uuid *topic, void (*wake)(void *ctx), void *ctx,
                              struct xr_subscriber **ret_subscriber, struct xr_err *err) {
    struct xr_subscriber *subscriber = xr_subscriber_new(wake, ctx);
    if (!subscriber)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    enum xr_code code = XR_OK;
    struct xr_topic *entry = NULL;
    pthread_mutex_lock(&hub->lock);
    if (hub->count >= XR_SUBSCRIBERS_MAX)
        code = xr_fail(err, XR_OVERLOADED, NULL, "%d event streams are open", XR_SUBSCRIBERS_MAX);
    else if (!(entry = ensure_topic(hub, topic)))
        code = xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    else
        link_subscriber(hub, entry, subscriber);
    /* One that comes too late is told by its first next(), like all others. It never slept: nothing is due. */
    if (hub->closed)
        (void)xr_subscriber_close(subscriber);
    pthread_mutex_unlock(&hub->lock);
    if (code != XR_OK) {
        xr_subscriber_leave(subscriber);
        return code;
    }
    *ret_subscriber = subscriber;
    return XR_OK;
}

void xr_hub_unsubscribe(struct xr_hub *hub, struct xr_subscriber *subscriber) {
    pthread_mutex_lock(&hub->lock);
    unlink_subscriber(hub, subscriber);
    pthread_mutex_unlock(&hub->lock);
    xr_subscriber_leave(subscriber);
}

/* Wakes every subscriber of the list, whose wakes this thread has reserved. Holding no lock. */
static void deliver_all(struct xr_subscriber *due) {
    while (due) {
        struct xr_subscriber *next = due->due_next; /* read first: deliver may free it, or another may reserve it */
        xr_subscriber_deliver(due);
        due = next;
    }
}

void xr_hub_publish(struct xr_hub *hub, const struct xr_uuid *topic, struct xr_event *event) {
    struct xr_subscriber *due = NULL;
    pthread_mutex_lock(&hub->lock);
    struct xr_topic *entry = *find_topic(hub, topic);
    for (struct xr_subscriber *s = entry ? entry->first : NULL; s; s = s->topic_next) {
        if (xr_subscriber_push(s, event)) {
            s->due_next = due;
            due = s;
        }
    }
    pthread_mutex_unlock(&hub->lock);
    deliver_all(due);
}

/* event NULL: close. */
static void for_all(struct xr_hub *hub, struct xr_event *event) {
    struct xr_subscriber *due = NULL;
    pthread_mutex_lock(&hub->lock);
    hub->closed = hub->closed || !event;
    for (struct xr_subscriber *s = hub->all; s; s = s->all_next) {
        if (event ? xr_subscriber_push(s, event) : xr_subscriber_close(s)) {
            s->due_next = due;
            due = s;
        }
    }
    pthread_mutex_unlock(&hub->lock);
    deliver_all(due);
}

void xr_hub_publish_all(struct xr_hub *hub, struct xr_event *event) {
    for_all(hub, event);
}

void xr_hub_close(struct xr_hub *hub) {
    for_all(hub, NULL);
}

size_t xr_hub_subscribers(struct xr_hub *hub) {
    pthread_mutex_lock(&hub->lock);
    size_t count = hub->count;
    pthread_mutex_unlock(&hub->lock);
    return count;
}
