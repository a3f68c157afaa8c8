// SPDX-License-Identifier: Apache-2.0
/* A replay's recording: its bytes, and its levels for drawing. */
#include "audio/levels.h"
#include "http/handlers.h"
#include "http/reply.h"
#include "store/results.h"
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static void reply_no_audio(struct xr_request *req, const struct xr_uuid *id) {
    char text[XR_UUID_TEXT + 1];
    xr_uuid_format(id, text);
    struct xr_json j = xr_error_begin(req, 404, "audio_not_found");
    xr_json_kv_strz(&j, "replay_id", text);
    xr_error_end(req, &j);
}

/* The open recording of a replay whose row says that it has one; -1 when the error has been responded. */
static int take_recording(struct xr_request *req, const struct xr_replay *replay) {
    struct xr_err err = {0};
    int fd = -1;
    enum xr_code code = replay->has_audio
                            ? xr_files_open_recording(xr_request_deps(req)->files, &replay->uuid, &fd, &err)
                            : XR_NOT_FOUND;
    if (code == XR_NOT_FOUND)
        reply_no_audio(req, &replay->uuid);
    else if (code != XR_OK)
        xr_error_code(req, code, &err);
    return code == XR_OK ? fd : -1;
}

static bool take_replay(struct xr_request *req, struct xr_store_reader **ret_reader, struct xr_replay *ret_replay) {
    struct xr_uuid id;
    struct xr_store_reader *reader = NULL;
    if (!xr_take_replay_id(req, "invalid_audio_path", &id) || !(reader = xr_request_reader(req)))
        return false;
    *ret_reader = reader;
    return xr_take_replay(req, reader, &id, ret_replay);
}

void xr_get_recording(struct xr_request *req) {
    struct xr_store_reader *reader;
    struct xr_replay replay;
    struct stat status;
    struct xr_err err;
    char etag[64];
    int fd = take_replay(req, &reader, &replay) ? take_recording(req, &replay) : -1;
    if (fd < 0)
        return;
    if (fstat(fd, &status) != 0) {
        enum xr_code code = xr_files_errno(&err, errno, "recording");
        close(fd);
        xr_error_code(req, code, &err);
        return;
    }
    /* A file is never written in place: another upload is another inode. */
    snprintf(etag, sizeof etag, "%llx-%llx-%llx", (unsigned long long)status.st_ino,
             (unsigned long long)status.st_mtim.tv_sec * XR_NS_PER_S + (unsigned long long)status.st_mtim.tv_nsec,
             (unsigned long long)status.st_size);
    xr_response_header(req, "Cache-Control", "private, no-cache");
    xr_respond_file(req, fd, (uint64_t)status.st_size, "audio/wav", etag);
}

struct levels_state {
    struct xr_task task;
    struct xr_request *req;
    int fd; /* closed before the request goes on */
    int bucket_ms;
    double threshold_dbfs[XR_CHANNEL_COUNT];
    struct xr_buf *body;
    enum xr_code code;
    struct xr_err err;
};

static void write_numbers(struct xr_json *j, const char *key, const float *numbers, size_t count) {
    xr_json_key(j, xr_str_from(key));
    xr_json_array(j);
    for (size_t i = 0; i < count; i++)
        xr_json_decimal1(j, (double)numbers[i]);
    xr_json_array_end(j);
}

/* One threshold holds for a whole channel; it is repeated because clients draw it beside the others. */
static void write_threshold(struct xr_json *j, double dbfs, size_t count) {
    xr_json_key(j, XR_STR("threshold_dbfs"));
    xr_json_array(j);
    for (size_t i = 0; i < count; i++)
        xr_json_decimal1(j, dbfs);
    xr_json_array_end(j);
}

static void write_levels(struct levels_state *state, const struct xr_levels *levels) {
    struct xr_json j = xr_json_make(state->body, XR_JSON_RESPONSE);
    xr_json_object(&j);
    xr_json_kv_int(&j, "bucket_ms", state->bucket_ms);
    for (int channel = 0; channel < XR_CHANNEL_COUNT; channel++) {
        xr_json_key(&j, xr_str_from(xr_channel_name((enum xr_channel)channel)));
        xr_json_object(&j);
        write_numbers(&j, "rms_dbfs", levels->channels[channel].rms_dbfs, levels->count);
        write_numbers(&j, "peak_dbfs", levels->channels[channel].peak_dbfs, levels->count);
        write_threshold(&j, state->threshold_dbfs[channel], levels->count);
        xr_json_object_end(&j);
    }
    xr_json_object_end(&j);
}

static void respond_levels(struct xr_request *req) {
    const struct levels_state *state = xr_request_state(req);
    xr_reply_written(req, 200, state->code, &state->err);
}

static void finish_levels(struct levels_state *state, enum xr_code code) {
    state->code = code;
    close(state->fd);
    xr_request_resume(state->req, respond_levels);
}

/* On the pool: it reads the whole recording, and a body of a million numbers takes its time too. */
static void read_levels(struct xr_task *task) {
    struct levels_state *state = (struct levels_state *)task;
    struct xr_wav wav;
    struct xr_levels levels;
    enum xr_code code = xr_wav_probe(state->fd, &wav, &state->err);
    if (code == XR_OK)
        code = xr_levels_read(state->fd, &wav, state->bucket_ms, &levels, &state->err);
    if (code == XR_OK) {
        write_levels(state, &levels);
        xr_levels_clear(&levels);
    }
    finish_levels(state, code);
}

static bool take_bucket(struct xr_request *req, int *ret_bucket_ms) {
    struct xr_str text;
    int64_t bucket_ms = XR_LEVEL_BUCKET_DEFAULT_MS;
    if (xr_request_query(req, "bucket_ms", &text) &&
        !xr_range_parse(text, XR_LEVEL_BUCKET_MIN_MS, XR_LEVEL_BUCKET_MAX_MS, &bucket_ms)) {
        xr_reply_issue(req, "invalid_query", "bucket_ms", "must be an integer in 10..1000", "integer 10..1000");
        return false;
    }
    *ret_bucket_ms = (int)bucket_ms;
    return true;
}

/* Levels belong to an analysis: before one there is no threshold to show them with. */
static bool take_thresholds(struct xr_request *req, struct xr_store_reader *reader, const struct xr_replay *replay,
                            double ret_dbfs[XR_CHANNEL_COUNT]) {
    struct xr_vad_levels levels[XR_CHANNEL_COUNT];
    struct xr_err err = {0};
    enum xr_code code = xr_store_levels_get(reader, replay->id, levels, &err);
    if (code == XR_NOT_FOUND)
        xr_reply_wrong_state(req, "replay_not_ready_for_analysis", &replay->uuid, replay->state);
    else if (code != XR_OK)
        xr_error_code(req, code, &err);
    for (int channel = 0; code == XR_OK && channel < XR_CHANNEL_COUNT; channel++)
        ret_dbfs[channel] = levels[channel].threshold_dbfs;
    return code == XR_OK;
}

void xr_get_levels(struct xr_request *req) {
    struct xr_store_reader *reader;
    struct xr_replay replay;
    struct levels_state *state = xr_take_memory(req, sizeof *state);
    if (!state || !take_replay(req, &reader, &replay) || !take_bucket(req, &state->bucket_ms) ||
        !take_thresholds(req, reader, &replay, state->threshold_dbfs))
        return;
    state->fd = take_recording(req, &replay);
    if (state->fd < 0)
        return;
    state->req = req;
    state->body = xr_response_buf(req);
    state->task.run = read_levels;
    xr_request_set_state(req, state);
    xr_request_defer(req);
    enum xr_code code = xr_pool_submit(xr_request_deps(req)->files_pool, &state->task, &state->err);
    if (code != XR_OK)
        finish_levels(state, code);
}
