// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/test.h"
#include "otlp/vocab_testkit.h"
#include <stdio.h>
#include <stdlib.h>

#define CHECK(cases) xr_vocab_check((cases), sizeof(cases) / sizeof *(cases))

static void names_and_numbers_are_what_is_stored_and_shown(void **state) {
    (void)state;
    static const char *const NAMES[] = {"xray", "gen_ai", "langfuse", "livekit"};
    for (int i = 0; i < 4; i++) {
        const struct xr_vocabulary *vocabulary = xr_vocabulary_at((size_t)i);
        assert_non_null(vocabulary);
        assert_string_equal(vocabulary->name, NAMES[i]);
        assert_int_equal(vocabulary->number, i);
        assert_ptr_equal(xr_vocabulary_numbered(i), vocabulary);
    }
    assert_null(xr_vocabulary_at(4));
    assert_null(xr_vocabulary_numbered(4));
    assert_null(xr_vocabulary_numbered(-1));
    assert_null(xr_vocabulary_numbered(INT64_C(1) << 32));
}

static void no_two_vocabularies_share_a_name_a_number_or_a_prefix(void **state) {
    (void)state;
    for (size_t i = 0; xr_vocabulary_at(i); i++)
        for (size_t k = 0; k < i; k++) {
            const struct xr_vocabulary *a = xr_vocabulary_at(i), *b = xr_vocabulary_at(k);
            assert_string_not_equal(a->name, b->name);
            assert_int_not_equal(a->number, b->number);
            assert_false(xr_str_eq(a->prefix, b->prefix));
        }
}

/* The name in a line "| `name` | ..."; NULL: no such line. */
static const char *row_name(char *line) {
    char *end = strncmp(line, "| `", 3) == 0 ? strchr(line + 3, '`') : NULL;
    if (!end)
        return NULL;
    *end = '\0';
    return line + 3;
}

static void the_documents_list_the_vocabularies_in_their_order(void **state) {
    (void)state;
    char path[4096], line[4096];
    size_t found = 0;
    bool inside = false;
    const char *root = getenv("XR_SOURCE_ROOT");
    assert_non_null(root);
    snprintf(path, sizeof path, "%s/docs/wire-contract.md", root);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        if (line[0] == '#')
            inside = strcmp(line, "## Vocabularies\n") == 0;
        const char *name = inside ? row_name(line) : NULL;
        if (!name)
            continue;
        assert_non_null(xr_vocabulary_at(found));
        assert_string_equal(name, xr_vocabulary_at(found)->name);
        found++;
    }
    fclose(file);
    assert_true(found > 0);
    assert_null(xr_vocabulary_at(found));
}

static void our_own_spans_are_known_by_their_exact_names(void **state) {
    (void)state;
    static const struct xr_vocab_case CASES[] = {
        {"xray.turn", NO_ATTRS, "xray raw"},
        {"xray.stage.stt", NO_ATTRS, "xray raw"},
        {"xray.stage.tts", {S("gen_ai.system", "openai")}, "xray raw"},
        {"xray.stage.llm", NO_ATTRS, "none"},
        {"xray.turn ", NO_ATTRS, "none"},
        {"XRAY.TURN", NO_ATTRS, "none"},
        {"xray", {S("xray.replay.id", "1")}, "none"},
        {"xray.turns", {S("lk.a", "")}, "livekit raw"},
    };
    CHECK(CASES);
}

static void livekit_is_what_has_its_keys_and_nothing_else(void **state) {
    (void)state;
    static const struct xr_vocab_case CASES[] = {
        {"agent_session", {S("lk.room_name", "")}, "livekit raw"},
        {"agent_turn", {S("other", ""), I("lk.x", 1)}, "livekit raw"},
        {"x", {S("lk", ""), S("lkx.a", ""), S("LK.a", "")}, "none"},
        {"x", {S("lk.a", ""), S("langfuse.a", "")}, "langfuse raw"},
        {"x", {S("lk.a", ""), S("gen_ai.a", "")}, "gen_ai raw"},
        {"x", {S("http.method", "GET")}, "none"},
    };
    CHECK(CASES);
}

static const struct xr_attr MIXED[] = {
    S("xray.replay.id", "r"),   S("gen_ai.system", "openai"),
    S("langfuse.type", "tool"), S("lk.a", "1"),
    S("http.method", "GET"),    S("lkx", ""),
    S("gen_ai.b", "2"),         ATTRS_END,
};

/* The caller frees. */
static char *kept(const struct xr_vocabulary *vocabulary, const struct xr_attr *attrs) {
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_MIB(1));
    const struct xr_span span = xr_vocab_span("x", attrs);
    struct xr_str json;
    assert_int_equal(xr_vocabulary_keep(vocabulary, &span, arena, &json, NULL), XR_OK);
    assert_non_null(json.ptr);
    return strndup(json.ptr, json.len);
}

static void check_kept(const struct xr_vocabulary *vocabulary, const struct xr_attr *attrs, const char *want) {
    char *got = kept(vocabulary, attrs);
    assert_string_equal(got, want);
    free(got);
}

static void a_vocabulary_keeps_its_prefix_and_livekits(void **state) {
    (void)state;
    check_kept(&XR_VOCABULARY_XRAY, MIXED, "{\"xray.replay.id\":\"r\",\"lk.a\":\"1\"}");
    check_kept(&XR_VOCABULARY_GEN_AI, MIXED, "{\"gen_ai.system\":\"openai\",\"lk.a\":\"1\",\"gen_ai.b\":\"2\"}");
    check_kept(&XR_VOCABULARY_LANGFUSE, MIXED, "{\"langfuse.type\":\"tool\",\"lk.a\":\"1\"}");
    check_kept(&XR_VOCABULARY_LIVEKIT, MIXED, "{\"lk.a\":\"1\"}");
}

static void nothing_kept_is_an_empty_object(void **state) {
    (void)state;
    static const struct xr_attr NONE[] = {ATTRS_END}, OTHER[] = {S("http.method", "GET"), ATTRS_END};
    check_kept(&XR_VOCABULARY_XRAY, NONE, "{}");
    check_kept(&XR_VOCABULARY_GEN_AI, OTHER, "{}");
}

static void values_are_kept_as_they_are(void **state) {
    (void)state;
    static const struct xr_attr KINDS[] = {
        S("lk.s", "a\"\\\n\x01\x7F\xC3\xA9\xE2\x80\xA8\xF0\x9F\x98\x80"),
        I("lk.i", INT64_MIN),
        I("lk.j", INT64_MAX),
        D("lk.d", 0.1),
        D("lk.e", -0.0),
        D("lk.f", 5e-324),
        ATTRS_END,
    };
    static const struct xr_attr MORE[] = {
        B("lk.b", true), B("lk.c", false), J("lk.l", "[\"a\",{}]"), S("lk.\"\n", ""), S("lk.nul\0", "a\0b"), ATTRS_END,
    };
    check_kept(&XR_VOCABULARY_LIVEKIT, KINDS,
               "{\"lk.s\":\"a\\\"\\\\\\n\\u0001\\u007f\xC3\xA9\\u2028\xF0\x9F\x98\x80\",\"lk.i\":-9223372036854775808,"
               "\"lk.j\":9223372036854775807,\"lk.d\":0.1,\"lk.e\":0,\"lk.f\":5e-324}");
    check_kept(
        &XR_VOCABULARY_LIVEKIT, MORE,
        "{\"lk.b\":true,\"lk.c\":false,\"lk.l\":[\"a\",{}],\"lk.\\\"\\n\":\"\",\"lk.nul\\u0000\":\"a\\u0000b\"}");
}

static void a_string_without_bytes_is_a_string(void **state) {
    (void)state;
    const struct xr_attr attrs[] = {{.key = XR_STR("gen_ai.provider.name"), .kind = XR_ATTR_STRING}, ATTRS_END};
    const struct xr_span span = xr_vocab_span("chat", attrs);
    struct xr_extract extract = {0};
    check_kept(&XR_VOCABULARY_GEN_AI, attrs, "{\"gen_ai.provider.name\":\"\"}");
    assert_int_equal(XR_VOCABULARY_GEN_AI.extract(&span, NULL, &extract, NULL), XR_OK);
    assert_non_null(extract.provider.ptr);
    assert_int_equal(extract.provider.len, 0);
}

static void nest(struct xr_buf *buf, int depth) {
    for (int i = 0; i < depth; i++)
        xr_buf_char(buf, '[');
    for (int i = 0; i < depth; i++)
        xr_buf_char(buf, ']');
}

/* What a tool's arguments become. The caller frees. */
static char *arguments_of(struct xr_str text) {
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_MIB(16));
    struct xr_extract extract = {0};
    const struct xr_attr attrs[] = {
        {.key = XR_STR("gen_ai.tool.call.arguments"), .text = text, .kind = XR_ATTR_STRING},
        ATTRS_END,
    };
    const struct xr_span span = xr_vocab_span("execute_tool a", attrs);
    assert_int_equal(XR_VOCABULARY_GEN_AI.extract(&span, arena, &extract, NULL), XR_OK);
    return strndup(extract.args_json.ptr, extract.args_json.len);
}

static char *arguments_nested(int depth) {
    XR_AUTO(xr_buf_clear) struct xr_buf text = xr_buf_make(XR_MIB(4));
    nest(&text, depth);
    return arguments_of(xr_buf_view(&text));
}

/* "[   1]" of n bytes: white space shows whether it was written again. */
static char *arguments_as_long_as(size_t n) {
    char *text = malloc(n);
    assert_non_null(text);
    memset(text, ' ', n);
    text[0] = '[';
    text[n - 2] = '1';
    text[n - 1] = ']';
    char *json = arguments_of((struct xr_str){.ptr = text, .len = n});
    free(text);
    return json;
}

static void arguments_that_are_too_long_are_kept_as_text(void **state) {
    (void)state;
    char *within = arguments_as_long_as(XR_OTLP_ARGS_MAX), *beyond = arguments_as_long_as(XR_OTLP_ARGS_MAX + 1);
    assert_string_equal(within, "[1]");
    assert_int_equal(strlen(beyond), XR_OTLP_ARGS_MAX + 1 + 2);
    assert_int_equal(beyond[0], '"');
    free(within);
    free(beyond);
}

static void arguments_nested_too_deep_are_kept_as_text(void **state) {
    (void)state;
    char *within = arguments_nested(XR_OTLP_ARGS_DEPTH_MAX);
    char *beyond = arguments_nested(XR_OTLP_ARGS_DEPTH_MAX + 1);
    char *far_beyond = arguments_nested(1000000);
    assert_int_equal(strlen(within), 2 * XR_OTLP_ARGS_DEPTH_MAX);
    assert_int_equal(within[0], '[');
    assert_int_equal(strlen(beyond), 2 * (XR_OTLP_ARGS_DEPTH_MAX + 1) + 2);
    assert_int_equal(beyond[0], '"');
    assert_int_equal(strlen(far_beyond), 2000002);
    free(within);
    free(beyond);
    free(far_beyond);
}

/* An arena that ends anywhere is XR_NO_MEMORY, and what was to be returned is untouched. */
static void a_full_arena_is_an_error(void **state) {
    (void)state;
    static const struct xr_attr ATTRS[] = {S("gen_ai.tool.call.arguments", "{\"a\":1}"),
                                           S("gen_ai.tool.call.result", "text"), ATTRS_END};
    const struct xr_span span = xr_vocab_span("execute_tool a", ATTRS);
    enum xr_code code = XR_NO_MEMORY;
    size_t cap = 0;
    for (; cap < 1024 && code == XR_NO_MEMORY; cap++) {
        XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(cap);
        struct xr_extract extract = {0};
        struct xr_str json = {.ptr = "untouched", .len = 9};
        struct xr_err err;
        code = xr_vocabulary_keep(&XR_VOCABULARY_GEN_AI, &span, arena, &json, &err);
        if (code == XR_OK)
            code = XR_VOCABULARY_GEN_AI.extract(&span, arena, &extract, &err);
        else
            assert_string_equal(json.ptr, "untouched");
        if (code != XR_OK)
            assert_int_equal(err.code, XR_NO_MEMORY);
    }
    assert_int_equal(code, XR_OK);
    assert_true(cap > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_numbers_are_what_is_stored_and_shown),
        cmocka_unit_test(no_two_vocabularies_share_a_name_a_number_or_a_prefix),
        cmocka_unit_test(the_documents_list_the_vocabularies_in_their_order),
        cmocka_unit_test(our_own_spans_are_known_by_their_exact_names),
        cmocka_unit_test(livekit_is_what_has_its_keys_and_nothing_else),
        cmocka_unit_test(a_vocabulary_keeps_its_prefix_and_livekits),
        cmocka_unit_test(nothing_kept_is_an_empty_object),
        cmocka_unit_test(values_are_kept_as_they_are),
        cmocka_unit_test(a_string_without_bytes_is_a_string),
        cmocka_unit_test(arguments_nested_too_deep_are_kept_as_text),
        cmocka_unit_test(arguments_that_are_too_long_are_kept_as_text),
        cmocka_unit_test(a_full_arena_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
