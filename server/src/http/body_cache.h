// SPDX-License-Identifier: Apache-2.0
/* http/body_cache.h - the last few finished response bodies of one kind. An entry holds for one version of what it was
 * made from; what has been used least recently goes first. Bounded in bodies and in their bytes. Any thread. */
#pragma once
#include "base/str.h"
#include <stdint.h>

/* Immutable, reference-counted response body. */
enum { XR_ETAG_MAX = 128 };
struct xr_cached_body;
/* Takes over malloc'd bytes, also on failure. etag with its quotes, under XR_ETAG_MAX; NULL: a weak one from the bytes.
 * NULL when out of memory. */
struct xr_cached_body *xr_cached_body_new(char *bytes, size_t n, const char *etag);
void xr_cached_body_unref(void *body); /* struct xr_cached_body *; NULL is fine */
struct xr_str xr_cached_body_bytes(const struct xr_cached_body *body);
const char *xr_cached_body_etag(const struct xr_cached_body *body);

struct xr_body_cache_bounds {
    size_t entries;
    size_t key_max;
    size_t body_max;
    size_t total_max; /* of all bodies */
};
struct xr_body_cache;
struct xr_body_cache *xr_body_cache_new(const struct xr_body_cache_bounds *bounds); /* NULL when out of memory */
void xr_body_cache_free(struct xr_body_cache *cache); /* NULL is fine */
/* One more reference, or NULL on a miss. */
struct xr_cached_body *xr_body_cache_get(struct xr_body_cache *cache, struct xr_str key, uint64_t version);
/* version: no newer than what the body was made from; it only grows. A body or a key that is too large is not kept. */
void xr_body_cache_put(struct xr_body_cache *cache, struct xr_str key, uint64_t version, struct xr_cached_body *body);
