// SPDX-License-Identifier: Apache-2.0
/* What a call through our client costs more than the same request by libcurl alone, against the same host:
 *
 *   providers-probe BASE_URL CALLS ROUNDS > {"libcurl_ms": [...], "ours_ms": [...]}
 *
 * One call after the other, CALLS of each in turn, ROUNDS times; milliseconds of each CALLS. Both sides keep their
 * connection. libcurl sends the very bytes that our judge sends, reads the answer into memory and does no more; ours
 * makes the prompt, takes its way over two threads, and reads the score. */
#include "providers/adapter.h"
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { URL_MAX = 512 };

static const char *env_of(const char *name, void *ctx) {
    return strcmp(name, "OPENAI_BASE_URL") == 0 ? ctx : NULL;
}

static void check(bool ok, const char *what) {
    if (ok)
        return;
    fprintf(stderr, "providers-probe: %s\n", what);
    exit(1);
}

static double now_ms(void) {
    return (double)xr_clock_mono(xr_clock_system()) / 1e6;
}

/* --- the call --- */

static const struct xr_judge_turn SAID[] = {
    {.idx = 0, .text = XR_STR("When do you open?")},
    {.idx = 1, .is_agent = true, .text = XR_STR("We open at nine in the morning, and close at six.")}};

struct probe {
    struct xr_judge_call call;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool answered;
};

static void on_done(struct xr_call *call) {
    struct probe *probe = call->ctx;
    pthread_mutex_lock(&probe->lock);
    probe->answered = true;
    pthread_mutex_unlock(&probe->lock);
    pthread_cond_signal(&probe->changed); /* outside, or who waits wakes up only to wait for the lock */
}

static struct xr_judge_call make_call(struct probe *probe, struct xr_arena *arena) {
    return (struct xr_judge_call){.call = {.deadline_mono_ns = INT64_MAX, .done = on_done, .ctx = probe},
                                  .reference = XR_STR("The agent says when they open."),
                                  .turns = SAID,
                                  .turn_count = sizeof SAID / sizeof *SAID,
                                  .arena = arena};
}

static void call_once(struct xr_providers *providers, struct probe *probe) {
    struct xr_arena *arena = xr_arena_new(XR_CALL_ARENA_MAX);
    probe->call = make_call(probe, arena);
    probe->answered = false;
    xr_judge_start(providers, &probe->call);
    pthread_mutex_lock(&probe->lock);
    while (!probe->answered)
        pthread_cond_wait(&probe->changed, &probe->lock);
    pthread_mutex_unlock(&probe->lock);
    check(probe->call.call.code == XR_OK, probe->call.call.err.message);
    xr_arena_free(arena);
}

/* --- libcurl alone --- */

static size_t keep(char *bytes, size_t size, size_t count, void *arg) {
    xr_buf_append(arg, bytes, size * count);
    return size * count;
}

struct plain {
    CURL *easy;
    struct curl_slist *headers;
    struct xr_buf body;
    char url[URL_MAX];
};

static void open_plain(struct plain *plain, const struct xr_providers_config *config, const char *base_url) {
    const struct xr_stage_config *stage = xr_providers_stage(config, XR_STAGE_JUDGE);
    struct xr_request request = {.arena = xr_arena_new(XR_CALL_ARENA_MAX), .body = xr_buf_make(XR_MIB(1))};
    struct xr_judge_call call = make_call(NULL, request.arena);
    check(stage->provider->adapter->build(stage, &call.call, &request, NULL) == XR_OK, "no request could be built");
    plain->body = request.body;
    snprintf(plain->url, sizeof plain->url, "%s/v1%s", base_url, request.path);
    plain->headers = curl_slist_append(curl_slist_append(NULL, "Content-Type: application/json"), "Expect:");
    plain->easy = curl_easy_init();
    curl_easy_setopt(plain->easy, CURLOPT_URL, plain->url);
    curl_easy_setopt(plain->easy, CURLOPT_HTTPHEADER, plain->headers);
    curl_easy_setopt(plain->easy, CURLOPT_POSTFIELDSIZE, (long)plain->body.len);
    curl_easy_setopt(plain->easy, CURLOPT_POSTFIELDS, plain->body.data);
    curl_easy_setopt(plain->easy, CURLOPT_WRITEFUNCTION, keep);
    xr_arena_free(request.arena);
}

static void request_once(struct plain *plain) {
    struct xr_buf answer = xr_buf_make(XR_MIB(1));
    long status = 0;
    curl_easy_setopt(plain->easy, CURLOPT_WRITEDATA, &answer);
    check(curl_easy_perform(plain->easy) == CURLE_OK, "libcurl had no answer");
    curl_easy_getinfo(plain->easy, CURLINFO_RESPONSE_CODE, &status);
    check(status == 200 && answer.len > 0, "libcurl was refused");
    xr_buf_clear(&answer);
}

static void close_plain(struct plain *plain) {
    curl_easy_cleanup(plain->easy);
    curl_slist_free_all(plain->headers);
    xr_buf_clear(&plain->body);
}

/* --- in turn --- */

static void print_times(const char *name, const double *ms, int rounds, const char *end) {
    printf("\"%s\": [", name);
    for (int i = 0; i < rounds; i++)
        printf("%s%.3f", i ? ", " : "", ms[i]);
    printf("]%s", end);
}

int main(int argc, char **argv) {
    check(argc == 4, "usage: providers-probe BASE_URL CALLS ROUNDS");
    int calls = atoi(argv[2]), rounds = atoi(argv[3]);
    check(calls > 0 && rounds > 0 && rounds < 1000, "CALLS and ROUNDS must be positive");
    struct xr_buf problems = xr_buf_make(4096);
    struct xr_providers_config *config = NULL;
    struct xr_providers *providers = NULL;
    struct plain plain = {0};
    struct probe probe = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    double *libcurl_ms = calloc((size_t)rounds, sizeof *libcurl_ms), *ours_ms = calloc((size_t)rounds, sizeof *ours_ms);
    check(libcurl_ms && ours_ms, "out of memory");
    check(xr_providers_config_load(env_of, argv[1], &problems, &config, NULL) == XR_OK, "BASE_URL is not usable");
    check(xr_providers_new(config, 1, 8, xr_clock_system(), &providers, NULL) == XR_OK, "no providers");
    open_plain(&plain, config, argv[1]);
    call_once(providers, &probe);
    request_once(&plain);
    for (int round = 0; round < rounds; round++) {
        double start = now_ms();
        for (int i = 0; i < calls; i++)
            request_once(&plain);
        double middle = now_ms();
        for (int i = 0; i < calls; i++)
            call_once(providers, &probe);
        libcurl_ms[round] = middle - start;
        ours_ms[round] = now_ms() - middle;
    }
    printf("{");
    print_times("libcurl_ms", libcurl_ms, rounds, ", ");
    print_times("ours_ms", ours_ms, rounds, "}\n");
    close_plain(&plain);
    xr_providers_free(providers);
    xr_providers_config_free(config);
    free(libcurl_ms);
    free(ours_ms);
    return 0;
}
