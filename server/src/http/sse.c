// SPDX-License-Identifier: Apache-2.0
#include "http/sse.h"
#include "base/limits.h"
#include "http/core.h"
#include <stdlib.h>

enum { BLOCK = 4096 }; /* libmicrohttpd's buffer for clients without chunked encoding */

/* Belongs to the request thread. `parked` is set while the connection is suspended because there was nothing to send;
 * whoever takes it back (the hub's wake, or stop) resumes the connection, once. */
struct xr_stream {
    struct xr_stream *prev, *next; /* http->streams; http->lock */
    struct xr_http *http;
    struct MHD_Connection *mhd;
    struct xr_subscriber *subscriber;
    struct xr_event *initial[XR_STREAM_INITIAL_MAX];
    size_t initial_count, initial_at;
    int64_t seq;
    struct xr_event *current; /* being sent, from `sent` on */
    size_t sent;
    bool ended; /* after current */
    _Atomic bool parked, abandoned;
};

/* Under the subscriber's lock, so no wake can come before the connection is suspended. */
static void park(void *ctx) {
    struct xr_stream *stream = ctx;
    MHD_suspend_connection(stream->mhd);
    atomic_store(&stream->parked, true);
}

static void unpark(void *ctx) {
    struct xr_stream *stream = ctx;
    if (atomic_exchange(&stream->parked, false))
        MHD_resume_connection(stream->mhd);
}

enum xr_code xr_stream_open(struct xr_request *req, const struct xr_uuid *topic, struct xr_stream **ret_stream,
                            struct xr_err *err) {
    struct xr_http *http = req->http;
    struct xr_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    stream->http = http;
    stream->mhd = req->mhd;
    enum xr_code code = xr_hub_subscribe(http->deps.hub, topic, unpark, stream, &stream->subscriber, err);
    if (code != XR_OK) {
        free(stream);
        return code;
    }
    pthread_mutex_lock(&http->lock);
    stream->next = http->streams;
    if (stream->next)
        stream->next->prev = stream;
    http->streams = stream;
    pthread_mutex_unlock(&http->lock);
    *ret_stream = stream;
    return XR_OK;
}

static void unlink_stream(struct xr_stream *stream) {
    struct xr_http *http = stream->http;
    pthread_mutex_lock(&http->lock);
    if (stream->prev)
        stream->prev->next = stream->next;
    else
        http->streams = stream->next;
    if (stream->next)
        stream->next->prev = stream->prev;
    pthread_mutex_unlock(&http->lock);
}

void xr_stream_free(struct xr_stream *stream) {
    if (!stream)
        return;
    unlink_stream(stream);
    xr_hub_unsubscribe(stream->http->deps.hub, stream->subscriber);
    for (size_t i = stream->initial_at; i < stream->initial_count; i++)
        xr_event_unref(stream->initial[i]);
    xr_event_unref(stream->current);
    free(stream);
}

static void free_stream(void *cls) {
    xr_stream_free(cls);
}

/* What the state that the client has been told already contains. */
static bool is_old(const struct xr_stream *stream, const struct xr_event *event) {
    int64_t seq = xr_event_seq(event);
    return seq < stream->seq || (seq == stream->seq && xr_event_is_state(event));
}

/* False when there is no next event: now (may_park: the connection is suspended), or ever (then ended is set). */
static bool take_event(struct xr_stream *stream, bool may_park) {
    struct xr_event *event = NULL;
    if (stream->initial_at < stream->initial_count)
        event = stream->initial[stream->initial_at++];
    while (!event) {
        enum xr_next next = XR_NEXT_CLOSED;
        if (!atomic_load(&stream->abandoned))
            next = xr_subscriber_next(stream->subscriber, may_park ? park : NULL, &event);
        if (next == XR_NEXT_CLOSED)
            stream->ended = true;
        if (next != XR_NEXT_EVENT)
            return false;
        if (is_old(stream, event)) {
            xr_event_unref(event);
            event = NULL;
        }
    }
    stream->current = event;
    stream->sent = 0;
    stream->ended = xr_event_is_last(event);
    return true;
}

static size_t copy_some(struct xr_stream *stream, char *to, size_t room) {
    struct xr_str bytes = xr_event_bytes(stream->current);
    size_t n = bytes.len - stream->sent;
    if (n > room)
        n = room;
    if (n)
        memcpy(to, bytes.ptr + stream->sent, n);
    stream->sent += n;
    if (stream->sent == bytes.len) {
        xr_event_unref(stream->current);
        stream->current = NULL;
    }
    return n;
}

/* Fills the buffer with as many events as are there. Suspends only with nothing in hand: what is returned together
 * with a suspension would wait with it. */
static ssize_t read_stream(void *cls, uint64_t pos, char *to, size_t room) {
    (void)pos;
    struct xr_stream *stream = cls;
    size_t n = 0;
    while (n < room) {
        if (!stream->current && (stream->ended || !take_event(stream, n == 0)))
            break;
        n += copy_some(stream, to + n, room - n);
    }
    if (n == 0 && stream->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    return (ssize_t)n;
}

static bool all_made(struct xr_event *const *events, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!events[i])
            return false;
    }
    return true;
}

static void drop(struct xr_stream *stream, struct xr_event *const *initial, size_t count) {
    for (size_t i = 0; i < count; i++)
        xr_event_unref(initial[i]);
    xr_stream_free(stream);
}

static void refuse(struct xr_request *req) {
    struct xr_err err;
    xr_fail(&err, XR_INTERNAL, NULL, "the first events of a stream could not be made");
    xr_error_code(req, XR_INTERNAL, &err);
}

void xr_respond_events(struct xr_request *req, struct xr_stream *stream, struct xr_event *const *initial, size_t count,
                       int64_t seq) {
    if (count > XR_STREAM_INITIAL_MAX || !all_made(initial, count)) {
        drop(stream, initial, count);
        refuse(req);
        return;
    }
    xr_response_header(req, "Cache-Control", "no-store");
    if (!req->get) { /* HEAD: of a body of unknown length libmicrohttpd would send the end */
        drop(stream, initial, count);
        xr_respond_shared(req, MHD_HTTP_OK, "text/event-stream", XR_STR(""), NULL, NULL);
        return;
    }
    for (size_t i = 0; i < count; i++)
        stream->initial[i] = initial[i];
    stream->initial_count = count;
    stream->seq = seq;
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_stream, stream, free_stream);
    if (!response)
        xr_stream_free(stream);
    xr_respond_with(req, MHD_HTTP_OK, response, "text/event-stream");
}

void xr_stream_abandon_all(struct xr_http *http) {
    pthread_mutex_lock(&http->lock);
    for (struct xr_stream *stream = http->streams; stream; stream = stream->next) {
        atomic_store(&stream->abandoned, true);
        unpark(stream);
    }
    pthread_mutex_unlock(&http->lock);
}
