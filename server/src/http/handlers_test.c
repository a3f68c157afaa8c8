// SPDX-License-Identifier: Apache-2.0
/* The handlers behind a real server, with a real store and real files. Routes that speak or serve embedded files need
 * more of the program; they are tested with the whole of it. */
#include "audio/wav.h"
#include "base/limits.h"
#include "base/test.h"
#include "http/handlers.h"
#include "http/testkit.h"
#include "store/conversations.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HASH "abababababababababababababababababababababababababababababababab"
#define NO_HASH "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
#define NO_ID "01234567-89ab-4def-8bcd-ef0123456789"
#define ODD_ID "------------------------------------"

static const struct xr_route ROUTES[] = {
    {"GET", "/readyz", xr_get_readyz, NULL, XR_BODY_NONE, 0},
    {"GET", "/v1/conversations", xr_get_conversations, NULL, XR_BODY_NONE, 0},
    {"GET", "/v1/conversations/{hash}", xr_get_conversation, NULL, XR_BODY_NONE, 0},
    {"GET", "/v1/conversations/{hash}/replays", xr_get_conversation_replays, NULL, XR_BODY_NONE, 0},
    {"GET", "/v1/conversations/{hash}/turns/{idx}/audio", xr_get_turn_audio, NULL, XR_BODY_NONE, 0},
    {"POST", "/v1/replays", xr_post_replay, NULL, XR_BODY_MEMORY, XR_BODY_REPLAY_MAX},
    {"POST", "/v1/replays/compare", xr_post_compare, NULL, XR_BODY_MEMORY, XR_BODY_COMPARE_MAX},
    {"GET", "/v1/replays/{id}", xr_get_replay, NULL, XR_BODY_NONE, 0},
    {"PATCH", "/v1/replays/{id}", xr_patch_replay, NULL, XR_BODY_MEMORY, XR_BODY_REPLAY_MAX},
    {"POST", "/v1/replays/{id}/analyze", xr_post_analyze, NULL, XR_BODY_NONE, 0},
    {"POST", "/v1/replays/{id}/retry", xr_post_retry, NULL, XR_BODY_NONE, 0},
    {"GET", "/v1/replays/{id}/result", xr_get_result, NULL, XR_BODY_NONE, 0},
    {"GET", "/v1/replays/{id}/events", xr_get_replay_events, NULL, XR_BODY_NONE, 0},
    {"POST", "/v1/replays/{id}/audio", xr_post_recording, xr_check_recording, XR_BODY_FILE, XR_BODY_RECORDING_MAX},
    {"GET", "/v1/replays/{id}/audio", xr_get_recording, NULL, XR_BODY_NONE, 0},
    {"GET", "/v1/replays/{id}/audio/levels", xr_get_levels, NULL, XR_BODY_NONE, 0},
    {0},
};

static enum xr_code apply_conversation(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err) {
    (void)write;
    static const uint8_t NO_AUDIO[XR_SHA256_SIZE];
    int64_t now_ns = xr_store_tx_now(tx);
    struct xr_conversation conversation = {
        .name = XR_STR("n"),
        .spec = XR_STR("{\"judges\":[],\"turns\":[{\"assertions\":[],\"role\":\"user\"}]}"),
        .created_ns = now_ns,
        .last_run_ns = now_ns,
        .audio = NO_AUDIO,
        .turn_count = 1,
    };
    memset(conversation.hash, 0xab, sizeof conversation.hash);
    return xr_store_tx_conversation_put(tx, &conversation, err);
}

static int start(void **state) {
    struct xr_rig *rig = xr_rig_start_stored(ROUTES, NULL);
    xr_commit(rig->store, apply_conversation, NULL);
    *state = rig;
    return 0;
}

static int stop(void **state) {
    xr_rig_stop(*state);
    return 0;
}

/* headers: each ended by CRLF. */
static void send_request(int fd, const char *method, const char *path, const char *headers, const void *body,
                         size_t n) {
    char head[2000];
    snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n", method, path, headers, n);
    xr_say(fd, head);
    xr_say_bytes(fd, body, n);
}

static struct xr_reply call(const struct xr_rig *rig, const char *method, const char *path, const char *headers,
                            const void *body, size_t n) {
    int fd = xr_dial(rig);
    send_request(fd, method, path, headers, body, n);
    struct xr_reply reply = xr_hear(fd, false);
    close(fd);
    return reply;
}

static struct xr_reply call_json(const struct xr_rig *rig, const char *method, const char *path, const char *json) {
    return call(rig, method, path, "Content-Type: application/json\r\n", json, strlen(json));
}

static void assert_reply(struct xr_reply reply, int status, const char *part) {
    char *body = calloc(reply.body_len + 1, 1);
    if (reply.body_len > 0)
        memcpy(body, reply.body, reply.body_len);
    if (reply.status != status || !strstr(body, part))
        fail_msg("%d %s, not %d ...%s...", reply.status, body, status, part);
    free(body);
    xr_reply_clear(&reply);
}

/* The string member `key` of a JSON reply, "" for null. */
static void take_member(struct xr_reply reply, const char *key, char out[64]) {
    yyjson_doc *doc = yyjson_read(reply.body, reply.body_len, YYJSON_READ_NOFLAG);
    yyjson_val *value = yyjson_obj_get(yyjson_doc_get_root(doc), key);
    assert_non_null(value);
    snprintf(out, 64, "%s", yyjson_is_str(value) ? yyjson_get_str(value) : "");
    yyjson_doc_free(doc);
    xr_reply_clear(&reply);
}

static void make_replay(const struct xr_rig *rig, char id[64]) {
    take_member(call_json(rig, "POST", "/v1/replays", "{\"conversation_hash\":\"" HASH "\"}"), "id", id);
    assert_int_equal(strlen(id), 36);
}

/* "/v1/replays/ID" and what follows. */
static const char *path_of(const char *id, const char *rest, char out[128]) {
    snprintf(out, 128, "/v1/replays/%s%s", id, rest);
    return out;
}

static void patch(const struct xr_rig *rig, const char *id, const char *json, int status, const char *part) {
    char path[128];
    assert_reply(call_json(rig, "PATCH", path_of(id, "", path), json), status, part);
}

/* A silent stereo recording in malloc'd memory. */
static char *make_wav(uint64_t frames, size_t *ret_n) {
    size_t n = XR_WAV_HEADER_SIZE + (size_t)frames * 4;
    char *wav = calloc(n, 1);
    xr_wav_header((uint8_t *)wav, XR_RATE, 2, frames);
    *ret_n = n;
    return wav;
}

static void upload(const struct xr_rig *rig, const char *id, int status, const char *part) {
    char path[128];
    size_t n;
    char *wav = make_wav(480, &n);
    assert_reply(call(rig, "POST", path_of(id, "/audio", path), "Content-Type: audio/wav\r\n", wav, n), status, part);
    free(wav);
}

static void analyze(const struct xr_rig *rig, const char *id, int status, const char *part) {
    char path[128];
    assert_reply(call(rig, "POST", path_of(id, "/analyze", path), "", "", 0), status, part);
}

static void a_replay_goes_from_pending_to_analyzing(void **state) {
    struct xr_rig *rig = *state;
    char id[64], path[128];
    make_replay(rig, id);
    analyze(rig, id, 409, "\"current_state\":\"pending\"");
    patch(rig, id, "{\"lifecycle_state\":\"running\"}", 200, "\"lifecycle_state\":\"running\"");
    patch(rig, id, "{\"lifecycle_state\":\"running\"}", 200, "\"lifecycle_state\":\"running\"");
    upload(rig, id, 200, "{\"ok\":true,\"audio_path\":\"");
    upload(rig, id, 200, "/replay.wav\"}");
    assert_int_equal(atomic_load(&rig->kicks), 0);
    analyze(rig, id, 202, "\",\"lifecycle_state\":\"analyzing\"}");
    assert_int_equal(atomic_load(&rig->kicks), 1);
    analyze(rig, id, 409, "\"error\":\"replay_not_ready_for_analysis\"");
    upload(rig, id, 409, "\"error\":\"replay_upload_state_invalid\"");
    patch(rig, id, "{\"lifecycle_state\":\"failed\"}", 409, "\"from\":\"analyzing\",\"to\":\"failed\"");
    assert_reply(call(rig, "GET", path_of(id, "", path), "", "", 0), 200, "\"analysis_step\":\"vad\"");
    assert_reply(call(rig, "GET", path_of(id, "/result", path), "", "", 0), 409,
                 "{\"error\":\"replay_not_evaluated\",\"lifecycle_state\":\"analyzing\"}");
    assert_reply(call(rig, "GET", path_of(id, "/audio/levels", path), "", "", 0), 409,
                 "\"current_state\":\"analyzing\"");
}

static void a_failed_replay_is_written_once(void **state) {
    struct xr_rig *rig = *state;
    char id[64], path[128];
    make_replay(rig, id);
    patch(rig, id, "{\"lifecycle_state\":\"failed\",\"finished_at\":\"2026-01-02T03:04:05.678Z\"}", 200,
          "\"failure_reason\":\"explicit_fail\"");
    patch(rig, id, "{\"lifecycle_state\":\"failed\",\"failure_reason\":\"timeout\"}", 200,
          "\"failure_reason\":\"explicit_fail\"");
    patch(rig, id, "{\"failure_reason\":\"timeout\"}", 409, "\"from\":\"failed\",\"to\":\"failed\"");
    patch(rig, id, "{\"lifecycle_state\":\"running\"}", 409, "\"from\":\"failed\",\"to\":\"running\"");
    upload(rig, id, 409, "\"current_state\":\"failed\"");
    /* Without a recording there is nothing to run again. */
    assert_reply(call(rig, "POST", path_of(id, "/retry", path), "", "", 0), 409, "\"current_state\":\"failed\"");
    assert_reply(call(rig, "GET", path_of(id, "", path), "", "", 0), 200,
                 "\"finished_at\":\"2026-01-02T03:04:05.678Z\"");
}

static void a_failed_replay_with_its_recording_is_run_again(void **state) {
    struct xr_rig *rig = *state;
    char id[64], path[128];
    make_replay(rig, id);
    upload(rig, id, 200, "true");
    patch(rig, id, "{\"lifecycle_state\":\"failed\",\"failure_reason\":\"timeout\"}", 200, "\"timeout\"");
    analyze(rig, id, 409, "\"current_state\":\"failed\"");
    assert_reply(call(rig, "POST", path_of(id, "/retry", path), "", "", 0), 202, "\"job_id\":\"");
    assert_reply(call(rig, "GET", path_of(id, "", path), "", "", 0), 200, "\"failure_reason\":null");
    assert_int_equal(atomic_load(&rig->kicks), 1);
}

static void of_many_analyses_at_once_one_is_accepted(void **state) {
    struct xr_rig *rig = *state;
    enum { CALLS = 16 };
    char id[64], path[128];
    int fds[CALLS], accepted = 0;
    make_replay(rig, id);
    upload(rig, id, 200, "true");
    for (int i = 0; i < CALLS; i++) {
        fds[i] = xr_dial(rig);
        send_request(fds[i], "POST", path_of(id, "/analyze", path), "", "", 0);
    }
    for (int i = 0; i < CALLS; i++) {
        struct xr_reply reply = xr_hear(fds[i], false);
        accepted += reply.status == 202;
        assert_true(reply.status == 202 || reply.status == 409);
        xr_reply_clear(&reply);
        close(fds[i]);
    }
    assert_int_equal(accepted, 1);
    assert_int_equal(atomic_load(&rig->kicks), 1);
}

/* Each upload's anchor tells its length: after many at once, the row's anchor and the file's size still agree. */
static void of_many_uploads_at_once_one_wins_whole(void **state) {
    struct xr_rig *rig = *state;
    enum { UPLOADS = 12 };
    char id[64], path[128], headers[128], anchor[64];
    int fds[UPLOADS];
    make_replay(rig, id);
    for (int i = 0; i < UPLOADS; i++) {
        size_t n;
        char *wav = make_wav(100 + (uint64_t)i, &n);
        snprintf(headers, sizeof headers,
                 "Content-Type: Audio/X-WAV; a=b\r\nX-Recording-Started-At: 2026-01-02T03:04:%02dZ\r\n", i);
        fds[i] = xr_dial(rig);
        send_request(fds[i], "POST", path_of(id, "/audio", path), headers, wav, n);
        free(wav);
    }
    for (int i = 0; i < UPLOADS; i++) {
        assert_reply(xr_hear(fds[i], false), 200, "true");
        close(fds[i]);
    }
    take_member(call(rig, "GET", path_of(id, "", path), "", "", 0), "recording_started_at", anchor);
    int winner = atoi(anchor + strlen("2026-01-02T03:04:"));
    struct xr_reply audio = call(rig, "GET", path_of(id, "/audio", path), "", "", 0);
    assert_int_equal(audio.status, 200);
    assert_int_equal(audio.body_len, XR_WAV_HEADER_SIZE + (100 + winner) * 4);
    assert_string_equal(xr_reply_header(&audio, "Cache-Control"), "private, no-cache");
    xr_reply_clear(&audio);
    assert_int_equal(xr_rig_temp_files(rig), 0);
}

static void an_upload_is_refused_for_the_first_thing_wrong(void **state) {
    struct xr_rig *rig = *state;
    static const char WAV_TYPE[] = "Content-Type: audio/wav\r\n";
    static const char BAD_BOTH[] = "Content-Type: Text/Plain; a=b\r\nX-Recording-Started-At: now\r\n";
    static const char BAD_TIME[] = "Content-Type: audio/wav\r\nX-Recording-Started-At: now\r\n";
    char id[64];
    make_replay(rig, id);
    const struct {
        const char *id, *headers;
        int status;
        const char *part;
    } CASES[] = {
        {"x", BAD_BOTH, 400, "{\"error\":\"invalid_audio_path\",\"issues\":["},
        {ODD_ID, BAD_BOTH, 404, "{\"error\":\"replay_not_found\",\"replay_id\":\"" ODD_ID "\"}"},
        {NO_ID, BAD_BOTH, 415, "{\"error\":\"unsupported_content_type\",\"content_type\":\"text/plain\"}"},
        {NO_ID, "", 415, "\"content_type\":null}"},
        {NO_ID, BAD_TIME, 400, "{\"error\":\"invalid_recording_started_at\",\"issues\":["},
        {NO_ID, WAV_TYPE, 404, "{\"error\":\"replay_not_found\",\"replay_id\":\"" NO_ID "\"}"},
        {id, WAV_TYPE, 400, "{\"error\":\"invalid_audio\",\"reason\":\""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char path[128];
        path_of(CASES[i].id, "/audio", path);
        assert_reply(call(rig, "POST", path, CASES[i].headers, "no wav", 6), CASES[i].status, CASES[i].part);
    }
    char path[128];
    assert_reply(call(rig, "POST", path_of(id, "/audio", path), WAV_TYPE, "", 0), 400, "\"invalid_audio\"");
    assert_reply(call(rig, "GET", path_of(id, "/audio", path), "", "", 0), 404, "\"error\":\"audio_not_found\"");
    assert_int_equal(xr_rig_temp_files(rig), 0);
}

static void wrong_requests_get_their_own_errors(void **state) {
    static const struct {
        const char *method, *path, *body;
        int status;
        const char *part;
    } CASES[] = {
        {"GET", "/v1/conversations?limit=0&cursor=x", "", 400,
         "{\"error\":\"invalid_query\",\"issues\":[{\"path\":\"limit\""},
        {"GET", "/v1/conversations/x", "", 400, "{\"error\":\"invalid_conversation_hash\",\"issues\":[{\"path\":"},
        {"GET", "/v1/conversations/" NO_HASH, "", 404,
         "{\"error\":\"conversation_not_found\",\"conversation_hash\":\"" NO_HASH "\"}"},
        {"GET", "/v1/conversations/" NO_HASH "/replays", "", 404, "conversation_not_found"},
        {"GET", "/v1/conversations/" HASH "/replays?cursor=", "", 400, "invalid_query"},
        {"GET", "/v1/conversations/" HASH "/turns/00000/audio", "", 400,
         "{\"error\":\"invalid_turn_index\",\"issues\""},
        {"GET", "/v1/conversations/" NO_HASH "/turns/0/audio", "", 404, "conversation_not_found"},
        {"GET", "/v1/conversations/" HASH "/turns/0/audio", "", 404,
         "{\"error\":\"turn_audio_not_found\",\"conversation_hash\":\"" HASH "\",\"turn_idx\":0}"},
        {"GET", "/v1/conversations/" HASH "/turns/9999/audio", "", 404, "\"turn_idx\":9999}"},
        {"POST", "/v1/replays", "{\"conversation_hash\":\"" NO_HASH "\"}", 404,
         "{\"error\":\"conversation_not_found\",\"conversation_hash\":\"" NO_HASH "\"}"},
        {"POST", "/v1/replays", "", 400, "{\"error\":\"invalid_replay_request\",\"issues\":[{\"path\":\"\""},
        {"GET", "/v1/replays/x", "", 400, "{\"error\":\"invalid_replay_id\",\"issues\":["},
        {"GET", "/v1/replays/" NO_ID, "", 404, "{\"error\":\"replay_not_found\",\"replay_id\":\"" NO_ID "\"}"},
        {"PATCH", "/v1/replays/" NO_ID, "{}", 404, "replay_not_found"},
        {"PATCH", "/v1/replays/" NO_ID, "{\"lifecycle_state\":1}", 400, "\"path\":\"lifecycle_state\""},
        {"POST", "/v1/replays/" NO_ID "/analyze", "", 404, "replay_not_found"},
        {"POST", "/v1/replays/" ODD_ID "/retry", "", 404, "replay_not_found"},
        {"GET", "/v1/replays/" NO_ID "/result", "", 404, "replay_not_found"},
        {"GET", "/v1/replays/" NO_ID "/events", "", 404, "replay_not_found"},
        {"GET", "/v1/replays/x/audio", "", 400, "invalid_audio_path"},
        {"GET", "/v1/replays/" NO_ID "/audio/levels", "", 404, "replay_not_found"},
        {"POST", "/v1/replays/compare", "{\"replay_ids\":[\"x\"]}", 400,
         "{\"error\":\"invalid_compare_selection\",\"count\":1,\"min\":2,\"max\":8}"},
        {"POST", "/v1/replays/compare", "{\"replay_ids\":[\"x\",\"x\"]}", 400, "invalid_replay_request"},
        {"POST", "/v1/replays/compare", "{\"replay_ids\":[\"" NO_ID "\",\"" ODD_ID "\"]}", 404,
         "{\"error\":\"replay_not_found\",\"replay_id\":\"" NO_ID "\"}"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_reply(call_json(*state, CASES[i].method, CASES[i].path, CASES[i].body), CASES[i].status, CASES[i].part);
}

static void compared_replays_come_in_the_callers_order(void **state) {
    struct xr_rig *rig = *state;
    char first[64], second[64], body[200], want[100];
    make_replay(rig, first);
    make_replay(rig, second);
    snprintf(body, sizeof body, "{\"replay_ids\":[\"%s\",\"%s\"]}", second, first);
    snprintf(want, sizeof want, "{\"replays\":[{\"id\":\"%s\"", second);
    assert_reply(call_json(rig, "POST", "/v1/replays/compare", body), 200, want);
    snprintf(want, sizeof want, "},{\"id\":\"%s\"", first);
    assert_reply(call_json(rig, "POST", "/v1/replays/compare", body), 200, want);
}

static void a_new_detail_has_every_member(void **state) {
    struct xr_reply reply = call_json(*state, "POST", "/v1/replays",
                                      "{\"conversation_hash\":\"" HASH "\",\"run_config\":{\"n\":9007199254740993}}");
    assert_reply(reply, 201,
                 "\"finished_at\":null,\"recording_started_at\":null,\"audio_path\":null,\"job_id\":null,"
                 "\"run_config\":{\"n\":9007199254740993},\"turns\":[],\"speech_segments\":[],\"transcripts\":[],"
                 "\"turn_metrics\":[],\"tool_calls\":[],\"model_usage\":[],\"spans\":[],\"evaluation_usage\":[],"
                 "\"audio_levels\":null}");
}

static void a_list_is_fresh_and_not_sent_twice(void **state) {
    struct xr_rig *rig = *state;
    char id[64], headers[100];
    struct xr_reply first = call(rig, "GET", "/v1/conversations", "", "", 0);
    assert_int_equal(first.status, 200);
    snprintf(headers, sizeof headers, "If-None-Match: %s\r\n", xr_reply_header(&first, "ETag"));
    assert_reply(first, 200, "\"replays\":0,\"latest\":null,\"recent\":[]}],\"next_cursor\":null}");
    assert_reply(call(rig, "GET", "/v1/conversations", headers, "", 0), 304, "");
    make_replay(rig, id);
    assert_reply(call(rig, "GET", "/v1/conversations", headers, "", 0), 200, "\"replays\":1,\"latest\":{\"id\":\"");
    assert_reply(call(rig, "GET", "/v1/conversations?q=N", "", "", 0), 200, "\"replays\":1");
    assert_reply(call(rig, "GET", "/v1/conversations?q=%00", "", "", 0), 200, "{\"items\":[],\"next_cursor\":null}");
    assert_reply(call(rig, "GET", "/v1/conversations/" HASH "/replays", "", "", 0), 200, id);
}

static void events_tell_every_transition_and_end(void **state) {
    struct xr_rig *rig = *state;
    static const char FAILED[] = "event: failed\ndata: {\"type\":\"failed\",\"reason\":\"driver_aborted\"}\n\n";
    char id[64], path[128];
    make_replay(rig, id);
    int fd = xr_dial(rig);
    send_request(fd, "GET", path_of(id, "/events", path), "", "", 0);
    assert_true(xr_hear_until(fd, "\"lifecycle_state\":\"pending\",\"analysis_step\":null}\n\n"));
    patch(rig, id, "{\"lifecycle_state\":\"running\"}", 200, "running");
    assert_true(xr_hear_until(fd, "event: state\ndata: {\"type\":\"state\",\"lifecycle_state\":\"running\""));
    upload(rig, id, 200, "true");
    assert_true(xr_hear_until(fd, "\"lifecycle_state\":\"recording_uploaded\""));
    patch(rig, id, "{\"lifecycle_state\":\"failed\",\"failure_reason\":\"driver_aborted\"}", 200, "failed");
    assert_true(xr_hear_until(fd, "event: state\ndata: {\"type\":\"state\",\"lifecycle_state\":\"failed\""));
    assert_true(xr_hear_until(fd, FAILED));
    close(fd);
    struct xr_reply again = call(rig, "GET", path_of(id, "/events", path), "", "", 0);
    char want[300];
    snprintf(want, sizeof want,
             "event: state\ndata: {\"type\":\"state\",\"lifecycle_state\":\"failed\",\"analysis_step\":null}\n\n%s",
             FAILED);
    assert_int_equal(again.body_len, strlen(want));
    assert_reply(again, 200, want);
}

static void a_server_that_is_well_is_ready(void **state) {
    assert_reply(call(*state, "GET", "/readyz", "", "", 0), 200, "{\"ok\":true}");
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_SERVER(a_replay_goes_from_pending_to_analyzing),
        WITH_SERVER(a_failed_replay_is_written_once),
        WITH_SERVER(a_failed_replay_with_its_recording_is_run_again),
        WITH_SERVER(of_many_analyses_at_once_one_is_accepted),
        WITH_SERVER(of_many_uploads_at_once_one_wins_whole),
        WITH_SERVER(an_upload_is_refused_for_the_first_thing_wrong),
        WITH_SERVER(wrong_requests_get_their_own_errors),
        WITH_SERVER(compared_replays_come_in_the_callers_order),
        WITH_SERVER(a_new_detail_has_every_member),
        WITH_SERVER(a_list_is_fresh_and_not_sent_twice),
        WITH_SERVER(events_tell_every_transition_and_end),
        WITH_SERVER(a_server_that_is_well_is_ready),
    };
    return cmocka_run_group_tests_name("http/handlers", tests, NULL, NULL);
}
