// SPDX-License-Identifier: Apache-2.0
/* http/sse.h - an event stream as a response. The handler subscribes first, then reads the row, then responds; so
 * nothing that happens in between is lost, and what the row already told is not told twice. */
#pragma once
#include "base/err.h"
#include "base/uuid.h"
#include "events/hub.h"
#include <stddef.h>
#include <stdint.h>

struct xr_request;
struct xr_stream;

/* Subscribes to topic on behalf of req. XR_OVERLOADED (too many subscribers), XR_NO_MEMORY. Request thread only. */
XR_MUST_USE enum xr_code xr_stream_open(struct xr_request *req, const struct xr_uuid *topic,
                                        struct xr_stream **ret_stream, struct xr_err *err);
/* For a stream that was never given to xr_respond_events: unsubscribes. NULL is fine. */
void xr_stream_free(struct xr_stream *stream);
XR_DEFINE_FREEP(struct xr_stream, xr_stream_free)

enum { XR_STREAM_INITIAL_MAX = 4 };
/* Responds 200 text/event-stream with the initial events (their references are taken over; at most
 * XR_STREAM_INITIAL_MAX; a NULL among them, an allocation that failed, is answered with 500), then with what is
 * published: events older than seq, and `state` events of seq itself, are skipped. The stream ends after an event that
 * is last, initial or published, and when the hub closes. Takes the stream over. */
void xr_respond_events(struct xr_request *req, struct xr_stream *stream, struct xr_event *const *initial, size_t count,
                       int64_t seq);
