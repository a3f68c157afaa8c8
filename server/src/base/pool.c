// SPDX-License-Identifier: Apache-2.0
#include "base/pool.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS_MAX = 64, NAME_MAX_BYTES = 15 };

struct xr_pool {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct xr_task *first, *last;
    size_t queued, max_queued;
    unsigned idle, started, threads;
    bool stopping;
    char name[NAME_MAX_BYTES + 1];
    pthread_t ids[THREADS_MAX];
};

static struct xr_task *take(struct xr_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    while (!pool->first && !pool->stopping) {
        pool->idle++;
        pthread_cond_wait(&pool->wake, &pool->lock);
        pool->idle--;
    }
    struct xr_task *task = pool->first;
    if (task) {
        pool->first = task->next;
        if (!pool->first)
            pool->last = NULL;
        pool->queued--;
    }
    pthread_mutex_unlock(&pool->lock);
    return task;
}

static void *work(void *arg) {
    struct xr_pool *pool = arg;
    pthread_setname_np(pthread_self(), pool->name);
    for (struct xr_task *task = take(pool); task; task = take(pool))
        task->run(task);
    return NULL;
}

enum xr_code xr_pool_new(const char *name, unsigned threads, size_t max_queued, struct xr_pool **ret_pool,
                         struct xr_err *err) {
    if (threads < 1 || threads > THREADS_MAX)
        return xr_fail(err, XR_INVALID, NULL, "a pool has 1..%d threads", THREADS_MAX);
    struct xr_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pool->threads = threads;
    pool->max_queued = max_queued;
    snprintf(pool->name, sizeof pool->name, "%s", name);
    *ret_pool = pool;
    return XR_OK;
}

/* Under the lock. One more thread when nobody is idle; a failure matters only when there is none at all. */
static bool ensure_thread(struct xr_pool *pool) {
    if (pool->idle > pool->queued || pool->started == pool->threads)
        return true;
    if (pthread_create(&pool->ids[pool->started], NULL, work, pool) == 0)
        pool->started++;
    return pool->started > 0;
}

enum xr_code xr_pool_submit(struct xr_pool *pool, struct xr_task *task, struct xr_err *err) {
    enum xr_code code = XR_OK;
    pthread_mutex_lock(&pool->lock);
    if (pool->stopping) {
        code = xr_fail(err, XR_CANCELLED, NULL, "the server is stopping");
    } else if (pool->queued >= pool->max_queued) {
        code = xr_fail(err, XR_OVERLOADED, NULL, "%s: %zu tasks are queued", pool->name, pool->queued);
    } else if (!ensure_thread(pool)) {
        code = xr_fail(err, XR_OVERLOADED, NULL, "%s: no thread could be started", pool->name);
    } else {
        task->next = NULL;
        if (pool->last)
            pool->last->next = task;
        else
            pool->first = task;
        pool->last = task;
        pool->queued++;
        pthread_cond_signal(&pool->wake);
    }
    pthread_mutex_unlock(&pool->lock);
    return code;
}

void xr_pool_stop(struct xr_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    bool already = pool->stopping;
    pool->stopping = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; !already && i < pool->started; i++)
        pthread_join(pool->ids[i], NULL);
}

void xr_pool_free(struct xr_pool *pool) {
    if (!pool)
        return;
    xr_pool_stop(pool);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
