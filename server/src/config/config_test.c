// SPDX-License-Identifier: Apache-2.0
#include "base/test.h"
#include "config/config.h"
#include <string.h>

struct loaded {
    enum xr_code code;
    struct xr_config config;
    char problems[4096], warnings[4096];
};

static void copy(char out[4096], const struct xr_buf *buf) {
    assert_true(buf->len < 4096);
    if (buf->len)
        memcpy(out, buf->data, buf->len);
    out[buf->len] = '\0';
}

static struct loaded load(char *const *env) {
    struct loaded out = {0};
    struct xr_buf problems = xr_buf_make(1 << 16);
    out.code = xr_config_load(env, &problems, &out.config, NULL);
    copy(out.problems, &problems);
    if (out.code == XR_OK)
        copy(out.warnings, &out.config.warnings);
    xr_buf_clear(&problems);
    return out;
}

static void defaults_serve_on_loopback(void **state) {
    (void)state;
    char *env[] = {NULL};
    struct loaded l = load(env);
    assert_int_equal(l.code, XR_OK);
    assert_string_equal(l.config.host, "127.0.0.1");
    assert_int_equal(l.config.port, 8080);
    assert_string_equal(l.config.db_path, "./xray-data/xray.db");
    assert_string_equal(l.config.queue_path, "./xray-data/queue.db");
    assert_int_equal(l.config.stall_timeout_s, 3600);
    assert_int_equal(l.config.stage_timeout_s, 300);
    assert_int_equal(l.config.concurrency, 8);
    xr_config_clear(&l.config);
}

static void every_problem_is_reported_at_once(void **state) {
    (void)state;
    char *env[] = {"PORT=65536",          "XRAY_HOST=example.org",   "XRAY_WORKERS=0",          "XRAY_LOG=xml",
                   "XRAY_LOG_LEVEL=loud", "XRAY_STAGE_TIMEOUT_S=1h", "XRAY_STALL_TIMEOUT_S=-1", NULL};
    static const char *const NAMED[] = {"PORT",
                                        "XRAY_HOST",
                                        "XRAY_WORKERS",
                                        "XRAY_LOG must",
                                        "XRAY_LOG_LEVEL",
                                        "XRAY_STAGE_TIMEOUT_S",
                                        "XRAY_STALL_TIMEOUT_S"};
    struct loaded l = load(env);
    assert_int_equal(l.code, XR_INVALID);
    for (size_t i = 0; i < sizeof NAMED / sizeof *NAMED; i++)
        assert_non_null(strstr(l.problems, NAMED[i]));
}

static void unknown_names_are_warned_about_without_their_value(void **state) {
    (void)state;
    char *env[] = {"XRAY_PROT=9",
                   "XRAY_JUDGE_PROVIDER=openai",
                   "XRAY_JUDGE_API_KEY=abc",
                   "XRAY_TTS_VOICE=rms",
                   "XRAY_POCKETSPHINX_MODEL=/usr/share/pocketsphinx/model/en-us",
                   "XRAY_JUDGE_VOICE=x",
                   "PATH=/bin",
                   NULL};
    struct loaded l = load(env);
    assert_int_equal(l.code, XR_OK);
    assert_non_null(strstr(l.warnings, "XRAY_PROT"));
    assert_non_null(strstr(l.warnings, "XRAY_JUDGE_VOICE"));
    assert_null(strstr(l.warnings, "XRAY_JUDGE_API_KEY"));
    assert_null(strstr(l.warnings, "XRAY_TTS_VOICE"));
    assert_null(strstr(l.warnings, "XRAY_POCKETSPHINX_MODEL"));
    xr_config_clear(&l.config);
}

static void problems_of_the_providers_come_with_the_others(void **state) {
    (void)state;
    char *env[] = {"PORT=x", "XRAY_JUDGE_PROVIDER=lexicon", NULL};
    struct loaded l = load(env);
    assert_int_equal(l.code, XR_INVALID);
    assert_non_null(strstr(l.problems, "PORT"));
    assert_non_null(strstr(l.problems, "XRAY_JUDGE_PROVIDER"));
}

static void warnings_of_the_providers_come_with_the_others(void **state) {
    (void)state;
    char *env[] = {"XRAY_PROT=9", "OPENAI_API_KEY=sk-0123456789abcdefghij", "OPENAI_BASE_URL=http://gateway.internal",
                   NULL};
    struct loaded l = load(env);
    assert_int_equal(l.code, XR_OK);
    assert_non_null(strstr(l.warnings, "XRAY_PROT"));
    assert_non_null(strstr(l.warnings, "OPENAI_API_KEY goes unencrypted to gateway.internal"));
    assert_null(strstr(l.warnings, "sk-"));
    xr_config_clear(&l.config);
}

static void the_description_has_the_providers_with_their_keys_masked(void **state) {
    (void)state;
    char *env[] = {"PORT=0", "MISTRAL_API_KEY=0123456789abcdefghij", NULL};
    struct loaded l = load(env);
    struct xr_buf described = xr_buf_make(1 << 16);
    char text[4096];
    assert_int_equal(l.code, XR_OK);
    xr_config_describe(&l.config, &described);
    assert_false(described.failed);
    copy(text, &described);
    assert_non_null(strstr(text, "listen: 127.0.0.1:0\n"));
    assert_non_null(strstr(text, "key MISTRAL_API_KEY (012…ghij)"));
    assert_null(strstr(text, "3456"));
    xr_buf_clear(&described);
    xr_config_clear(&l.config);
}

static void host_is_read_only_as_an_address(void **state) {
    (void)state;
    char *address[] = {"HOST=0.0.0.0", NULL}, *name[] = {"HOST=build-7", NULL};
    char *both[] = {"HOST=0.0.0.0", "XRAY_HOST=::1", NULL};
    struct loaded l = load(address);
    assert_string_equal(l.config.host, "0.0.0.0");
    assert_non_null(strstr(l.warnings, "HOST"));
    xr_config_clear(&l.config);
    l = load(name);
    assert_string_equal(l.config.host, "127.0.0.1");
    xr_config_clear(&l.config);
    l = load(both);
    assert_string_equal(l.config.host, "::1");
    xr_config_clear(&l.config);
}

static void the_old_queue_variable_is_an_alias(void **state) {
    (void)state;
    char *env[] = {"BUNQUEUE_DATA_PATH=/q/old.db", "XRAY_DATA_DIR=/d", NULL};
    struct loaded l = load(env);
    assert_string_equal(l.config.queue_path, "/q/old.db");
    assert_string_equal(l.config.db_path, "/d/xray.db");
    xr_config_clear(&l.config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_serve_on_loopback),
        cmocka_unit_test(every_problem_is_reported_at_once),
        cmocka_unit_test(unknown_names_are_warned_about_without_their_value),
        cmocka_unit_test(problems_of_the_providers_come_with_the_others),
        cmocka_unit_test(warnings_of_the_providers_come_with_the_others),
        cmocka_unit_test(the_description_has_the_providers_with_their_keys_masked),
        cmocka_unit_test(host_is_read_only_as_an_address),
        cmocka_unit_test(the_old_queue_variable_is_an_alias),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
