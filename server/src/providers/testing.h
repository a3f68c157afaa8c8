// SPDX-License-Identifier: Apache-2.0
/* providers/testing.h - what the folder's tests share: an environment made of pairs, and waiting for an answer. */
#pragma once
#include "base/clock.h"
#include "base/test.h"
#include "providers/providers.h"
#include <pthread.h>
#include <string.h>

/* "NAME", "value", ..., NULL */
static inline const char *test_getenv(const char *name, void *ctx) {
    for (const char *const *pair = ctx; pair[0]; pair += 2)
        if (strcmp(pair[0], name) == 0)
            return pair[1];
    return NULL;
}

static inline struct xr_providers_config *test_config(const char *const *pairs) {
    struct xr_buf problems = xr_buf_make(4096);
    struct xr_providers_config *config = NULL;
    assert_int_equal(xr_providers_config_load(test_getenv, (void *)(uintptr_t)pairs, &problems, &config, NULL), XR_OK);
    assert_int_equal(problems.len, 0);
    return config;
}

/* One call's answer. */
struct test_wait {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int answers;
};
#define TEST_WAIT {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER}

static inline void test_done(struct xr_call *call) {
    struct test_wait *wait = call->ctx;
    pthread_mutex_lock(&wait->lock);
    wait->answers++;
    pthread_cond_broadcast(&wait->changed);
    pthread_mutex_unlock(&wait->lock);
}

static inline int test_await_at_least(struct test_wait *wait, int answers) {
    pthread_mutex_lock(&wait->lock);
    while (wait->answers < answers)
        pthread_cond_wait(&wait->changed, &wait->lock);
    int got = wait->answers;
    pthread_mutex_unlock(&wait->lock);
    return got;
}

static inline void test_await(struct test_wait *wait, int answers) {
    assert_int_equal(test_await_at_least(wait, answers), answers);
}

static inline struct xr_call test_call(struct test_wait *wait, struct xr_call_group *group) {
    return (struct xr_call){.group = group, .deadline_mono_ns = INT64_MAX, .done = test_done, .ctx = wait};
}
