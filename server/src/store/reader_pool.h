// SPDX-License-Identifier: Apache-2.0
/* store/reader_pool.h - readers for pool threads: taken for one piece of work, given back, kept open. Any thread. */
#pragma once
#include "store/store.h"

struct xr_reader_pool;
/* keep: how many idle readers stay open. */
XR_MUST_USE enum xr_code xr_reader_pool_new(struct xr_store *store, size_t keep, struct xr_reader_pool **ret_pool,
                                            struct xr_err *err);
/* Every reader must be back. NULL is fine. */
void xr_reader_pool_free(struct xr_reader_pool *pool);
XR_DEFINE_FREEP(struct xr_reader_pool, xr_reader_pool_free)
/* An idle reader, or a new one. */
XR_MUST_USE enum xr_code xr_reader_pool_take(struct xr_reader_pool *pool, struct xr_store_reader **ret_reader,
                                             struct xr_err *err);
void xr_reader_pool_give(struct xr_reader_pool *pool, struct xr_store_reader *reader); /* NULL is fine */
