// SPDX-License-Identifier: Apache-2.0
/* providers/client_testing.h - what the client's tests share: a client, a host that it asks, and exchanges that are
 * prepared as soon as they have their place. Link host_testing.c too. Tests only. */
#pragma once
#include "providers/client.h"
#include "providers/host_testing.h"
#include "providers/testing.h"
#include <stdio.h>
#include <stdlib.h>

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Type: Application/JSON; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}"
#define STATUS(line) "HTTP/1.1 " line "\r\nContent-Length: 4\r\n\r\noops"
#define SCRIPT(host, ...)                                                                                              \
    static const struct test_answer answers_[] = {__VA_ARGS__};                                                        \
    test_host_script(host, answers_, sizeof answers_ / sizeof *answers_)
#define TEST_KEY "sk-secret-0123456789"

struct test_client {
    struct test_host *host;
    struct xr_providers_config *config;
    struct xr_client *client;
    struct test_wait wait;
};

/* An exchange, prepared from the start; `wait` is told of its end. */
struct test_probe {
    struct xr_exchange exchange;
    struct test_client *f;
    char url[128];
    bool asked; /* it has a place */
    int released;
};

static inline void test_probe_over(struct test_probe *probe) {
    struct xr_call call = {.ctx = &probe->f->wait};
    if (probe->asked)
        xr_client_leave(probe->f->client, &probe->exchange);
    test_done(&call);
}

static inline void test_probe_ready(struct xr_exchange *exchange) {
    struct test_probe *probe = (struct test_probe *)exchange;
    probe->asked = exchange->code == XR_OK;
    if (probe->asked)
        xr_client_send(probe->f->client, exchange);
    else
        test_probe_over(probe);
}

static inline void test_probe_released(struct xr_exchange *exchange) {
    ((struct test_probe *)exchange)->released++;
}

static inline void test_probe_done(struct xr_exchange *exchange) {
    test_probe_over((struct test_probe *)exchange);
}

/* Bytes of responses: see struct xr_client_config. */
enum { TEST_RESPONSE_MAX = 1024, TEST_ANSWER_SMALL = 200, TEST_GROUP_ANSWERS_MAX = 1000, TEST_ANSWERS_MAX = 2000 };

/* Four places a group, eight in all. */
static inline int test_client_set_up(void **state) {
    struct test_client *f = calloc(1, sizeof *f);
    static const char *const PAIRS[] = {"OPENAI_API_KEY", TEST_KEY, NULL};
    assert_non_null(f);
    f->wait = (struct test_wait)TEST_WAIT;
    f->host = test_host_new();
    f->config = test_config(PAIRS);
    struct xr_client_config config = {.clock = xr_clock_system(),
                                      .secrets = f->config,
                                      .per_group = 4,
                                      .per_lane = 8,
                                      .backoff_ms = 2,
                                      .answers_max = TEST_ANSWERS_MAX,
                                      .group_answers_max = TEST_GROUP_ANSWERS_MAX,
                                      .answer_small = TEST_ANSWER_SMALL};
    assert_int_equal(xr_client_new(&config, &f->client, NULL), XR_OK);
    *state = f;
    return 0;
}

static inline int test_client_tear_down(void **state) {
    struct test_client *f = *state;
    xr_client_free(f->client);
    test_host_free(f->host);
    xr_providers_config_free(f->config);
    free(f);
    return 0;
}

static inline int64_t test_in_ms(int64_t ms) {
    return xr_clock_mono(xr_clock_system()) + ms * XR_NS_PER_MS;
}

static inline void test_probe_make(struct test_client *f, struct test_probe *probe, struct xr_call_group *group) {
    *probe = (struct test_probe){.f = f};
    snprintf(probe->url, sizeof probe->url, "%s/v1/thing", test_host_url(f->host));
    probe->exchange = (struct xr_exchange){.group = group,
                                           .deadline_mono_ns = INT64_MAX,
                                           .ready = test_probe_ready,
                                           .released = test_probe_released,
                                           .done = test_probe_done,
                                           .url = probe->url,
                                           .headers = {"Authorization: Bearer " TEST_KEY},
                                           .body = XR_STR("{\"a\":1}"),
                                           .response_max = TEST_RESPONSE_MAX,
                                           .timeout_ms = 60000};
}

static inline void test_probe_queue(struct test_client *f, struct test_probe *probe) {
    xr_client_queue(f->client, &probe->exchange);
}

/* Starts one and waits for its end. */
static inline void test_probe_ask(struct test_client *f, struct test_probe *probe) {
    int answers = f->wait.answers;
    test_probe_make(f, probe, NULL);
    test_probe_queue(f, probe);
    test_await(&f->wait, answers + 1);
}

static inline void test_probe_clear(struct test_probe *probe) {
    xr_buf_clear(&probe->exchange.response);
}

#define TEST_CLIENT(name) cmocka_unit_test_setup_teardown(name, test_client_set_up, test_client_tear_down)
