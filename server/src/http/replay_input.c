// SPDX-License-Identifier: Apache-2.0
#include "http/replay_input.h"
#include "base/clock.h"
#include "base/json.h"
#include "http/input.h"
#include <stdio.h>

static void add_type_issue(struct xr_issues *issues, const char *path, const char *expected, yyjson_val *got) {
    char message[96];
    snprintf(message, sizeof message, "must be %s", expected);
    xr_issues_add(issues, path, got ? message : "is required", expected, xr_json_type_name(got));
}

/* The body as an object, or issues. Depth is bounded where a value is kept (run_config), not here: the parser does not
 * recurse, and a body has fewer levels than bytes. */
static enum xr_code parse_object(struct xr_str body, size_t max, struct xr_issues *issues, yyjson_doc **ret_doc,
                                 struct xr_err *err) {
    struct xr_err why = {0};
    yyjson_doc *doc = NULL;
    enum xr_code code = xr_json_parse(body, (int)max, &doc, &why);
    if (code == XR_INVALID || code == XR_TOO_LARGE) {
        xr_issues_add(issues, "", why.message, "JSON object", NULL);
        return xr_fail(err, XR_INVALID, "", "the body is not valid JSON");
    }
    if (code != XR_OK)
        return xr_fail(err, code, NULL, "%s", why.message);
    if (!yyjson_is_obj(yyjson_doc_get_root(doc))) {
        add_type_issue(issues, "", "object", yyjson_doc_get_root(doc));
        yyjson_doc_free(doc);
        return xr_fail(err, XR_INVALID, "", "the body is not an object");
    }
    *ret_doc = doc;
    return XR_OK;
}

static enum xr_code verdict_of(const struct xr_issues *issues, struct xr_err *err) {
    return issues->total == 0 ? XR_OK : xr_fail(err, XR_INVALID, "", "the body has %zu problems", issues->total);
}

static void read_hash(yyjson_val *value, struct xr_issues *issues, uint8_t out[XR_SHA256_SIZE]) {
    if (!yyjson_is_str(value))
        add_type_issue(issues, "conversation_hash", "string", value);
    else if (!xr_hash_parse(xr_json_get_str(value), out))
        xr_issues_add(issues, "conversation_hash", "must be 64 lower-case hex digits", "64 lower-case hex digits",
                      "another string");
}

static enum xr_code read_run_config(yyjson_val *value, struct xr_arena *arena, struct xr_issues *issues,
                                    struct xr_str *ret_text, struct xr_err *err) {
    if (!value || yyjson_is_null(value)) {
        *ret_text = (struct xr_str){0};
        return XR_OK;
    }
    struct xr_buf buf = xr_buf_make(XR_RUN_CONFIG_MAX);
    struct xr_json j = xr_json_make(&buf, XR_JSON_RESPONSE);
    enum xr_code code = xr_json_value(&j, value, XR_JSON_DEPTH_MAX);
    if (code == XR_TOO_LARGE) {
        xr_issues_add(issues, "run_config", "is nested too deeply", "at most 64 levels", "more");
        code = XR_OK;
    } else if (code == XR_OK) {
        struct xr_str text = buf.failed ? (struct xr_str){0} : xr_arena_str(arena, xr_buf_view(&buf));
        if (text.ptr)
            *ret_text = text;
        else
            code = xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    }
    xr_buf_clear(&buf);
    return code;
}

enum xr_code xr_replay_input_parse(struct xr_str body, struct xr_arena *arena, struct xr_issues *issues,
                                   struct xr_replay_input *ret_input, struct xr_err *err) {
    XR_AUTO(xr_json_doc_freep) yyjson_doc *doc = NULL;
    struct xr_replay_input input = {0};
    enum xr_code code = parse_object(body, XR_BODY_REPLAY_MAX, issues, &doc, err);
    if (code != XR_OK)
        return code;
    yyjson_val *root = yyjson_doc_get_root(doc);
    read_hash(xr_json_member(root, XR_STR("conversation_hash")), issues, input.conversation_hash);
    code = read_run_config(xr_json_member(root, XR_STR("run_config")), arena, issues, &input.run_config, err);
    if (code == XR_OK)
        code = verdict_of(issues, err);
    if (code == XR_OK)
        *ret_input = input;
    return code;
}

static enum xr_code read_ids(yyjson_val *list, struct xr_arena *arena, struct xr_issues *issues,
                             struct xr_compare_input *input, struct xr_err *err) {
    size_t i, n;
    yyjson_val *item;
    yyjson_arr_foreach(list, i, n, item) {
        char path[32];
        snprintf(path, sizeof path, "replay_ids[%zu]", i);
        if (!yyjson_is_str(item)) {
            add_type_issue(issues, path, "string", item);
        } else if (!xr_replay_id_valid(xr_json_get_str(item))) {
            xr_issues_add(issues, path, "must be a replay id", "36 characters of [0-9a-fA-F-]", "another string");
        } else {
            input->ids[i] = xr_arena_str(arena, xr_json_get_str(item));
            if (!input->ids[i].ptr)
                return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
        }
    }
    return XR_OK;
}

enum xr_code xr_compare_input_parse(struct xr_str body, struct xr_arena *arena, struct xr_issues *issues,
                                    struct xr_compare_input *ret_input, struct xr_err *err) {
    XR_AUTO(xr_json_doc_freep) yyjson_doc *doc = NULL;
    struct xr_compare_input input = {0};
    enum xr_code code = parse_object(body, XR_BODY_COMPARE_MAX, issues, &doc, err);
    if (code != XR_OK)
        return code;
    yyjson_val *list = xr_json_member(yyjson_doc_get_root(doc), XR_STR("replay_ids"));
    input.count = yyjson_arr_size(list);
    if (!yyjson_is_arr(list))
        add_type_issue(issues, "replay_ids", "array", list);
    else if (input.count >= XR_COMPARE_MIN && input.count <= XR_COMPARE_MAX)
        code = read_ids(list, arena, issues, &input, err);
    if (code == XR_OK)
        code = verdict_of(issues, err);
    if (code == XR_OK)
        *ret_input = input;
    return code;
}

static void read_state(yyjson_val *value, struct xr_issues *issues, struct xr_patch *patch) {
    patch->has_state = value != NULL;
    if (!value)
        return;
    if (!yyjson_is_str(value))
        add_type_issue(issues, "lifecycle_state", "string", value);
    else if (!xr_lifecycle_parse(xr_json_get_str(value), &patch->state))
        xr_issues_add(issues, "lifecycle_state", "is not a lifecycle state", "running or failed", "another string");
}

static void read_reason(yyjson_val *value, struct xr_issues *issues, struct xr_patch *patch) {
    patch->has_reason = value != NULL;
    if (!value || yyjson_is_null(value))
        return;
    if (!yyjson_is_str(value))
        add_type_issue(issues, "failure_reason", "string or null", value);
    else if (!xr_reason_parse(xr_json_get_str(value), &patch->reason))
        xr_issues_add(issues, "failure_reason", "is not a failure reason", "a known failure reason", "another string");
}

static void read_finished(yyjson_val *value, struct xr_issues *issues, struct xr_patch *patch) {
    struct xr_err why;
    patch->has_finished = value != NULL;
    patch->finished_ns = XR_TIME_NONE;
    if (!value || yyjson_is_null(value))
        return;
    if (!yyjson_is_str(value))
        add_type_issue(issues, "finished_at", "string or null", value);
    else if (xr_time_parse(xr_json_get_str(value), &patch->finished_ns, &why) != XR_OK)
        xr_issues_add(issues, "finished_at", why.message, "ISO-8601 time", "another string");
}

/* Only a failure ends a replay, so nothing else takes a reason or an end. Named before the row is looked at, because no
 * row would make it right. */
static void check_running(struct xr_issues *issues, const struct xr_patch *patch) {
    if (!patch->has_state || patch->state != XR_RUNNING)
        return;
    if (patch->reason != XR_REASON_NONE)
        xr_issues_add(issues, "failure_reason", "goes only with lifecycle_state failed", "null", "string");
    if (patch->finished_ns != XR_TIME_NONE)
        xr_issues_add(issues, "finished_at", "goes only with lifecycle_state failed", "null", "string");
}

enum xr_code xr_patch_parse(struct xr_str body, struct xr_issues *issues, struct xr_patch *ret_patch,
                            struct xr_err *err) {
    XR_AUTO(xr_json_doc_freep) yyjson_doc *doc = NULL;
    struct xr_patch patch = {.reason = XR_REASON_NONE, .finished_ns = XR_TIME_NONE};
    enum xr_code code = parse_object(body, XR_BODY_REPLAY_MAX, issues, &doc, err);
    if (code != XR_OK)
        return code;
    yyjson_val *root = yyjson_doc_get_root(doc);
    read_state(xr_json_member(root, XR_STR("lifecycle_state")), issues, &patch);
    read_reason(xr_json_member(root, XR_STR("failure_reason")), issues, &patch);
    read_finished(xr_json_member(root, XR_STR("finished_at")), issues, &patch);
    if (issues->total == 0)
        check_running(issues, &patch);
    code = verdict_of(issues, err);
    if (code == XR_OK)
        *ret_patch = patch;
    return code;
}

static bool asks_for_what_is(const struct xr_patch *patch, const struct xr_replay *row) {
    return (!patch->has_reason || patch->reason == row->reason) &&
           (!patch->has_finished || patch->finished_ns == row->finished_ns);
}

enum xr_patch_verdict xr_patch_decide(const struct xr_patch *patch, const struct xr_replay *row,
                                      struct xr_replay_change *ret_change, enum xr_lifecycle *ret_to) {
    enum xr_lifecycle to = patch->has_state ? patch->state : row->state;
    if (to == row->state && (patch->has_state || asks_for_what_is(patch, row)))
        return XR_PATCH_SAME;
    if (to == row->state || !xr_lifecycle_allowed(XR_BY_CLIENT, row->state, to)) {
        *ret_to = to;
        return XR_PATCH_REFUSE;
    }
    *ret_change = (struct xr_replay_change){
        .actor = XR_BY_CLIENT,
        .to = to,
        .finished_ns = patch->finished_ns,
        .recording_started_ns = XR_TIME_NONE,
        .job_id = -1,
        .passed = -1,
    };
    if (to == XR_FAILED_STATE)
        ret_change->reason = patch->reason == XR_REASON_NONE ? XR_REASON_EXPLICIT_FAIL : patch->reason;
    return XR_PATCH_CHANGE;
}
