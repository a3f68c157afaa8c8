// SPDX-License-Identifier: Apache-2.0
/* One conversation: its row, the audio of its turns. */
#include "http/encode.h"
#include "http/handlers.h"
#include "http/reply.h"
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* The row; the error has been responded if false. */
static bool take_conversation(struct xr_request *req, uint8_t hash[XR_SHA256_SIZE],
                              struct xr_conversation *ret_conversation) {
    struct xr_arena *arena = xr_take_arena(req);
    struct xr_store_reader *reader = arena ? xr_request_reader(req) : NULL;
    if (!reader)
        return false;
    struct xr_err err = {0};
    enum xr_code code = xr_store_conversation_get(reader, hash, arena, ret_conversation, &err);
    if (code == XR_NOT_FOUND)
        xr_reply_conversation_not_found(req, hash);
    else if (code != XR_OK)
        xr_error_code(req, code, &err);
    return code == XR_OK;
}

void xr_get_conversation(struct xr_request *req) {
    uint8_t hash[XR_SHA256_SIZE];
    struct xr_conversation conversation;
    if (!xr_take_hash(req, 0, hash) || !take_conversation(req, hash, &conversation))
        return;
    struct xr_err err = {0};
    struct xr_json j = xr_json_make(xr_response_buf(req), XR_JSON_RESPONSE);
    xr_reply_written(req, 200, xr_conversation_encode(&j, &conversation, &err), &err);
}

static void reply_no_audio(struct xr_request *req, const struct xr_conversation *conversation, int64_t idx) {
    char hex[XR_SHA256_HEX + 1];
    xr_hex_encode(conversation->hash, XR_SHA256_SIZE, hex);
    struct xr_json j = xr_error_begin(req, 404, "turn_audio_not_found");
    xr_json_kv_strz(&j, "conversation_hash", hex);
    xr_json_kv_int(&j, "turn_idx", idx);
    xr_error_end(req, &j);
}

/* The hash of a turn's WAV; NULL if the turn has none. */
static const uint8_t *turn_sha256(const struct xr_conversation *conversation, int64_t idx) {
    static const uint8_t NO_AUDIO[XR_SHA256_SIZE];
    if ((uint64_t)idx >= conversation->turn_count)
        return NULL;
    const uint8_t *sha256 = conversation->audio + (size_t)idx * XR_SHA256_SIZE;
    return memcmp(sha256, NO_AUDIO, XR_SHA256_SIZE) == 0 ? NULL : sha256;
}

static void respond_turn_file(struct xr_request *req, int fd, const uint8_t sha256[XR_SHA256_SIZE]) {
    struct stat status;
    struct xr_err err;
    char etag[XR_SHA256_HEX + 1];
    if (fstat(fd, &status) != 0) {
        enum xr_code code = xr_files_errno(&err, errno, "turn audio");
        close(fd);
        xr_error_code(req, code, &err);
        return;
    }
    xr_hex_encode(sha256, XR_SHA256_SIZE, etag);
    xr_response_header(req, "Cache-Control", "private, max-age=31536000, immutable");
    xr_respond_file(req, fd, (uint64_t)status.st_size, "audio/wav", etag);
}

static bool take_turn_index(struct xr_request *req, int64_t *ret_idx) {
    if (xr_turn_index_parse(xr_request_param(req, 1), ret_idx))
        return true;
    xr_reply_issue(req, "invalid_turn_index", "idx", "must be 1 to 4 decimal digits", "turn index");
    return false;
}

void xr_get_turn_audio(struct xr_request *req) {
    uint8_t hash[XR_SHA256_SIZE];
    int64_t idx;
    struct xr_conversation conversation;
    if (!xr_take_hash(req, 0, hash) || !take_turn_index(req, &idx) || !take_conversation(req, hash, &conversation))
        return;
    const uint8_t *sha256 = turn_sha256(&conversation, idx);
    struct xr_err err = {0};
    int fd = -1;
    enum xr_code code = sha256 ? xr_files_open_turn(xr_request_deps(req)->files, sha256, &fd, &err) : XR_NOT_FOUND;
    if (code == XR_NOT_FOUND)
        reply_no_audio(req, &conversation, idx);
    else if (code != XR_OK)
        xr_error_code(req, code, &err);
    else
        respond_turn_file(req, fd, sha256);
}
