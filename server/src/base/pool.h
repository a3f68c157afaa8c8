// SPDX-License-Identifier: Apache-2.0
/* base/pool.h - a fixed set of threads over one bounded FIFO of tasks. Threads start with the first task. */
#pragma once
#include "base/err.h"
#include <stddef.h>

struct xr_pool;
/* A task is owned by whoever submits it; it must live until run has been called. */
struct xr_task {
    void (*run)(struct xr_task *task); /* on a pool thread; may free the task */
    struct xr_task *next; /* the pool's, while queued */
};

/* name: at most 15 bytes, shown as the threads' name. threads 1..64, max_queued: the bound of the FIFO. */
XR_MUST_USE enum xr_code xr_pool_new(const char *name, unsigned threads, size_t max_queued, struct xr_pool **ret_pool,
                                     struct xr_err *err);
/* Never waits. XR_OVERLOADED when the FIFO is full, XR_CANCELLED once the pool stops. Any thread. */
XR_MUST_USE enum xr_code xr_pool_submit(struct xr_pool *pool, struct xr_task *task, struct xr_err *err);
/* Runs what is queued to its end, then joins the threads. submit fails from now on. Call once, not from a task. */
void xr_pool_stop(struct xr_pool *pool);
void xr_pool_free(struct xr_pool *pool); /* stops if needed; NULL is fine */
XR_DEFINE_FREEP(struct xr_pool, xr_pool_free)
