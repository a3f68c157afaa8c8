// SPDX-License-Identifier: Apache-2.0
#include "spec/schema.h"
#include "spec/testing.h"

#define SALT "0190c0de-1234-4abc-8def-0123456789ab"
#define HASH "abababababababababababababababababababababababababababababababab"

/* What the callers of xr_spec_canonical fill in. */
static void fill_in(struct xr_spec *spec) {
    for (size_t i = 0; i < spec->turn_count; i++) {
        if (spec->turns[i].audio == XR_AUDIO_NONE)
            continue;
        memset(spec->turns[i].sha256, 0xAB, XR_SHA256_SIZE);
        spec->turns[i].has_sha256 = true;
    }
    if (spec->live)
        memcpy(spec->live_salt, SALT, sizeof SALT);
}

/* Parses a request and writes it; the canonical text lives in p's arena. */
static struct parsed canonicalise(struct xr_str request, struct xr_str *ret_text) {
    struct parsed p = parse(request);
    assert_int_equal(p.code, XR_OK);
    fill_in(&p.spec);
    assert_int_equal(xr_spec_canonical(&p.spec, p.arena, ret_text, &p.err), XR_OK);
    return p;
}

/* canonical(parse_canonical(text)) == text */
static void assert_round_trip(struct xr_str text) {
    struct xr_arena *arena = xr_arena_new(XR_REQUEST_ARENA_MAX);
    struct xr_spec spec = {0};
    struct xr_err err = {0};
    struct xr_str again;
    enum xr_code code = xr_spec_parse_canonical(text, arena, &spec, &err);
    if (code != XR_OK)
        print_error("%s: %s\n", err.path, err.message);
    assert_int_equal(code, XR_OK);
    assert_int_equal(xr_spec_canonical(&spec, arena, &again, &err), XR_OK);
    assert_true(xr_str_eq(text, again));
    xr_spec_free(&spec);
    xr_arena_free(arena);
}

static void assert_canonical(struct xr_str request, const char *want) {
    struct xr_str text;
    struct parsed p = canonicalise(request, &text);
    if (!xr_str_eq(text, xr_str_from(want)))
        print_error("%.*s\n", XR_STR_ARG(text));
    assert_true(xr_str_eq(text, xr_str_from(want)));
    assert_round_trip(text);
    done(&p);
}

#define ARGS_HEAD                                                                                                      \
    "{\"name\":\"n\",\"turns\":[{\"role\":\"agent\",\"assertions\":[{\"kind\":\"tool_args_match\",\"name\":\"t\","     \
    "\"args\":"
#define ARGS_REQUEST(args) ARGS_HEAD args "}]}]}"
#define ARGS_CANONICAL(args)                                                                                           \
    "{\"judges\":[],\"turns\":[{\"assertions\":[{\"args\":" args ",\"kind\":\"tool_args_match\",\"name\":\"t\"}],"     \
    "\"role\":\"agent\"}]}"

static void every_field_is_written_in_key_order(void **state) {
    (void)state;
    assert_canonical(
        XR_STR(
            "{\"turns\":[{\"text\":\"t\",\"role\":\"user\",\"key\":\"k\",\"audio\":{\"voice_id\":\"v\",\"kind\":"
            "\"tts\"}},"
            "{\"role\":\"user\",\"audio\":{\"kind\":\"tts\"}},"
            "{\"role\":\"agent\",\"text\":\"\",\"audio\":{\"upload_key\":\"u\",\"kind\":\"recorded\"},\"assertions\":["
            "{\"kind\":\"regex\",\"pattern\":\"p\",\"flags\":\"i\"},{\"trim\":false,\"kind\":\"equals\",\"text\":\"\"},"
            "{\"max_ms\":5e0,\"kind\":\"max_ttft_ms\"}]}],\"name\":\"n\",\"live\":false,"
            "\"judges\":[{\"rubric\":\"\",\"reference\":\"r\",\"kind\":\"text_match\"}]}"),
        "{\"judges\":[{\"kind\":\"text_match\",\"pass_score\":70,\"reference\":\"r\",\"rubric\":\"\"}],\"turns\":["
        "{\"assertions\":[],\"audio\":{\"kind\":\"tts\",\"sha256\":\"" HASH "\",\"voice_id\":\"v\"},\"key\":\"k\","
        "\"role\":\"user\",\"text\":\"t\"},"
        "{\"assertions\":[],\"audio\":{\"kind\":\"tts\",\"sha256\":\"" HASH "\"},\"role\":\"user\"},"
        "{\"assertions\":[{\"flags\":\"i\",\"kind\":\"regex\",\"pattern\":\"p\"},"
        "{\"case_insensitive\":true,\"kind\":\"equals\",\"text\":\"\",\"trim\":false},"
        "{\"kind\":\"max_ttft_ms\",\"max_ms\":5}],"
        "\"audio\":{\"kind\":\"recorded\",\"sha256\":\"" HASH "\"},\"role\":\"agent\",\"text\":\"\"}]}");
}

static void live_is_written_with_its_salt(void **state) {
    (void)state;
    assert_canonical(XR_STR("{\"name\":\"n\",\"turns\":[],\"live\":true}"),
                     "{\"judges\":[],\"live\":true,\"live_salt\":\"" SALT "\",\"turns\":[]}");
}

static void strings_are_ascii(void **state) {
    (void)state;
    assert_canonical(
        XR_STR("{\"name\":\"n\",\"turns\":[{\"role\":\"user\",\"text\":"
               "\"\\u0000\\u2028\xE2\x80\xA9\xC2\x85\x7f/\\/\\b\\t\\n\\f\\r\\\"\\\\\\u001f~\xF0\x9F\x98\x80\"}]}"),
        "{\"judges\":[],\"turns\":[{\"assertions\":[],\"role\":\"user\",\"text\":\"\\u0000\\u2028\\u2029\\u0085"
        "\\u007f//\\b\\t\\n\\f\\r\\\"\\\\\\u001f~\\ud83d\\ude00\"}]}");
}

static void numbers_are_written_as_doubles(void **state) {
    (void)state;
    assert_canonical(
        XR_STR(ARGS_REQUEST("{\"a\":[2.0,-0,-0.0,2.5,1e21,9007199254740993,18446744073709551615,1E3,0.1,1e-7,"
                            "-9223372036854775808,100000000000000000000,-1.50,5e-324,0e9]}")),
        ARGS_CANONICAL("{\"a\":[2,0,0,2.5,1e+21,9007199254740992,18446744073709552000,1000,0.1,1e-7,"
                       "-9223372036854776000,100000000000000000000,-1.5,5e-324,0]}"));
}

static void keys_of_args_are_sorted_by_utf16_unit(void **state) {
    (void)state;
    assert_canonical(
        XR_STR(ARGS_REQUEST("{\"\xEE\x80\x80\":1,\"\xF0\x90\x80\x80\":2,\"b\":3,\"\":4,\"a\\u0000\":5,\"a\":6,\"B\":7,"
                            "\"\xC3\xA9\":{\"z\":null,\"y\":[true,false,{\"d\":\"\",\"c\":{}}]}}")),
        ARGS_CANONICAL("{\"\":4,\"B\":7,\"a\":6,\"a\\u0000\":5,\"b\":3,"
                       "\"\\u00e9\":{\"y\":[true,false,{\"c\":{},\"d\":\"\"}],\"z\":null},"
                       "\"\\ud800\\udc00\":2,\"\\ue000\":1}"));
}

static void the_last_of_repeated_keys_in_args_is_kept(void **state) {
    (void)state;
    assert_canonical(XR_STR(ARGS_REQUEST(
                         "{\"a\":1,\"b\":{\"x\":1,\"x\":2},\"a\":2,\"\\u0061\":[3],\"b\":{\"x\":4,\"y\":5,\"x\":6}}")),
                     ARGS_CANONICAL("{\"a\":[3],\"b\":{\"x\":6,\"y\":5}}"));
}

static void many_keys_are_sorted(void **state) {
    (void)state;
    struct xr_buf request = xr_buf_make(XR_SPEC_MAX);
    struct xr_str text;
    xr_buf_str(&request, XR_STR(ARGS_HEAD "{\"k\":0"));
    for (int i = 0; i < 20000; i++) /* every key twice, in no order */
        xr_buf_printf(&request, ",\"%d\":1", i * 7919 % 10000);
    xr_buf_str(&request, XR_STR("}}]}]}"));
    assert_false(request.failed);
    struct parsed p = canonicalise(xr_buf_view(&request), &text);
    yyjson_doc *doc = NULL;
    assert_int_equal(xr_json_parse(text, XR_SPEC_DEPTH_MAX, &doc, NULL), XR_OK);
    yyjson_val *args = yyjson_ptr_get(yyjson_doc_get_root(doc), "/turns/0/assertions/0/args");
    assert_int_equal(yyjson_obj_size(args), 10001);
    yyjson_doc_free(doc);
    assert_round_trip(text);
    done(&p);
    xr_buf_clear(&request);
}

static void assert_grows_to(struct xr_buf *request, size_t len) {
    struct xr_str text;
    struct parsed p = canonicalise(xr_buf_view(request), &text);
    assert_true(text.len > len);
    assert_round_trip(text);
    done(&p);
}

static void the_longest_canonical_text_fits(void **state) {
    (void)state;
    struct xr_buf buf = xr_buf_make(XR_SPEC_MAX);
    /* U+007F grows six times. */
    repeated(&buf, ARGS_HEAD "{\"a\":\"", "\x7f", XR_SPEC_MAX - 200, "\"}}]}]}");
    assert_grows_to(&buf, 6 * (XR_SPEC_MAX - 200));
    /* Short numbers become 22 bytes of 5. */
    repeated(&buf, ARGS_HEAD "{\"a\":[1", ",1e20", 50000, "]}}]}]}");
    assert_grows_to(&buf, (size_t)22 * 50000);
    xr_buf_clear(&buf);
}

static void what_is_not_filled_in_is_an_error(void **state) {
    (void)state;
    struct xr_str text = XR_STR("untouched");
    struct parsed p = parse(
        XR_STR("{\"name\":\"n\",\"turns\":[{\"role\":\"agent\"},{\"role\":\"user\",\"audio\":{\"kind\":\"tts\"}}]}"));
    assert_int_equal(xr_spec_canonical(&p.spec, p.arena, &text, &p.err), XR_INTERNAL);
    assert_string_equal(p.err.path, "turns[1].audio.sha256");
    done(&p);
    p = parse(XR_STR("{\"name\":\"n\",\"turns\":[],\"live\":true}"));
    assert_int_equal(xr_spec_canonical(&p.spec, p.arena, &text, &p.err), XR_INTERNAL);
    assert_string_equal(p.err.path, "live_salt");
    assert_true(xr_str_eq(text, XR_STR("untouched")));
    done(&p);
}

static void a_canonical_spec_is_read_back(void **state) {
    (void)state;
    struct xr_arena *arena = xr_arena_new(XR_REQUEST_ARENA_MAX);
    struct xr_spec spec = {0};
    struct xr_str text =
        XR_STR("{\"judges\":[],\"live\":true,\"live_salt\":\"" SALT "\",\"turns\":[{\"assertions\":[],\"audio\":"
               "{\"kind\":\"recorded\",\"sha256\":\"" HASH "\"},\"role\":\"user\",\"text\":\"a\\u0000\"}]}");
    assert_int_equal(xr_spec_parse_canonical(text, arena, &spec, NULL), XR_OK);
    assert_true(spec.live);
    assert_string_equal(spec.live_salt, SALT);
    assert_int_equal(spec.name.len, 0);
    assert_int_equal(spec.turns[0].audio, XR_AUDIO_RECORDED);
    assert_true(spec.turns[0].has_sha256);
    assert_int_equal(spec.turns[0].sha256[31], 0xAB);
    assert_int_equal(spec.turns[0].text.len, 2);
    xr_spec_free(&spec);
    xr_arena_free(arena);
}

#define TURN_CANONICAL(members) "{\"judges\":[],\"turns\":[{\"assertions\":[]" members "}]}"

static const char *const CORRUPT[] = {
    "",
    "{",
    "null",
    "{}",
    "{\"judges\":[],\"turns\":[]}",
    " {\"judges\":[],\"turns\":[{\"assertions\":[],\"role\":\"agent\"}]}",
    "{\"turns\":[{\"assertions\":[],\"role\":\"agent\"}]}",
    "{\"turns\":[{\"assertions\":[],\"role\":\"agent\"}],\"judges\":[]}",
    "{\"judges\":[],\"name\":\"n\",\"turns\":[{\"assertions\":[],\"role\":\"agent\"}]}",
    "{\"judges\":[],\"judges\":[],\"turns\":[{\"assertions\":[],\"role\":\"agent\"}]}",
    "{\"judges\":[],\"live\":false,\"turns\":[{\"assertions\":[],\"role\":\"agent\"}]}",
    "{\"judges\":[],\"live\":true,\"turns\":[{\"assertions\":[],\"role\":\"agent\"}]}",
    "{\"judges\":[],\"live_salt\":\"" SALT "\",\"turns\":[{\"assertions\":[],\"role\":\"agent\"}]}",
    "{\"judges\":[],\"live\":true,\"live_salt\":\"x\",\"turns\":[]}",
    "{\"judges\":[],\"live\":true,\"live_salt\":null,\"turns\":[]}",
    "{\"judges\":[{\"kind\":\"text_match\",\"reference\":\"r\"}],\"turns\":[{\"assertions\":[],\"role\":\"agent\"}]}",
    "{\"judges\":[{\"kind\":\"text_match\",\"pass_score\":70.0,\"reference\":\"r\"}],\"turns\":[{\"assertions\":[],"
    "\"role\":"
    "\"agent\"}]}",
    "{\"judges\":[],\"turns\":[{\"role\":\"agent\"}]}",
    TURN_CANONICAL(",\"role\":\"nobody\""),
    TURN_CANONICAL(",\"role\":\"user\",\"text\":null"),
    TURN_CANONICAL(",\"role\":\"user\",\"text\":\"\xC3\xA9\""),
    TURN_CANONICAL(",\"role\":\"user\",\"text\":\"\\u00E9\""),
    TURN_CANONICAL(",\"role\":\"user\",\"text\":\"\\/\""),
    TURN_CANONICAL(",\"role\":\"user\",\"x\":1"),
    TURN_CANONICAL(",\"audio\":{\"kind\":\"recorded\"},\"role\":\"user\""),
    TURN_CANONICAL(",\"audio\":{\"kind\":\"recorded\",\"upload_key\":\"a\"},\"role\":\"user\""),
    TURN_CANONICAL(",\"audio\":{\"kind\":\"recorded\",\"sha256\":\"ab\"},\"role\":\"user\""),
    TURN_CANONICAL(",\"audio\":{\"kind\":\"recorded\",\"sha256\":7},\"role\":\"user\""),
    TURN_CANONICAL(",\"audio\":{\"kind\":\"recorded\",\"sha256\":"
                   "\"ABababababababababababababababababababababababababababababababab\"},\"role\":\"user\""),
    ARGS_CANONICAL("[]"),
    ARGS_CANONICAL("{\"b\":1,\"a\":2}"),
    ARGS_CANONICAL("{\"a\":1,\"a\":1}"),
    ARGS_CANONICAL("{\"a\":1.0}"),
    ARGS_CANONICAL("{\"a\":9007199254740993}"),
    ARGS_CANONICAL("{\"a\":\"\x7f\"}"),
};

static void whatever_canonical_would_not_write_is_corrupt(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof CORRUPT / sizeof *CORRUPT; i++) {
        struct xr_arena *arena = xr_arena_new(XR_REQUEST_ARENA_MAX);
        struct xr_spec spec = {0};
        struct xr_err err = {0};
        enum xr_code code = xr_spec_parse_canonical(xr_str_from(CORRUPT[i]), arena, &spec, &err);
        if (code != XR_CORRUPT)
            print_error("%s: %s\n", CORRUPT[i], xr_code_name(code));
        assert_int_equal(code, XR_CORRUPT);
        assert_int_equal(err.code, XR_CORRUPT);
        assert_null(spec.doc);
        xr_arena_free(arena);
    }
}

static void deep_and_long_text_is_corrupt(void **state) {
    (void)state;
    struct xr_arena *arena = xr_arena_new(XR_REQUEST_ARENA_MAX);
    struct xr_buf buf = xr_buf_make(XR_CANONICAL_MAX + 1);
    struct xr_spec spec;
    assert_int_equal(xr_spec_parse_canonical(repeated(&buf, "", "[", 1000, ""), arena, &spec, NULL), XR_CORRUPT);
    assert_int_equal(xr_spec_parse_canonical(repeated(&buf, "", " ", XR_CANONICAL_MAX + 1, ""), arena, &spec, NULL),
                     XR_CORRUPT);
    xr_buf_clear(&buf);
    xr_arena_free(arena);
}

static void check_order(const struct xr_record *record) {
    for (size_t i = 0; i < record->count; i++) {
        const struct xr_field *field = &record->fields[i];
        assert_true(i == 0 || strcmp(record->fields[i - 1].name, field->name) <= 0);
        if (field->record)
            check_order(field->record);
    }
}

static void tables_are_in_canonical_order(void **state) {
    (void)state;
    check_order(&XR_SPEC_RECORD);
}

static const char BUSY[] =
    "{\"judges\":[{\"kind\":\"text_match\",\"pass_score\":70,\"reference\":\"r\"}],\"turns\":[{\"assertions\":["
    "{\"args\":{\"a\":{\"b\":[{\"c\":1}]},\"d\":0.5},\"kind\":\"tool_args_match\",\"name\":\"t\"}],\"role\":\"agent\","
    "\"text\":\"x\"}]}";

static enum xr_code round_trip_within(size_t cap) {
    struct xr_arena *arena = xr_arena_new(cap);
    struct xr_spec spec = {0};
    struct xr_str text;
    enum xr_code code = xr_spec_parse_canonical(xr_str_from(BUSY), arena, &spec, NULL);
    if (code == XR_OK)
        code = xr_spec_canonical(&spec, arena, &text, NULL);
    xr_spec_free(&spec);
    xr_arena_free(arena);
    return code;
}

static void small_arenas_are_an_error(void **state) {
    (void)state;
    enum xr_code code = XR_NO_MEMORY;
    size_t cap = 0;
    for (; cap < XR_KIB(64) && code == XR_NO_MEMORY; cap += 8)
        code = round_trip_within(cap);
    assert_true(cap > strlen(BUSY));
    assert_int_equal(code, XR_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_written_in_key_order),
        cmocka_unit_test(live_is_written_with_its_salt),
        cmocka_unit_test(strings_are_ascii),
        cmocka_unit_test(numbers_are_written_as_doubles),
        cmocka_unit_test(keys_of_args_are_sorted_by_utf16_unit),
        cmocka_unit_test(the_last_of_repeated_keys_in_args_is_kept),
        cmocka_unit_test(many_keys_are_sorted),
        cmocka_unit_test(the_longest_canonical_text_fits),
        cmocka_unit_test(what_is_not_filled_in_is_an_error),
        cmocka_unit_test(a_canonical_spec_is_read_back),
        cmocka_unit_test(whatever_canonical_would_not_write_is_corrupt),
        cmocka_unit_test(deep_and_long_text_is_corrupt),
        cmocka_unit_test(tables_are_in_canonical_order),
        cmocka_unit_test(small_arenas_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
