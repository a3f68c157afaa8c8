// SPDX-License-Identifier: Apache-2.0
/* Replays: create, result, compare. One replay's detail is in replay_get.c, their changes are in replays_change.c. */
#include "base/limits.h"
#include "http/deferred.h"
#include "http/detail.h"
#include "http/handlers.h"
#include "http/replay_input.h"
#include "http/reply.h"

struct create {
    struct xr_deferred deferred;
    struct xr_uuid id;
    struct xr_replay_input input;
};

static enum xr_code apply_create(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err) {
    struct create *create = write->ctx;
    return xr_store_tx_replay_create(tx, &create->id, create->input.conversation_hash, create->input.run_config, err);
}

static void respond_created(struct xr_request *req) {
    struct create *create = xr_request_state(req);
    if (create->deferred.code == XR_OK)
        xr_reply_detail(req, 201, &create->id);
    else if (create->deferred.code == XR_NOT_FOUND)
        xr_reply_conversation_not_found(req, create->input.conversation_hash);
    else
        xr_error_code(req, create->deferred.code, &create->deferred.err);
}

void xr_post_replay(struct xr_request *req) {
    struct xr_arena *arena = xr_take_arena(req);
    struct create *create = arena ? xr_take_memory(req, sizeof *create) : NULL;
    if (!create)
        return;
    struct xr_issues issues = {.arena = arena};
    struct xr_err err = {0};
    enum xr_code code = xr_replay_input_parse(xr_request_body(req), arena, &issues, &create->input, &err);
    if (code != XR_OK) {
        xr_reply_bad_body(req, "invalid_replay_request", code, &issues, &err);
        return;
    }
    create->id = xr_uuid_new();
    create->deferred.write = (struct xr_write){.apply = apply_create, .ctx = create};
    create->deferred.then = respond_created;
    xr_deferred_start(req, &create->deferred);
}

static void reply_not_evaluated(struct xr_request *req, enum xr_lifecycle state) {
    struct xr_json j = xr_error_begin(req, 409, "replay_not_evaluated");
    xr_json_kv_strz(&j, "lifecycle_state", xr_lifecycle_name(state));
    xr_error_end(req, &j);
}

static void respond_result(struct xr_request *req, struct xr_store_reader *reader, const struct xr_replay *replay) {
    struct xr_err err = {0};
    struct xr_json j = xr_json_make(xr_response_buf(req), XR_JSON_RESPONSE);
    enum xr_code code = xr_result_write(reader, replay, &j, &err);
    if (code == XR_NOT_FOUND)
        reply_not_evaluated(req, replay->state);
    else
        xr_reply_written(req, 200, code, &err);
}

void xr_get_result(struct xr_request *req) {
    xr_reply_with_replay(req, respond_result);
}

static void reply_bad_selection(struct xr_request *req, size_t count) {
    struct xr_json j = xr_error_begin(req, 400, "invalid_compare_selection");
    xr_json_kv_int(&j, "count", (int64_t)count);
    xr_json_kv_int(&j, "min", XR_COMPARE_MIN);
    xr_json_kv_int(&j, "max", XR_COMPARE_MAX);
    xr_error_end(req, &j);
}

/* On XR_NOT_FOUND *ret_missing is the id that no replay has. */
static enum xr_code write_compared(struct xr_store_reader *reader, const struct xr_compare_input *input,
                                   struct xr_json *j, struct xr_str *ret_missing, struct xr_err *err) {
    enum xr_code code = XR_OK;
    xr_json_object(j);
    xr_json_key(j, XR_STR("replays"));
    xr_json_array(j);
    for (size_t i = 0; code == XR_OK && i < input->count; i++) {
        struct xr_uuid id;
        code = xr_uuid_parse(input->ids[i], &id) ? xr_detail_find_and_write(reader, &id, j, err)
                                                 : xr_fail(err, XR_NOT_FOUND, NULL, "no replay has this id");
        if (code == XR_NOT_FOUND)
            *ret_missing = input->ids[i];
    }
    xr_json_array_end(j);
    xr_json_object_end(j);
    return code;
}

static void respond_compared(struct xr_request *req, const struct xr_compare_input *input) {
    struct xr_store_reader *reader = xr_request_reader(req);
    if (!reader)
        return;
    struct xr_err err = {0};
    struct xr_str missing = {0};
    xr_response_buf(req)->max = XR_COMPARISON_MAX;
    struct xr_json j = xr_json_make(xr_response_buf(req), XR_JSON_RESPONSE);
    enum xr_code code = xr_store_reader_begin(reader, &err);
    if (code == XR_OK) {
        code = write_compared(reader, input, &j, &missing, &err);
        xr_store_reader_end(reader);
    }
    if (code == XR_NOT_FOUND)
        xr_reply_replay_not_found(req, missing);
    else
        xr_reply_written(req, 200, code, &err);
}

void xr_post_compare(struct xr_request *req) {
    struct xr_arena *arena = xr_take_arena(req);
    if (!arena)
        return;
    struct xr_issues issues = {.arena = arena};
    struct xr_err err = {0};
    struct xr_compare_input input;
    enum xr_code code = xr_compare_input_parse(xr_request_body(req), arena, &issues, &input, &err);
    if (code != XR_OK)
        xr_reply_bad_body(req, "invalid_replay_request", code, &issues, &err);
    else if (input.count < XR_COMPARE_MIN || input.count > XR_COMPARE_MAX)
        reply_bad_selection(req, input.count);
    else
        respond_compared(req, &input);
}
