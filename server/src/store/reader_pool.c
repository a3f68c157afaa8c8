// SPDX-License-Identifier: Apache-2.0
#include "store/reader_pool.h"
#include <pthread.h>
#include <stdlib.h>

struct xr_reader_pool {
    pthread_mutex_t lock;
    struct xr_store *store;
    size_t keep, count;
    struct xr_store_reader *idle[];
};

enum xr_code xr_reader_pool_new(struct xr_store *store, size_t keep, struct xr_reader_pool **ret_pool,
                                struct xr_err *err) {
    struct xr_reader_pool *pool = calloc(1, sizeof *pool + keep * sizeof pool->idle[0]);
    if (!pool)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    pthread_mutex_init(&pool->lock, NULL);
    pool->store = store;
    pool->keep = keep;
    *ret_pool = pool;
    return XR_OK;
}

void xr_reader_pool_free(struct xr_reader_pool *pool) {
    if (!pool)
        return;
    for (size_t i = 0; i < pool->count; i++)
        xr_store_reader_close(pool->idle[i]);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

enum xr_code xr_reader_pool_take(struct xr_reader_pool *pool, struct xr_store_reader **ret_reader, struct xr_err *err) {
    struct xr_store_reader *reader = NULL;
    pthread_mutex_lock(&pool->lock);
    if (pool->count > 0)
        reader = pool->idle[--pool->count];
    pthread_mutex_unlock(&pool->lock);
    if (!reader)
        return xr_store_reader_open(pool->store, ret_reader, err);
    *ret_reader = reader;
    return XR_OK;
}

void xr_reader_pool_give(struct xr_reader_pool *pool, struct xr_store_reader *reader) {
    if (!reader)
        return;
    pthread_mutex_lock(&pool->lock);
    bool kept = pool->count < pool->keep;
    if (kept)
        pool->idle[pool->count++] = reader;
    pthread_mutex_unlock(&pool->lock);
    if (!kept)
        xr_store_reader_close(reader);
}
