// SPDX-License-Identifier: Apache-2.0
/* The way of a call, and on which thread:
 *
 *   start -> [a place] -> build -> [an attempt] -> read -> the call's done
 *   caller    client       pool     client          pool
 *
 * An attempt that failed may be made again: the request is dropped meanwhile and built once more.
 *
 * A judge's prompt and answer of the usual size are written and read on the client's thread: that takes some
 * microseconds, and each way over the pool some tens. */
#include "providers/cloud.h"
#include "base/limits.h"
#include "base/pool.h"
#include "providers/answer.h"
#include "providers/client.h"
#include "providers/redact.h"
#include "providers/retry.h"
#include "providers/url.h"
#include <ctype.h>
#include <stdlib.h>

enum { THREADS = 2, SMALL = 16 * 1024 };

/* spec/providers.md, time-outs; bodies of responses. */
static const struct {
    int timeout_s;
    size_t response_max;
} BOUNDS[XR_STAGE_KIND_COUNT] = {
    [XR_STAGE_TTS] = {120, XR_MIB(64)},
    [XR_STAGE_TRANSCRIPTION] = {120, XR_MIB(4)},
    [XR_STAGE_JUDGE] = {60, XR_MIB(4)},
};

struct xr_cloud {
    const struct xr_providers_config *config;
    struct xr_client *client;
    struct xr_pool *pool;
};

/* One call that is under way. */
struct errand {
    struct xr_exchange exchange;
    struct xr_task task;
    struct xr_cloud *cloud;
    struct xr_call *call;
    struct xr_request request;
};

static struct errand *errand_of(struct xr_task *task) {
    return (struct errand *)((char *)task - offsetof(struct errand, task));
}

static const struct xr_stage_config *stage_of(const struct errand *errand) {
    return xr_providers_stage(errand->cloud->config, errand->call->stage);
}

/* The pool's queue is only links inside errands, so it does not refuse. */
static void go_on(struct errand *errand, void (*run)(struct xr_task *task), bool at_once) {
    errand->task.run = run;
    if (at_once)
        run(&errand->task);
    else if (xr_pool_submit(errand->cloud->pool, &errand->task, NULL) != XR_OK)
        abort(); /* started beside xr_cloud_free */
}

/* Says whose failure it is. An adapter's message may repeat what the host said, so keys are looked for once more. */
static void name_provider(const struct errand *errand, struct xr_err *err) {
    int status = err->status;
    struct xr_buf safe = xr_buf_make(XR_PROVIDER_ERROR_MAX + 1);
    if (err->code != XR_UNAVAILABLE && err->code != XR_REFUSED && err->code != XR_TIMEOUT && err->code != XR_OVERLOADED)
        return;
    xr_redact_text(errand->cloud->config, xr_str_from(err->message), &safe);
    xr_fail(err, err->code, NULL, "%s: %.*s", stage_of(errand)->provider->name, XR_STR_ARG(xr_buf_view(&safe)));
    err->status = status;
    xr_buf_clear(&safe);
}

static void drop_request(struct errand *errand) {
    xr_buf_clear(&errand->request.body);
    xr_arena_free(errand->request.arena);
    errand->request = (struct xr_request){0};
    memset(errand->exchange.headers, 0, sizeof errand->exchange.headers);
}

/* has_place: it is given back once the call is answered, so that the group's next call is there when it is free; but
 * with the answer the group may be gone. */
static void finish(struct errand *errand, enum xr_code code, struct xr_err *err, bool has_place) {
    struct xr_call *call = errand->call;
    if (code != XR_OK)
        name_provider(errand, err);
    xr_buf_clear(&errand->exchange.response);
    drop_request(errand);
    if (has_place)
        xr_client_step_back(errand->cloud->client, &errand->exchange);
    xr_call_answer(call, code, err);
    if (has_place)
        xr_client_leave(errand->cloud->client, &errand->exchange);
    free(errand);
}

/* --- the request --- */

static enum xr_code fill_in(struct errand *errand, struct xr_err *err) {
    const struct xr_stage_config *stage = stage_of(errand);
    const struct xr_vendor *vendor = stage->provider->vendor;
    struct xr_exchange *exchange = &errand->exchange;
    struct xr_request *request = &errand->request;
    enum xr_code code = xr_provider_url(vendor, stage->base_url, request->path, request->arena, &exchange->url, err);
    if (code != XR_OK)
        return code;
    if (stage->key)
        exchange->headers[0] = xr_arena_printf(request->arena, "%s%s", vendor->key_header, stage->key);
    if (stage->key && !exchange->headers[0])
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    exchange->body = xr_buf_view(&request->body);
    exchange->parts = request->parts;
    exchange->part_count = request->part_count;
    exchange->response_max = BOUNDS[errand->call->stage].response_max;
    exchange->timeout_ms = BOUNDS[errand->call->stage].timeout_s * INT64_C(1000);
    return XR_OK;
}

static void build(struct xr_task *task) {
    struct errand *errand = errand_of(task);
    struct xr_request *request = &errand->request;
    struct xr_err err = {0};
    enum xr_code code = xr_call_check(errand->call, &err);
    request->body = xr_buf_make(XR_PROVIDER_BODY_MAX);
    request->arena = xr_arena_new(XR_CALL_ARENA_MAX);
    if (code == XR_OK && !request->arena)
        code = xr_fail(&err, XR_NO_MEMORY, NULL, "out of memory");
    if (code == XR_OK)
        code = stage_of(errand)->provider->adapter->build(stage_of(errand), errand->call, request, &err);
    if (code == XR_OK)
        code = xr_request_built(request, &err);
    if (code == XR_OK)
        code = fill_in(errand, &err);
    if (code == XR_OK)
        xr_client_send(errand->cloud->client, &errand->exchange);
    else
        finish(errand, code, &err, true);
}

static void given_up(struct xr_task *task) {
    struct errand *errand = errand_of(task);
    struct xr_err err = errand->exchange.err; /* which goes with the errand */
    finish(errand, errand->exchange.code, &err, false);
}

/* Only what is made of a few words: all else reads a recording. */
static bool has_small_request(const struct xr_call *call) {
    const struct xr_judge_call *judge = (const struct xr_judge_call *)call;
    if (call->stage != XR_STAGE_JUDGE)
        return false;
    size_t size = judge->reference.len + judge->rubric.len;
    for (size_t i = 0; size <= SMALL && i < judge->turn_count; i++)
        size += judge->turns[i].text.len;
    return size <= SMALL;
}

static void ready(struct xr_exchange *exchange) {
    struct errand *errand = (struct errand *)exchange;
    errand->call->deadline_mono_ns = exchange->until_mono_ns;
    if (exchange->code == XR_OK)
        go_on(errand, build, has_small_request(errand->call));
    else
        go_on(errand, given_up, true);
}

static void released(struct xr_exchange *exchange) {
    drop_request((struct errand *)exchange);
}

/* --- the response --- */

/* Lower case, in place. */
static void read_type(char *content_type, struct xr_response *response) {
    const size_t n = strcspn(content_type, "; \t");
    for (char *c = content_type; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    response->content_type = (struct xr_str){.ptr = content_type, .len = n};
    response->parameters = xr_str_from(content_type + n);
}

static void hide_keys(const struct errand *errand, struct xr_str text) {
    if (text.ptr)
        xr_redact_keys(errand->cloud->config, (char *)(uintptr_t)text.ptr, text.len); /* the call's arena's */
}

/* What was escaped is a key only now that it has been parsed. */
static void hide_keys_of_result(const struct errand *errand) {
    if (errand->call->stage == XR_STAGE_JUDGE)
        hide_keys(errand, ((struct xr_judge_call *)errand->call)->reason);
    if (errand->call->stage != XR_STAGE_TRANSCRIPTION)
        return;
    const struct xr_transcribe_call *call = (struct xr_transcribe_call *)errand->call;
    hide_keys(errand, call->text);
    hide_keys(errand, call->language);
    for (size_t i = 0; i < call->word_count; i++)
        hide_keys(errand, call->words[i].text);
}

static enum xr_code read_response(struct errand *errand, struct xr_err *err) {
    struct xr_exchange *exchange = &errand->exchange;
    struct xr_response response = {.body = exchange->response.data, .len = exchange->response.len};
    read_type(exchange->content_type, &response);
    errand->call->usage.calls = 1; /* to be paid, whether or not it is still wanted */
    enum xr_code code = xr_call_check(errand->call, err);
    if (code != XR_OK)
        return code;
    /* A host may say a request's key again, in a transcript or a judge's reason, which are kept. Speech is not text. */
    if (errand->call->stage != XR_STAGE_TTS)
        xr_redact_keys(errand->cloud->config, response.body, response.len);
    code = stage_of(errand)->provider->adapter->read(stage_of(errand), errand->call, &response, err);
    if (code == XR_OK)
        hide_keys_of_result(errand);
    return code;
}

static void read_answer(struct xr_task *task) {
    struct errand *errand = errand_of(task);
    struct xr_err err = errand->exchange.err;
    enum xr_code code = errand->exchange.code;
    if (code == XR_OK)
        code = read_response(errand, &err);
    finish(errand, code, &err, true);
}

/* Speech is resampled and written to the disk. */
static void done(struct xr_exchange *exchange) {
    struct errand *errand = (struct errand *)exchange;
    bool small = errand->call->stage != XR_STAGE_TTS && exchange->response.len <= SMALL;
    go_on(errand, read_answer, small || exchange->code != XR_OK);
}

/* --- life --- */

enum xr_code xr_cloud_start(struct xr_cloud *cloud, struct xr_call *call, struct xr_err *err) {
    struct errand *errand = calloc(1, sizeof *errand);
    if (!errand)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    errand->cloud = cloud;
    errand->call = call;
    errand->exchange.lane = (unsigned)call->stage;
    errand->exchange.group = call->group;
    errand->exchange.deadline_mono_ns = call->deadline_mono_ns;
    errand->exchange.ready = ready;
    errand->exchange.released = released;
    errand->exchange.done = done;
    xr_client_queue(cloud->client, &errand->exchange);
    return XR_OK;
}

enum xr_code xr_cloud_new(const struct xr_providers_config *config, unsigned concurrency, const struct xr_clock *clock,
                          struct xr_cloud **ret_cloud, struct xr_err *err) {
    XR_AUTO(xr_cloud_freep) struct xr_cloud *cloud = calloc(1, sizeof *cloud);
    if (!cloud)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    cloud->config = config;
    struct xr_client_config client = {.clock = clock,
                                      .secrets = config,
                                      .ca_file = xr_providers_ca_file(config),
                                      .per_group = concurrency,
                                      .per_lane = concurrency == 1 ? 1 : concurrency * XR_PROVIDER_SHARES,
                                      .backoff_ms = XR_RETRY_BACKOFF_MS,
                                      .answers_max = XR_PROVIDER_ANSWERS_MAX,
                                      .group_answers_max = XR_PROVIDER_ANSWERS_MAX / XR_PROVIDER_SHARES,
                                      .answer_small = XR_PROVIDER_ANSWER_SMALL};
    enum xr_code code = xr_pool_new("cloud", THREADS, SIZE_MAX, &cloud->pool, err);
    if (code == XR_OK)
        code = xr_client_new(&client, &cloud->client, err);
    if (code != XR_OK)
        return code;
    *ret_cloud = cloud;
    cloud = NULL;
    return XR_OK;
}

/* The client's end waits for the calls, which need the pool for it. */
void xr_cloud_free(struct xr_cloud *cloud) {
    if (!cloud)
        return;
    xr_client_free(cloud->client);
    xr_pool_free(cloud->pool);
    free(cloud);
}
