// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "providers/redact.h"
#include "providers/testing.h"
#include <stdio.h>
#include <stdlib.h>

#define PAIRS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define OPENAI_KEY "0123456789abcdefghijXYZ"
#define SLASHED_KEY "ab/cd/efgh/012345"
#define QUOTED_KEY "quo\"te\\d/key"
#define FFFD "\xEF\xBF\xBD"

/* Three keys, one a stage. */
static struct xr_providers_config *three_keys(void) {
    return test_config(PAIRS("OPENAI_API_KEY", OPENAI_KEY, "XRAY_TRANSCRIPTION_API_KEY", SLASHED_KEY,
                             "XRAY_JUDGE_API_KEY", QUOTED_KEY));
}

static struct xr_providers_config *one_key(const char *key) {
    return test_config(PAIRS("MISTRAL_API_KEY", key));
}

static void assert_text(const struct xr_providers_config *config, struct xr_str text, const char *want) {
    XR_AUTO(xr_buf_clear) struct xr_buf out = xr_buf_make(2 * XR_PROVIDER_ERROR_MAX);
    xr_redact_text(config, text, &out);
    xr_buf_char(&out, '\0');
    assert_false(out.failed);
    assert_string_equal(out.data, want);
}

struct text_case {
    const char *text, *want;
};

static void assert_texts(const struct xr_providers_config *config, const struct text_case *cases, size_t count) {
    for (size_t i = 0; i < count; i++)
        assert_text(config, xr_str_from(cases[i].text), cases[i].want);
}

static void configured_keys_are_hidden_in_every_stage(void **state) {
    (void)state;
    static const struct text_case CASES[] = {
        {"key " OPENAI_KEY " is wrong", "key [redacted] is wrong"},
        {"x" OPENAI_KEY "y", "x[redacted]y"},
        {OPENAI_KEY OPENAI_KEY, "[redacted]"},
        {OPENAI_KEY " " OPENAI_KEY, "[redacted] [redacted]"},
        {"{\"key\":\"" SLASHED_KEY "\"}", "{\"key\":\"[redacted]\"}"},
        {"{\"key\":\"ab\\/cd\\/efgh\\/012345\"}", "{\"key\":\"[redacted]\"}"},
        {QUOTED_KEY, "[redacted]"},
        {"{\"key\":\"quo\\\"te\\\\d/key\"}", "{\"key\":\"[redacted]\"}"},
        {"{\"key\":\"quo\\\"te\\\\d\\/key\"}", "{\"key\":\"[redacted]\"}"},
        {"0123456789abcdefghijXY", "[redacted]"}, /* was cut: all but its last character */
        {"cut 0123", "cut [redacted]"},
        {"cut 012", "cut 012"},
        {"012345678 in the middle", "012345678 in the middle"},
    };
    XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = three_keys();
    assert_texts(config, CASES, sizeof CASES / sizeof *CASES);
}

static void short_configured_keys_are_hidden_too(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = one_key("zq");
    assert_text(config, XR_STR("a zq b"), "a [redacted] b");
}

static void what_looks_like_a_key_is_hidden(void **state) {
    (void)state;
    static const struct text_case CASES[] = {
        {"Incorrect API key provided: sk-proj-****abcd. See", "Incorrect API key provided: [redacted] See"},
        {"\"sk-x\"", "\"[redacted]\""},
        {"(AIzaSyA-1_2)", "([redacted])"},
        {"Authorization: Bearer abc.def-_~+/==, next", "Authorization: Bearer [redacted], next"},
        {"BEARER \t\r\n abc", "BEARER [redacted]"},
        {"bearer ab\\/cd\"", "bearer [redacted]\""},
        {"Bearer sk-1", "Bearer [redacted]"},
        {"Bearer", "Bearer"},
        {"Bearer ", "Bearer"},
        {"bearer: x", "bearer: x"},
        {"\\nsk-0123456789abcdef", "\\n[redacted]"},
        {"key=sk-1&AIza2", "key=[redacted]&[redacted]"},
        {"sk-1%2F2", "[redacted]"},
        {"risk-based desk-top", "risk-based desk-top"},
        {"sk- AIza", "sk- AIza"},
        {"SK-1", "SK-1"},
        {"sk", "sk"},
    };
    XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = test_config(((const char *const[]){NULL}));
    assert_texts(config, CASES, sizeof CASES / sizeof *CASES);
}

static void a_key_with_escapes_of_json_is_hidden(void **state) {
    (void)state;
    static const struct text_case CASES[] = {
        {"it is \\u0061b\\u002Fcd\\u002fef\\u0067h/012345.", "it is [redacted]."},
        {"\\u0073\\u006b-\\u0031", "[redacted]"},
        {"\\u0042earer ab", "Bearer [redacted]"},
        {"\\u00e9 \\u0020 \\u000a \\u0000 \\u006 \\u006g \\x", "\\u00e9 \\u0020 \\u000a \\u0000 \\u006 \\u006g \\x"},
    };
    XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = three_keys();
    assert_texts(config, CASES, sizeof CASES / sizeof *CASES);
}

static void the_text_becomes_one_line_of_utf8(void **state) {
    (void)state;
    static const struct text_case CASES[] = {
        {"", ""},
        {" \r\n ", ""},
        {" a \t\r\n\x01\x7f b\n", "a b"},
        {"a\xC2\x85\xC2\x9F\xC2\xA0\xE2\x80\xA8\xE3\x80\x80"
         "b",
         "a b"},
        {"gr\xC3\xBC\xC3\x9F \xF0\x9F\x8E\xA4", "gr\xC3\xBC\xC3\x9F \xF0\x9F\x8E\xA4"},
        {"a\xFF"
         "b",
         "a" FFFD "b"},
        {"\xC0\x80", FFFD FFFD},
        {"\xED\xA0\x80", FFFD FFFD FFFD},
        {"\xE2\x82", FFFD FFFD},
        {"\xF5\x80\x80\x80", FFFD FFFD FFFD FFFD},
    };
    XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = three_keys();
    assert_texts(config, CASES, sizeof CASES / sizeof *CASES);
    assert_text(config, XR_STR("a\0b"), "a b");
}

static void the_cut_comes_after_the_keys_are_hidden(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = three_keys();
    /* The key lies across the cut, wherever it begins: all of the mark is shown or nothing. */
    for (size_t before = XR_PROVIDER_ERROR_MAX - 40; before <= XR_PROVIDER_ERROR_MAX; before++) {
        XR_AUTO(xr_buf_clear) struct xr_buf text = xr_buf_make(4096), want = xr_buf_make(4096);
        for (size_t i = 0; i < before; i++)
            xr_buf_char(&text, 'x');
        xr_buf_str(&want, xr_buf_view(&text));
        xr_buf_str(&text, XR_STR(OPENAI_KEY));
        if (before + strlen("[redacted]") <= XR_PROVIDER_ERROR_MAX)
            xr_buf_str(&want, XR_STR("[redacted]"));
        xr_buf_char(&want, '\0');
        assert_text(config, xr_buf_view(&text), want.data);
    }
}

static void the_cut_is_between_characters(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = three_keys();
    XR_AUTO(xr_buf_clear) struct xr_buf text = xr_buf_make(4096), out = xr_buf_make(4096);
    xr_buf_str(&text, XR_STR("x"));
    for (size_t i = 0; i < 300; i++)
        xr_buf_str(&text, XR_STR("\xC3\xBC"));
    xr_redact_text(config, xr_buf_view(&text), &out);
    assert_int_equal(out.len, 511);
    assert_memory_equal(out.data, text.data, 511);
}

static void a_key_across_the_end_of_what_is_looked_at_is_hidden(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = three_keys();
    for (size_t before = 8 * 1024 - 24; before <= 8 * 1024; before++) {
        XR_AUTO(xr_buf_clear) struct xr_buf text = xr_buf_make(16 * 1024), out = xr_buf_make(4096);
        for (size_t i = 0; i < before; i++)
            xr_buf_char(&text, ' ');
        xr_buf_str(&text, XR_STR(OPENAI_KEY));
        xr_redact_text(config, xr_buf_view(&text), &out);
        assert_true(out.len < 4 || xr_str_eq(xr_buf_view(&out), XR_STR("[redacted]")));
    }
}

static void it_appends_to_what_is_there(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = three_keys();
    XR_AUTO(xr_buf_clear) struct xr_buf out = xr_buf_make(4096);
    xr_buf_str(&out, XR_STR("openai: "));
    xr_redact_text(config, XR_STR(" no"), &out);
    assert_true(xr_str_eq(xr_buf_view(&out), XR_STR("openai: no")));
}

static void a_full_buffer_is_seen(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = three_keys();
    XR_AUTO(xr_buf_clear) struct xr_buf out = xr_buf_make(4);
    xr_redact_text(config, XR_STR("12345"), &out);
    assert_true(out.failed);
}

static void assert_keys(const struct xr_providers_config *config, const char *text, const char *want) {
    char *copy = strdup(text);
    assert_non_null(copy);
    xr_redact_keys(config, copy, strlen(text));
    assert_string_equal(copy, want);
    free(copy);
}

static void answers_lose_the_keys_in_place(void **state) {
    (void)state;
    static const struct text_case CASES[] = {
        {"", ""},
        {"{\"text\":\"it is " OPENAI_KEY "\"}", "{\"text\":\"it is ***********************\"}"},
        {SLASHED_KEY " ab\\/cd\\/efgh\\/012345", "***************** ********************"},
        {"0123456789abcdefghijXY", "0123456789abcdefghijXY"},
        {"sk-0123456789abcdefgh Bearer x", "sk-0123456789abcdefgh Bearer x"},
    };
    XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = three_keys();
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_keys(config, CASES[i].text, CASES[i].want);
}

static void placeholders_stay_in_answers(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep) struct xr_providers_config *word = one_key("password");
    assert_keys(word, "my password is", "my password is");
    assert_text(word, XR_STR("my password is"), "my [redacted] is");
}

static void a_key_is_hidden_in_answers_if_it_is_no_word(void **state) {
    (void)state;
    static const struct {
        const char *key;
        bool hidden;
    } CASES[] = {
        {"abcdefghijklmno", false}, {"Abcdefghijklmnop", true}, {"0123456", false}, {"01234567", true},
        {"passwor1", true},         {"pass-word", true},        {"pass-wd", false}, {"sk-abcd", true},
        {"sk-abc", false},          {"AIzaabcd", true},         {"AIzaabc", false}, {"sk-1234", true},
        {"SK-abcd", false},         {"AIzAabcd", false},        {"sk-", false},     {"x", false},
        {"ab/\"1234", true},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char text[64] = "", want[64];
        const size_t len = strlen(CASES[i].key);
        XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = one_key(CASES[i].key);
        snprintf(text, sizeof text, "it is %s.", CASES[i].key);
        memcpy(want, text, sizeof want);
        if (CASES[i].hidden)
            memset(want + 6, '*', len);
        assert_keys(config, text, want);
        assert_text(config, xr_str_from(text), "it is [redacted].");
    }
}

/* As JSON writes one key another one may be. */
static void a_key_that_is_anothers_escaped_form_is_hidden(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep)
    struct xr_providers_config *config =
        test_config(PAIRS("OPENAI_API_KEY", "a/b/c/d", "XRAY_JUDGE_API_KEY", "a\\/b\\/c\\/d"));
    assert_keys(config, "a/b/c/d a\\/b\\/c\\/d", "a/b/c/d **********");
}

#define INNER "abcdefghijklmnop" /* in another key */
#define TAIL "5678-9012-3456" /* behind the end of another key */

static void keys_that_hold_or_overlap_each_other_are_hidden_whole(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep)
    struct xr_providers_config *config =
        test_config(PAIRS("XRAY_TTS_PROVIDER", "openai", "XRAY_TTS_API_KEY", INNER, "XRAY_TRANSCRIPTION_PROVIDER",
                          "openai-whisper", "XRAY_TRANSCRIPTION_API_KEY", "-" INNER "-1234", "XRAY_JUDGE_PROVIDER",
                          "openai", "XRAY_JUDGE_API_KEY", "1234-" TAIL));
    assert_keys(config, "x-" INNER "-1234-" TAIL "x", "x*************************************x");
    assert_keys(config, INNER "-1234", "****************-1234");
    assert_text(config, XR_STR("x-" INNER "-1234-" TAIL "x"), "x[redacted]x");
}

static void a_key_that_overlaps_itself_is_hidden_whole(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = one_key("abcdefgabcdefgabc");
    assert_keys(config, "xabcdefgabcdefgabcdefgabcx", "x************************x");
    assert_keys(config, "abcdefgabcdefgabxabcdefgabcdefgabc", "abcdefgabcdefgabx*****************");
    assert_keys(config, "aabcdefgababcdefgabcdefgabcab", "aabcdefgab*****************ab");
}

/* A search that starts again at each byte would take 2^34 steps. */
static void hostile_text_takes_no_longer(void **state) {
    (void)state;
    char key[XR_PROVIDER_KEY_MAX + 1];
    const size_t len = XR_MIB(4);
    memset(key, 'a', sizeof key - 2);
    key[sizeof key - 2] = 'b';
    key[sizeof key - 1] = '\0';
    XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = one_key(key);
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, 'a', len);
    text[len - 1] = 'b';
    xr_redact_keys(config, text, len);
    assert_int_equal(text[len - XR_PROVIDER_KEY_MAX - 1], 'a');
    for (size_t i = len - XR_PROVIDER_KEY_MAX; i < len; i++)
        assert_int_equal(text[i], '*');
    XR_AUTO(xr_buf_clear) struct xr_buf out = xr_buf_make(4096);
    xr_redact_text(config, (struct xr_str){.ptr = text, .len = len - XR_PROVIDER_KEY_MAX}, &out);
    assert_int_equal(out.len, XR_PROVIDER_ERROR_MAX);
    free(text);
}

static void the_longest_keys_fit_the_configuration(void **state) {
    (void)state;
    static char keys[3][XR_PROVIDER_KEY_MAX + 1];
    for (size_t i = 0; i < 3; i++) {
        memset(keys[i], '"', XR_PROVIDER_KEY_MAX);
        keys[i][i] = '/';
    }
    XR_AUTO(xr_providers_config_freep)
    struct xr_providers_config *config =
        test_config(PAIRS("OPENAI_API_KEY", keys[0], "XRAY_TRANSCRIPTION_API_KEY", keys[1], "XRAY_JUDGE_API_KEY",
                          keys[2], "XRAY_TTS_MODEL", "m"));
    for (size_t i = 0; i < 3; i++)
        assert_text(config, xr_str_from(keys[i]), "[redacted]");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configured_keys_are_hidden_in_every_stage),
        cmocka_unit_test(short_configured_keys_are_hidden_too),
        cmocka_unit_test(what_looks_like_a_key_is_hidden),
        cmocka_unit_test(a_key_with_escapes_of_json_is_hidden),
        cmocka_unit_test(the_text_becomes_one_line_of_utf8),
        cmocka_unit_test(the_cut_comes_after_the_keys_are_hidden),
        cmocka_unit_test(the_cut_is_between_characters),
        cmocka_unit_test(a_key_across_the_end_of_what_is_looked_at_is_hidden),
        cmocka_unit_test(it_appends_to_what_is_there),
        cmocka_unit_test(a_full_buffer_is_seen),
        cmocka_unit_test(answers_lose_the_keys_in_place),
        cmocka_unit_test(placeholders_stay_in_answers),
        cmocka_unit_test(a_key_is_hidden_in_answers_if_it_is_no_word),
        cmocka_unit_test(a_key_that_is_anothers_escaped_form_is_hidden),
        cmocka_unit_test(keys_that_hold_or_overlap_each_other_are_hidden_whole),
        cmocka_unit_test(a_key_that_overlaps_itself_is_hidden_whole),
        cmocka_unit_test(hostile_text_takes_no_longer),
        cmocka_unit_test(the_longest_keys_fit_the_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
