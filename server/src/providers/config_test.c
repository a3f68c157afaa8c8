// SPDX-License-Identifier: Apache-2.0
#include "providers/provider.h"
#include "providers/testing.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PAIRS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NOTHING ((const char *const[]){NULL})
enum { PAIRS_MAX = 16 };

static void assert_choice(const struct xr_providers_config *config, enum xr_stage_kind stage, const char *provider,
                          const char *model, const char *voice) {
    struct xr_provider_choice choice = xr_providers_choice(config, stage);
    const char *got[] = {choice.provider, choice.model, choice.voice}, *want[] = {provider, model, voice};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(got[i] != NULL, want[i] != NULL);
        if (want[i])
            assert_string_equal(got[i], want[i]);
    }
}

static void nothing_set_chooses_local_and_no_judge(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = test_config(NOTHING);
    assert_choice(config, XR_STAGE_TTS, "local", "flite", "slt");
    assert_choice(config, XR_STAGE_TRANSCRIPTION, "local", "en-us", NULL);
    assert_choice(config, XR_STAGE_JUDGE, NULL, NULL, NULL);
    assert_string_equal(xr_providers_pocketsphinx_model(config), "/usr/share/pocketsphinx/model/en-us");
}

static void empty_values_count_as_unset(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep)
    struct xr_providers_config *config =
        test_config(PAIRS("OPENAI_API_KEY", "", "XRAY_TTS_PROVIDER", "", "XRAY_TTS_VOICE", ""));
    assert_choice(config, XR_STAGE_TTS, "local", "flite", "slt");
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
        {"GOOGLE_BASE_URL", "http://[::1]:1", "google-gemini", "google-gemini", "google-gemini"},
        {"MISTRAL_BASE_URL", "https://gateway.example/v1", "mistral", "mistral-voxtral", "mistral"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        XR_AUTO(xr_providers_config_freep)
        struct xr_providers_config *config = test_config(PAIRS(CASES[i].variable, CASES[i].value));
        assert_string_equal(xr_providers_choice(config, XR_STAGE_TTS).provider, CASES[i].tts);
        assert_string_equal(xr_providers_choice(config, XR_STAGE_TRANSCRIPTION).provider, CASES[i].transcription);
        assert_string_equal(xr_providers_choice(config, XR_STAGE_JUDGE).provider, CASES[i].judge);
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
        assert_choice(config, p->stage, p->name, p->model, p->voice);
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
    assert_choice(config, XR_STAGE_TTS, "openai", "tts-9", "onyx");
    const struct xr_stage_config *judge = xr_providers_stage(config, XR_STAGE_JUDGE);
    assert_string_equal(judge->key, "vendor");
    assert_string_equal(judge->base_url, "http://vendor");
    assert_choice(config, XR_STAGE_JUDGE, "openai", "judge-9", NULL);
    assert_choice(config, XR_STAGE_TRANSCRIPTION, "openai-whisper", "whisper-1", NULL);
    assert_string_equal(xr_providers_pocketsphinx_model(config), "/models/en");
}

static void built_in_providers_keep_their_model_but_take_a_voice(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep)
    struct xr_providers_config *config = test_config(PAIRS("XRAY_TTS_MODEL", "tts-9", "XRAY_TTS_VOICE", "rms"));
    assert_choice(config, XR_STAGE_TTS, "local", "flite", "rms");
}

/* What is built in has ops and no vendor, what another host answers a vendor and an adapter. */
static void every_row_of_the_table_can_be_called(void **state) {
    (void)state;
    for (size_t i = 0; i < XR_PROVIDER_COUNT; i++) {
        const struct xr_provider *row = &XR_PROVIDERS[i];
        assert_true((row->ops != NULL) != (row->vendor != NULL));
        assert_true((row->adapter != NULL) == (row->vendor != NULL));
    }
}

static void one_vendor_makes_overrides_unambiguous(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep)
    struct xr_providers_config *config = test_config(
        PAIRS("GOOGLE_API_KEY", "AIza1", "XRAY_TTS_BASE_URL", "http://127.0.0.1:1", "XRAY_JUDGE_API_KEY", "AIza2"));
    const struct xr_stage_config *tts = xr_providers_stage(config, XR_STAGE_TTS);
    const struct xr_stage_config *judge = xr_providers_stage(config, XR_STAGE_JUDGE);
    assert_choice(config, XR_STAGE_TTS, "google-gemini", "gemini-2.5-flash-preview-tts", "Kore");
    assert_string_equal(tts->base_url, "http://127.0.0.1:1");
    assert_string_equal(tts->base_url_variable, "XRAY_TTS_BASE_URL");
    assert_string_equal(tts->key_variable, "GOOGLE_API_KEY");
    assert_string_equal(judge->key, "AIza2");
    assert_string_equal(judge->key_variable, "XRAY_JUDGE_API_KEY");
    assert_null(judge->base_url);
    assert_null(judge->base_url_variable);
}

static void stages_can_come_from_different_places(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep)
    struct xr_providers_config *config =
        test_config(PAIRS("XRAY_TTS_PROVIDER", "mistral", "MISTRAL_API_KEY", "m1", "XRAY_TRANSCRIPTION_PROVIDER",
                          "openai-whisper", "XRAY_TRANSCRIPTION_BASE_URL", "http://127.0.0.1:8000/v1",
                          "XRAY_JUDGE_PROVIDER", "openai", "XRAY_JUDGE_BASE_URL", "http://127.0.0.1:11434"));
    const struct xr_stage_config *transcription = xr_providers_stage(config, XR_STAGE_TRANSCRIPTION);
    assert_string_equal(xr_providers_stage(config, XR_STAGE_TTS)->key, "m1");
    assert_null(xr_providers_stage(config, XR_STAGE_TTS)->base_url);
    assert_null(transcription->key);
    assert_null(transcription->key_variable);
    assert_string_equal(transcription->base_url, "http://127.0.0.1:8000/v1");
    assert_string_equal(xr_providers_stage(config, XR_STAGE_JUDGE)->base_url, "http://127.0.0.1:11434");
}

/* Lines of problems; "" when it is usable. */
static void assert_problems(const char *const *pairs, const char *want) {
    XR_AUTO(xr_buf_clear) struct xr_buf problems = xr_buf_make(16 * 1024);
    XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = NULL;
    enum xr_code code = xr_providers_config_load(test_getenv, (void *)(uintptr_t)pairs, &problems, &config, NULL);
    assert_int_equal(code, want[0] ? XR_INVALID : XR_OK);
    assert_int_equal(config == NULL, want[0] != '\0');
    xr_buf_char(&problems, '\0');
    assert_string_equal(problems.data, want);
}

static void ambiguity_names_the_selector_and_what_is_set(void **state) {
    (void)state;
    static const struct {
        const char *pairs[PAIRS_MAX + 1];
        const char *problems;
    } CASES[] = {
        {{"OPENAI_API_KEY", "a", "GOOGLE_API_KEY", "b", "XRAY_TTS_PROVIDER", "local", "XRAY_JUDGE_PROVIDER", "lexical"},
         "XRAY_TRANSCRIPTION_PROVIDER must say which provider to use, because OPENAI_API_KEY and GOOGLE_API_KEY are "
         "set\n"},
        {{"OPENAI_API_KEY", "a", "GOOGLE_API_KEY", "b", "MISTRAL_BASE_URL", "http://m", "XRAY_TRANSCRIPTION_PROVIDER",
          "none", "XRAY_JUDGE_PROVIDER", "lexical"},
         "XRAY_TTS_PROVIDER must say which provider to use, because OPENAI_API_KEY, GOOGLE_API_KEY and "
         "MISTRAL_BASE_URL are set\n"},
        {{"OPENAI_BASE_URL", "http://a", "GOOGLE_BASE_URL", "http://b"},
         "XRAY_TTS_PROVIDER must say which provider to use, because OPENAI_BASE_URL and GOOGLE_BASE_URL are set\n"
         "XRAY_TRANSCRIPTION_PROVIDER must say which provider to use, because OPENAI_BASE_URL and GOOGLE_BASE_URL are "
         "set\n"
         "XRAY_JUDGE_PROVIDER must say which provider to use, because OPENAI_BASE_URL and GOOGLE_BASE_URL are set\n"},
        {{"XRAY_JUDGE_BASE_URL", "http://j"},
         "XRAY_JUDGE_PROVIDER must say which provider to use, because XRAY_JUDGE_BASE_URL is set\n"},
        {{"XRAY_TTS_API_KEY", "k"},
         "XRAY_TTS_PROVIDER must say which provider to use, because XRAY_TTS_API_KEY is set\n"},
        {{"XRAY_JUDGE_MODEL", "m"}, ""},
        {{"OPENAI_API_KEY", "a", "GOOGLE_API_KEY", "b", "XRAY_TTS_PROVIDER", "mistral", "XRAY_TRANSCRIPTION_PROVIDER",
          "local", "XRAY_JUDGE_PROVIDER", "openai"},
         ""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_problems(CASES[i].pairs, CASES[i].problems);
}

static void unknown_names_list_the_choices(void **state) {
    (void)state;
    static const char TTS[] = "XRAY_TTS_PROVIDER must be one of openai, google-gemini, mistral, local\n",
                      TRANSCRIPTION[] = "XRAY_TRANSCRIPTION_PROVIDER must be one of openai-whisper, google-gemini, "
                                        "mistral-voxtral, local, none\n",
                      JUDGE[] = "XRAY_JUDGE_PROVIDER must be one of openai, google-gemini, mistral, lexical\n";
    assert_problems(PAIRS("XRAY_TTS_PROVIDER", "espeak"), TTS);
    assert_problems(PAIRS("XRAY_TTS_PROVIDER", "OpenAI"), TTS);
    assert_problems(PAIRS("XRAY_TTS_PROVIDER", "none"), TTS);
    assert_problems(PAIRS("XRAY_TRANSCRIPTION_PROVIDER", "openai"), TRANSCRIPTION);
    assert_problems(PAIRS("XRAY_TRANSCRIPTION_PROVIDER", "mistral"), TRANSCRIPTION);
    assert_problems(PAIRS("XRAY_JUDGE_PROVIDER", "local"), JUDGE);
    assert_problems(PAIRS("XRAY_JUDGE_PROVIDER", "openai-whisper"), JUDGE);
}

static void every_problem_is_told_at_once_and_none_twice(void **state) {
    (void)state;
    assert_problems(PAIRS("XRAY_TTS_PROVIDER", "x", "XRAY_TRANSCRIPTION_API_KEY", "a b", "XRAY_JUDGE_PROVIDER",
                          "openai", "OPENAI_API_KEY", "k\n", "OPENAI_BASE_URL", "http://u:p@h", "SSL_CERT_FILE",
                          "/no/such"),
                    "XRAY_TTS_PROVIDER must be one of openai, google-gemini, mistral, local\n"
                    "XRAY_TRANSCRIPTION_API_KEY must not hold white space\n"
                    "OPENAI_API_KEY must not hold white space (a line break at its end?)\n"
                    "OPENAI_BASE_URL must not hold a user name or a password: set the key by its own variable\n"
                    "SSL_CERT_FILE must be a file that can be read\n");
    assert_problems(PAIRS("OPENAI_API_KEY", "a b"), "OPENAI_API_KEY must not hold white space\n");
}

static void values_are_checked_without_being_repeated(void **state) {
    (void)state;
    static const struct {
        const char *name, *value, *problem;
    } CASES[] = {
        {"XRAY_TTS_API_KEY", "line\nbreak", "must not hold white space"},
        {"XRAY_TTS_API_KEY", " k", "must not hold white space"},
        {"XRAY_TTS_API_KEY", "k\n", "must not hold white space (a line break at its end?)"},
        {"XRAY_TTS_API_KEY", "k\r\n", "must not hold white space (a line break at its end?)"},
        {"XRAY_TTS_API_KEY", "k\x01", "must be printable ASCII"},
        {"XRAY_TTS_API_KEY", "k\x7f", "must be printable ASCII"},
        {"XRAY_TTS_API_KEY", "sch\xc3\xbcssel", "must be printable ASCII"},
        {"XRAY_TTS_BASE_URL", "localhost:1", "must be an http:// or https:// URL"},
        {"XRAY_TTS_BASE_URL", "http://k@h", "must not hold a user name or a password: set the key by its own variable"},
        {"XRAY_TTS_VOICE", "a\tb", "must not hold control characters"},
        {"XRAY_TTS_MODEL", "\xff", "must be UTF-8"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char want[256];
        snprintf(want, sizeof want, "%s %s\n", CASES[i].name, CASES[i].problem);
        assert_problems(PAIRS("XRAY_TTS_PROVIDER", "openai", CASES[i].name, CASES[i].value), want);
    }
}

static void too_long_values_are_problems(void **state) {
    (void)state;
    static char value[8192];
    memset(value, 'v', sizeof value - 1);
    memcpy(value, "http://", 7);
    assert_problems(PAIRS("XRAY_TTS_PROVIDER", "openai", "XRAY_TTS_VOICE", value, "OPENAI_API_KEY", value,
                          "OPENAI_BASE_URL", value, "XRAY_TRANSCRIPTION_PROVIDER", "none", "XRAY_JUDGE_PROVIDER",
                          "lexical"),
                    "XRAY_TTS_VOICE must be at most 1024 bytes\n"
                    "OPENAI_API_KEY must be at most 4096 bytes\n"
                    "OPENAI_BASE_URL must be at most 2048 bytes\n");
}

static void variables_of_vendors_that_no_stage_uses_are_not_read(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep)
    struct xr_providers_config *config = test_config(
        PAIRS("OPENAI_API_KEY", "bad key", "OPENAI_BASE_URL", "nonsense", "SSL_CERT_FILE", "/no/such",
              "XRAY_TTS_PROVIDER", "local", "XRAY_TRANSCRIPTION_PROVIDER", "none", "XRAY_JUDGE_PROVIDER", "lexical"));
    assert_false(xr_providers_have_key(config));
    assert_null(xr_providers_ca_file(config));
    assert_int_equal(xr_providers_warnings(config).len, 0);
    /* Nor is a key that every stage has its own for. */
    assert_problems(PAIRS("OPENAI_API_KEY", "bad key", "XRAY_TTS_API_KEY", "a", "XRAY_TRANSCRIPTION_API_KEY", "b",
                          "XRAY_JUDGE_API_KEY", "c"),
                    "");
}

static void a_key_of_any_stage_is_a_key(void **state) {
    (void)state;
    static const char *const CASES[][3] = {{"OPENAI_API_KEY", "k"},
                                           {"XRAY_TTS_API_KEY", "k"},
                                           {"XRAY_TRANSCRIPTION_API_KEY", "k"},
                                           {"XRAY_JUDGE_API_KEY", "k"}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        XR_AUTO(xr_providers_config_freep)
        struct xr_providers_config *config =
            test_config(PAIRS(CASES[i][0], CASES[i][1], "OPENAI_BASE_URL", "http://127.0.0.1:1"));
        assert_true(xr_providers_have_key(config));
    }
    XR_AUTO(xr_providers_config_freep)
    struct xr_providers_config *none = test_config(PAIRS("OPENAI_BASE_URL", "http://127.0.0.1:1"));
    assert_false(xr_providers_have_key(none));
}

#define CERTIFICATE "-----BEGIN CERTIFICATE-----\n"

static void certificates_come_from_a_file_that_can_be_read(void **state) {
    (void)state;
    static const char PROBLEM[] = "SSL_CERT_FILE must be a file that can be read\n";
    char name[] = "/tmp/xray-config-test-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, CERTIFICATE, sizeof CERTIFICATE - 1), sizeof CERTIFICATE - 1);
    close(fd);
    XR_AUTO(xr_providers_config_freep)
    struct xr_providers_config *config = test_config(PAIRS("OPENAI_API_KEY", "k", "SSL_CERT_FILE", name));
    assert_string_equal(xr_providers_ca_file(config), name);
    assert_int_equal(unlink(name), 0);
    assert_problems(PAIRS("OPENAI_API_KEY", "k", "SSL_CERT_FILE", name), PROBLEM);
    assert_problems(PAIRS("OPENAI_API_KEY", "k", "SSL_CERT_FILE", "/tmp"), PROBLEM);
    assert_problems(PAIRS("OPENAI_API_KEY", "k", "SSL_CERT_FILE", "a\n"),
                    "SSL_CERT_FILE must not hold control characters\n");
    XR_AUTO(xr_providers_config_freep) struct xr_providers_config *unset = test_config(PAIRS("OPENAI_API_KEY", "k"));
    assert_null(xr_providers_ca_file(unset));
}

/* `lead` bytes, then the text. */
static void assert_certificates(size_t lead, const char *text, bool usable) {
    static const char PROBLEM[] = "SSL_CERT_FILE must hold a certificate in PEM format (-----BEGIN CERTIFICATE-----)\n";
    char name[] = "/tmp/xray-config-test-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)lead), 0);
    assert_int_equal(pwrite(fd, text, strlen(text), (off_t)lead), strlen(text));
    close(fd);
    assert_problems(PAIRS("OPENAI_API_KEY", "k", "SSL_CERT_FILE", name), usable ? "" : PROBLEM);
    assert_int_equal(unlink(name), 0);
}

static void a_file_without_certificates_is_a_problem(void **state) {
    (void)state;
    static const size_t MARK = sizeof CERTIFICATE - 1, BLOCK = 16 * 1024, LOOK = 1 << 20;
    assert_certificates(0, "", false);
    assert_certificates(0, "\x30\x82", false); /* DER */
    assert_certificates(0, "-----BEGIN PRIVATE KEY-----\n", false);
    assert_certificates(0, "-----BEGIN CERTIFICATE REQUEST-----\n", false);
    assert_certificates(0, "-----BEGIN CERTIFICATE", false);
    assert_certificates(0, "# mine\n-----BEGIN TRUSTED CERTIFICATE-----\n", true);
    for (size_t at = BLOCK - MARK; at <= BLOCK; at++)
        assert_certificates(at, CERTIFICATE, true);
    assert_certificates(LOOK - MARK, CERTIFICATE, true);
    assert_certificates(LOOK + BLOCK, CERTIFICATE, false);
}

static void assert_warnings(const char *const *pairs, const char *want) {
    XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = test_config(pairs);
    struct xr_str got = xr_providers_warnings(config);
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.ptr ? got.ptr : "", want, got.len);
}

static void a_key_that_others_can_read_is_warned_of(void **state) {
    (void)state;
    assert_warnings(PAIRS("OPENAI_API_KEY", "k", "OPENAI_BASE_URL", "http://gateway.internal:80/v1"),
                    "OPENAI_API_KEY goes unencrypted to gateway.internal: OPENAI_BASE_URL should be an https:// URL\n");
    assert_warnings(PAIRS("OPENAI_API_KEY", "k", "XRAY_TTS_BASE_URL", "http://[fe80::1]", "XRAY_JUDGE_API_KEY", "j",
                          "XRAY_JUDGE_BASE_URL", "http://10.0.0.1"),
                    "OPENAI_API_KEY goes unencrypted to fe80::1: XRAY_TTS_BASE_URL should be an https:// URL\n"
                    "XRAY_JUDGE_API_KEY goes unencrypted to 10.0.0.1: XRAY_JUDGE_BASE_URL should be an https:// URL\n");
    assert_warnings(PAIRS("OPENAI_API_KEY", "k", "OPENAI_BASE_URL", "https://gateway.internal"), "");
    assert_warnings(PAIRS("OPENAI_API_KEY", "k", "OPENAI_BASE_URL", "http://localhost:1"), "");
    assert_warnings(PAIRS("OPENAI_BASE_URL", "http://gateway.internal"), "");
    assert_warnings(PAIRS("OPENAI_API_KEY", "k"), "");
}

static void a_base_url_that_looks_like_an_endpoint_is_warned_of(void **state) {
    (void)state;
    assert_warnings(PAIRS("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1/chat/completions"),
                    "OPENAI_BASE_URL ends in /chat/completions like an endpoint: the path of each call is added to a "
                    "base URL\n");
    assert_warnings(PAIRS("OPENAI_API_KEY", "k", "XRAY_TTS_BASE_URL", "https://h/v1/audio/speech/",
                          "XRAY_TRANSCRIPTION_BASE_URL", "https://h/v1/audio/transcriptions"),
                    "XRAY_TTS_BASE_URL ends in /audio/speech like an endpoint: the path of each call is added to a "
                    "base URL\n"
                    "XRAY_TRANSCRIPTION_BASE_URL ends in /audio/transcriptions like an endpoint: the path of each call "
                    "is added to a base URL\n");
    assert_warnings(PAIRS("OPENAI_BASE_URL", "http://127.0.0.1:8000/chat/v1"), "");
}

static void variables_without_use_are_warned_of(void **state) {
    (void)state;
    assert_warnings(PAIRS("XRAY_TTS_MODEL", "m", "XRAY_TTS_VOICE", "rms", "XRAY_JUDGE_MODEL", "m"),
                    "XRAY_TTS_MODEL is not used by the provider local\n"
                    "XRAY_JUDGE_MODEL is not used without a provider\n");
    assert_warnings(PAIRS("XRAY_TRANSCRIPTION_PROVIDER", "none", "XRAY_TRANSCRIPTION_API_KEY", "k",
                          "XRAY_TRANSCRIPTION_BASE_URL", "http://h"),
                    "XRAY_TRANSCRIPTION_API_KEY is not used by the provider none\n"
                    "XRAY_TRANSCRIPTION_BASE_URL is not used by the provider none\n");
    assert_warnings(PAIRS("OPENAI_API_KEY", "k", "XRAY_TTS_MODEL", "m", "XRAY_TTS_VOICE", "v", "XRAY_JUDGE_MODEL", "m"),
                    "");
}

/* The part of the description that starts with the words. */
static void assert_described(const char *const *pairs, const char *line) {
    XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = test_config(pairs);
    XR_AUTO(xr_buf_clear) struct xr_buf out = xr_buf_make(16 * 1024);
    xr_providers_describe(config, &out);
    xr_buf_char(&out, '\0');
    assert_false(out.failed);
    const char *found = strstr(out.data, line);
    if (!found)
        fail_msg("\"%s\" is not in:\n%s", line, out.data);
    assert_true(found == out.data || found[-1] == '\n');
}

static void the_description_tells_what_would_be_used(void **state) {
    (void)state;
    assert_described(NOTHING, "speech: local, model flite, voice slt\n");
    assert_described(NOTHING, "transcription: local, model en-us\n");
    assert_described(NOTHING, "judge: none configured\n");
    assert_described(PAIRS("XRAY_TRANSCRIPTION_PROVIDER", "none"), "transcription: none\n");
    assert_described(PAIRS("XRAY_JUDGE_PROVIDER", "lexical"), "judge: lexical, model lexical-1\n");
    assert_described(PAIRS("XRAY_TTS_PROVIDER", "openai"),
                     "speech: openai, model gpt-4o-mini-tts, voice alloy, https://api.openai.com/v1, key missing: set "
                     "OPENAI_API_KEY");
    assert_described(
        PAIRS("OPENAI_BASE_URL", "http://127.0.0.1:8000/", "XRAY_TTS_VOICE", "v"),
        "speech: openai, model gpt-4o-mini-tts, voice v, http://127.0.0.1:8000/v1, no key (not needed with "
        "OPENAI_BASE_URL)");
    assert_described(PAIRS("GOOGLE_API_KEY", "AIza1", "XRAY_JUDGE_BASE_URL", "https://h/x", "XRAY_JUDGE_MODEL", "m"),
                     "judge: google-gemini, model m, https://h/x/v1beta, key GOOGLE_API_KEY (…)");
}

static void keys_are_masked(void **state) {
    (void)state;
    static const struct {
        const char *key, *masked;
    } CASES[] = {
        {"sk-abcdefghijklmwxyz", "(sk-…wxyz)"}, /* 20 characters */
        {"sk-abcdefghijklmwxyz0123456789", "(sk-…6789)"},
        {"sk-abcdefghijklwxyz", "(…)"},
        {"k", "(…)"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char line[256];
        snprintf(line, sizeof line,
                 "judge: mistral, model mistral-medium-2604, https://api.mistral.ai/v1, key "
                 "XRAY_JUDGE_API_KEY %s",
                 CASES[i].masked);
        assert_described(PAIRS("XRAY_JUDGE_PROVIDER", "mistral", "XRAY_JUDGE_API_KEY", CASES[i].key), line);
    }
}

static void a_stage_is_ready_with_a_key_or_a_base_url(void **state) {
    (void)state;
    static const struct {
        const char *pairs[PAIRS_MAX + 1];
        enum xr_stage_kind stage;
        const char *missing; /* NULL: nothing */
    } CASES[] = {
        {{NULL}, XR_STAGE_TTS, NULL},
        {{NULL}, XR_STAGE_JUDGE, "XRAY_JUDGE_PROVIDER"},
        {{"XRAY_JUDGE_PROVIDER", "lexical"}, XR_STAGE_JUDGE, NULL},
        {{"XRAY_TTS_PROVIDER", "openai"}, XR_STAGE_TTS, "OPENAI_API_KEY"},
        {{"XRAY_TRANSCRIPTION_PROVIDER", "google-gemini"}, XR_STAGE_TRANSCRIPTION, "GOOGLE_API_KEY"},
        {{"XRAY_JUDGE_PROVIDER", "mistral"}, XR_STAGE_JUDGE, "MISTRAL_API_KEY"},
        {{"XRAY_JUDGE_PROVIDER", "mistral", "OPENAI_API_KEY", "k"}, XR_STAGE_JUDGE, "MISTRAL_API_KEY"},
        {{"XRAY_JUDGE_PROVIDER", "mistral", "XRAY_TTS_PROVIDER", "mistral", "XRAY_TTS_API_KEY", "k"},
         XR_STAGE_JUDGE,
         "MISTRAL_API_KEY"},
        {{"XRAY_TTS_PROVIDER", "openai", "OPENAI_API_KEY", "k"}, XR_STAGE_TTS, NULL},
        {{"XRAY_TTS_PROVIDER", "openai", "XRAY_TTS_API_KEY", "k"}, XR_STAGE_TTS, NULL},
        {{"XRAY_TTS_PROVIDER", "openai", "XRAY_TTS_BASE_URL", "http://x"}, XR_STAGE_TTS, NULL},
        {{"XRAY_TTS_PROVIDER", "openai", "OPENAI_BASE_URL", "http://x"}, XR_STAGE_TTS, NULL},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = test_config(CASES[i].pairs);
        struct xr_err err = {0};
        enum xr_code want = CASES[i].missing ? XR_NO_CREDENTIAL : XR_OK;
        assert_int_equal(xr_providers_stage_ready(config, CASES[i].stage, &err), want);
        if (CASES[i].missing)
            assert_string_equal(err.path, CASES[i].missing);
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
        cmocka_unit_test(every_row_of_the_table_can_be_called),
        cmocka_unit_test(one_vendor_makes_overrides_unambiguous),
        cmocka_unit_test(stages_can_come_from_different_places),
        cmocka_unit_test(ambiguity_names_the_selector_and_what_is_set),
        cmocka_unit_test(unknown_names_list_the_choices),
        cmocka_unit_test(every_problem_is_told_at_once_and_none_twice),
        cmocka_unit_test(values_are_checked_without_being_repeated),
        cmocka_unit_test(too_long_values_are_problems),
        cmocka_unit_test(variables_of_vendors_that_no_stage_uses_are_not_read),
        cmocka_unit_test(a_key_of_any_stage_is_a_key),
        cmocka_unit_test(certificates_come_from_a_file_that_can_be_read),
        cmocka_unit_test(a_file_without_certificates_is_a_problem),
        cmocka_unit_test(a_key_that_others_can_read_is_warned_of),
        cmocka_unit_test(a_base_url_that_looks_like_an_endpoint_is_warned_of),
        cmocka_unit_test(variables_without_use_are_warned_of),
        cmocka_unit_test(the_description_tells_what_would_be_used),
        cmocka_unit_test(keys_are_masked),
        cmocka_unit_test(a_stage_is_ready_with_a_key_or_a_base_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
