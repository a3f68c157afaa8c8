// SPDX-License-Identifier: Apache-2.0
#include "spec/testing.h"

static const char WHOLE[] =
    "{\"name\":\"n\",\"judges\":[{\"kind\":\"text_match\",\"reference\":\"r\",\"rubric\":\"u\",\"pass_score\":80}],"
    "\"turns\":[{\"role\":\"user\",\"text\":\"hi\",\"key\":\"k\",\"audio\":{\"kind\":\"recorded\",\"upload_key\":\"a."
    "0\"}},"
    "{\"role\":\"user\",\"text\":\"\",\"audio\":{\"kind\":\"tts\",\"voice_id\":\"\"}},"
    "{\"role\":\"agent\",\"assertions\":[{\"kind\":\"contains\",\"text\":\"c\",\"case_insensitive\":false},"
    "{\"kind\":\"not_contains\",\"text\":\"d\"},{\"kind\":\"equals\",\"text\":\"\",\"trim\":false},"
    "{\"kind\":\"regex\",\"pattern\":\"p\",\"flags\":\"gi\"},{\"kind\":\"tool_called\",\"name\":\"t\"},"
    "{\"kind\":\"tool_not_called\",\"name\":\"t\"},{\"kind\":\"tool_args_match\",\"name\":\"t\",\"args\":{\"x\":1}},"
    "{\"kind\":\"max_latency_ms\",\"max_ms\":1},{\"kind\":\"max_ttft_ms\",\"max_ms\":9007199254740991}]}]}";

static void every_field_is_read(void **state) {
    (void)state;
    struct parsed p = parse(xr_str_from(WHOLE));
    assert_int_equal(p.code, XR_OK);
    assert_str(p.spec.name, "n");
    assert_false(p.spec.live);
    assert_int_equal(p.spec.judge_count, 1);
    assert_str(p.spec.judges[0].reference, "r");
    assert_true(p.spec.judges[0].has_rubric);
    assert_str(p.spec.judges[0].rubric, "u");
    assert_int_equal(p.spec.judges[0].pass_score, 80);
    assert_int_equal(p.spec.turn_count, 3);
    const struct xr_turn_spec *turn = p.spec.turns;
    assert_int_equal(turn[0].role, XR_ROLE_USER);
    assert_true(turn[0].has_text && turn[0].has_key);
    assert_str(turn[0].text, "hi");
    assert_str(turn[0].key, "k");
    assert_int_equal(turn[0].audio, XR_AUDIO_RECORDED);
    assert_str(turn[0].upload_key, "a.0");
    assert_false(turn[0].has_sha256);
    assert_int_equal(turn[1].audio, XR_AUDIO_TTS);
    assert_true(turn[1].has_voice_id && turn[1].has_text);
    assert_int_equal(turn[1].voice_id.len, 0);
    assert_int_equal(turn[2].role, XR_ROLE_AGENT);
    assert_false(turn[2].has_text || turn[2].has_key);
    assert_int_equal(turn[2].audio, XR_AUDIO_NONE);
    done(&p);
}

static void every_assertion_kind_is_read(void **state) {
    (void)state;
    struct parsed p = parse(xr_str_from(WHOLE));
    const struct xr_assertion *a = p.spec.turns[2].assertions;
    assert_int_equal(p.spec.turns[2].assertion_count, XR_ASSERT_KIND_COUNT);
    for (int i = 0; i < XR_ASSERT_KIND_COUNT; i++)
        assert_int_equal((int)a[i].kind, i);
    assert_str(a[XR_ASSERT_CONTAINS].text, "c");
    assert_false(a[XR_ASSERT_CONTAINS].case_insensitive);
    assert_true(a[XR_ASSERT_NOT_CONTAINS].case_insensitive);
    assert_true(a[XR_ASSERT_EQUALS].case_insensitive);
    assert_false(a[XR_ASSERT_EQUALS].trim);
    assert_str(a[XR_ASSERT_REGEX].text, "p");
    assert_str(a[XR_ASSERT_REGEX].flags, "gi");
    assert_str(a[XR_ASSERT_TOOL_NOT_CALLED].text, "t");
    assert_true(yyjson_is_obj(a[XR_ASSERT_TOOL_ARGS_MATCH].args));
    assert_int_equal(a[XR_ASSERT_MAX_LATENCY_MS].max_ms, 1);
    assert_int_equal(a[XR_ASSERT_MAX_TTFT_MS].max_ms, INT64_C(9007199254740991));
    done(&p);
}

static void names_match_their_enums(void **state) {
    (void)state;
    assert_string_equal(xr_role_name(XR_ROLE_USER), "user");
    assert_string_equal(xr_role_name(XR_ROLE_AGENT), "agent");
    assert_string_equal(xr_assertion_kind_name(XR_ASSERT_CONTAINS), "contains");
    assert_string_equal(xr_assertion_kind_name(XR_ASSERT_MAX_TTFT_MS), "max_ttft_ms");
}

static void live_needs_no_turns(void **state) {
    (void)state;
    struct parsed p = parse(XR_STR("{\"name\":\"n\",\"turns\":[],\"live\":true}"));
    assert_int_equal(p.code, XR_OK);
    assert_true(p.spec.live);
    assert_int_equal(p.spec.turn_count, 0);
    done(&p);
    assert_one_issue(XR_STR("{\"name\":\"n\",\"turns\":[],\"live\":false}"), "turns", NULL);
    assert_one_issue(XR_STR("{\"name\":\"n\",\"turns\":[]}"), "turns", NULL);
}

static const struct {
    const char *text, *path, *received;
} PROBLEMS[] = {
    {"[]", "", "array"},
    {"null", "", "null"},
    {"{\"turns\":[{\"role\":\"agent\"}]}", "name", "nothing"},
    {"{\"name\":\"\",\"turns\":[{\"role\":\"agent\"}]}", "name", "string of 0 UTF-16 units"},
    {"{\"name\":1,\"turns\":[{\"role\":\"agent\"}]}", "name", "integer"},
    {"{\"name\":1.5,\"turns\":[{\"role\":\"agent\"}]}", "name", "number"},
    {"{\"name\":\"n\"}", "turns", "nothing"},
    {"{\"name\":\"n\",\"turns\":{}}", "turns", "object"},
    {"{\"name\":\"n\",\"turns\":null}", "turns", "null"},
    {"{\"name\":\"n\",\"turns\":[3]}", "turns[0]", "integer"},
    {"{\"name\":\"n\",\"turns\":[{\"role\":\"agent\"}],\"live\":1}", "live", "integer"},
    {"{\"name\":\"n\",\"turns\":[{\"role\":\"agent\"}],\"live\":null}", "live", "null"},
    {"{\"name\":\"n\",\"turns\":[{\"role\":\"agent\"}],\"judges\":null}", "judges", "null"},
    {"{\"name\":\"n\",\"turns\":[{\"role\":\"agent\"}],\"judges\":[null]}", "judges[0]", "null"},
    {TURN(""), T "role", "nothing"},
    {TURN("\"role\":\"User\""), T "role", "string"},
    {TURN("\"role\":\"user\\u0000\""), T "role", "string"},
    {TURN("\"role\":true"), T "role", "boolean"},
    {TURN("\"role\":\"user\",\"text\":null"), T "text", "null"},
    {TURN("\"role\":\"user\",\"text\":[]"), T "text", "array"},
    {TURN("\"role\":\"user\",\"key\":\"\""), T "key", "string of 0 UTF-16 units"},
    {TURN("\"role\":\"user\",\"key\":null"), T "key", "null"},
    {TURN("\"role\":\"user\",\"audio\":null"), T "audio", "null"},
    {TURN("\"role\":\"user\",\"audio\":{}"), T "audio.kind", "nothing"},
    {TURN("\"role\":\"user\",\"audio\":{\"kind\":\"\"}"), T "audio.kind", "string"},
    {TURN("\"role\":\"user\",\"audio\":{\"kind\":\"recorded\"}"), T "audio.upload_key", "nothing"},
    {TURN("\"role\":\"user\",\"audio\":{\"kind\":\"recorded\",\"upload_key\":\"\"}"), T "audio.upload_key", NULL},
    {TURN("\"role\":\"user\",\"audio\":{\"kind\":\"recorded\",\"upload_key\":\"a b\"}"), T "audio.upload_key", NULL},
    {TURN("\"role\":\"user\",\"audio\":{\"kind\":\"recorded\",\"upload_key\":\"a\\u0000\"}"), T "audio.upload_key",
     NULL},
    {TURN("\"role\":\"user\",\"audio\":{\"kind\":\"tts\",\"voice_id\":null}"), T "audio.voice_id", "null"},
    {TURN("\"role\":\"user\",\"assertions\":null"), T "assertions", "null"},
    {TURN("\"role\":\"user\",\"assertions\":[\"x\"]"), T "assertions[0]", "string"},
    {ASSERTION(""), A "kind", "nothing"},
    {ASSERTION("\"kind\":\"nope\""), A "kind", "string"},
    {ASSERTION("\"kind\":null"), A "kind", "null"},
    {ASSERTION("\"kind\":\"contains\""), A "text", "nothing"},
    {ASSERTION("\"kind\":\"contains\",\"text\":\"\""), A "text", NULL},
    {ASSERTION("\"kind\":\"not_contains\",\"text\":\"\""), A "text", NULL},
    {ASSERTION("\"kind\":\"contains\",\"text\":\"a\",\"case_insensitive\":null"), A "case_insensitive", "null"},
    {ASSERTION("\"kind\":\"equals\",\"text\":\"a\",\"trim\":0"), A "trim", "integer"},
    {ASSERTION("\"kind\":\"regex\",\"pattern\":\"\""), A "pattern", NULL},
    {ASSERTION("\"kind\":\"regex\",\"pattern\":\"a\",\"flags\":\"v\""), A "flags", "string"},
    {ASSERTION("\"kind\":\"regex\",\"pattern\":\"a\",\"flags\":\"g\\u0000\""), A "flags", "string"},
    {ASSERTION("\"kind\":\"regex\",\"pattern\":\"a\",\"flags\":\"gggggggg\\u0067\""), A "flags", NULL},
    {ASSERTION("\"kind\":\"regex\",\"pattern\":\"a\",\"flags\":null"), A "flags", "null"},
    {ASSERTION("\"kind\":\"tool_called\""), A "name", "nothing"},
    {ASSERTION("\"kind\":\"tool_not_called\",\"name\":\"\""), A "name", NULL},
    {ASSERTION("\"kind\":\"tool_args_match\",\"name\":\"t\""), A "args", "nothing"},
    {ASSERTION("\"kind\":\"tool_args_match\",\"name\":\"t\",\"args\":[]"), A "args", "array"},
    {ASSERTION("\"kind\":\"tool_args_match\",\"name\":\"t\",\"args\":null"), A "args", "null"},
    {ASSERTION("\"kind\":\"max_latency_ms\""), A "max_ms", "nothing"},
    {ASSERTION("\"kind\":\"max_latency_ms\",\"max_ms\":\"5\""), A "max_ms", "string"},
    {JUDGE("\"reference\":\"r\""), J "kind", "nothing"},
    {JUDGE("\"kind\":\"text\",\"reference\":\"r\""), J "kind", "string"},
    {JUDGE("\"kind\":\"text_match\""), J "reference", "nothing"},
    {JUDGE("\"kind\":\"text_match\",\"reference\":\"\""), J "reference", NULL},
    {JUDGE("\"kind\":\"text_match\",\"reference\":\"r\",\"rubric\":null"), J "rubric", "null"},
    {JUDGE("\"kind\":\"text_match\",\"reference\":\"r\",\"pass_score\":null"), J "pass_score", "null"},
};

static void each_problem_names_its_path(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof PROBLEMS / sizeof *PROBLEMS; i++)
        assert_one_issue(xr_str_from(PROBLEMS[i].text), PROBLEMS[i].path, PROBLEMS[i].received);
}

static void all_problems_are_reported_together(void **state) {
    (void)state;
    struct parsed p =
        parse(XR_STR("{\"judges\":[{\"kind\":\"text_match\",\"reference\":\"\",\"pass_score\":101}],\"live\":0,"
                     "\"turns\":[{\"role\":\"x\",\"text\":null,\"assertions\":[{},{\"kind\":\"regex\"}]}]}"));
    static const char *const PATHS[] = {
        "judges[0].pass_score",           "judges[0].reference", "live",          "name", "turns[0].assertions[0].kind",
        "turns[0].assertions[1].pattern", "turns[0].role",       "turns[0].text",
    };
    assert_int_equal(p.issues.total, sizeof PATHS / sizeof *PATHS);
    for (size_t i = 0; i < p.issues.count; i++) {
        assert_str(p.issues.items[i].path, PATHS[i]);
        assert_true(p.issues.items[i].message.len > 0);
        assert_true(p.issues.items[i].expected.len > 0);
    }
    done(&p);
}

static void fifty_issues_are_kept_and_all_are_counted(void **state) {
    (void)state;
    struct xr_buf buf = xr_buf_make(XR_SPEC_MAX);
    struct parsed p = parse(repeated(&buf, "{\"name\":\"n\",\"turns\":[0", ",{}", 99, "]}"));
    assert_int_equal(p.code, XR_INVALID);
    assert_int_equal(p.issues.count, XR_ISSUES_MAX);
    assert_int_equal(p.issues.total, 100);
    assert_str(p.issues.items[49].path, "turns[49].role");
    done(&p);
    xr_buf_clear(&buf);
}

static void no_issue_echoes_the_callers_value(void **state) {
    (void)state;
    struct parsed p =
        parse(XR_STR("{\"SECRET\":1,\"name\":7777777,\"live\":\"SECRET\",\"turns\":[{\"role\":\"SECRET\",\"audio\":"
                     "{\"kind\":\"recorded\",\"upload_key\":\"SECRET !\"},\"assertions\":[{\"kind\":\"SECRET\"},"
                     "{\"kind\":\"max_ttft_ms\",\"max_ms\":-7777777}]}]}"));
    assert_int_equal(p.issues.total, 6);
    for (size_t i = 0; i < p.issues.count; i++) {
        const struct xr_issue *issue = &p.issues.items[i];
        const struct xr_str PARTS[] = {issue->path, issue->message, issue->expected, issue->received};
        for (size_t k = 0; k < 4; k++) {
            assert_null(memmem(PARTS[k].ptr, PARTS[k].len, "SECRET", 6));
            assert_null(memmem(PARTS[k].ptr, PARTS[k].len, "7777777", 7));
        }
    }
    done(&p);
}

static void the_last_of_repeated_keys_wins(void **state) {
    (void)state;
    struct parsed p = parse(
        XR_STR("{\"name\":0,\"turns\":null,\"name\":\"b\",\"turns\":[{\"role\":0,\"text\":\"x\",\"role\":\"agent\","
               "\"text\":\"y\"}]}"));
    assert_int_equal(p.code, XR_OK);
    assert_str(p.spec.name, "b");
    assert_str(p.spec.turns[0].text, "y");
    done(&p);
    assert_one_issue(XR_STR("{\"name\":\"n\",\"turns\":[{\"role\":\"agent\"}],\"turns\":5}"), "turns", "integer");
}

static void unknown_keys_are_dropped(void **state) {
    (void)state;
    assert_accepted(
        XR_STR("{\"name\":\"n\",\"sha256\":1,\"live_salt\":2,\"name\\u0000\":3,\"turns\":[{\"role\":\"agent\",\"x\":{"
               "\"y\":[]},"
               "\"audio\":{\"kind\":\"tts\",\"sha256\":5,\"upload_key\":6},"
               "\"assertions\":[{\"kind\":\"contains\",\"text\":\"a\",\"flags\":1,\"trim\":2,\"max_ms\":null}]}]}"));
}

static void strings_may_hold_nul_and_line_separators(void **state) {
    (void)state;
    struct parsed p = parse(XR_STR("{\"name\":\"a\\u0000b\\u2028\",\"turns\":[{\"role\":\"agent\"}]}"));
    assert_int_equal(p.code, XR_OK);
    assert_int_equal(p.spec.name.len, 6);
    assert_memory_equal(p.spec.name.ptr, "a\0b\xE2\x80\xA8", 6);
    done(&p);
}

static void text_that_is_no_json_is_one_issue_at_the_root(void **state) {
    (void)state;
    static const struct xr_str BAD[] = {
        {"", 0},
        {"{", 1},
        {"{}x", 3},
        {"{\"name\":\"\xff\"}", 12},
        {"{\"name\":\"\\ud800\"}", 17},
        {"[1e999]", 7},
        {"\0", 1},
        {"{\"name\":NaN}", 12},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_one_issue(BAD[i], "", NULL);
}

static void issues_without_room_are_counted_not_kept(void **state) {
    (void)state;
    struct xr_issues issues = {.arena = xr_arena_new(0)};
    xr_issues_add(&issues, "a", "b", NULL, NULL);
    assert_int_equal(issues.count, 0);
    assert_int_equal(issues.total, 1);
    xr_arena_free(issues.arena);
    issues = (struct xr_issues){.arena = xr_arena_new(4096)};
    xr_issues_add(&issues, "a", "b", NULL, "c");
    assert_int_equal(issues.count, 1);
    assert_null(issues.items[0].expected.ptr);
    assert_str(issues.items[0].received, "c");
    xr_arena_free(issues.arena);
}

static enum xr_code parse_within(const char *text, size_t cap) {
    struct xr_arena *arena = xr_arena_new(cap);
    struct xr_issues issues = {.arena = arena};
    struct xr_spec spec = {0};
    enum xr_code code = xr_spec_parse(xr_str_from(text), arena, &issues, &spec, NULL);
    assert_true(code == XR_OK || !spec.doc);
    xr_spec_free(&spec);
    xr_arena_free(arena);
    return code;
}

static void small_arenas_are_an_error(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum xr_code end;
    } CASES[] = {{WHOLE, XR_OK}, {"{\"name\":1,\"turns\":[0],\"judges\":null}", XR_INVALID}, {"{", XR_INVALID}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        enum xr_code code = XR_NO_MEMORY;
        size_t cap = 0;
        for (; cap < XR_KIB(64) && code == XR_NO_MEMORY; cap += 8)
            code = parse_within(CASES[i].text, cap);
        assert_true(cap > 8);
        assert_int_equal(code, CASES[i].end);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_read),
        cmocka_unit_test(every_assertion_kind_is_read),
        cmocka_unit_test(names_match_their_enums),
        cmocka_unit_test(live_needs_no_turns),
        cmocka_unit_test(each_problem_names_its_path),
        cmocka_unit_test(all_problems_are_reported_together),
        cmocka_unit_test(fifty_issues_are_kept_and_all_are_counted),
        cmocka_unit_test(no_issue_echoes_the_callers_value),
        cmocka_unit_test(the_last_of_repeated_keys_wins),
        cmocka_unit_test(unknown_keys_are_dropped),
        cmocka_unit_test(strings_may_hold_nul_and_line_separators),
        cmocka_unit_test(text_that_is_no_json_is_one_issue_at_the_root),
        cmocka_unit_test(issues_without_room_are_counted_not_kept),
        cmocka_unit_test(small_arenas_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
