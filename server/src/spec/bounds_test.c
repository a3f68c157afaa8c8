// SPDX-License-Identifier: Apache-2.0
#include "spec/testing.h"

static void integers_are_doubles_within_bounds(void **state) {
    (void)state;
    static const struct {
        const char *number;
        bool is_ms, is_score; /* is it taken as max_ms, as pass_score? */
    } CASES[] = {
        {"1", true, true},        {"0", false, true},       {"-0.0", false, true},
        {"70.0", true, true},     {"1e2", true, true},      {"100", true, true},
        {"101", true, false},     {"-1", false, false},     {"1e3", true, false},
        {"0.5", false, false},    {"70.5", false, false},   {"9007199254740991", true, false},
        {"1e300", false, false},  {"1e-300", false, false}, {"9007199254740992", false, false},
        {"-1e300", false, false}, {"9e15", true, false},    {"18446744073709551615", false, false},
        {"true", false, false},   {"\"70\"", false, false}, {"-9223372036854775808", false, false},
    };
    char text[512];
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        int n = snprintf(text, sizeof text, ASSERTION("\"kind\":\"max_ttft_ms\",\"max_ms\":%s"), CASES[i].number);
        struct xr_str s = {.ptr = text, .len = (size_t)n};
        CASES[i].is_ms ? assert_accepted(s) : assert_one_issue(s, A "max_ms", NULL);
        n = snprintf(text, sizeof text, JUDGE("\"kind\":\"text_match\",\"reference\":\"r\",\"pass_score\":%s"),
                     CASES[i].number);
        s.len = (size_t)n;
        CASES[i].is_score ? assert_accepted(s) : assert_one_issue(s, J "pass_score", NULL);
    }
}

#define CUT "\x01" /* where the measured text goes */
#define REC "\"role\":\"user\",\"audio\":{\"kind\":\"recorded\",\"upload_key\":\"" CUT "\"}"

static const struct {
    const char *text, *path;
    size_t max;
    bool ascii_only;
} BOUNDED[] = {
    {"{\"name\":\"" CUT "\",\"turns\":[{\"role\":\"agent\"}]}", "name", 256, false},
    {TURN("\"role\":\"user\",\"text\":\"" CUT "\""), T "text", 65536, false},
    {TURN("\"role\":\"user\",\"key\":\"" CUT "\""), T "key", 128, false},
    {TURN(REC), T "audio.upload_key", 128, true},
    {TURN("\"role\":\"user\",\"audio\":{\"kind\":\"tts\",\"voice_id\":\"" CUT "\"}"), T "audio.voice_id", 1024, false},
    {ASSERTION("\"kind\":\"contains\",\"text\":\"" CUT "\""), A "text", 2048, false},
    {ASSERTION("\"kind\":\"not_contains\",\"text\":\"" CUT "\""), A "text", 2048, false},
    {ASSERTION("\"kind\":\"equals\",\"text\":\"" CUT "\""), A "text", 2048, false},
    {ASSERTION("\"kind\":\"regex\",\"pattern\":\"" CUT "\""), A "pattern", 2048, false},
    {ASSERTION("\"kind\":\"tool_called\",\"name\":\"" CUT "\""), A "name", 256, false},
    {ASSERTION("\"kind\":\"tool_not_called\",\"name\":\"" CUT "\""), A "name", 256, false},
    {ASSERTION("\"kind\":\"tool_args_match\",\"args\":{},\"name\":\"" CUT "\""), A "name", 256, false},
    {JUDGE("\"kind\":\"text_match\",\"reference\":\"" CUT "\""), J "reference", 8192, false},
    {JUDGE("\"kind\":\"text_match\",\"reference\":\"r\",\"rubric\":\"" CUT "\""), J "rubric", 2048, false},
};

static void string_bounds_count_utf16_units(void **state) {
    (void)state;
    struct xr_buf buf = xr_buf_make(XR_SPEC_MAX * 2);
    for (size_t i = 0; i < sizeof BOUNDED / sizeof *BOUNDED; i++) {
        char head[256];
        const char *cut = strstr(BOUNDED[i].text, CUT);
        snprintf(head, sizeof head, "%.*s", (int)(cut - BOUNDED[i].text), BOUNDED[i].text);
        size_t max = BOUNDED[i].max;
        assert_accepted(repeated(&buf, head, "x", max, cut + 1));
        assert_one_issue(repeated(&buf, head, "x", max + 1, cut + 1), BOUNDED[i].path, NULL);
        if (BOUNDED[i].ascii_only)
            continue;
        /* An astral character is two units, any other one. */
        assert_accepted(repeated(&buf, head, "\xF0\x9F\x98\x80", max / 2, cut + 1));
        assert_one_issue(repeated(&buf, head, "\xF0\x9F\x98\x80", max / 2 + 1, cut + 1), BOUNDED[i].path, NULL);
        assert_accepted(repeated(&buf, head, "\xE2\x80\xA8", max, cut + 1));
    }
    xr_buf_clear(&buf);
}

static void lists_are_bounded(void **state) {
    (void)state;
    struct xr_buf buf = xr_buf_make(XR_SPEC_MAX);
    static const struct {
        const char *head, *unit, *tail, *path;
        size_t max;
    } CASES[] = {
        {"{\"name\":\"n\",\"turns\":[{\"role\":\"agent\"}", ",{\"role\":\"user\"}", "]}", "turns", 1024},
        {"{\"name\":\"n\",\"turns\":[{\"role\":\"agent\"}],\"judges\":[{\"kind\":\"text_match\",\"reference\":\"r\"}",
         ",{\"kind\":\"text_match\",\"reference\":\"r\"}", "]}", "judges", 8},
        {"{\"name\":\"n\",\"turns\":[{\"role\":\"agent\",\"assertions\":[{\"kind\":\"tool_called\",\"name\":\"r\"}",
         ",{\"kind\":\"tool_called\",\"name\":\"r\"}", "]}]}", "turns[0].assertions", 32},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        assert_accepted(repeated(&buf, CASES[i].head, CASES[i].unit, CASES[i].max - 1, CASES[i].tail));
        assert_one_issue(repeated(&buf, CASES[i].head, CASES[i].unit, CASES[i].max, CASES[i].tail), CASES[i].path,
                         NULL);
    }
    xr_buf_clear(&buf);
}

static void text_over_its_bound_is_refused(void **state) {
    (void)state;
    struct xr_buf buf = xr_buf_make(XR_SPEC_MAX + 1);
    const char *whole = "{\"name\":\"n\",\"turns\":[{\"role\":\"agent\"}]}";
    assert_accepted(repeated(&buf, whole, " ", XR_SPEC_MAX - strlen(whole), ""));
    struct parsed p = parse(repeated(&buf, whole, " ", XR_SPEC_MAX + 1 - strlen(whole), ""));
    assert_int_equal(p.code, XR_TOO_LARGE);
    done(&p);
    xr_buf_clear(&buf);
}

static void many_keys_are_walked_in_linear_time(void **state) {
    (void)state;
    struct xr_buf buf = xr_buf_make(XR_SPEC_MAX);
    assert_accepted(repeated(&buf, "{\"turns\":[{\"role\":\"agent\"}],\"name\":\"n\"", ",\"x\":1", 40000, "}"));
    assert_accepted(repeated(&buf, "{\"turns\":[{\"role\":\"agent\"}],\"name\":\"n\"", ",\"name\":\"m\"", 20000, "}"));
    xr_buf_clear(&buf);
}

static struct xr_str nested(struct xr_buf *buf, const char *head, size_t depth, const char *tail) {
    repeated(buf, head, "[", depth, "");
    for (size_t i = 0; i < depth; i++)
        xr_buf_char(buf, ']');
    xr_buf_str(buf, xr_str_from(tail));
    assert_false(buf->failed);
    return xr_buf_view(buf);
}

static void nesting_of_args_is_bounded(void **state) {
    (void)state;
    static const char HEAD[] =
        "{\"name\":\"n\",\"turns\":[{\"role\":\"agent\",\"assertions\":[{\"kind\":\"tool_args_match\","
        "\"name\":\"t\",\"args\":{\"a\":";
    struct xr_buf buf = xr_buf_make(XR_SPEC_MAX);
    assert_accepted(nested(&buf, HEAD, 63, "}}]}]}"));
    assert_one_issue(nested(&buf, HEAD, 64, "}}]}]}"), "turns[0].assertions[0].args", NULL);
    assert_one_issue(nested(&buf, HEAD, 100000, "}}]}]}"), "turns[0].assertions[0].args", NULL);
    /* The other problems are still found. */
    struct parsed p = parse(nested(&buf, HEAD, 1000, "}},{}]},0]}"));
    assert_int_equal(p.issues.total, 3);
    assert_str(p.issues.items[1].path, "turns[0].assertions[1].kind");
    assert_str(p.issues.items[2].path, "turns[1]");
    done(&p);
    assert_one_issue(nested(&buf, "{\"name\":\"n\",\"turns\":[{\"role\":\"agent\"}],\"x\":", 100000, "}"), "", NULL);
    assert_one_issue(nested(&buf, "", 100000, ""), "", "array");
    xr_buf_clear(&buf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_doubles_within_bounds),
        cmocka_unit_test(string_bounds_count_utf16_units),
        cmocka_unit_test(lists_are_bounded),
        cmocka_unit_test(text_over_its_bound_is_refused),
        cmocka_unit_test(many_keys_are_walked_in_linear_time),
        cmocka_unit_test(nesting_of_args_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
