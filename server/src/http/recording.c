// SPDX-License-Identifier: Apache-2.0
/* POST /v1/replays/{id}/audio. The body lies in a temporary file when the handler runs; from there:
 *
 *   files pool   is it the WAV we take?
 *   gate         from here to the end nobody else changes this replay
 *   writer       may it be uploaded still? (it counts as touched: the sweep leaves it alone)
 *   files pool   fsync, rename to its name
 *   writer       the row says recording_uploaded
 *
 * Of two uploads at once the later one wins, with its file and its anchor. */
#include "audio/wav.h"
#include "base/clock.h"
#include "http/encode.h"
#include "http/handlers.h"
#include "http/publish.h"
#include "http/reply.h"
#include "http/shared.h"

/* The wall clock of sample 0, XR_TIME_NONE without the header. */
static bool take_anchor(struct xr_request *req, int64_t *ret_anchor_ns) {
    static const char HEADER[] = "X-Recording-Started-At";
    struct xr_str text;
    struct xr_err why;
    int64_t anchor_ns = XR_TIME_NONE;
    if (xr_request_header(req, HEADER, &text) && xr_time_parse(text, &anchor_ns, &why) != XR_OK) {
        xr_reply_issue(req, "invalid_recording_started_at", HEADER, why.message, "ISO-8601 time");
        return false;
    }
    *ret_anchor_ns = anchor_ns;
    return true;
}

static bool may_upload(enum xr_lifecycle state) {
    return xr_lifecycle_allowed(XR_BY_UPLOAD, state, XR_RECORDING_UPLOADED);
}

void xr_check_recording(struct xr_request *req) {
    static const char *const TYPES[] = {"audio/wav", "audio/x-wav", NULL};
    struct xr_uuid id;
    size_t type;
    int64_t anchor_ns;
    struct xr_replay replay;
    struct xr_store_reader *reader = NULL;
    if (!xr_take_arena(req) || !xr_take_replay_id(req, "invalid_audio_path", &id) ||
        !xr_take_media_type(req, TYPES, &type) || !take_anchor(req, &anchor_ns) || !(reader = xr_request_reader(req)) ||
        !xr_take_replay(req, reader, &id, &replay))
        return;
    if (!may_upload(replay.state))
        xr_reply_wrong_state(req, "replay_upload_state_invalid", &id, replay.state);
}

struct upload {
    struct xr_request *req;
    struct xr_gate_pass pass;
    struct xr_task task;
    struct xr_write write;
    const struct xr_body_file *file;
    int64_t anchor_ns;

    struct xr_replay row;
    bool changed; /* it was not uploaded before */
    bool bad_wav;
    enum xr_code code;
    struct xr_err err;
};

static void respond_stored(struct xr_request *req, const struct upload *upload) {
    char path[XR_AUDIO_PATH_SIZE];
    struct xr_json j = xr_json_make(xr_response_buf(req), XR_JSON_RESPONSE);
    xr_json_object(&j);
    xr_json_kv_bool(&j, "ok", true);
    xr_json_kv_strz(&j, "audio_path", xr_audio_path(&upload->pass.replay, path));
    xr_json_object_end(&j);
    xr_respond_json(req, 200);
}

static void reply_bad_wav(struct xr_request *req, const char *reason) {
    struct xr_json j = xr_error_begin(req, 400, "invalid_audio");
    xr_json_kv_strz(&j, "reason", reason);
    xr_error_end(req, &j);
}

static void respond(struct xr_request *req) {
    const struct upload *upload = xr_request_state(req);
    if (upload->code == XR_OK)
        respond_stored(req, upload);
    else if (upload->bad_wav)
        reply_bad_wav(req, upload->err.message);
    else if (upload->code == XR_NOT_FOUND)
        xr_reply_uuid_not_found(req, &upload->pass.replay);
    else if (upload->code == XR_CONFLICT)
        xr_reply_wrong_state(req, "replay_upload_state_invalid", &upload->pass.replay, upload->row.state);
    else
        xr_error_code(req, upload->code, &upload->err);
}

static void finish_outside(struct upload *upload, enum xr_code code) {
    upload->code = code;
    xr_request_resume(upload->req, respond);
}

static void finish_inside(struct upload *upload, enum xr_code code) {
    xr_gate_leave(xr_request_shared(upload->req)->gate, &upload->pass);
    finish_outside(upload, code);
}

static void finish_write(struct upload *upload, enum xr_code code, const struct xr_err *err) {
    if (err)
        upload->err = *err;
    finish_inside(upload, code);
}

static enum xr_code apply_stored(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err) {
    struct upload *upload = write->ctx;
    const struct xr_replay_change change = {
        .actor = XR_BY_UPLOAD,
        .to = XR_RECORDING_UPLOADED,
        .finished_ns = XR_TIME_NONE,
        .set_recording = true,
        .recording_started_ns = upload->anchor_ns,
        .job_id = -1,
        .passed = -1,
    };
    enum xr_code code = xr_store_tx_replay_get(tx, &upload->pass.replay, &upload->row, err);
    if (code != XR_OK)
        return code;
    upload->changed = upload->row.state != XR_RECORDING_UPLOADED;
    return xr_store_tx_replay_change(tx, upload->row.id, &change, &upload->row, err);
}

static void stored(struct xr_write *write, enum xr_code code, const struct xr_err *err) {
    struct upload *upload = write->ctx;
    if (code == XR_OK && upload->changed)
        xr_publish_replay(xr_request_deps(upload->req), &upload->row);
    finish_write(upload, code, err);
}

static void submit_write(struct upload *upload,
                         enum xr_code (*apply)(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err),
                         void (*done)(struct xr_write *write, enum xr_code code, const struct xr_err *err)) {
    upload->write = (struct xr_write){.apply = apply, .done = done, .ctx = upload};
    enum xr_code code = xr_store_submit(xr_request_deps(upload->req)->store, &upload->write, &upload->err);
    if (code != XR_OK)
        finish_inside(upload, code);
}

static struct upload *upload_of(struct xr_task *task) {
    return (struct upload *)((char *)task - offsetof(struct upload, task));
}

static void keep_file(struct xr_task *task) {
    struct upload *upload = upload_of(task);
    enum xr_code code = xr_files_keep_recording(xr_request_deps(upload->req)->files, upload->file->fd,
                                                upload->file->path, &upload->pass.replay, &upload->err);
    if (code != XR_OK)
        finish_inside(upload, code);
    else
        submit_write(upload, apply_stored, stored);
}

static enum xr_code apply_allowed(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err) {
    struct upload *upload = write->ctx;
    enum xr_code code = xr_store_tx_replay_get(tx, &upload->pass.replay, &upload->row, err);
    if (code != XR_OK)
        return code;
    if (!may_upload(upload->row.state))
        return xr_fail(err, XR_CONFLICT, NULL, "the replay takes no recording any more");
    return xr_store_tx_replay_touch(tx, upload->row.id, err);
}

static void allowed(struct xr_write *write, enum xr_code code, const struct xr_err *err) {
    struct upload *upload = write->ctx;
    if (code != XR_OK) {
        finish_write(upload, code, err);
        return;
    }
    upload->task.run = keep_file;
    code = xr_pool_submit(xr_request_deps(upload->req)->files_pool, &upload->task, &upload->err);
    if (code != XR_OK)
        finish_inside(upload, code);
}

static void enter(struct xr_gate_pass *pass) {
    struct upload *upload = (struct upload *)((char *)pass - offsetof(struct upload, pass));
    submit_write(upload, apply_allowed, allowed);
}

static void check_wav(struct xr_task *task) {
    struct upload *upload = upload_of(task);
    struct xr_wav wav;
    enum xr_code code = xr_wav_probe(upload->file->fd, &wav, &upload->err);
    if (code == XR_OK)
        code = xr_wav_require(&wav, XR_CHANNEL_COUNT, &upload->err);
    upload->bad_wav = code == XR_INVALID;
    if (code != XR_OK)
        finish_outside(upload, code);
    else if (xr_gate_enter(xr_request_shared(upload->req)->gate, &upload->pass))
        enter(&upload->pass);
}

void xr_post_recording(struct xr_request *req) {
    struct xr_uuid id;
    int64_t anchor_ns;
    struct upload *upload = xr_take_memory(req, sizeof *upload);
    if (!upload || !xr_take_replay_id(req, "invalid_audio_path", &id) || !take_anchor(req, &anchor_ns))
        return;
    upload->req = req;
    upload->file = xr_request_file(req);
    if (!upload->file) {
        reply_bad_wav(req, "the body is empty");
        return;
    }
    upload->anchor_ns = anchor_ns;
    upload->pass = (struct xr_gate_pass){.replay = id, .enter = enter};
    upload->task.run = check_wav;
    xr_request_set_state(req, upload);
    xr_request_defer(req);
    enum xr_code code = xr_pool_submit(xr_request_deps(req)->files_pool, &upload->task, &upload->err);
    if (code != XR_OK)
        finish_outside(upload, code);
}
