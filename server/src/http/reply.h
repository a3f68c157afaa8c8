// SPDX-License-Identifier: Apache-2.0
/* http/reply.h - what many handlers begin and end with: arguments taken from the request, and the errors they share.
 * xr_take_*: false or NULL when the error has been responded. Request thread. */
#pragma once
#include "http/input.h"
#include "http/request.h"
#include "store/replays.h"

/* The request's arena, or NULL. */
struct xr_arena *xr_take_arena(struct xr_request *req);
/* Zeroed memory in it, or NULL. */
void *xr_take_memory(struct xr_request *req, size_t size);
bool xr_take_hash(struct xr_request *req, size_t param, uint8_t ret_hash[XR_SHA256_SIZE]);
/* 400 `code` for what is no id, 404 for an id that no replay can have. */
bool xr_take_replay_id(struct xr_request *req, const char *code, struct xr_uuid *ret_id);
/* Which of `types` (lower case; ends with NULL) the Content-Type is, parameters aside; 415 for anything else. */
bool xr_take_media_type(struct xr_request *req, const char *const *types, size_t *ret_index);
bool xr_take_page(struct xr_request *req, enum xr_cursor_kind kind, struct xr_page *ret_page);
/* The row; 404 if there is none. */
bool xr_take_replay(struct xr_request *req, struct xr_store_reader *reader, const struct xr_uuid *id,
                    struct xr_replay *ret_replay);
/* respond() with the row of the replay that the path names, inside a snapshot, so that what it reads belongs together;
 * or 400, 404. */
void xr_reply_with_replay(struct xr_request *req,
                          void (*respond)(struct xr_request *req, struct xr_store_reader *reader,
                                          const struct xr_replay *replay));

/* One issue only. */
void xr_reply_issue(struct xr_request *req, const char *code, const char *path, const char *message,
                    const char *expected);
/* What a body's parser returned: `error` with the issues if it was XR_INVALID. */
void xr_reply_bad_body(struct xr_request *req, const char *error, enum xr_code code, const struct xr_issues *issues,
                       const struct xr_err *err);
void xr_reply_conversation_not_found(struct xr_request *req, const uint8_t hash[XR_SHA256_SIZE]);
void xr_reply_replay_not_found(struct xr_request *req, struct xr_str id);
void xr_reply_uuid_not_found(struct xr_request *req, const struct xr_uuid *id);
/* 409 with replay_id and current_state. */
void xr_reply_wrong_state(struct xr_request *req, const char *code, const struct xr_uuid *id, enum xr_lifecycle state);
/* The replay's detail as it is now. */
void xr_reply_detail(struct xr_request *req, int status, const struct xr_uuid *id);
/* Sends what was written to xr_response_buf, or the error if code is one. */
void xr_reply_written(struct xr_request *req, int status, enum xr_code code, const struct xr_err *err);
