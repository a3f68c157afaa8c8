// SPDX-License-Identifier: Apache-2.0
#include "providers/provider.h"
#include "providers/testing.h"

#define PAIRS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NOTHING ((const char *const[]){NULL})
enum { PAIRS_MAX = 16 };

static void assert_choice(const struct xr_providers_config *config, enum xr_stage_kind stage, const char *provider,
                          const char *model, const char *voice, bool available) {
    struct xr_provider_choice choice = xr_providers_choice(config, stage);
    const char *got[] = {choice.provider, choice.model, choice.voice}, *want[] = {provider, model, voice};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(got[i] != NULL, want[i] != NULL);
        if (want[i])
            assert_string_equal(got[i], want[i]);
    }
    assert_int_equal(choice.available, available);
}

static void nothing_set_chooses_local_and_no_judge(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = test_config(NOTHING);
    assert_choice(config, XR_STAGE_TTS, "local", "flite", "slt", true);
    assert_choice(config, XR_STAGE_TRANSCRIPTION, "local", "en-us", NULL, true);
    assert_choice(config, XR_STAGE_JUDGE, NULL, NULL, NULL, false);
    assert_string_equal(xr_providers_pocketsphinx_model(config), "/usr/share/pocketsphinx/model/en-us");
}

static void empty_values_count_as_unset(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep)
    struct xr_providers_config *config =
        test_config(PAIRS("OPENAI_API_KEY", "", "XRAY_TTS_PROVIDER", "", "XRAY_TTS_VOICE", ""));
    assert_choice(config, XR_STAGE_TTS, "local", "flite", "slt", true);
}

static void one_key_or_base_url_chooses_its_provider_for_every_stage(void **state) {
    (void)state;
    static const struct {
        const char *variable, *value, *tts, *transcription, *judge;
    } CASES[] = {
        {"OPENAI_API_KEY", "sk-1", "openai", "openai-whisper", "openai"},
        {"GOOGLE_API_KEY", "AIza1", "google-gemini", "google-gemini", "google-gemini"},
        {"MISTRAL_API_KEY", "m1", "mistral", "mistral-voxtral", "mistral"},
        {"OPENAI_BASE_URL", "http://127.0.0.1:1", "openai", "openai-whisper", "openai"},
        {"MISTRAL_BASE_URL", "https://gateway.example/v1", "mistral", "mistral-voxtral", "mistral"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        XR_AUTO(xr_providers_config_freep)
        struct xr_providers_config *config = test_config(PAIRS(CASES[i].variable, CASES[i].value));
        assert_string_equal(xr_providers_choice(config, XR_STAGE_TTS).provider, CASES[i].tts);
        assert_string_equal(xr_providers_choice(config, XR_STAGE_TRANSCRIPTION).provider, CASES[i].transcription);
        assert_string_equal(xr_providers_choice(config, XR_STAGE_JUDGE).provider, CASES[i].judge);
        assert_false(xr_providers_choice(config, XR_STAGE_TTS).available);
    }
}

static void a_key_and_a_base_url_of_one_vendor_are_one_choice(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep)
    struct xr_providers_config *config =
        test_config(PAIRS("OPENAI_API_KEY", "sk-1", "OPENAI_BASE_URL", "http://127.0.0.1:1"));
    assert_string_equal(xr_providers_choice(config, XR_STAGE_TTS).provider, "openai");
}

static void every_named_provider_is_accepted_with_its_defaults(void **state) {
    (void)state;
    static const char *const SELECTORS[] = {"XRAY_TTS_PROVIDER", "XRAY_TRANSCRIPTION_PROVIDER", "XRAY_JUDGE_PROVIDER"};
    static const char *const OTHERS[] = {"local", "none", "lexical"};
    for (size_t i = 0; i < XR_PROVIDER_COUNT; i++) {
        const struct xr_provider *p = &XR_PROVIDERS[i];
        const char *names[] = {OTHERS[0], OTHERS[1], OTHERS[2]};
        names[p->stage] = p->name;
        /* Two keys are set: the selectors win over ambiguity. */
        XR_AUTO(xr_providers_config_freep)
        struct xr_providers_config *config =
            test_config(PAIRS(SELECTORS[0], names[0], SELECTORS[1], names[1], SELECTORS[2], names[2], "OPENAI_API_KEY",
                              "a", "MISTRAL_API_KEY", "b"));
        assert_choice(config, p->stage, p->name, p->model, p->voice, p->ops != NULL);
    }
}

static void overrides_apply_to_their_stage_and_win(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep)
    struct xr_providers_config *config =
        test_config(PAIRS("OPENAI_API_KEY", "vendor", "OPENAI_BASE_URL", "http://vendor", "XRAY_TTS_API_KEY", "stage",
                          "XRAY_TTS_BASE_URL", "https://stage", "XRAY_TTS_MODEL", "tts-9", "XRAY_TTS_VOICE", "onyx",
                          "XRAY_JUDGE_MODEL", "judge-9", "XRAY_POCKETSPHINX_MODEL", "/models/en"));
    const struct xr_stage_config *tts = xr_providers_stage(config, XR_STAGE_TTS);
    assert_string_equal(tts->key, "stage");
    assert_string_equal(tts->base_url, "https://stage");
    assert_choice(config, XR_STAGE_TTS, "openai", "tts-9", "onyx", false);
    const struct xr_stage_config *judge = xr_providers_stage(config, XR_STAGE_JUDGE);
    assert_string_equal(judge->key, "vendor");
    assert_string_equal(judge->base_url, "http://vendor");
    assert_choice(config, XR_STAGE_JUDGE, "openai", "judge-9", NULL, false);
    assert_choice(config, XR_STAGE_TRANSCRIPTION, "openai-whisper", "whisper-1", NULL, false);
    assert_string_equal(xr_providers_pocketsphinx_model(config), "/models/en");
}

static void built_in_providers_keep_their_model_but_take_a_voice(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep)
    struct xr_providers_config *config = test_config(PAIRS("XRAY_TTS_MODEL", "tts-9", "XRAY_TTS_VOICE", "rms"));
    assert_choice(config, XR_STAGE_TTS, "local", "flite", "rms", true);
}

static void problems_name_the_variables_one_a_line(void **state) {
    (void)state;
    static const struct {
        const char *pairs[PAIRS_MAX + 1];
        const char *problems;
    } CASES[] = {
        {{"XRAY_TTS_PROVIDER", "espeak"}, "XRAY_TTS_PROVIDER must be one of openai, google-gemini, mistral, local\n"},
        {{"XRAY_TRANSCRIPTION_PROVIDER", "openai"},
         "XRAY_TRANSCRIPTION_PROVIDER must be one of openai-whisper, google-gemini, mistral-voxtral, local, none\n"},
        {{"XRAY_JUDGE_PROVIDER", "local"},
         "XRAY_JUDGE_PROVIDER must be one of openai, google-gemini, mistral, lexical\n"},
        {{"OPENAI_API_KEY", "a", "GOOGLE_API_KEY", "b", "XRAY_TTS_PROVIDER", "local", "XRAY_JUDGE_PROVIDER", "lexical"},
         "XRAY_TRANSCRIPTION_PROVIDER must say which provider to use, because OPENAI_API_KEY and GOOGLE_API_KEY are "
         "set\n"},
        {{"OPENAI_API_KEY", "a", "GOOGLE_API_KEY", "b", "MISTRAL_BASE_URL", "http://m", "XRAY_TRANSCRIPTION_PROVIDER",
          "none", "XRAY_JUDGE_PROVIDER", "lexical"},
         "XRAY_TTS_PROVIDER must say which provider to use, because OPENAI_API_KEY, GOOGLE_API_KEY and "
         "MISTRAL_BASE_URL are set\n"},
        {{"XRAY_JUDGE_BASE_URL", "http://j"},
         "XRAY_JUDGE_PROVIDER must say which provider to use, because XRAY_JUDGE_BASE_URL is set\n"},
        {{"XRAY_TTS_API_KEY", "k"},
         "XRAY_TTS_PROVIDER must say which provider to use, because XRAY_TTS_API_KEY is set\n"},
        {{"OPENAI_API_KEY", "line\nbreak", "XRAY_TRANSCRIPTION_PROVIDER", "none", "XRAY_JUDGE_PROVIDER", "lexical"},
         "OPENAI_API_KEY must not hold white space or control characters\n"},
        {{"XRAY_TTS_VOICE", "a\tb"}, "XRAY_TTS_VOICE must not hold control characters\n"},
        {{"XRAY_TTS_MODEL", "\xff"}, "XRAY_TTS_MODEL must be UTF-8\n"},
        {{"XRAY_TTS_PROVIDER", "x", "XRAY_JUDGE_PROVIDER", "y"},
         "XRAY_TTS_PROVIDER must be one of openai, google-gemini, mistral, local\n"
         "XRAY_JUDGE_PROVIDER must be one of openai, google-gemini, mistral, lexical\n"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        XR_AUTO(xr_buf_clear) struct xr_buf problems = xr_buf_make(4096);
        struct xr_providers_config *config = NULL;
        struct xr_err err;
        assert_int_equal(
            xr_providers_config_load(test_getenv, (void *)(uintptr_t)CASES[i].pairs, &problems, &config, &err),
            XR_INVALID);
        assert_null(config);
        xr_buf_char(&problems, '\0');
        assert_string_equal(problems.data, CASES[i].problems);
    }
}

static void base_urls_must_be_http(void **state) {
    (void)state;
    static const char *const BAD[] = {"localhost:8080", "ftp://x", "http://", "http:///x", "http://a b", "https://a\n"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        const char *const *pairs = PAIRS("XRAY_TTS_PROVIDER", "openai", "XRAY_TTS_BASE_URL", BAD[i]);
        XR_AUTO(xr_buf_clear) struct xr_buf problems = xr_buf_make(4096);
        struct xr_providers_config *config = NULL;
        assert_int_equal(xr_providers_config_load(test_getenv, (void *)(uintptr_t)pairs, &problems, &config, NULL),
                         XR_INVALID);
        xr_buf_char(&problems, '\0');
        assert_string_equal(problems.data, "XRAY_TTS_BASE_URL must be an http:// or https:// URL\n");
    }
}

static void too_long_values_are_problems(void **state) {
    (void)state;
    char voice[2048];
    memset(voice, 'v', sizeof voice - 1);
    voice[sizeof voice - 1] = '\0';
    const char *const *pairs = PAIRS("XRAY_TTS_VOICE", voice);
    XR_AUTO(xr_buf_clear) struct xr_buf problems = xr_buf_make(4096);
    struct xr_providers_config *config = NULL;
    assert_int_equal(xr_providers_config_load(test_getenv, (void *)(uintptr_t)pairs, &problems, &config, NULL),
                     XR_INVALID);
    xr_buf_char(&problems, '\0');
    assert_string_equal(problems.data, "XRAY_TTS_VOICE must be at most 1024 bytes\n");
}

static void a_stage_is_ready_with_a_key_or_a_host_and_only_if_built_in(void **state) {
    (void)state;
    static const struct {
        const char *pairs[PAIRS_MAX + 1];
        enum xr_stage_kind stage;
        enum xr_code code;
        const char *path;
    } CASES[] = {
        {{NULL}, XR_STAGE_TTS, XR_OK, NULL},
        {{NULL}, XR_STAGE_JUDGE, XR_NO_CREDENTIAL, "XRAY_JUDGE_PROVIDER"},
        {{"XRAY_TTS_PROVIDER", "openai"}, XR_STAGE_TTS, XR_NO_CREDENTIAL, "OPENAI_API_KEY"},
        {{"XRAY_JUDGE_PROVIDER", "mistral"}, XR_STAGE_JUDGE, XR_NO_CREDENTIAL, "MISTRAL_API_KEY"},
        {{"XRAY_TTS_PROVIDER", "openai", "OPENAI_API_KEY", "k"}, XR_STAGE_TTS, XR_REFUSED, ""},
        {{"XRAY_TTS_PROVIDER", "openai", "XRAY_TTS_BASE_URL", "http://x"}, XR_STAGE_TTS, XR_REFUSED, ""},
        {{"XRAY_JUDGE_PROVIDER", "lexical"}, XR_STAGE_JUDGE, XR_OK, NULL},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = test_config(CASES[i].pairs);
        struct xr_err err;
        assert_int_equal(xr_providers_stage_ready(config, CASES[i].stage, &err), CASES[i].code);
        if (CASES[i].path)
            assert_string_equal(err.path, CASES[i].path);
        if (CASES[i].code == XR_REFUSED)
            assert_non_null(strstr(err.message, "not built into this version"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_set_chooses_local_and_no_judge),
        cmocka_unit_test(empty_values_count_as_unset),
        cmocka_unit_test(one_key_or_base_url_chooses_its_provider_for_every_stage),
        cmocka_unit_test(a_key_and_a_base_url_of_one_vendor_are_one_choice),
        cmocka_unit_test(every_named_provider_is_accepted_with_its_defaults),
        cmocka_unit_test(overrides_apply_to_their_stage_and_win),
        cmocka_unit_test(built_in_providers_keep_their_model_but_take_a_voice),
        cmocka_unit_test(problems_name_the_variables_one_a_line),
        cmocka_unit_test(base_urls_must_be_http),
        cmocka_unit_test(too_long_values_are_problems),
        cmocka_unit_test(a_stage_is_ready_with_a_key_or_a_host_and_only_if_built_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
