// SPDX-License-Identifier: Apache-2.0
/* POST /v1/conversations with speech that fails, and whose it is when it does not: the real server, store and ingest,
 * and a provider that does as it is told. */
#include "base/limits.h"
#include "base/test.h"
#include "http/handlers.h"
#include "http/testkit.h"
#include "providers/fake.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TIMEOUT_S = 60, LOG_MAX = 8192 };

static const struct xr_route ROUTES[] = {
    {"POST", "/v1/conversations", xr_post_conversation, NULL, XR_BODY_MULTIPART, XR_BODY_CONVERSATION_MAX},
    {"POST", "/v1/replays", xr_post_replay, NULL, XR_BODY_MEMORY, XR_BODY_REPLAY_MAX},
    {"GET", "/v1/replays/{id}", xr_get_replay, NULL, XR_BODY_NONE, 0},
    {0},
};

struct bench {
    struct xr_rig *rig;
    struct xr_providers *fake;
    struct xr_providers_config config;
    struct xr_log *log;
    int log_fd;
};

static int start(void **state) {
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->rig = xr_rig_new_stored();
    b->fake = b->rig->providers = fake_new();
    b->config = fake_config();
    b->log_fd = memfd_create("log", 0);
    b->log = xr_log_new(b->log_fd, XR_LOG_WARN, XR_LOG_JSON);
    assert_non_null(b->log);
    b->rig->log = b->log;
    const struct xr_ingest_deps deps = {.store = b->rig->store,
                                        .files = b->rig->files,
                                        .providers = b->fake,
                                        .config = &b->config,
                                        .pool = b->rig->pool,
                                        .clock = xr_clock_system(),
                                        .timeout_s = TIMEOUT_S};
    assert_int_equal(xr_ingest_new(&deps, &b->rig->ingest, NULL), XR_OK);
    xr_rig_serve(b->rig, ROUTES);
    *state = b;
    return 0;
}

static int stop(void **state) {
    struct bench *b = *state;
    xr_rig_stop(b->rig);
    fake_free(b->fake);
    xr_log_free(b->log);
    close(b->log_fd);
    free(b);
    return 0;
}

static struct xr_reply post(const struct bench *b, const char *path, const char *type, const char *body) {
    char request[2000];
    int n = snprintf(request, sizeof request,
                     "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s", path, type,
                     strlen(body), body);
    assert_in_range(n, 1, sizeof request - 1);
    return xr_ask(b->rig, request);
}

/* One user turn, spoken. */
static struct xr_reply post_spoken(const struct bench *b, const char *text) {
    char body[1000];
    snprintf(
        body, sizeof body,
        "--B\r\nContent-Disposition: form-data; name=\"spec\"\r\n\r\n{\"name\":\"n\",\"turns\":[{\"role\":\"user\","
        "\"text\":\"%s\",\"audio\":{\"kind\":\"tts\"}}]}\r\n--B--\r\n",
        text);
    return post(b, "/v1/conversations", "multipart/form-data; boundary=B", body);
}

static char *text_of(struct xr_reply reply, int status) {
    char *body = strndup(reply.body ? reply.body : "", reply.body_len);
    assert_non_null(body);
    if (reply.status != status)
        fail_msg("%d %s, not %d", reply.status, body, status);
    xr_reply_clear(&reply);
    return body;
}

static const char *log_text(const struct bench *b, char out[LOG_MAX]) {
    ssize_t n = pread(b->log_fd, out, LOG_MAX - 1, 0);
    assert_true(n >= 0);
    out[n] = '\0';
    return out;
}

static size_t lines(const char *text, const char *part) {
    size_t count = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        count++;
    return count;
}

static void a_failure_is_told_with_its_status_and_logged_once(void **state) {
    static const struct {
        enum xr_code code;
        const char *label, *status, *logged;
    } CASES[] = {
        {XR_UNAVAILABLE, "down", "503", "\"code\":\"unavailable\",\"status\":503,\"message\":\"down: unavailable\""},
        {XR_REFUSED, "bad", "400", "\"code\":\"refused\",\"status\":400,\"message\":\"bad: refused\""},
        {XR_TIMEOUT, "slow", "null", "\"code\":\"timeout\",\"status\":0,\"message\":\"slow: timeout\""},
    };
    const struct bench *b = *state;
    char want[200], log[LOG_MAX];
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        fake_script(b->fake, (struct fake_rule){.stage = XR_STAGE_TTS, .label = CASES[i].label, .code = CASES[i].code});
        char *body = text_of(post_spoken(b, CASES[i].label), 502);
        snprintf(want, sizeof want, "{\"error\":\"tts_synthesis_failed\",\"provider\":\"fake\",\"status_code\":%s}",
                 CASES[i].status);
        assert_string_equal(body, want);
        free(body);
        log_text(b, log);
        assert_int_equal(lines(log, "\n"), i + 1);
        assert_int_equal(lines(log, CASES[i].logged), 1);
        assert_int_equal(lines(log, "\"event\":\"speech failed\""), i + 1);
        assert_int_equal(lines(log, "\"level\":\"warn\""), i + 1);
    }
}

static void a_failure_of_ours_is_not_told_as_the_providers(void **state) {
    static const struct {
        enum xr_code code;
        const char *label;
        int status;
        const char *error, *logged; /* NULL: it is not logged */
    } CASES[] = {
        {XR_STORAGE_FULL, "full", 507, "{\"error\":\"storage_full\"}", NULL},
        {XR_NO_MEMORY, "memory", 503, "{\"error\":\"overloaded\"}", NULL},
        {XR_IO, "disk", 500, "{\"error\":\"internal_error\",", "\"code\":\"io\",\"message\":\"disk: io\""},
        {XR_INTERNAL, "bug", 500, "{\"error\":\"internal_error\",",
         "\"code\":\"internal\",\"message\":\"bug: internal\""},
    };
    const struct bench *b = *state;
    char log[LOG_MAX];
    size_t logged = 0;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        fake_script(b->fake, (struct fake_rule){.stage = XR_STAGE_TTS, .label = CASES[i].label, .code = CASES[i].code});
        char *body = text_of(post_spoken(b, CASES[i].label), CASES[i].status);
        assert_memory_equal(body, CASES[i].error, strlen(CASES[i].error));
        free(body);
        log_text(b, log);
        logged += CASES[i].logged != NULL;
        assert_int_equal(lines(log, "\n"), logged);
        assert_int_equal(lines(log, "\"event\":\"speech failed\""), 0);
        assert_true(!CASES[i].logged || lines(log, CASES[i].logged) == 1);
    }
}

static void speech_that_nobody_could_be_asked_for_is_overloaded_and_logged(void **state) {
    const struct bench *b = *state;
    char log[LOG_MAX];
    fake_script(b->fake, (struct fake_rule){.stage = XR_STAGE_TTS, .label = "busy", .code = XR_OVERLOADED});
    char *body = text_of(post_spoken(b, "busy"), 503);
    assert_string_equal(body, "{\"error\":\"overloaded\"}");
    free(body);
    log_text(b, log);
    assert_int_equal(lines(log, "\n"), 1);
    assert_int_equal(lines(log, "\"event\":\"speech failed\""), 1);
    assert_int_equal(lines(log, "\"provider\":\"fake\",\"code\":\"overloaded\",\"status\":0,"
                                "\"message\":\"busy: overloaded\""),
                     1);
}

/* A new replay's detail. */
static char *new_replay(const struct bench *b, const char *hash) {
    char body[200];
    snprintf(body, sizeof body, "{\"conversation_hash\":\"%.64s\"}", hash);
    return text_of(post(b, "/v1/replays", "application/json", body), 201);
}

static void assert_usage(const char *detail, const char *rows) {
    char want[300];
    snprintf(want, sizeof want, "\"evaluation_usage\":[%s],", rows);
    if (!strstr(detail, want))
        fail_msg("%s has no %s", detail, want);
}

static void the_first_replay_shows_what_the_speech_used(void **state) {
    static const char ROW[] = "{\"stage\":\"tts\",\"provider\":\"fake\",\"model\":\"fake-1\",\"calls\":1,"
                              "\"input_tokens\":null,\"output_tokens\":null,\"audio_ms\":100,\"characters\":5}";
    static const char BEFORE[] = "{\"hash\":\"", ID[] = "{\"id\":\"";
    const struct bench *b = *state;
    char request[200], log[LOG_MAX];
    char *conversation = text_of(post_spoken(b, "hello"), 200);
    char *again = text_of(post_spoken(b, "hello"), 200); /* from the cache */
    assert_memory_equal(conversation, BEFORE, sizeof BEFORE - 1);
    char *first = new_replay(b, conversation + sizeof BEFORE - 1);
    char *second = new_replay(b, conversation + sizeof BEFORE - 1);
    assert_usage(first, ROW);
    assert_usage(second, "");
    snprintf(request, sizeof request, "GET /v1/replays/%.36s HTTP/1.1\r\nHost: x\r\n\r\n", first + sizeof ID - 1);
    char *read = text_of(xr_ask(b->rig, request), 200);
    assert_string_equal(read, first);
    assert_string_equal(log_text(b, log), "");
    free(read);
    free(second);
    free(first);
    free(again);
    free(conversation);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_SERVER(a_failure_is_told_with_its_status_and_logged_once),
        WITH_SERVER(a_failure_of_ours_is_not_told_as_the_providers),
        WITH_SERVER(speech_that_nobody_could_be_asked_for_is_overloaded_and_logged),
        WITH_SERVER(the_first_replay_shows_what_the_speech_used),
    };
    return cmocka_run_group_tests_name("http/speech", tests, NULL, NULL);
}
