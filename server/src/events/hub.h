// SPDX-License-Identifier: Apache-2.0
/* events/hub.h - publish/subscribe behind server-sent events. Any thread may call anything. The hub knows no JSON and
 * no HTTP: an event is bytes, counted references, one copy for all subscribers of a topic. */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Immutable, reference-counted bytes. seq: the replay's state number after which this event happened; a subscriber that
 * has read state `seq` from the store already skips events of that seq that are `state` events, and all older ones. */
struct xr_event;
/* Copies bytes; NULL when out of memory. */
struct xr_event *xr_event_new(struct xr_str bytes, int64_t seq, bool is_state, bool is_last);
void xr_event_unref(struct xr_event *event); /* NULL is fine */
XR_DEFINE_FREEP(struct xr_event, xr_event_unref)
struct xr_str xr_event_bytes(const struct xr_event *event);
int64_t xr_event_seq(const struct xr_event *event);
bool xr_event_is_state(const struct xr_event *event);
bool xr_event_is_last(const struct xr_event *event);

struct xr_hub;
struct xr_subscriber;

XR_MUST_USE enum xr_code xr_hub_new(struct xr_hub **ret_hub, struct xr_err *err);
void xr_hub_free(struct xr_hub *hub); /* no subscriber may be left */
XR_DEFINE_FREEP(struct xr_hub, xr_hub_free)

/* wake(ctx) is called, from the publisher's thread and under no lock but the subscriber's own, when next() has
 * something after it had nothing. It may not call the hub. XR_OVERLOADED beyond XR_SUBSCRIBERS_MAX. */
XR_MUST_USE enum xr_code xr_hub_subscribe(struct xr_hub *hub, const struct xr_uuid *topic, void (*wake)(void *ctx),
                                          void *ctx, struct xr_subscriber **ret_subscriber, struct xr_err *err);
/* After it returns, wake is not running and will not be called. */
void xr_hub_unsubscribe(struct xr_hub *hub, struct xr_subscriber *subscriber);

enum xr_next { XR_NEXT_EVENT, XR_NEXT_NOTHING, XR_NEXT_CLOSED };
/* Takes the next event (the caller unrefs it). NOTHING: parked() has been called under the subscriber's lock, so that
 * no wake can be lost between looking and going to sleep; parked may be NULL. CLOSED: the hub closes, or the subscriber
 * fell more than XR_SSE_QUEUE_MAX events behind. */
enum xr_next xr_subscriber_next(struct xr_subscriber *subscriber, void (*parked)(void *ctx),
                                struct xr_event **ret_event);

/* Queues one more reference of event at every subscriber of the topic and wakes those that sleep. */
void xr_hub_publish(struct xr_hub *hub, const struct xr_uuid *topic, struct xr_event *event);
/* The same to every subscriber of every topic (heartbeats). */
void xr_hub_publish_all(struct xr_hub *hub, struct xr_event *event);
/* Every next() is CLOSED from now on and every sleeper is woken: the way out at SIGTERM. */
void xr_hub_close(struct xr_hub *hub);
size_t xr_hub_subscribers(struct xr_hub *hub);
