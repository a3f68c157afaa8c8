// SPDX-License-Identifier: Apache-2.0
#include "base/test.h"
#include "providers/url.h"

enum { ARENA = 64 * 1024 };

static void assert_url(const struct xr_vendor *vendor, const char *base_url, const char *path, const char *want) {
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    const char *url = NULL;
    assert_int_equal(xr_provider_url(vendor, base_url, path, arena, &url, NULL), XR_OK);
    assert_string_equal(url, want);
}

static void a_base_has_one_version_and_no_slash_at_its_end(void **state) {
    (void)state;
    static const struct {
        const struct xr_vendor *vendor;
        const char *base_url, *want;
    } CASES[] = {
        {&XR_OPENAI, NULL, "https://api.openai.com/v1"},
        {&XR_GOOGLE, NULL, "https://generativelanguage.googleapis.com/v1beta"},
        {&XR_MISTRAL, NULL, "https://api.mistral.ai/v1"},
        {&XR_OPENAI, "http://127.0.0.1:8000", "http://127.0.0.1:8000/v1"},
        {&XR_OPENAI, "http://127.0.0.1:8000/", "http://127.0.0.1:8000/v1"},
        {&XR_OPENAI, "http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"},
        {&XR_OPENAI, "http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1"},
        {&XR_OPENAI, "http://127.0.0.1:8000/v1///", "http://127.0.0.1:8000/v1"},
        {&XR_OPENAI, "http://127.0.0.1:8000///", "http://127.0.0.1:8000/v1"},
        {&XR_OPENAI, "http://[::1]:8080", "http://[::1]:8080/v1"},
        {&XR_OPENAI, "https://gateway.ai.cloudflare.com/v1/acct/gw/openai",
         "https://gateway.ai.cloudflare.com/v1/acct/gw/openai"},
        {&XR_MISTRAL, "https://gateway.ai.cloudflare.com/v1/acct/gw/mistral",
         "https://gateway.ai.cloudflare.com/v1/acct/gw/mistral/v1"},
        {&XR_GOOGLE, "https://gateway.ai.cloudflare.com/v1/acct/gw/google-ai-studio",
         "https://gateway.ai.cloudflare.com/v1/acct/gw/google-ai-studio/v1beta"},
        {&XR_OPENAI, "https://generativelanguage.googleapis.com/v1beta/openai/",
         "https://generativelanguage.googleapis.com/v1beta/openai"},
        {&XR_GOOGLE, "https://generativelanguage.googleapis.com", "https://generativelanguage.googleapis.com/v1beta"},
        {&XR_GOOGLE, "https://x/v1", "https://x/v1"},
        {&XR_GOOGLE, "https://x/google/v1alpha/", "https://x/google/v1alpha"},
        {&XR_OPENAI, "https://x/api/paas/v4", "https://x/api/paas/v4"},
        {&XR_MISTRAL, "https://x/api/paas/v4", "https://x/api/paas/v4"},
        {&XR_OPENAI, "https://x/openai", "https://x/openai/v1"},
        {&XR_OPENAI, "https://v1.example.com", "https://v1.example.com/v1"},
        {&XR_OPENAI, "https://v1", "https://v1/v1"},
        {&XR_MISTRAL, "https://v1/", "https://v1/v1"},
        {&XR_OPENAI, "https://x/v", "https://x/v/v1"},
        {&XR_OPENAI, "https://x/vi1", "https://x/vi1/v1"},
        {&XR_OPENAI, "https://x/v1.1", "https://x/v1.1/v1"},
        {&XR_OPENAI, "https://x/xv1", "https://x/xv1/v1"},
        {&XR_OPENAI, "https://x//v1", "https://x//v1"},
        {&XR_OPENAI, "HTTP://127.0.0.1:8000", "HTTP://127.0.0.1:8000/v1"},
        {&XR_OPENAI, "HttpS://x/v1/", "HttpS://x/v1"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_url(CASES[i].vendor, CASES[i].base_url, "", CASES[i].want);
}

static void the_path_follows_the_version(void **state) {
    (void)state;
    static const char *const BASES[] = {"http://127.0.0.1:8000", "http://127.0.0.1:8000/", "http://127.0.0.1:8000/v1",
                                        "http://127.0.0.1:8000/v1/"};
    for (size_t i = 0; i < sizeof BASES / sizeof *BASES; i++)
        assert_url(&XR_OPENAI, BASES[i], "/chat/completions", "http://127.0.0.1:8000/v1/chat/completions");
    assert_url(&XR_GOOGLE, NULL, "/models/gemini-2.5-flash:generateContent",
               "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent");
}

static void out_of_memory_is_an_error(void **state) {
    (void)state;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(16);
    const char *url = NULL;
    assert_int_equal(xr_provider_url(&XR_OPENAI, NULL, "/audio/speech", arena, &url, NULL), XR_NO_MEMORY);
    assert_null(url);
}

static void problems_tell_what_is_wrong_without_the_value(void **state) {
    (void)state;
    static const char SCHEME[] = "must be an http:// or https:// URL", TEXT[] = "must be ASCII without white space",
                      USER[] = "must not hold a user name or a password: set the key by its own variable",
                      HOST[] = "must have a host: a name or an IP address",
                      PORT[] = "must have a port from 1 to 65535, or none",
                      QUERY[] = "must not hold a query or a fragment (? or #)";
    static const struct {
        const char *text, *problem;
    } CASES[] = {
        {"", SCHEME},
        {"localhost:8080", SCHEME},
        {"ftp://x", SCHEME},
        {"http:/x", SCHEME},
        {"HTTP:", SCHEME},
        {"HTTP://", HOST},
        {" http://x", SCHEME},
        {"http://a b", TEXT},
        {"https://a\n", TEXT},
        {"https://a/\x7f", TEXT},
        {"https://b\xc3\xbc"
         "cher.example",
         TEXT},
        {"http://", HOST},
        {"http:///x", HOST},
        {"http://:80", HOST},
        {"http://?x", HOST},
        {"http://[]", HOST},
        {"http://[", HOST},
        {"http://[::1", HOST},
        {"http://[::g]", HOST},
        {"http://[127.0.0.1]", HOST},
        {"http://[::ffff:255.255.255.255:255.255.255.255:255.255.255.255]", HOST},
        {"http://::1", HOST},
        {"http://a,b", HOST},
        {"http://a\\b", HOST},
        {"http://%61", HOST},
        {"http://a:", PORT},
        {"http://a:0", PORT},
        {"http://a:65536", PORT},
        {"http://a:4294967377", PORT}, /* 2^32 + 81 */
        {"http://a:80x", PORT},
        {"http://a:-1", PORT},
        {"http://a:1:2", PORT},
        {"http://[::1]8080", PORT},
        {"http://sk-1@a", USER},
        {"https://user:secret@a:443/v1", USER},
        {"http://@a", USER},
        {"http://127.0.0.1\\@a", USER},
        {"http://a/v1?key=secret", QUERY},
        {"http://a?key=secret", QUERY},
        {"http://a/v1#x", QUERY},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const char *problem = xr_provider_url_problem(CASES[i].text);
        assert_non_null(problem);
        assert_string_equal(problem, CASES[i].problem);
    }
}

static void usable_urls_have_no_problem(void **state) {
    (void)state;
    static const char *const GOOD[] = {
        "http://localhost",
        "http://127.0.0.1:1",
        "https://a.example:65535/v1/",
        "http://[::1]",
        "http://[fe80::1]:8080",
        "http://my_service:080",
        "https://a/~x/@y:z",
        "http://v1/",
        "HTTP://h",
        "hTTpS://h",
    };
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++)
        assert_null(xr_provider_url_problem(GOOD[i]));
}

static void only_plain_http_to_another_machine_is_exposed(void **state) {
    (void)state;
    static const struct {
        const char *url, *host;
        bool exposed;
    } CASES[] = {
        {"http://gateway.internal:8000/v1", "gateway.internal", true},
        {"http://10.0.0.1", "10.0.0.1", true},
        {"http://0.0.0.0:1", "0.0.0.0", true},
        {"http://128.0.0.1", "128.0.0.1", true},
        {"http://127.0.0.1.example", "127.0.0.1.example", true},
        {"http://localhost.example/", "localhost.example", true},
        {"HTTP://gateway.internal", "gateway.internal", true},
        {"HTTPS://gateway.internal:1", "gateway.internal", false},
        {"Http://LOCALHOST", "LOCALHOST", false},
        {"http://localhos", "localhos", true},
        {"http://[::2]:80", "::2", true},
        {"http://[fe80::1]/v1", "fe80::1", true},
        {"http://127.0.0.1:8000/v1", "127.0.0.1", false},
        {"http://127.255.255.254", "127.255.255.254", false},
        {"http://LocalHost:1/", "LocalHost", false},
        {"http://[::1]:8080", "::1", false},
        {"http://[0:0:0:0:0:0:0:1]", "0:0:0:0:0:0:0:1", false},
        {"https://gateway.internal", "gateway.internal", false},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        assert_true(xr_str_eq(xr_provider_url_host(CASES[i].url), xr_str_from(CASES[i].host)));
        assert_int_equal(xr_provider_url_is_exposed(CASES[i].url), CASES[i].exposed);
    }
}

static void an_endpoint_is_told_from_a_base(void **state) {
    (void)state;
    static const struct {
        const char *url, *endpoint;
    } CASES[] = {
        {"http://h/v1/chat/completions", "/chat/completions"},
        {"http://h/v1/audio/speech//", "/audio/speech"},
        {"http://h/v1/audio/transcriptions", "/audio/transcriptions"},
        {"https://h/v1beta/models/m:generateContent", ":generateContent"},
        {"http://h", NULL},
        {"http://h/v1/", NULL},
        {"http://h/chat/completions/v1", NULL},
        {"http://h/v1/completions", "/completions"},
        {"http://h/v1/responses/", "/responses"},
        {"http://h/v1/models", "/models"},
        {"http://h/v1/Chat/COMPLETIONS", "/chat/completions"},
        {"http://h/v1beta/models/m:GENERATECONTENT", ":generateContent"},
        {"http://h/v1/xcompletions", NULL},
        {"http://h/v1beta/models/m", NULL},
        {"http://models", NULL},
        {"http://h/v1/xaudio/speech", NULL},
        {"http://audio/speech", NULL},
        {"http://h/audio/speech", "/audio/speech"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const char *endpoint = xr_provider_url_endpoint(CASES[i].url);
        assert_string_equal(endpoint ? endpoint : "", CASES[i].endpoint ? CASES[i].endpoint : "");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_base_has_one_version_and_no_slash_at_its_end),
        cmocka_unit_test(the_path_follows_the_version),
        cmocka_unit_test(out_of_memory_is_an_error),
        cmocka_unit_test(problems_tell_what_is_wrong_without_the_value),
        cmocka_unit_test(usable_urls_have_no_problem),
        cmocka_unit_test(an_endpoint_is_told_from_a_base),
        cmocka_unit_test(only_plain_http_to_another_machine_is_exposed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
