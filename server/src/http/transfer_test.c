// SPDX-License-Identifier: Apache-2.0
/* Bodies in and files out, over real sockets. */
#include "base/limits.h"
#include "base/test_gzip.h"
#include "http/core.h"
#include "http/testkit.h"
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void ok(struct xr_request *req) {
    struct xr_json j = xr_json_make(xr_response_buf(req), XR_JSON_RESPONSE);
    xr_json_object(&j);
    xr_json_kv_bool(&j, "ok", true);
    xr_json_object_end(&j);
    xr_respond_json(req, 200);
}

static void echo(struct xr_request *req) {
    struct xr_json j = xr_json_make(xr_response_buf(req), XR_JSON_RESPONSE);
    xr_json_str(&j, xr_request_body(req));
    xr_respond_json(req, 200);
}

static void refuse_always(struct xr_request *req) {
    struct xr_json j = xr_error_begin(req, 409, "not_now");
    xr_error_end(req, &j);
}

static void file_size(struct xr_request *req) {
    struct xr_json j = xr_json_make(xr_response_buf(req), XR_JSON_RESPONSE);
    xr_json_object(&j);
    xr_json_kv_int(&j, "size", (int64_t)xr_request_file(req)->size);
    xr_json_object_end(&j);
    xr_respond_json(req, 200);
}

static void form(struct xr_request *req) {
    struct xr_err err = {0};
    size_t field_count, file_count;
    const struct xr_body_field *fields = xr_request_fields(req, &field_count);
    const struct xr_body_file *files = xr_request_files(req, &file_count);
    struct xr_json j = xr_json_make(xr_response_buf(req), XR_JSON_RESPONSE);
    xr_json_object(&j);
    xr_json_kv_strz(&j, "code", xr_code_name(xr_request_multipart_error(req, &err)));
    if (err.path[0])
        xr_json_kv_strz(&j, "path", err.path);
    for (size_t i = 0; i < field_count; i++) {
        xr_json_key(&j, fields[i].name);
        xr_json_str(&j, fields[i].value);
    }
    for (size_t i = 0; i < file_count; i++) {
        char hex[XR_SHA256_HEX + 1];
        xr_hex_encode(files[i].sha256, XR_SHA256_SIZE, hex);
        xr_json_key(&j, files[i].field);
        xr_json_str(&j, xr_str_from(hex));
    }
    xr_json_object_end(&j);
    xr_respond_json(req, 200);
}

static void ten_bytes(struct xr_request *req) {
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fputs("0123456789", file) >= 0 && fflush(file) == 0, 1);
    int fd = dup(fileno(file));
    fclose(file);
    xr_response_header(req, "Cache-Control", "private, immutable");
    xr_respond_file(req, fd, 10, "audio/wav", "tag");
}

/* Says what came out of a packed body, or that none was in it; changes it on the way, as a parser in place does. */
static void unpacked(struct xr_request *req) {
    size_t len = 0;
    char *body = xr_request_body_edit(req, XR_BODY_ROOM, &len);
    assert_non_null(body);
    memset(body + len, 0, XR_BODY_ROOM);
    struct xr_json j = xr_json_make(xr_response_buf(req), XR_JSON_RESPONSE);
    xr_json_object(&j);
    xr_json_kv_bool(&j, "whole", xr_request_body_unpacked(req, NULL) == XR_OK);
    xr_json_kv_int(&j, "bytes", (int64_t)len);
    xr_json_kv_str(&j, "first", (struct xr_str){.ptr = body, .len = len < 3 ? len : 3});
    xr_json_object_end(&j);
    xr_respond_json(req, 200);
}

/* More than two sockets' buffers hold. */
enum { HUGE_BYTES = 32 << 20 };
static void huge(struct xr_request *req) {
    char *bytes = malloc(HUGE_BYTES);
    assert_non_null(bytes);
    memset(bytes, 'a', HUGE_BYTES);
    xr_response_header(req, "ETag", "\"huge\"");
    xr_respond_bytes(req, 200, "text/plain", bytes, HUGE_BYTES);
}

enum { SMALL_MAX = 1000 };
static const struct xr_route ROUTES[] = {
    {"GET", "/ok", ok, NULL, XR_BODY_NONE, 0},
    {"POST", "/echo", echo, NULL, XR_BODY_MEMORY, SMALL_MAX},
    {"POST", "/refused", ok, refuse_always, XR_BODY_MEMORY, SMALL_MAX},
    {"POST", "/file", file_size, NULL, XR_BODY_FILE, XR_MIB(8)},
    {"POST", "/form", form, NULL, XR_BODY_MULTIPART, XR_MIB(8)},
    {"GET", "/ten", ten_bytes, NULL, XR_BODY_NONE, 0},
    {"POST", "/packed", unpacked, NULL, XR_BODY_MEMORY, SMALL_MAX, .gzip = true},
    {"POST", "/large", echo, NULL, XR_BODY_MEMORY, XR_MIB(1)},
    {"GET", "/huge", huge, NULL, XR_BODY_NONE, 0},
    {0},
};

static int setup(void **state) {
    *state = xr_rig_start(ROUTES, NULL);
    return 0;
}

static int teardown(void **state) {
    xr_rig_stop(*state);
    return 0;
}

#define H "Host: x\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" H "\r\n"

static void expect(struct xr_rig *rig, const char *request, int status, const char *body) {
    struct xr_reply reply = xr_ask(rig, request);
    reply.body[reply.body_len] = '\0';
    if (reply.status != status || strcmp(reply.body, body) != 0)
        fail_msg("%.60s -> %d %s, not %d %s", request, reply.status, reply.body, status, body);
    xr_reply_clear(&reply);
}

static void body_over_the_cap_is_413_after_it_was_read(void **state) {
    char request[4096], piece[SMALL_MAX + 1];
    memset(piece, 'a', sizeof piece);
    int fd = xr_dial(*state);
    snprintf(request, sizeof request, "POST /echo HTTP/1.1\r\n" H "Content-Length: %d\r\n\r\n", SMALL_MAX + 1);
    xr_say(fd, request);
    xr_say_bytes(fd, piece, sizeof piece);
    struct xr_reply reply = xr_hear(fd, false);
    assert_int_equal(reply.status, 413);
    assert_memory_equal(reply.body, "{\"error\":\"body_too_large\",\"max_bytes\":1000}", reply.body_len);
    xr_reply_clear(&reply);
    snprintf(request, sizeof request, "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n%x\r\n",
             SMALL_MAX + 1);
    xr_say(fd, request);
    xr_say_bytes(fd, piece, sizeof piece);
    xr_say(fd, "\r\n0\r\n\r\n" GET("/ok"));
    reply = xr_hear(fd, false);
    assert_int_equal(reply.status, 413);
    xr_reply_clear(&reply);
    reply = xr_hear(fd, false);
    assert_int_equal(reply.status, 200);
    xr_reply_clear(&reply);
    close(fd);
}

static void client_that_waits_for_100_gets_the_refusal_instead(void **state) {
    int fd = xr_dial(*state);
    xr_say(fd, "POST /echo HTTP/1.1\r\n" H "Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n");
    struct xr_reply reply = xr_hear(fd, false);
    assert_int_equal(reply.status, 413);
    xr_reply_clear(&reply);
    assert_true(xr_hear_end(fd));
    close(fd);
    fd = xr_dial(*state);
    xr_say(fd, "POST /refused HTTP/1.1\r\n" H "Content-Length: 1\r\nExpect: 100-continue\r\n\r\n");
    reply = xr_hear(fd, false);
    assert_int_equal(reply.status, 409);
    xr_reply_clear(&reply);
    close(fd);
}

static void client_that_waits_for_100_gets_it_when_welcome(void **state) {
    int fd = xr_dial(*state);
    xr_say(fd, "POST /echo HTTP/1.1\r\n" H "Content-Length: 1\r\nExpect: 100-continue\r\n\r\n");
    struct xr_reply reply = xr_hear(fd, false);
    assert_int_equal(reply.status, 100);
    xr_reply_clear(&reply);
    xr_say(fd, "x");
    reply = xr_hear(fd, false);
    assert_int_equal(reply.status, 200);
    xr_reply_clear(&reply);
    close(fd);
}

static void announced_body_beyond_reason_is_refused_unread(void **state) {
    int fd = xr_dial(*state);
    xr_say(fd, "POST /file HTTP/1.1\r\n" H "Content-Length: 99999999999999\r\n\r\n");
    struct xr_reply reply = xr_hear(fd, false);
    assert_int_equal(reply.status, 413);
    xr_reply_clear(&reply);
    close(fd);
}

static void uploads_reach_their_file_whole(void **state) {
    enum { SIZE = 5 * 1000 * 1000 };
    struct xr_rig *rig = *state;
    char *bytes = calloc(1, SIZE);
    int fd = xr_dial(rig);
    char request[128];
    snprintf(request, sizeof request, "POST /file HTTP/1.1\r\n" H "Content-Length: %d\r\n\r\n", SIZE);
    xr_say(fd, request);
    xr_say_bytes(fd, bytes, SIZE);
    struct xr_reply reply = xr_hear(fd, false);
    assert_int_equal(reply.status, 200);
    assert_memory_equal(reply.body, "{\"size\":5000000}", reply.body_len);
    xr_reply_clear(&reply);
    xr_say(fd, GET("/ok")); /* the request before it is gone when this one is answered */
    reply = xr_hear(fd, false);
    assert_int_equal(xr_rig_temp_files(rig), 0);
    xr_reply_clear(&reply);
    close(fd);
    free(bytes);
}

static void half_closed_upload_leaves_nothing(void **state) {
    struct xr_rig *rig = *state;
    int fd = xr_dial(rig);
    xr_say(fd, "POST /file HTTP/1.1\r\n" H "Content-Length: 100\r\n\r\nabc");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    assert_true(xr_hear_end(fd));
    close(fd);
    xr_http_stop(rig->http); /* which waits for the request */
    rig->http = NULL;
    assert_int_equal(xr_rig_temp_files(rig), 0);
}

#define FORM_HEAD "POST /form HTTP/1.1\r\n" H "Content-Type: multipart/form-data; boundary=B\r\n"

static void form_parts_arrive_with_their_names(void **state) {
    static const char BODY[] =
        "--B\r\nContent-Disposition: form-data; name=\"spec\"\r\n\r\n{}\r\n"
        "--B\r\nContent-Disposition: form-data; name=\"f\xff\"; filename=\"a.wav\"\r\n\r\nabc\r\n"
        "--B--\r\n";
    char request[1024];
    snprintf(request, sizeof request, FORM_HEAD "Content-Length: %zu\r\n\r\n%s", sizeof BODY - 1, BODY);
    expect(*state, request, 200,
           "{\"code\":\"ok\",\"spec\":\"{}\",\"f\xEF\xBF\xBD\":"
           "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}");
}

static void broken_form_reaches_its_handler_as_such(void **state) {
    expect(*state, FORM_HEAD "Content-Length: 5\r\n\r\nhello", 200, "{\"code\":\"invalid\"}");
    expect(*state, "POST /form HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello", 200, "{\"code\":\"invalid\"}");
    expect(*state, "POST /form HTTP/1.1\r\n" H "\r\n", 200, "{\"code\":\"invalid\"}");
}

static void form_field_over_its_cap_is_named(void **state) {
    static const char HEAD[] = "--B\r\nContent-Disposition: form-data; name=\"spec\"\r\n\r\n", TAIL[] = "\r\n--B--\r\n";
    struct xr_rig *rig = *state;
    char *bytes = malloc(XR_SPEC_MAX + 1);
    assert_non_null(bytes);
    memset(bytes, 'x', XR_SPEC_MAX + 1);
    for (size_t over = 0; over <= 1; over++) {
        char request[256];
        size_t n = XR_SPEC_MAX + over;
        snprintf(request, sizeof request, FORM_HEAD "Content-Length: %zu\r\n\r\n%s", strlen(HEAD) + n + strlen(TAIL),
                 HEAD);
        int fd = xr_dial(rig);
        xr_say(fd, request);
        xr_say_bytes(fd, bytes, n);
        xr_say(fd, TAIL);
        struct xr_reply reply = xr_hear(fd, false);
        const char *code = over ? "{\"code\":\"too_large\",\"path\":\"spec\"" : "{\"code\":\"ok\",\"spec\":\"xx";
        assert_int_equal(reply.status, 200);
        assert_memory_equal(reply.body, code, strlen(code));
        xr_reply_clear(&reply);
        close(fd);
    }
    free(bytes);
}

/* A file that may not grow on is what a full disk looks like. */
static void full_disk_is_507_and_the_connection_goes_on(void **state) {
    enum { SIZE = 4 * 1024 * 1024, ROOM = 1024 * 1024 };
    struct xr_rig *rig = *state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit tight = {.rlim_cur = ROOM, .rlim_max = before.rlim_max};
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    char *bytes = calloc(1, SIZE);
    char request[128];
    snprintf(request, sizeof request, "POST /file HTTP/1.1\r\n" H "Content-Length: %d\r\n\r\n", SIZE);
    int fd = xr_dial(rig);
    xr_say(fd, request);
    xr_say_bytes(fd, bytes, SIZE);
    struct xr_reply reply = xr_hear(fd, false);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(reply.status, 507);
    assert_memory_equal(reply.body, "{\"error\":\"storage_full\"}", reply.body_len);
    assert_int_equal(xr_rig_temp_files(rig), 0);
    xr_reply_clear(&reply);
    xr_say(fd, GET("/ok"));
    reply = xr_hear(fd, false);
    assert_int_equal(reply.status, 200);
    xr_reply_clear(&reply);
    close(fd);
    free(bytes);
}

static void file_is_sent_whole_or_in_part(void **state) {
    static const struct {
        const char *headers;
        int status;
        const char *body, *range;
    } CASES[] = {
        {"", 200, "0123456789", ""},
        {"Range: bytes=2-4\r\n", 206, "234", "bytes 2-4/10"},
        {"Range: bytes=-3\r\n", 206, "789", "bytes 7-9/10"},
        {"Range: bytes=8-99\r\n", 206, "89", "bytes 8-9/10"},
        {"Range: bytes=10-\r\n", 416, "{\"error\":\"range_not_satisfiable\"}", "bytes */10"},
        {"Range: bytes=0-1,4-5\r\n", 200, "0123456789", ""},
        {"Range: bytes=2-4\r\nIf-Range: \"tag\"\r\n", 206, "234", "bytes 2-4/10"},
        {"Range: bytes=2-4\r\nIf-Range: \"other\"\r\n", 200, "0123456789", ""},
        {"If-None-Match: \"tag\"\r\n", 304, "", ""},
        {"If-None-Match: W/\"a\", W/\"tag\"\r\nRange: bytes=0-1\r\n", 304, "", ""},
        {"If-None-Match: \"other\"\r\n", 200, "0123456789", ""},
    };
    int fd = xr_dial(*state);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char request[256];
        snprintf(request, sizeof request, "GET /ten HTTP/1.1\r\n" H "%s\r\n", CASES[i].headers);
        xr_say(fd, request);
        struct xr_reply reply = xr_hear(fd, false);
        assert_int_equal(reply.status, CASES[i].status);
        assert_int_equal(reply.body_len, strlen(CASES[i].body));
        assert_memory_equal(reply.body, CASES[i].body, reply.body_len);
        assert_string_equal(xr_reply_header(&reply, "Content-Range"), CASES[i].range);
        assert_string_equal(xr_reply_header(&reply, "ETag"), reply.status == 416 ? "" : "\"tag\"");
        assert_string_equal(xr_reply_header(&reply, "Cache-Control"), reply.status == 416 ? "" : "private, immutable");
        xr_reply_clear(&reply);
    }
    close(fd);
}

static void head_of_a_file_ignores_ranges(void **state) {
    struct xr_reply reply = xr_ask(*state, "HEAD /ten HTTP/1.1\r\n" H "Range: bytes=2-4\r\n\r\n");
    assert_int_equal(reply.status, 200);
    assert_string_equal(xr_reply_header(&reply, "Content-Length"), "10");
    assert_string_equal(xr_reply_header(&reply, "Accept-Ranges"), "bytes");
    xr_reply_clear(&reply);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
static void expect_packed(struct xr_rig *rig, const char *bytes, size_t n, int status, const char *body) {
    char head[256];
    int fd = xr_dial(rig);
    snprintf(head, sizeof head, "POST /packed HTTP/1.1\r\n" H "Content-Encoding: GZip\r\nContent-Length: %zu\r\n\r\n",
             n);
    xr_say(fd, head);
    xr_say_bytes(fd, bytes, n);
    struct xr_reply reply = xr_hear(fd, false);
    assert_int_equal(reply.status, status);
    assert_int_equal(reply.body_len, strlen(body));
    assert_memory_equal(reply.body, body, reply.body_len);
    xr_reply_clear(&reply);
    close(fd);
}

static void packed_body_is_unpacked_on_the_way_in(void **state) {
    char plain[SMALL_MAX + 1], packed[2 * SMALL_MAX];
    memset(plain, 'a', sizeof plain);
    size_t n = xr_test_gzip(plain, SMALL_MAX, packed, sizeof packed);
    expect_packed(*state, packed, n, 200, "{\"whole\":true,\"bytes\":1000,\"first\":\"aaa\"}");
    n = xr_test_gzip(plain, 0, packed, sizeof packed);
    expect_packed(*state, packed, n, 200, "{\"whole\":true,\"bytes\":0,\"first\":\"\"}");
    n = xr_test_gzip(plain, SMALL_MAX + 1, packed, sizeof packed);
    expect_packed(*state, packed, n, 413, "{\"error\":\"body_too_large\",\"max_bytes\":1000}");
}

static void packed_body_that_is_not_whole_reaches_its_handler_as_such(void **state) {
    char packed[256];
    size_t n = xr_test_gzip("hello", 5, packed, sizeof packed);
    expect_packed(*state, packed, n - 1, 200, "{\"whole\":false,\"bytes\":5,\"first\":\"hel\"}");
    expect_packed(*state, "abcdef", 6, 200, "{\"whole\":false,\"bytes\":0,\"first\":\"\"}");
    packed[n] = 'x';
    expect_packed(*state, packed, n + 1, 200, "{\"whole\":false,\"bytes\":5,\"first\":\"hel\"}");
}

/* A body that nobody ends holds its memory; another one is told to come again, until the first one's client has gone.
 */
static void bodies_share_one_bound_on_memory(void **state) {
    (void)state;
    enum { BOUND = 100000, HALF = BOUND / 2 };
    char head[128], piece[HALF + 1];
    memset(piece, 'a', sizeof piece);
    struct xr_rig *rig = xr_rig_start_bounded(ROUTES, BOUND, 0);
    snprintf(head, sizeof head, "POST /large HTTP/1.1\r\n" H "Content-Length: %d\r\n\r\n", HALF + 1);
    int held = xr_dial(rig);
    xr_say(held, head);
    xr_say_bytes(held, piece, HALF);
    while (atomic_load(&rig->http->bodies.held) < HALF)
        sched_yield(); /* sooner, the first one might be the one that has no room */
    int fd = xr_dial(rig);
    xr_say(fd, head);
    xr_say_bytes(fd, piece, HALF + 1);
    struct xr_reply reply = xr_hear(fd, false);
    assert_int_equal(reply.status, 503);
    assert_string_equal(xr_reply_header(&reply, "Retry-After"), "1");
    xr_reply_clear(&reply);
    xr_say_bytes(held, piece, 1);
    reply = xr_hear(held, false);
    assert_int_equal(reply.status, 200);
    xr_reply_clear(&reply);
    close(held);
    while (atomic_load(&rig->http->bodies.held) > 0)
        sched_yield(); /* a body is given back after its answer */
    xr_say(fd, head);
    xr_say_bytes(fd, piece, HALF + 1);
    reply = xr_hear(fd, false);
    assert_int_equal(reply.status, 200);
    xr_reply_clear(&reply);
    close(fd);
    xr_rig_stop(rig);
}

/* A client that does not read what it has asked for holds it: another one is told to come again, until that has gone.
 */
static void large_responses_share_one_bound_on_memory(void **state) {
    (void)state;
    struct xr_rig *rig = xr_rig_start_bounded(ROUTES, 0, XR_RESPONSE_LARGE);
    int slow = xr_dial(rig), fd = xr_dial(rig);
    xr_say(slow, GET("/huge"));
    assert_true(xr_hear_until(slow, "HTTP/1.1 200")); /* alone it may, whatever the bound */
    xr_say(fd, GET("/huge"));
    struct xr_reply reply = xr_hear(fd, false);
    assert_int_equal(reply.status, 503);
    assert_string_equal(xr_reply_header(&reply, "Retry-After"), "1");
    assert_string_equal(xr_reply_header(&reply, "ETag"), "");
    xr_reply_clear(&reply);
    xr_say(fd, GET("/ok"));
    reply = xr_hear(fd, false);
    assert_int_equal(reply.status, 200);
    xr_reply_clear(&reply);
    close(slow);
    while (atomic_load(&rig->http->sending) > 0)
        sched_yield();
    xr_say(fd, GET("/huge"));
    assert_true(xr_hear_until(fd, "HTTP/1.1 200"));
    close(fd);
    xr_rig_stop(rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        T(large_responses_share_one_bound_on_memory),
        T(packed_body_is_unpacked_on_the_way_in),
        T(packed_body_that_is_not_whole_reaches_its_handler_as_such),
        T(bodies_share_one_bound_on_memory),
        T(body_over_the_cap_is_413_after_it_was_read),
        T(client_that_waits_for_100_gets_the_refusal_instead),
        T(client_that_waits_for_100_gets_it_when_welcome),
        T(announced_body_beyond_reason_is_refused_unread),
        T(uploads_reach_their_file_whole),
        T(half_closed_upload_leaves_nothing),
        T(form_parts_arrive_with_their_names),
        T(broken_form_reaches_its_handler_as_such),
        T(form_field_over_its_cap_is_named),
        T(full_disk_is_507_and_the_connection_goes_on),
        T(file_is_sent_whole_or_in_part),
        T(head_of_a_file_ignores_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
