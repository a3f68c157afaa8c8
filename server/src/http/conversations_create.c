// SPDX-License-Identifier: Apache-2.0
/* POST /v1/conversations: everything is validated before the first synthesis is paid for.
 *
 *   request thread   parse the form and the spec, match files to turns
 *   files pool       look into the recorded files (skipped without any)
 *   either           check the spoken turns and the provider, start the upsert
 *   ingest's thread  done: the request goes on with the row or with what failed */
#include "audio/wav.h"
#include "base/text.h"
#include "http/encode.h"
#include "http/handlers.h"
#include "http/reply.h"

static const char INVALID_REQUEST[] = "invalid_conversation_request";

enum problem {
    NO_PROBLEM,
    RECORDED_AUDIO, /* key, err */
    TTS_ROLE, /* turn_idx */
    TTS_TEXT, /* turn_idx */
    TTS_UNCONFIGURED, /* err.path */
    TTS_FAILED, /* provider, err.status */
    TTS_UNASKED, /* provider, code, err */
    OTHER_PROBLEM, /* code, err */
};

struct create {
    struct xr_request *req;
    struct xr_task task;
    struct xr_spec spec; /* freed before the request goes on: `then` need not run */
    struct xr_ingest_file *files;
    size_t file_count;
    struct xr_ingest_call call;

    enum problem problem;
    enum xr_code code;
    struct xr_err err;
    struct xr_str key;
    size_t turn_idx;
    const char *provider;
};

static void reply_part_too_large(struct xr_request *req, const struct xr_err *err) {
    bool is_spec = strcmp(err->path, "spec") == 0;
    struct xr_json j = xr_error_begin(req, 413, "body_too_large");
    xr_json_kv_int(&j, "max_bytes", is_spec ? (int64_t)XR_SPEC_MAX : (int64_t)XR_TURN_FILE_MAX);
    xr_error_end(req, &j);
}

static bool take_form(struct xr_request *req) {
    struct xr_err err = {0};
    enum xr_code code = xr_request_multipart_error(req, &err);
    if (code == XR_INVALID)
        xr_reply_issue(req, INVALID_REQUEST, "", err.message, "multipart/form-data");
    else if (code == XR_TOO_LARGE)
        reply_part_too_large(req, &err);
    else if (code != XR_OK)
        xr_error_code(req, code, &err);
    return code == XR_OK;
}

/* The one field `spec`; every other field stands where a file should be. */
static struct xr_str find_spec(const struct xr_request *req, struct xr_issues *issues) {
    size_t count = 0, specs = 0;
    const struct xr_body_field *fields = xr_request_fields(req, &count);
    struct xr_str spec = {0};
    for (size_t i = 0; i < count; i++) {
        if (xr_str_eq(fields[i].name, XR_STR("spec"))) {
            spec = fields[i].value;
            specs++;
        } else {
            xr_issues_add(issues, "", "a part other than spec has no file name", "file", "value");
        }
    }
    if (specs == 0)
        xr_issues_add(issues, "spec", "is required, as a part without a file name", "string", "nothing");
    if (specs > 1)
        xr_issues_add(issues, "spec", "must be sent once", "one part", "several parts");
    return specs == 1 ? spec : (struct xr_str){0};
}

static void find_repeated_files(struct xr_request *req, struct xr_issues *issues) {
    size_t count = 0;
    const struct xr_body_file *files = xr_request_files(req, &count);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (xr_str_eq(files[i].field, files[k].field)) {
                xr_issues_add(issues, "", "a file part is sent twice", "one file a name", "several");
                break;
            }
        }
    }
}

static bool take_spec(struct xr_request *req, struct xr_spec *ret_spec) {
    struct xr_arena *arena = xr_request_arena(req);
    struct xr_issues issues = {.arena = arena};
    struct xr_err err = {0};
    struct xr_str text = find_spec(req, &issues);
    find_repeated_files(req, &issues);
    enum xr_code code = text.ptr ? xr_spec_parse(text, arena, &issues, ret_spec, &err) : XR_INVALID;
    if (code == XR_OK && issues.total > 0) {
        xr_spec_free(ret_spec);
        code = XR_INVALID;
    }
    if (code != XR_OK)
        xr_reply_bad_body(req, INVALID_REQUEST, code, &issues, &err);
    return code == XR_OK;
}

static bool reply_upload_key(struct xr_request *req, const char *error, struct xr_str key) {
    struct xr_json j = xr_error_begin(req, 400, error);
    xr_json_kv_str(&j, "upload_key", key);
    xr_error_end(req, &j);
    return false;
}

static bool has_file(const struct create *create, struct xr_str key) {
    for (size_t i = 0; i < create->file_count; i++)
        if (xr_str_eq(create->files[i].upload_key, key))
            return true;
    return false;
}

static bool is_referenced(const struct xr_spec *spec, struct xr_str key) {
    for (size_t i = 0; i < spec->turn_count; i++)
        if (spec->turns[i].audio == XR_AUDIO_RECORDED && xr_str_eq(spec->turns[i].upload_key, key))
            return true;
    return false;
}

static bool match_files(struct create *create) {
    const struct xr_spec *spec = &create->spec;
    for (size_t i = 0; i < spec->turn_count; i++) {
        const struct xr_turn_spec *turn = &spec->turns[i];
        if (turn->audio == XR_AUDIO_RECORDED && !has_file(create, turn->upload_key))
            return reply_upload_key(create->req, "recorded_audio_upload_key_missing", turn->upload_key);
    }
    for (size_t i = 0; i < create->file_count; i++)
        if (!is_referenced(spec, create->files[i].upload_key))
            return reply_upload_key(create->req, "recorded_audio_upload_key_unreferenced", create->files[i].upload_key);
    return true;
}

static bool take_files(struct create *create) {
    size_t count = 0;
    const struct xr_body_file *files = xr_request_files(create->req, &count);
    create->files = count > 0 ? xr_take_memory(create->req, count * sizeof *create->files) : NULL;
    if (count > 0 && !create->files)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct xr_ingest_file *file = &create->files[i];
        file->upload_key = files[i].field;
        file->fd = files[i].fd;
        memcpy(file->path, files[i].path, sizeof file->path);
        memcpy(file->sha256, files[i].sha256, sizeof file->sha256);
    }
    create->file_count = count;
    return true;
}

static void reply_recorded_audio(struct xr_request *req, const struct create *create) {
    struct xr_json j = xr_error_begin(req, 400, "invalid_recorded_audio");
    xr_json_kv_str(&j, "upload_key", create->key);
    xr_json_kv_strz(&j, "reason", create->err.message);
    xr_error_end(req, &j);
}

static void reply_turn(struct xr_request *req, const struct create *create) {
    struct xr_json j =
        xr_error_begin(req, 400, create->problem == TTS_ROLE ? "tts_turn_invalid_role" : "tts_turn_missing_text");
    xr_json_kv_int(&j, "turn_idx", (int64_t)create->turn_idx);
    xr_error_end(req, &j);
}

static void reply_unconfigured(struct xr_request *req, const struct create *create) {
    struct xr_json j = xr_error_begin(req, 503, "tts_provider_unconfigured");
    xr_json_kv_strz(&j, "env_var", create->err.path);
    xr_error_end(req, &j);
}

/* The answer has no room for what the provider said, and somebody must be able to find out. */
static void log_tts_failure(struct xr_request *req, const struct create *create) {
    const struct xr_log_field request_id = {.key = "request_id", .str = xr_request_id(req)};
    xr_log(xr_request_deps(req)->log, XR_LOG_WARN, "speech failed", request_id, XR_LOG_S("provider", create->provider),
           XR_LOG_S("code", xr_code_name(create->code)), XR_LOG_I("status", create->err.status),
           XR_LOG_S("message", create->err.message));
}

static void reply_tts_failed(struct xr_request *req, const struct create *create) {
    log_tts_failure(req, create);
    struct xr_json j = xr_error_begin(req, 502, "tts_synthesis_failed");
    xr_json_kv_strz(&j, "provider", create->provider);
    xr_json_kv_opt_int(&j, "status_code", create->err.status > 0 ? create->err.status : -1);
    xr_error_end(req, &j);
}

/* No request was made: the provider was busy with others. The client may try again. */
static void reply_unasked(struct xr_request *req, const struct create *create) {
    log_tts_failure(req, create);
    xr_error_code(req, create->code, &create->err);
}

static void reply_other(struct xr_request *req, const struct create *create) {
    xr_error_code(req, create->code, &create->err);
}

static void reply_row(struct xr_request *req, const struct create *create) {
    struct xr_err err = {0};
    struct xr_json j = xr_json_make(xr_response_buf(req), XR_JSON_RESPONSE);
    xr_reply_written(req, 200, xr_conversation_encode(&j, &create->call.conversation, &err), &err);
}

static void respond(struct xr_request *req) {
    static void (*const REPLIES[])(struct xr_request *req, const struct create *create) = {
        [NO_PROBLEM] = reply_row,      [RECORDED_AUDIO] = reply_recorded_audio, [TTS_ROLE] = reply_turn,
        [TTS_TEXT] = reply_turn,       [TTS_UNCONFIGURED] = reply_unconfigured, [TTS_FAILED] = reply_tts_failed,
        [TTS_UNASKED] = reply_unasked, [OTHER_PROBLEM] = reply_other,
    };
    const struct create *create = xr_request_state(req);
    REPLIES[create->problem](req, create);
}

static void finish(struct create *create, enum problem problem) {
    create->problem = problem;
    xr_spec_free(&create->spec);
    xr_request_resume(create->req, respond);
}

static enum problem sort_failure(struct create *create, enum xr_code code, const struct xr_err *err) {
    create->code = code;
    if (err != &create->err)
        create->err = *err;
    return code == XR_NO_CREDENTIAL ? TTS_UNCONFIGURED : OTHER_PROBLEM;
}

static void ingest_done(struct xr_ingest_call *call) {
    struct create *create = call->ctx;
    enum problem problem = NO_PROBLEM;
    if (call->code != XR_OK)
        problem = sort_failure(create, call->code, &call->err);
    if (problem == OTHER_PROBLEM && (call->tts_failed || call->tts_unasked)) {
        problem = call->tts_failed ? TTS_FAILED : TTS_UNASKED;
        create->provider = call->provider;
    }
    finish(create, problem);
}

static enum problem check_spoken_turns(struct create *create) {
    bool any = false;
    for (size_t i = 0; i < create->spec.turn_count; i++) {
        const struct xr_turn_spec *turn = &create->spec.turns[i];
        if (turn->audio != XR_AUDIO_TTS)
            continue;
        any = true;
        create->turn_idx = i;
        if (turn->role != XR_ROLE_USER)
            return TTS_ROLE;
        if (!turn->has_text || xr_text_trim(turn->text).len == 0)
            return TTS_TEXT;
    }
    enum xr_code code = any ? xr_tts_ready(xr_request_deps(create->req)->providers, &create->err) : XR_OK;
    return code == XR_OK ? NO_PROBLEM : sort_failure(create, code, &create->err);
}

/* From whichever thread has looked at the files. */
static void start_ingest(struct create *create) {
    enum problem problem = check_spoken_turns(create);
    if (problem != NO_PROBLEM) {
        finish(create, problem);
        return;
    }
    create->call = (struct xr_ingest_call){
        .spec = &create->spec,
        .arena = xr_request_arena(create->req),
        .files = create->files,
        .file_count = create->file_count,
        .done = ingest_done,
        .ctx = create,
    };
    enum xr_code code = xr_ingest_start(xr_request_deps(create->req)->ingest, &create->call, &create->err);
    if (code != XR_OK)
        finish(create, sort_failure(create, code, &create->err));
}

static enum problem check_file(struct create *create, const struct xr_ingest_file *file) {
    struct xr_wav wav;
    enum xr_code code = xr_wav_probe(file->fd, &wav, &create->err);
    if (code == XR_OK)
        code = xr_wav_require(&wav, 1, &create->err);
    create->key = file->upload_key;
    if (code == XR_OK)
        return NO_PROBLEM;
    return code == XR_INVALID ? RECORDED_AUDIO : sort_failure(create, code, &create->err);
}

static void check_files(struct xr_task *task) {
    struct create *create = (struct create *)((char *)task - offsetof(struct create, task));
    for (size_t i = 0; i < create->file_count; i++) {
        enum problem problem = check_file(create, &create->files[i]);
        if (problem != NO_PROBLEM) {
            finish(create, problem);
            return;
        }
    }
    start_ingest(create);
}

static void start(struct create *create) {
    xr_request_set_state(create->req, create);
    xr_request_defer(create->req);
    if (create->file_count == 0) {
        start_ingest(create);
        return;
    }
    create->task.run = check_files;
    enum xr_code code = xr_pool_submit(xr_request_deps(create->req)->files_pool, &create->task, &create->err);
    if (code != XR_OK)
        finish(create, sort_failure(create, code, &create->err));
}

/* The row's name is read after the spec's document is gone. */
static bool keep_name(struct create *create) {
    struct xr_str name = xr_arena_str(xr_request_arena(create->req), create->spec.name);
    if (!name.ptr) {
        xr_error_code(create->req, XR_NO_MEMORY, NULL);
        return false;
    }
    create->spec.name = name;
    return true;
}

void xr_post_conversation(struct xr_request *req) {
    if (!xr_take_arena(req) || !take_form(req))
        return;
    struct create *create = xr_take_memory(req, sizeof *create);
    if (!create)
        return;
    create->req = req;
    if (!take_spec(req, &create->spec))
        return;
    if (take_files(create) && match_files(create) && keep_name(create))
        start(create);
    else
        xr_spec_free(&create->spec);
}
