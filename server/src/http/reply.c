// SPDX-License-Identifier: Apache-2.0
#include "http/reply.h"
#include "http/detail.h"

struct xr_arena *xr_take_arena(struct xr_request *req) {
    struct xr_arena *arena = xr_request_arena(req);
    if (!arena)
        xr_error_code(req, XR_NO_MEMORY, NULL);
    return arena;
}

void *xr_take_memory(struct xr_request *req, size_t size) {
    struct xr_arena *arena = xr_request_arena(req);
    void *memory = arena ? xr_arena_alloc(arena, size) : NULL;
    if (!memory)
        xr_error_code(req, XR_NO_MEMORY, NULL);
    return memory;
}

void xr_reply_issue(struct xr_request *req, const char *code, const char *path, const char *message,
                    const char *expected) {
    struct xr_issues issues = {.arena = xr_take_arena(req)};
    if (!issues.arena)
        return;
    xr_issues_add(&issues, path, message, expected, NULL);
    xr_error_issues(req, 400, code, &issues);
}

void xr_reply_bad_body(struct xr_request *req, const char *error, enum xr_code code, const struct xr_issues *issues,
                       const struct xr_err *err) {
    if (code == XR_INVALID)
        xr_error_issues(req, 400, error, issues);
    else
        xr_error_code(req, code, err);
}

bool xr_take_hash(struct xr_request *req, size_t param, uint8_t ret_hash[XR_SHA256_SIZE]) {
    if (xr_hash_parse(xr_request_param(req, param), ret_hash))
        return true;
    xr_reply_issue(req, "invalid_conversation_hash", "hash", "must be 64 lower-case hex digits",
                   "64 lower-case hex digits");
    return false;
}

bool xr_take_replay_id(struct xr_request *req, const char *code, struct xr_uuid *ret_id) {
    struct xr_str text = xr_request_param(req, 0);
    if (!xr_replay_id_valid(text)) {
        xr_reply_issue(req, code, "id", "must be 36 characters of [0-9a-fA-F-]", "replay id");
        return false;
    }
    if (!xr_uuid_parse(text, ret_id)) {
        xr_reply_replay_not_found(req, text);
        return false;
    }
    return true;
}

static void reply_unsupported_type(struct xr_request *req, struct xr_str type) {
    struct xr_json j = xr_error_begin(req, 415, "unsupported_content_type");
    xr_json_kv_opt_str(&j, "content_type", type);
    xr_error_end(req, &j);
}

bool xr_take_media_type(struct xr_request *req, const char *const *types, size_t *ret_index) {
    struct xr_str header = {0}, type = {0};
    struct xr_err err = {0};
    bool present = xr_request_header(req, "Content-Type", &header);
    enum xr_code code = present ? xr_media_type(header, xr_request_arena(req), &type, &err) : XR_OK;
    if (code != XR_OK) {
        xr_error_code(req, code, &err);
        return false;
    }
    for (size_t i = 0; present && types[i]; i++) {
        if (xr_str_eq(type, xr_str_from(types[i]))) {
            *ret_index = i;
            return true;
        }
    }
    reply_unsupported_type(req, present ? type : (struct xr_str){0});
    return false;
}

static struct xr_str query_of(struct xr_request *req, const char *name) {
    struct xr_str value = {0};
    if (!xr_request_query(req, name, &value))
        return (struct xr_str){0};
    return value.ptr ? value : XR_STR("");
}

bool xr_take_page(struct xr_request *req, enum xr_cursor_kind kind, struct xr_page *ret_page) {
    struct xr_issues issues = {.arena = xr_take_arena(req)};
    if (!issues.arena)
        return false;
    struct xr_page_query query = {
        .limit = query_of(req, "limit"),
        .cursor = query_of(req, "cursor"),
        .q = kind == XR_CURSOR_CONVERSATIONS ? query_of(req, "q") : (struct xr_str){0},
    };
    if (xr_page_parse(kind, &query, &issues, ret_page))
        return true;
    xr_error_issues(req, 400, "invalid_query", &issues);
    return false;
}

bool xr_take_replay(struct xr_request *req, struct xr_store_reader *reader, const struct xr_uuid *id,
                    struct xr_replay *ret_replay) {
    struct xr_err err = {0};
    struct xr_arena *arena = xr_take_arena(req);
    if (!arena)
        return false;
    enum xr_code code = xr_store_replay_get(reader, id, arena, ret_replay, &err);
    if (code == XR_NOT_FOUND)
        xr_reply_uuid_not_found(req, id);
    else if (code != XR_OK)
        xr_error_code(req, code, &err);
    return code == XR_OK;
}

void xr_reply_with_replay(struct xr_request *req,
                          void (*respond)(struct xr_request *req, struct xr_store_reader *reader,
                                          const struct xr_replay *replay)) {
    struct xr_uuid id;
    struct xr_err err = {0};
    struct xr_replay replay;
    struct xr_store_reader *reader = NULL;
    if (!xr_take_replay_id(req, "invalid_replay_id", &id) || !(reader = xr_request_reader(req)))
        return;
    enum xr_code code = xr_store_reader_begin(reader, &err);
    if (code != XR_OK) {
        xr_error_code(req, code, &err);
        return;
    }
    if (xr_take_replay(req, reader, &id, &replay))
        respond(req, reader, &replay);
    xr_store_reader_end(reader);
}

void xr_reply_conversation_not_found(struct xr_request *req, const uint8_t hash[XR_SHA256_SIZE]) {
    char hex[XR_SHA256_HEX + 1];
    xr_hex_encode(hash, XR_SHA256_SIZE, hex);
    struct xr_json j = xr_error_begin(req, 404, "conversation_not_found");
    xr_json_kv_strz(&j, "conversation_hash", hex);
    xr_error_end(req, &j);
}

void xr_reply_replay_not_found(struct xr_request *req, struct xr_str id) {
    struct xr_json j = xr_error_begin(req, 404, "replay_not_found");
    xr_json_kv_str(&j, "replay_id", id);
    xr_error_end(req, &j);
}

void xr_reply_uuid_not_found(struct xr_request *req, const struct xr_uuid *id) {
    char text[XR_UUID_TEXT + 1];
    xr_uuid_format(id, text);
    xr_reply_replay_not_found(req, xr_str_from(text));
}

void xr_reply_wrong_state(struct xr_request *req, const char *code, const struct xr_uuid *id, enum xr_lifecycle state) {
    char text[XR_UUID_TEXT + 1];
    xr_uuid_format(id, text);
    struct xr_json j = xr_error_begin(req, 409, code);
    xr_json_kv_strz(&j, "replay_id", text);
    xr_json_kv_strz(&j, "current_state", xr_lifecycle_name(state));
    xr_error_end(req, &j);
}

void xr_reply_written(struct xr_request *req, int status, enum xr_code code, const struct xr_err *err) {
    if (code == XR_OK)
        xr_respond_json(req, status);
    else
        xr_error_code(req, code, err);
}

void xr_reply_detail(struct xr_request *req, int status, const struct xr_uuid *id) {
    struct xr_store_reader *reader = xr_request_reader(req);
    if (!reader)
        return;
    struct xr_err err = {0};
    struct xr_json j = xr_json_make(xr_response_buf(req), XR_JSON_RESPONSE);
    enum xr_code code = xr_store_reader_begin(reader, &err);
    if (code == XR_OK) {
        code = xr_detail_find_and_write(reader, id, &j, &err);
        xr_store_reader_end(reader);
    }
    if (code == XR_NOT_FOUND)
        xr_reply_uuid_not_found(req, id);
    else
        xr_reply_written(req, status, code, &err);
}
