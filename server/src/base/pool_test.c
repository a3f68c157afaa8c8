// SPDX-License-Identifier: Apache-2.0
#include "base/pool.h"
#include "base/test.h"
#include <pthread.h>

struct gate {
    struct xr_task task;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int entered, open;
};

static void wait_at_gate(struct xr_task *task) {
    struct gate *gate = (struct gate *)task;
    pthread_mutex_lock(&gate->lock);
    gate->entered = 1;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->open)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

struct counter {
    struct xr_task task;
    _Atomic int *count;
};

static void count_one(struct xr_task *task) {
    ++*((struct counter *)task)->count;
}

static void full_queue_refuses_and_stop_runs_the_rest(void **state) {
    (void)state;
    struct xr_pool *pool = NULL;
    struct gate gate = {
        .task.run = wait_at_gate, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    _Atomic int count = 0;
    struct counter tasks[3] = {{{count_one, NULL}, &count}, {{count_one, NULL}, &count}, {{count_one, NULL}, &count}};
    assert_int_equal(xr_pool_new("test", 1, 2, &pool, NULL), XR_OK);
    assert_int_equal(xr_pool_submit(pool, &gate.task, NULL), XR_OK);
    pthread_mutex_lock(&gate.lock);
    while (!gate.entered)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    assert_int_equal(xr_pool_submit(pool, &tasks[0].task, NULL), XR_OK);
    assert_int_equal(xr_pool_submit(pool, &tasks[1].task, NULL), XR_OK);
    assert_int_equal(xr_pool_submit(pool, &tasks[2].task, NULL), XR_OVERLOADED);
    pthread_mutex_lock(&gate.lock);
    gate.open = 1;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
    xr_pool_stop(pool);
    assert_int_equal(count, 2);
    assert_int_equal(xr_pool_submit(pool, &tasks[2].task, NULL), XR_CANCELLED);
    xr_pool_free(pool);
}

static void thread_counts_are_bounded(void **state) {
    (void)state;
    struct xr_pool *pool = NULL;
    assert_int_equal(xr_pool_new("test", 0, 1, &pool, NULL), XR_INVALID);
    assert_int_equal(xr_pool_new("test", 65, 1, &pool, NULL), XR_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_queue_refuses_and_stop_runs_the_rest),
        cmocka_unit_test(thread_counts_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
