// SPDX-License-Identifier: Apache-2.0
/* GET /v1/replays/{id}/events. Subscribe, then read the row: what is published in between is queued, and the row's seq
 * tells which of it the row has said already. */
#include "http/detail.h"
#include "http/handlers.h"
#include "http/reply.h"
#include "http/sse.h"
#include "jobs/announce.h"

/* The terminal event of a completed replay. NULL: code and err tell. */
static struct xr_event *completed_event(struct xr_store_reader *reader, const struct xr_replay *replay,
                                        enum xr_code *ret_code, struct xr_err *err) {
    struct xr_buf buf = xr_buf_make(XR_RESPONSE_MAX);
    struct xr_json j = xr_json_make(&buf, XR_JSON_RESPONSE);
    struct xr_event *event = NULL;
    *ret_code = xr_result_write(reader, replay, &j, err);
    if (*ret_code == XR_OK && !buf.failed)
        event = xr_announce_complete(xr_buf_view(&buf), replay->seq);
    if (*ret_code == XR_NOT_FOUND)
        *ret_code = xr_fail(err, XR_CORRUPT, NULL, "a completed replay has no verdict");
    if (*ret_code == XR_OK && !event)
        *ret_code = xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    xr_buf_clear(&buf);
    return event;
}

struct opening {
    struct xr_event *events[2];
    size_t count;
    int64_t seq;
};

/* The state as it is and, for a finished replay, how it ended. */
static enum xr_code read_opening(struct xr_store_reader *reader, const struct xr_replay *replay,
                                 struct opening *ret_opening, struct xr_err *err) {
    struct opening opening = {.count = 1, .seq = replay->seq};
    struct xr_event *last = NULL;
    enum xr_code code = XR_OK;
    if (replay->state == XR_COMPLETED)
        last = completed_event(reader, replay, &code, err);
    else if (replay->state == XR_FAILED_STATE)
        last = xr_announce_failed(replay->reason, replay->seq);
    if (code != XR_OK)
        return code;
    opening.events[0] = xr_announce_state(replay->state, replay->step, replay->seq);
    if (xr_lifecycle_terminal(replay->state))
        opening.events[opening.count++] = last;
    *ret_opening = opening;
    return XR_OK;
}

static bool take_opening(struct xr_request *req, struct xr_store_reader *reader, const struct xr_uuid *id,
                         struct opening *ret_opening) {
    struct xr_replay replay;
    struct xr_err err = {0};
    enum xr_code code = xr_store_reader_begin(reader, &err);
    if (code != XR_OK) {
        xr_error_code(req, code, &err);
        return false;
    }
    bool found = xr_take_replay(req, reader, id, &replay);
    if (found)
        code = read_opening(reader, &replay, ret_opening, &err);
    xr_store_reader_end(reader);
    if (found && code != XR_OK)
        xr_error_code(req, code, &err);
    return found && code == XR_OK;
}

void xr_get_replay_events(struct xr_request *req) {
    struct xr_uuid id;
    struct xr_err err = {0};
    struct opening opening;
    struct xr_store_reader *reader = NULL;
    XR_AUTO(xr_stream_freep) struct xr_stream *stream = NULL;
    if (!xr_take_replay_id(req, "invalid_replay_id", &id) || !(reader = xr_request_reader(req)))
        return;
    enum xr_code code = xr_stream_open(req, &id, &stream, &err);
    if (code != XR_OK) {
        xr_error_code(req, code, &err);
        return;
    }
    if (!take_opening(req, reader, &id, &opening))
        return;
    xr_respond_events(req, stream, opening.events, opening.count, opening.seq);
    stream = NULL;
}
