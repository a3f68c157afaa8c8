// SPDX-License-Identifier: Apache-2.0
#include "http/encode.h"
#include "base/clock.h"
#include "base/limits.h"
#include <stdio.h>

/* Levels above the deepest `args` of a canonical spec: spec, turns, turn, assertions, assertion. */
enum { SPEC_DEPTH_MAX = XR_JSON_DEPTH_MAX + 5 };

void xr_json_kv_time(struct xr_json *j, const char *key, int64_t wall_ns) {
    char text[XR_ISO_MAX];
    if (wall_ns == XR_TIME_NONE) {
        xr_json_kv_null(j, key);
        return;
    }
    xr_time_format(wall_ns, text);
    xr_json_kv_plain(j, key, (struct xr_str){.ptr = text, .len = XR_ISO_LEN});
}

const char *xr_audio_path(const struct xr_uuid *replay, char out[XR_AUDIO_PATH_SIZE]) {
    char id[XR_UUID_TEXT + 1];
    xr_uuid_format(replay, id);
    snprintf(out, XR_AUDIO_PATH_SIZE, "%s/replay.wav", id);
    return out;
}

const char *xr_job_id_text(int64_t job_id, char out[XR_JOB_ID_SIZE]) {
    snprintf(out, XR_JOB_ID_SIZE, "%lld", (long long)job_id);
    return out;
}

/* passed is 0, 1, or negative for null. */
static void kv_passed(struct xr_json *j, int passed) {
    if (passed < 0)
        xr_json_kv_null(j, "passed");
    else
        xr_json_kv_bool(j, "passed", passed > 0);
}

static void kv_hash(struct xr_json *j, const char *key, const uint8_t hash[XR_SHA256_SIZE]) {
    char hex[XR_SHA256_HEX + 1];
    xr_hex_encode(hash, XR_SHA256_SIZE, hex);
    xr_json_kv_strz(j, key, hex);
}

static enum xr_code encode_spec_member(struct xr_json *j, yyjson_val *spec, const char *key, struct xr_err *err) {
    yyjson_val *value = xr_json_member(spec, xr_str_from(key));
    if (!yyjson_is_arr(value))
        return xr_fail(err, XR_CORRUPT, key, "a stored conversation lacks its %s", key);
    xr_json_key(j, xr_str_from(key));
    if (xr_json_value(j, value, SPEC_DEPTH_MAX) != XR_OK)
        return xr_fail(err, XR_CORRUPT, key, "a stored conversation is nested too deeply");
    return XR_OK;
}

enum xr_code xr_conversation_encode(struct xr_json *j, const struct xr_conversation *conversation, struct xr_err *err) {
    XR_AUTO(xr_json_doc_freep) yyjson_doc *doc = NULL;
    struct xr_err why = {0};
    enum xr_code code = xr_json_parse(conversation->spec, SPEC_DEPTH_MAX, &doc, &why);
    if (code == XR_NO_MEMORY)
        return xr_fail(err, code, NULL, "out of memory");
    if (code != XR_OK)
        return xr_fail(err, XR_CORRUPT, NULL, "a stored conversation is %s", why.message);
    yyjson_val *spec = yyjson_doc_get_root(doc);
    xr_json_object(j);
    kv_hash(j, "hash", conversation->hash);
    xr_json_kv_str(j, "name", conversation->name);
    xr_json_kv_time(j, "created_at", conversation->created_ns);
    xr_json_kv_time(j, "last_run_at", conversation->last_run_ns);
    code = encode_spec_member(j, spec, "turns", err);
    if (code == XR_OK)
        code = encode_spec_member(j, spec, "judges", err);
    xr_json_kv_bool(j, "live", conversation->live);
    xr_json_object_end(j);
    return code;
}

static void encode_latest(struct xr_json *j, const struct xr_conversation_recent *latest) {
    xr_json_object(j);
    xr_json_kv_strz(j, "id", latest->replay_id);
    xr_json_kv_strz(j, "lifecycle_state", xr_lifecycle_name(latest->state));
    kv_passed(j, latest->passed);
    xr_json_object_end(j);
}

static void encode_recent(struct xr_json *j, const struct xr_conversation_recent *recent) {
    xr_json_object(j);
    xr_json_kv_strz(j, "id", recent->replay_id);
    kv_passed(j, recent->passed);
    xr_json_kv_strz(j, "lifecycle_state", xr_lifecycle_name(recent->state));
    xr_json_object_end(j);
}

void xr_conversation_item_encode(struct xr_json *j, const struct xr_conversation_item *item) {
    xr_json_object(j);
    xr_json_kv_strz(j, "hash", item->hash);
    xr_json_kv_str(j, "name", item->name);
    xr_json_kv_time(j, "created_at", item->created_ns);
    xr_json_kv_time(j, "last_run_at", item->last_run_ns);
    xr_json_kv_int(j, "replays", item->replays);
    xr_json_key(j, XR_STR("latest"));
    if (item->recent_count > 0)
        encode_latest(j, &item->recent[0]);
    else
        xr_json_null(j);
    xr_json_key(j, XR_STR("recent"));
    xr_json_array(j);
    for (size_t i = 0; i < item->recent_count; i++)
        encode_recent(j, &item->recent[i]);
    xr_json_array_end(j);
    xr_json_object_end(j);
}

static void kv_response_ms(struct xr_json *j, const struct xr_replay *replay) {
    xr_json_key(j, XR_STR("response_ms"));
    if (replay->response_median_ms < 0 || replay->response_p95_ms < 0) {
        xr_json_null(j);
        return;
    }
    xr_json_object(j);
    xr_json_kv_int(j, "median", replay->response_median_ms);
    xr_json_kv_int(j, "p95", replay->response_p95_ms);
    xr_json_object_end(j);
}

/* What the detail and the list item begin with. */
static void kv_replay_state(struct xr_json *j, const struct xr_replay *replay) {
    char id[XR_UUID_TEXT + 1];
    xr_uuid_format(&replay->uuid, id);
    xr_json_kv_strz(j, "id", id);
    kv_hash(j, "conversation_hash", replay->conversation_hash);
    xr_json_kv_strz(j, "lifecycle_state", xr_lifecycle_name(replay->state));
    xr_json_kv_strz(j, "analysis_step", xr_step_name(replay->step));
    xr_json_kv_strz(j, "failure_reason", xr_reason_name(replay->reason));
    xr_json_kv_time(j, "started_at", replay->started_ns);
    xr_json_kv_time(j, "finished_at", replay->finished_ns);
}

static void kv_run_config(struct xr_json *j, const struct xr_replay *replay) {
    if (replay->run_config.ptr)
        xr_json_kv_raw(j, "run_config", replay->run_config);
    else
        xr_json_kv_null(j, "run_config");
}

void xr_replay_item_encode(struct xr_json *j, const struct xr_replay *replay) {
    xr_json_object(j);
    kv_replay_state(j, replay);
    kv_run_config(j, replay);
    kv_passed(j, replay->passed);
    kv_response_ms(j, replay);
    xr_json_object_end(j);
}

void xr_detail_head_encode(struct xr_json *j, const struct xr_replay *replay) {
    char path[XR_AUDIO_PATH_SIZE], job[XR_JOB_ID_SIZE];
    kv_replay_state(j, replay);
    xr_json_kv_time(j, "recording_started_at", replay->recording_started_ns);
    xr_json_kv_strz(j, "audio_path", replay->has_audio ? xr_audio_path(&replay->uuid, path) : NULL);
    xr_json_kv_strz(j, "job_id", replay->job_id >= 0 ? xr_job_id_text(replay->job_id, job) : NULL);
    kv_run_config(j, replay);
}
