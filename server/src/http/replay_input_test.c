// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/test.h"
#include "http/replay_input.h"
#include <stdlib.h>
#include <string.h>

#define HASH "\"conversation_hash\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\""
#define ID "\"01234567-89ab-4def-8bcd-ef0123456789\""

struct fixture {
    struct xr_arena *arena;
    struct xr_issues issues;
};

static struct fixture fixture_new(void) {
    struct fixture f = {.arena = xr_arena_new(XR_MIB(1))};
    f.issues.arena = f.arena;
    return f;
}

/* paths: of the issues expected, each ended by ' '. */
static void assert_issues(struct fixture *f, enum xr_code code, const char *paths) {
    char got[1000] = "";
    for (size_t i = 0; i < f->issues.count; i++) {
        strncat(got, f->issues.items[i].path.ptr, f->issues.items[i].path.len);
        strcat(got, " ");
    }
    assert_string_equal(got, paths);
    assert_int_equal(code, *paths ? XR_INVALID : XR_OK);
    xr_arena_free(f->arena);
}

static void wrong_create_bodies_name_what_is_wrong(void **state) {
    (void)state;
    static const struct {
        const char *body, *issues;
    } CASES[] = {
        {"{" HASH "}", ""},
        {"{" HASH ",\"unknown\":[[1]]}", ""},
        {"", " "},
        {"{", " "},
        {"[]", " "},
        {"null", " "},
        {"{\"run_config\":\"\xff\"}", " "},
        {"{}", "conversation_hash "},
        {"{\"conversation_hash\":null}", "conversation_hash "},
        {"{\"conversation_hash\":5}", "conversation_hash "},
        {"{\"conversation_hash\":\"abc\"}", "conversation_hash "},
        {"{\"conversation_hash\":\"0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef\"}",
         "conversation_hash "},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct fixture f = fixture_new();
        struct xr_replay_input input;
        enum xr_code code = xr_replay_input_parse(xr_str_from(CASES[i].body), f.arena, &f.issues, &input, NULL);
        assert_issues(&f, code, CASES[i].issues);
    }
}

static void run_config_is_kept_as_it_is_but_compact(void **state) {
    (void)state;
    static const struct {
        const char *sent;
        struct xr_str kept;
    } CASES[] = {
        {"null", {0}},
        {"{}", XR_STR("{}")},
        {"false", XR_STR("false")},
        {"0", XR_STR("0")},
        {"\"\"", XR_STR("\"\"")},
        {"9007199254740993", XR_STR("9007199254740993")},
        {"18446744073709551615", XR_STR("18446744073709551615")},
        {"[1, 2.5,\n1e21]", XR_STR("[1,2.5,1e+21]")},
        {"{ \"b\" : {\"a\":null} , \"a\":\"\\u0000\xE2\x80\xA8\" }",
         XR_STR("{\"b\":{\"a\":null},\"a\":\"\\u0000\\u2028\"}")},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct fixture f = fixture_new();
        struct xr_replay_input input;
        char *body = xr_arena_printf(f.arena, "{" HASH ",\"run_config\":%s}", CASES[i].sent);
        assert_int_equal(xr_replay_input_parse(xr_str_from(body), f.arena, &f.issues, &input, NULL), XR_OK);
        assert_int_equal(input.run_config.ptr != NULL, CASES[i].kept.ptr != NULL);
        assert_true(xr_str_eq(input.run_config, CASES[i].kept));
        assert_int_equal(input.conversation_hash[0], 0x01);
        xr_arena_free(f.arena);
    }
}

/* depth arrays in each other under key. */
static enum xr_code parse_nested(struct fixture *f, const char *key, size_t depth) {
    struct xr_buf buf = xr_buf_make(XR_BODY_REPLAY_MAX);
    xr_buf_printf(&buf, "{" HASH ",\"%s\":", key);
    for (size_t i = 0; i < depth; i++)
        xr_buf_char(&buf, '[');
    for (size_t i = 0; i < depth; i++)
        xr_buf_char(&buf, ']');
    xr_buf_char(&buf, '}');
    assert_false(buf.failed);
    struct xr_replay_input input;
    enum xr_code code = xr_replay_input_parse(xr_buf_view(&buf), f->arena, &f->issues, &input, NULL);
    xr_buf_clear(&buf);
    return code;
}

static void run_config_may_have_64_levels(void **state) {
    (void)state;
    static const struct {
        const char *key;
        size_t depth;
        const char *issues;
    } CASES[] = {{"run_config", 64, ""},
                 {"run_config", 65, "run_config "},
                 {"run_config", 30000, "run_config "},
                 {"unknown", 30000, ""}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct fixture f = fixture_new();
        assert_issues(&f, parse_nested(&f, CASES[i].key, CASES[i].depth), CASES[i].issues);
    }
}

static void the_largest_run_config_fits_written_again(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    struct xr_buf buf = xr_buf_make(XR_BODY_REPLAY_MAX);
    xr_buf_str(&buf, XR_STR("{" HASH ",\"run_config\":\""));
    while (buf.len < XR_BODY_REPLAY_MAX - 2)
        xr_buf_char(&buf, '\x7f'); /* written as six letters */
    xr_buf_str(&buf, XR_STR("\"}"));
    struct xr_replay_input input;
    assert_int_equal(xr_replay_input_parse(xr_buf_view(&buf), f.arena, &f.issues, &input, NULL), XR_OK);
    assert_true(input.run_config.len > 5 * XR_BODY_REPLAY_MAX);
    xr_buf_clear(&buf);
    xr_arena_free(f.arena);
}

static void wrong_selections_name_what_is_wrong(void **state) {
    (void)state;
    static const struct {
        const char *body, *issues;
        size_t count;
    } CASES[] = {
        {"{\"replay_ids\":[" ID "," ID "]}", "", 2},
        {"{\"replay_ids\":[]}", "", 0},
        {"{\"replay_ids\":[1]}", "", 1},
        {"{\"replay_ids\":[1,2,3,4,5,6,7,8,9]}", "", 9},
        {"{\"replay_ids\":[" ID ",5,\"x\"]}", "replay_ids[1] replay_ids[2] ", 0},
        {"{\"replay_ids\":\"x\"}", "replay_ids ", 0},
        {"{}", "replay_ids ", 0},
        {"7", " ", 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct fixture f = fixture_new();
        struct xr_compare_input input = {0};
        enum xr_code code = xr_compare_input_parse(xr_str_from(CASES[i].body), f.arena, &f.issues, &input, NULL);
        assert_int_equal(input.count, CASES[i].count);
        assert_issues(&f, code, CASES[i].issues);
    }
}

static void wrong_patches_name_what_is_wrong(void **state) {
    (void)state;
    static const struct {
        const char *body, *issues;
    } CASES[] = {
        {"{}", ""},
        {"{\"lifecycle_state\":\"running\",\"failure_reason\":null,\"finished_at\":null}", ""},
        {"{\"lifecycle_state\":\"failed\",\"failure_reason\":\"timeout\",\"finished_at\":\"2026-01-02T03:04:05Z\"}",
         ""},
        {"{\"failure_reason\":\"spec_vad_mismatch\"}", ""},
        {"{\"lifecycle_state\":null,\"failure_reason\":1,\"finished_at\":2}",
         "lifecycle_state failure_reason finished_at "},
        {"{\"lifecycle_state\":\"done\",\"failure_reason\":\"none\",\"finished_at\":\"yesterday\"}",
         "lifecycle_state failure_reason finished_at "},
        {"{\"lifecycle_state\":\"running\",\"failure_reason\":\"timeout\",\"finished_at\":\"2026-01-02T03:04:05Z\"}",
         "failure_reason finished_at "},
        {"[]", " "},
        {"", " "},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct fixture f = fixture_new();
        struct xr_patch patch;
        assert_issues(&f, xr_patch_parse(xr_str_from(CASES[i].body), &f.issues, &patch, NULL), CASES[i].issues);
    }
}

enum { T0 = 1000, T1 = 2000 };

static struct xr_replay row_in(enum xr_lifecycle state) {
    struct xr_replay row = {.state = state, .finished_ns = XR_TIME_NONE};
    if (state == XR_FAILED_STATE)
        row.reason = XR_REASON_TIMEOUT;
    if (xr_lifecycle_terminal(state))
        row.finished_ns = T0;
    return row;
}

static struct xr_patch to_state(enum xr_lifecycle state) {
    return (struct xr_patch){.has_state = true, .state = state, .finished_ns = XR_TIME_NONE};
}

static enum xr_patch_verdict decide(struct xr_patch patch, enum xr_lifecycle from, enum xr_lifecycle *to) {
    struct xr_replay row = row_in(from);
    struct xr_replay_change change;
    return xr_patch_decide(&patch, &row, &change, to);
}

/* Rows: from; columns: to. s same, c change, . refused. */
static void a_client_moves_a_replay_only_where_it_may(void **state) {
    (void)state;
    static const char *const WANT[XR_LIFECYCLE_COUNT] = {
        [XR_PENDING] = "sc...c",   [XR_RUNNING] = ".s...c",   [XR_RECORDING_UPLOADED] = "..s..c",
        [XR_ANALYZING] = "...s..", [XR_COMPLETED] = "....s.", [XR_FAILED_STATE] = ".....s",
    };
    static const char LETTERS[] = {[XR_PATCH_SAME] = 's', [XR_PATCH_CHANGE] = 'c', [XR_PATCH_REFUSE] = '.'};
    for (int from = 0; from < XR_LIFECYCLE_COUNT; from++) {
        for (int to = 0; to < XR_LIFECYCLE_COUNT; to++) {
            enum xr_lifecycle refused_to = XR_LIFECYCLE_COUNT;
            enum xr_patch_verdict verdict =
                decide(to_state((enum xr_lifecycle)to), (enum xr_lifecycle)from, &refused_to);
            assert_int_equal(LETTERS[verdict], WANT[from][to]);
            assert_int_equal(refused_to, verdict == XR_PATCH_REFUSE ? to : XR_LIFECYCLE_COUNT);
        }
    }
}

static void a_failure_without_reason_is_explicit(void **state) {
    (void)state;
    struct xr_patch patch = to_state(XR_FAILED_STATE);
    struct xr_replay row = row_in(XR_RUNNING);
    struct xr_replay_change change;
    enum xr_lifecycle to;
    assert_int_equal(xr_patch_decide(&patch, &row, &change, &to), XR_PATCH_CHANGE);
    assert_int_equal(change.actor, XR_BY_CLIENT);
    assert_int_equal(change.to, XR_FAILED_STATE);
    assert_int_equal(change.reason, XR_REASON_EXPLICIT_FAIL);
    assert_true(change.finished_ns == XR_TIME_NONE); /* now */
    assert_false(change.set_recording);
    assert_int_equal(change.job_id, -1);
    patch.has_reason = patch.has_finished = true;
    patch.reason = XR_REASON_AGENT_NOT_JOINED;
    patch.finished_ns = T1;
    assert_int_equal(xr_patch_decide(&patch, &row, &change, &to), XR_PATCH_CHANGE);
    assert_int_equal(change.reason, XR_REASON_AGENT_NOT_JOINED);
    assert_int_equal(change.finished_ns, T1);
}

static void running_sets_no_reason(void **state) {
    (void)state;
    struct xr_patch patch = to_state(XR_RUNNING);
    struct xr_replay row = row_in(XR_PENDING);
    struct xr_replay_change change;
    enum xr_lifecycle to;
    assert_int_equal(xr_patch_decide(&patch, &row, &change, &to), XR_PATCH_CHANGE);
    assert_int_equal(change.to, XR_RUNNING);
    assert_int_equal(change.reason, XR_REASON_NONE);
}

/* Without a state: what a row already has may be said again, everything else is refused. */
static void reason_and_end_alone_change_nothing(void **state) {
    (void)state;
    static const struct {
        enum xr_lifecycle from;
        struct xr_patch patch;
        bool same;
    } CASES[] = {
        {XR_RUNNING, {.finished_ns = XR_TIME_NONE}, true},
        {XR_FAILED_STATE, {.finished_ns = XR_TIME_NONE}, true},
        {XR_RUNNING, {.has_reason = true, .has_finished = true, .finished_ns = XR_TIME_NONE}, true},
        {XR_RUNNING, {.has_reason = true, .reason = XR_REASON_TIMEOUT}, false},
        {XR_RUNNING, {.has_finished = true, .finished_ns = T1}, false},
        {XR_FAILED_STATE, {.has_reason = true, .reason = XR_REASON_TIMEOUT}, true},
        {XR_FAILED_STATE, {.has_reason = true, .reason = XR_REASON_STALLED}, false},
        {XR_FAILED_STATE, {.has_reason = true}, false},
        {XR_FAILED_STATE, {.has_finished = true, .finished_ns = T0}, true},
        {XR_FAILED_STATE, {.has_finished = true, .finished_ns = T1}, false},
        {XR_FAILED_STATE, {.has_finished = true, .finished_ns = XR_TIME_NONE}, false},
        {XR_COMPLETED, {.has_reason = true}, true},
        {XR_COMPLETED, {.has_reason = true, .reason = XR_REASON_TIMEOUT}, false},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        enum xr_lifecycle to = XR_LIFECYCLE_COUNT;
        enum xr_patch_verdict verdict = decide(CASES[i].patch, CASES[i].from, &to);
        assert_int_equal(verdict, CASES[i].same ? XR_PATCH_SAME : XR_PATCH_REFUSE);
        assert_int_equal(to, CASES[i].same ? XR_LIFECYCLE_COUNT : CASES[i].from);
    }
}

static void the_same_state_again_keeps_the_first_reason(void **state) {
    (void)state;
    struct xr_patch patch = to_state(XR_FAILED_STATE);
    patch.has_reason = true;
    patch.reason = XR_REASON_DRIVER_ABORTED;
    enum xr_lifecycle to;
    assert_int_equal(decide(patch, XR_FAILED_STATE, &to), XR_PATCH_SAME);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_create_bodies_name_what_is_wrong),
        cmocka_unit_test(run_config_is_kept_as_it_is_but_compact),
        cmocka_unit_test(run_config_may_have_64_levels),
        cmocka_unit_test(the_largest_run_config_fits_written_again),
        cmocka_unit_test(wrong_selections_name_what_is_wrong),
        cmocka_unit_test(wrong_patches_name_what_is_wrong),
        cmocka_unit_test(a_client_moves_a_replay_only_where_it_may),
        cmocka_unit_test(a_failure_without_reason_is_explicit),
        cmocka_unit_test(running_sets_no_reason),
        cmocka_unit_test(reason_and_end_alone_change_nothing),
        cmocka_unit_test(the_same_state_again_keeps_the_first_reason),
    };
    return cmocka_run_group_tests_name("http/replay_input", tests, NULL, NULL);
}
