// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "base/sha256.h"
#include "providers/providers.h"
#include "providers/testing.h"
#include <stdlib.h>

#define PAIRS(...) ((const char *const[]){__VA_ARGS__, NULL})
static const struct xr_judge_turn SAID[] = {{.is_agent = true, .text = {.ptr = "refund", .len = 6}}};

static struct xr_providers *open_with(struct xr_providers_config *config) {
    struct xr_providers *providers = NULL;
    assert_int_equal(xr_providers_new(config, 1, 8, xr_clock_system(), &providers, NULL), XR_OK);
    return providers;
}

static void calls_that_cannot_be_made_are_answered_with_the_reason(void **state) {
    (void)state;
    static const struct {
        const char *pairs[8]; /* the last of them is NULL */
        enum xr_code code;
        const char *path, *message;
    } CASES[] = {
        {{NULL}, XR_NO_CREDENTIAL, "XRAY_JUDGE_PROVIDER", "no provider is configured"},
        {{"XRAY_JUDGE_PROVIDER", "openai"}, XR_NO_CREDENTIAL, "OPENAI_API_KEY", "openai needs OPENAI_API_KEY"},
        {{"XRAY_TTS_PROVIDER", "openai", "OPENAI_API_KEY", "sk-secret", "XRAY_JUDGE_PROVIDER", "mistral"},
         XR_NO_CREDENTIAL,
         "MISTRAL_API_KEY",
         "mistral needs MISTRAL_API_KEY"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = test_config(CASES[i].pairs);
        XR_AUTO(xr_providers_freep) struct xr_providers *providers = open_with(config);
        struct test_wait wait = TEST_WAIT;
        struct xr_judge_call call = {.call = test_call(&wait, NULL), .reference = XR_STR("refund")};
        xr_judge_start(providers, &call);
        test_await(&wait, 1);
        assert_int_equal(call.call.code, CASES[i].code);
        assert_string_equal(call.call.err.path, CASES[i].path);
        assert_non_null(strstr(call.call.err.message, CASES[i].message));
    }
}

static void transcription_none_refuses(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep)
    struct xr_providers_config *config = test_config(PAIRS("XRAY_TRANSCRIPTION_PROVIDER", "none"));
    XR_AUTO(xr_providers_freep) struct xr_providers *providers = open_with(config);
    struct test_wait wait = TEST_WAIT;
    struct xr_transcribe_call call = {.call = test_call(&wait, NULL)};
    xr_transcribe_start(providers, &call);
    test_await(&wait, 1);
    assert_int_equal(call.call.code, XR_REFUSED);
    assert_non_null(strstr(call.call.err.message, "XRAY_TRANSCRIPTION_PROVIDER"));
}

static void a_passed_deadline_and_a_cancelled_group_come_first(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep)
    struct xr_providers_config *config = test_config(PAIRS("XRAY_JUDGE_PROVIDER", "lexical"));
    XR_AUTO(xr_providers_freep) struct xr_providers *providers = open_with(config);
    struct test_wait wait = TEST_WAIT;
    struct xr_call_group group = {.cancelled = true};
    struct xr_judge_call late = {.call = test_call(&wait, NULL)}, cancelled = {.call = test_call(&wait, &group)};
    late.call.deadline_mono_ns = 0;
    xr_judge_start(providers, &late);
    xr_judge_start(providers, &cancelled);
    test_await(&wait, 2);
    assert_int_equal(late.call.code, XR_TIMEOUT);
    assert_int_equal(cancelled.call.code, XR_CANCELLED);
}

/* --- a full pool, and the end --- */

/* Holds the only worker inside done until it is let go. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool entered, open;
};

static void enter_gate(struct xr_call *call) {
    struct gate *gate = call->ctx;
    pthread_mutex_lock(&gate->lock);
    gate->entered = true;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->open)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static void await_entered(struct gate *gate) {
    pthread_mutex_lock(&gate->lock);
    while (!gate->entered)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static void open_gate(struct gate *gate) {
    pthread_mutex_lock(&gate->lock);
    gate->open = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

/* Counts answers by code, and notes whether one came from inside start. */
struct tally {
    struct test_wait wait;
    pthread_t starter;
    int ok, unavailable, cancelled, other, inside_start;
};

static void count_answer(struct xr_call *call) {
    struct tally *t = call->ctx;
    pthread_mutex_lock(&t->wait.lock);
    t->ok += call->code == XR_OK;
    t->unavailable += call->code == XR_UNAVAILABLE;
    t->cancelled += call->code == XR_CANCELLED;
    t->other += call->code != XR_OK && call->code != XR_UNAVAILABLE && call->code != XR_CANCELLED;
    t->inside_start += pthread_equal(pthread_self(), t->starter);
    t->wait.answers++;
    pthread_cond_broadcast(&t->wait.changed);
    pthread_mutex_unlock(&t->wait.lock);
}

static struct xr_judge_call judge_call(struct xr_arena *arena, void (*done)(struct xr_call *call), void *ctx) {
    return (struct xr_judge_call){.call = {.deadline_mono_ns = INT64_MAX, .done = done, .ctx = ctx},
                                  .reference = XR_STR("refund"),
                                  .turns = SAID,
                                  .turn_count = 1,
                                  .arena = arena};
}

static void a_full_pool_answers_unavailable_and_loses_nothing(void **state) {
    (void)state;
    enum { EXTRA = 50, CALLS = XR_TASKS_MAX + EXTRA };
    XR_AUTO(xr_providers_config_freep)
    struct xr_providers_config *config = test_config(PAIRS("XRAY_JUDGE_PROVIDER", "lexical"));
    XR_AUTO(xr_providers_freep) struct xr_providers *providers = open_with(config);
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_MIB(4));
    struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct tally tally = {.wait = TEST_WAIT, .starter = pthread_self()};
    struct xr_judge_call *calls = calloc(CALLS, sizeof *calls), first = judge_call(arena, enter_gate, &gate);
    xr_judge_start(providers, &first);
    await_entered(&gate);
    for (int i = 0; i < CALLS; i++) {
        calls[i] = judge_call(arena, count_answer, &tally);
        xr_judge_start(providers, &calls[i]);
    }
    test_await(&tally.wait, EXTRA);
    assert_int_equal(tally.unavailable, EXTRA);
    open_gate(&gate);
    test_await(&tally.wait, CALLS);
    assert_int_equal(tally.ok, XR_TASKS_MAX);
    assert_int_equal(tally.other + tally.cancelled + tally.inside_start, 0);
    free(calls);
}

struct closing {
    struct xr_providers *providers;
};

static void *close_providers(void *arg) {
    xr_providers_free(((struct closing *)arg)->providers);
    return NULL;
}

static void freeing_answers_what_waits_with_cancelled(void **state) {
    (void)state;
    enum { CALLS = 20 };
    XR_AUTO(xr_providers_config_freep)
    struct xr_providers_config *config = test_config(PAIRS("XRAY_JUDGE_PROVIDER", "lexical"));
    struct closing closing = {.providers = open_with(config)};
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_MIB(1));
    struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct tally tally = {.wait = TEST_WAIT, .starter = pthread_self()};
    struct xr_judge_call calls[CALLS], first = judge_call(arena, enter_gate, &gate);
    pthread_t closer;
    xr_judge_start(closing.providers, &first);
    await_entered(&gate);
    for (int i = 0; i < CALLS; i++) {
        calls[i] = judge_call(arena, count_answer, &tally);
        xr_judge_start(closing.providers, &calls[i]);
    }
    assert_int_equal(pthread_create(&closer, NULL, close_providers, &closing), 0);
    open_gate(&gate);
    pthread_join(closer, NULL);
    assert_int_equal(tally.wait.answers, CALLS);
    assert_int_equal(tally.cancelled + tally.ok, CALLS);
}

/* --- speech without a call --- */

static void the_turns_voice_wins_over_the_configured_one(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep)
    struct xr_providers_config *config = test_config(PAIRS("XRAY_TTS_VOICE", "rms"));
    XR_AUTO(xr_providers_freep) struct xr_providers *providers = open_with(config);
    assert_true(xr_str_eq(xr_tts_voice(providers, true, XR_STR("awb")), XR_STR("awb")));
    assert_true(xr_str_eq(xr_tts_voice(providers, false, (struct xr_str){0}), XR_STR("rms")));
}

static void the_cache_key_is_the_hash_of_the_json_array(void **state) {
    (void)state;
    static const char JSON[] = "[\"openai\",\"tts-9\",\"onyx\",\"caf\\u00e9 \\ud83d\\ude00 \\\"x\\\" \\u0000\"]";
    XR_AUTO(xr_providers_config_freep)
    struct xr_providers_config *config = test_config(PAIRS("OPENAI_API_KEY", "k", "XRAY_TTS_MODEL", "tts-9"));
    XR_AUTO(xr_providers_freep) struct xr_providers *providers = open_with(config);
    uint8_t key[XR_SHA256_SIZE], want[XR_SHA256_SIZE];
    xr_sha256_of(JSON, sizeof JSON - 1, want);
    assert_int_equal(
        xr_tts_cache_key(providers, XR_STR("onyx"), XR_STR("caf\xC3\xA9 \xF0\x9F\x98\x80 \"x\" \0"), key, NULL), XR_OK);
    assert_memory_equal(key, want, sizeof key);
    assert_int_equal(xr_tts_cache_key(providers, XR_STR("\xFF"), XR_STR("x"), key, NULL), XR_INVALID);
}

static void the_longest_text_has_a_cache_key(void **state) {
    (void)state;
    enum { BYTES = XR_TURN_TEXT_MAX * 3 };
    XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = test_config((const char *const[]){NULL});
    XR_AUTO(xr_providers_freep) struct xr_providers *providers = open_with(config);
    static const char LETTER[] = {'\xE4', '\xBD', '\xA0'};
    char *text = malloc(BYTES);
    uint8_t key[XR_SHA256_SIZE];
    for (size_t i = 0; i < BYTES; i++)
        text[i] = LETTER[i % 3];
    assert_int_equal(xr_tts_cache_key(providers, XR_STR("slt"), (struct xr_str){.ptr = text, .len = BYTES}, key, NULL),
                     XR_OK);
    free(text);
}

static void speech_is_ready_without_a_call(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep)
    struct xr_providers_config *config = test_config(PAIRS("XRAY_TTS_PROVIDER", "mistral"));
    XR_AUTO(xr_providers_freep) struct xr_providers *providers = open_with(config);
    struct xr_err err;
    assert_int_equal(xr_tts_ready(providers, &err), XR_NO_CREDENTIAL);
    assert_string_equal(err.path, "MISTRAL_API_KEY");
}

static void worker_counts_are_bounded(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = test_config((const char *const[]){NULL});
    struct xr_providers *providers = NULL;
    assert_int_equal(xr_providers_new(config, 0, 8, xr_clock_system(), &providers, NULL), XR_INVALID);
    assert_int_equal(xr_providers_new(config, 65, 8, xr_clock_system(), &providers, NULL), XR_INVALID);
    assert_null(providers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_that_cannot_be_made_are_answered_with_the_reason),
        cmocka_unit_test(transcription_none_refuses),
        cmocka_unit_test(a_passed_deadline_and_a_cancelled_group_come_first),
        cmocka_unit_test(a_full_pool_answers_unavailable_and_loses_nothing),
        cmocka_unit_test(freeing_answers_what_waits_with_cancelled),
        cmocka_unit_test(the_turns_voice_wins_over_the_configured_one),
        cmocka_unit_test(the_cache_key_is_the_hash_of_the_json_array),
        cmocka_unit_test(the_longest_text_has_a_cache_key),
        cmocka_unit_test(speech_is_ready_without_a_call),
        cmocka_unit_test(worker_counts_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
