// SPDX-License-Identifier: Apache-2.0
#include "providers/speech_testing.h"
#include "providers/transcript.h"

/* The cut is two seconds long. Words lie in `words`, or in `segments[].words` if there are none. */
static enum xr_code read_json(struct test_speech *s, struct xr_transcribe_call *call, struct xr_str json,
                              struct xr_err *err) {
    struct xr_response response = test_response("application/json", json);
    struct xr_answer answer = {0};
    *call = test_transcription(s);
    assert_int_equal(xr_answer_parse(&response, &answer, err), XR_OK);
    struct xr_word_list words = {.list = xr_answer_member(answer.root, "words"), .text = "word"};
    if (!words.list)
        words =
            (struct xr_word_list){.list = xr_answer_member(answer.root, "segments"), .nested = "words", .text = "word"};
    enum xr_code code = xr_transcript_read(call, &answer, &words, err);
    xr_answer_clear(&answer);
    test_response_clear(&response);
    return code;
}

static void the_silence_behind_a_short_cut_is_not_counted(void **state) {
    struct xr_response response = test_response(NULL, XR_STR("{\"text\":\"yes\",\"duration\":0.2}"));
    struct xr_transcribe_call call = test_transcription(*state);
    XR_AUTO(xr_answer_clear) struct xr_answer answer = {0};
    const struct xr_word_list none = {0};
    assert_int_equal(xr_answer_parse(&response, &answer, NULL), XR_OK);
    call.cut.frames = XR_RATE / 1000 * 80;
    assert_int_equal(xr_transcript_read(&call, &answer, &none, NULL), XR_OK);
    assert_int_equal(call.duration_ms, 80);
    call.cut.frames = XR_RATE / 1000 * 210;
    assert_int_equal(xr_transcript_read(&call, &answer, &none, NULL), XR_OK);
    assert_int_equal(call.duration_ms, 200);
    test_response_clear(&response);
}

/* "a 0 100|b 100 250" */
static void assert_words(const struct xr_transcribe_call *call, const char *want) {
    XR_AUTO(xr_buf_clear) struct xr_buf got = xr_buf_make(4096);
    for (size_t i = 0; i < call->word_count; i++)
        xr_buf_printf(&got, "%s%.*s %d %d", i > 0 ? "|" : "", XR_STR_ARG(call->words[i].text),
                      (int)call->words[i].start_ms, (int)call->words[i].end_ms);
    xr_buf_char(&got, '\0');
    assert_string_equal(got.data, want);
    assert_int_equal(call->words != NULL, call->word_count > 0);
}

static void text_is_what_counts(void **state) {
    static const struct {
        const char *json, *text; /* NULL: refused */
    } CASES[] = {
        {"{\"text\":\"Hello there.\"}", "Hello there."},
        {"{\"text\":\"\\n  Hello \\u00a0\\u2028\"}", "Hello"},
        {"{\"text\":\"\"}", ""},
        {"{\"text\":\" \\n\"}", ""},
        {"{\"text\":\"a\",\"text\":\"b\"}", "b"},
        {"{\"text\":\"Zo\\u00eb \\ud83d\\ude00 \\ud83d\"}", "Zo\xC3\xAB \xF0\x9F\x98\x80 \xEF\xBF\xBD"},
        {"{}", NULL},
        {"{\"text\":null}", NULL},
        {"{\"text\":7}", NULL},
        {"{\"text\":{\"text\":\"a\"}}", NULL},
        {"{\"Text\":\"a\"}", NULL},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_transcribe_call call;
        struct xr_err err = {0};
        enum xr_code code = read_json(*state, &call, xr_str_from(CASES[i].json), &err);
        assert_int_equal(code, CASES[i].text ? XR_OK : XR_REFUSED);
        if (CASES[i].text)
            assert_str(call.text, CASES[i].text);
        else
            assert_string_equal(err.message, "the answer has no text");
        assert_int_equal(call.text.ptr != NULL, CASES[i].text != NULL);
    }
}

static void an_error_instead_of_a_text_is_shown(void **state) {
    struct xr_transcribe_call call;
    struct xr_err err = {0};
    assert_int_equal(read_json(*state, &call, XR_STR("{\"error\":{\"message\":\"model is loading\"}}"), &err),
                     XR_REFUSED);
    assert_string_equal(err.message, "answered an error: model is loading");
}

static void language_is_as_told_or_unknown(void **state) {
    static const char *const CASES[][2] = {
        {"\"english\"", "english"},
        {"\" en \"", "en"},
        {"\"\"", NULL},
        {"\"  \"", NULL},
        {"null", NULL},
        {"7", NULL},
        {"[\"en\"]", NULL},
        {"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
        {"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", NULL},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char json[256];
        struct xr_transcribe_call call;
        snprintf(json, sizeof json, "{\"text\":\"a\",\"language\":%s}", CASES[i][0]);
        assert_int_equal(read_json(*state, &call, xr_str_from(json), NULL), XR_OK);
        assert_int_equal(call.language.ptr != NULL, CASES[i][1] != NULL);
        if (CASES[i][1])
            assert_str(call.language, CASES[i][1]);
    }
}

static void a_duration_that_is_none_is_the_cuts(void **state) {
    static const struct {
        const char *duration;
        int64_t ms;
    } CASES[] = {
        {"8.470000267028809", 8470},
        {"1", 1000},
        {"\"1.25\"", 1250},
        {"0.0004", 2000},
        {"2796", 2796000},
        {"0", 2000},
        {"-1", 2000},
        {"null", 2000},
        {"\"\"", 2000},
        {"\"1.25s\"", 2000},
        {"\"nan\"", 2000},
        {"1e300", 2000},
        {"1e999", 2000},
        {"2800", 2000},
        {"\"inf\"", 2000},
        {"{}", 2000},
        {"true", 2000},
        {"[1]", 2000},
        {"NaN", 2000},
        {"-Infinity", 2000},
        {"\"1\\u0000\"", 2000},
        {"\"\\u00a01\"", 2000},
        {"\"0000000000000000000000000000000000000000000000000000000001\"", 2000},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char json[256];
        struct xr_transcribe_call call;
        snprintf(json, sizeof json, "{\"text\":\"a\",\"duration\":%s}", CASES[i].duration);
        assert_int_equal(read_json(*state, &call, xr_str_from(json), NULL), XR_OK);
        assert_int_equal(call.duration_ms, CASES[i].ms);
    }
}

static void words_have_times_from_the_cuts_start(void **state) {
    static const char *const CASES[][2] = {
        {"[]", ""},
        {"null", ""},
        {"[{\"word\":\" Hello\",\"start\":0.0,\"end\":0.4199},{\"word\":\"there\",\"start\":0.42,\"end\":\"0.8\"}]",
         "Hello 0 420|there 420 800"},
        /* A word without letters, or with no usable time, is left out. */
        {"[{\"word\":\" \",\"start\":0,\"end\":1},{\"word\":\"a\",\"start\":0,\"end\":1}]", "a 0 1000"},
        {"[{\"word\":\"a\",\"start\":null,\"end\":1},{\"word\":\"b\",\"end\":1},{\"word\":\"c\",\"start\":1},"
         "{\"word\":\"d\",\"start\":-0.1,\"end\":1},{\"word\":\"e\",\"start\":0,\"end\":1e999},"
         "{\"word\":\"f\",\"start\":NaN,\"end\":1},{\"word\":\"g\",\"start\":1,\"end\":1.5}]",
         "g 1000 1500"},
        /* It ends before it starts. */
        {"[{\"word\":\"a\",\"start\":1,\"end\":0.5}]", "a 1000 1000"},
        /* Beyond the cut's two seconds. */
        {"[{\"word\":\"a\",\"start\":1.9,\"end\":2.4},{\"word\":\"b\",\"start\":2.9,\"end\":3.4},"
         "{\"word\":\"c\",\"start\":3.1,\"end\":3.4},{\"word\":\"d\",\"start\":1500000000,\"end\":1600000000}]",
         "a 1900 2000|b 2000 2000"},
        /* Times in another order are kept as they are. */
        {"[{\"word\":\"b\",\"start\":1,\"end\":2},{\"word\":\"a\",\"start\":0,\"end\":1}]", "b 1000 2000|a 0 1000"},
        /* What is no list of words is none. */
        {"{\"word\":\"a\",\"start\":0,\"end\":1}", ""},
        {"\"a b c\"", ""},
        {"[\"a\",\"b\"]", ""},
        {"[{\"word\":\"a\",\"start\":0,\"end\":1},7]", ""},
        {"[{\"word\":\"a\",\"start\":0,\"end\":1},{\"word\":null,\"start\":0,\"end\":1}]", ""},
        {"[{\"text\":\"a\",\"start\":0,\"end\":1}]", ""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        XR_AUTO(xr_buf_clear) struct xr_buf json = xr_buf_make(4096);
        struct xr_transcribe_call call;
        xr_buf_printf(&json, "{\"text\":\"t\",\"words\":%s}", CASES[i][0]);
        assert_int_equal(read_json(*state, &call, xr_buf_view(&json), NULL), XR_OK);
        assert_str(call.text, "t");
        assert_words(&call, CASES[i][1]);
    }
}

static void words_in_segments_are_one_list(void **state) {
    static const char *const CASES[][2] = {
        {"[{\"text\":\"a b\",\"words\":[{\"word\":\"a\",\"start\":0,\"end\":1},{\"word\":\"b\",\"start\":1,\"end\":1}]}"
         ",{\"text\":\"none\"},{\"words\":null},{\"words\":[]},"
         "{\"words\":[{\"word\":\"c\",\"start\":1.5,\"end\":1.6}]}]",
         "a 0 1000|b 1000 1000|c 1500 1600"},
        {"[{\"text\":\"sentence\",\"start\":0,\"end\":1}]", ""},
        {"[7,{\"words\":[{\"word\":\"c\",\"start\":1.5,\"end\":1.6}]}]", "c 1500 1600"},
        {"[{\"words\":[{\"word\":\"c\",\"start\":1.5,\"end\":1.6}]},{\"words\":[1]}]", ""},
        {"7", ""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        XR_AUTO(xr_buf_clear) struct xr_buf json = xr_buf_make(4096);
        struct xr_transcribe_call call;
        xr_buf_printf(&json, "{\"text\":\"t\",\"segments\":%s}", CASES[i][0]);
        assert_int_equal(read_json(*state, &call, xr_buf_view(&json), NULL), XR_OK);
        assert_words(&call, CASES[i][1]);
    }
}

static void put_words(struct xr_buf *json, size_t count) {
    xr_buf_str(json, XR_STR("{\"text\":\"t\",\"words\":["));
    for (size_t i = 0; i < count; i++)
        xr_buf_printf(json, "%s{\"word\":\"w\",\"start\":0,\"end\":1}", i > 0 ? "," : "");
    xr_buf_str(json, XR_STR("]}"));
}

static void more_words_than_a_turn_can_have_are_none(void **state) {
    for (size_t more = 0; more < 2; more++) {
        XR_AUTO(xr_buf_clear) struct xr_buf json = xr_buf_make(XR_MIB(4));
        struct xr_transcribe_call call;
        put_words(&json, XR_TRANSCRIPT_WORDS_MAX + more);
        assert_false(json.failed);
        assert_int_equal(read_json(*state, &call, xr_buf_view(&json), NULL), XR_OK);
        assert_int_equal(call.word_count, more ? 0 : XR_TRANSCRIPT_WORDS_MAX);
    }
}

static void a_transcript_too_large_for_the_arena_is_refused(void **state) {
    struct test_speech *s = *state;
    static const size_t CAPS[] = {1024, 700000};
    struct xr_arena *arena = s->arena;
    XR_AUTO(xr_buf_clear) struct xr_buf json = xr_buf_make(XR_MIB(4));
    put_words(&json, 20000);
    for (size_t i = 0; i < sizeof CAPS / sizeof *CAPS; i++) {
        struct xr_transcribe_call call;
        struct xr_err err = {0};
        s->arena = xr_arena_new(CAPS[i]);
        assert_int_equal(read_json(s, &call, xr_buf_view(&json), &err), XR_REFUSED);
        assert_string_equal(err.message, "the transcript is too large");
        assert_null(call.text.ptr);
        assert_null(call.words);
        xr_arena_free(s->arena);
    }
    s->arena = arena;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_what_counts),
        cmocka_unit_test(an_error_instead_of_a_text_is_shown),
        cmocka_unit_test(language_is_as_told_or_unknown),
        cmocka_unit_test(a_duration_that_is_none_is_the_cuts),
        cmocka_unit_test(the_silence_behind_a_short_cut_is_not_counted),
        cmocka_unit_test(words_have_times_from_the_cuts_start),
        cmocka_unit_test(words_in_segments_are_one_list),
        cmocka_unit_test(more_words_than_a_turn_can_have_are_none),
        cmocka_unit_test(a_transcript_too_large_for_the_arena_is_refused),
    };
    return cmocka_run_group_tests(tests, test_speech_set_up, test_speech_tear_down);
}
