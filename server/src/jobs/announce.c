// SPDX-License-Identifier: Apache-2.0
#include "jobs/announce.h"
#include "base/json.h"
#include "base/limits.h"

/* "event: NAME\ndata: {"type":"NAME", and the writer for the other fields. A response-style writer escapes every line
 * break that a line-based reader of event streams knows, so the data is one line whatever the strings hold. */
static struct xr_json message_begin(struct xr_buf *buf, const char *name) {
    struct xr_json j = xr_json_make(buf, XR_JSON_RESPONSE);
    xr_buf_str(buf, XR_STR("event: "));
    xr_buf_str(buf, xr_str_from(name));
    xr_buf_str(buf, XR_STR("\ndata: "));
    xr_json_object(&j);
    xr_json_kv_strz(&j, "type", name);
    return j;
}

static struct xr_event *message_end(struct xr_json *j, int64_t seq, bool is_state, bool is_last) {
    xr_json_object_end(j);
    xr_buf_str(j->buf, XR_STR("\n\n"));
    struct xr_event *event = j->buf->failed ? NULL : xr_event_new(xr_buf_view(j->buf), seq, is_state, is_last);
    xr_buf_clear(j->buf);
    return event;
}

struct xr_event *xr_announce_state(enum xr_lifecycle state, enum xr_step step, int64_t seq) {
    struct xr_buf buf = xr_buf_make(XR_EVENT_MAX);
    struct xr_json j = message_begin(&buf, "state");
    xr_json_kv_strz(&j, "lifecycle_state", xr_lifecycle_name(state));
    xr_json_kv_strz(&j, "analysis_step", xr_step_name(step));
    return message_end(&j, seq, true, false);
}

struct xr_event *xr_announce_progress(int percent, enum xr_step step, int64_t seq) {
    struct xr_buf buf = xr_buf_make(XR_EVENT_MAX);
    struct xr_json j = message_begin(&buf, "progress");
    xr_json_kv_int(&j, "percent", percent);
    xr_json_kv_strz(&j, "step", xr_step_name(step));
    return message_end(&j, seq, false, false);
}

struct xr_event *xr_announce_complete(struct xr_str result_json, int64_t seq) {
    struct xr_buf buf = xr_buf_make(XR_EVENT_MAX);
    struct xr_json j = message_begin(&buf, "evaluation_complete");
    xr_json_kv_raw(&j, "result", result_json);
    return message_end(&j, seq, false, true);
}

struct xr_event *xr_announce_failed(enum xr_reason reason, int64_t seq) {
    struct xr_buf buf = xr_buf_make(XR_EVENT_MAX);
    struct xr_json j = message_begin(&buf, "failed");
    xr_json_kv_strz(&j, "reason", xr_reason_name(reason));
    return message_end(&j, seq, false, true);
}
