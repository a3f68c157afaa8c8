// SPDX-License-Identifier: Apache-2.0
/* http/list_cache.h - the last few finished bodies of the conversation list. An entry holds for one version of the
 * store, so a commit makes all of them misses. At most XR_LIST_CACHE_ENTRIES bodies of XR_LIST_CACHE_BODY_MAX. Any
 * thread. */
#pragma once
#include "base/str.h"
#include <stdint.h>

/* Immutable, reference-counted response body. */
enum { XR_LIST_ETAG_MAX = 40 };
struct xr_list_body;
/* Takes over malloc'd bytes, also on failure. NULL when out of memory. */
struct xr_list_body *xr_list_body_new(char *bytes, size_t n);
void xr_list_body_unref(void *body); /* struct xr_list_body *; NULL is fine */
struct xr_str xr_list_body_bytes(const struct xr_list_body *body);
const char *xr_list_body_etag(const struct xr_list_body *body); /* weak, with W/ and quotes */

struct xr_list_cache;
struct xr_list_cache *xr_list_cache_new(void); /* NULL when out of memory */
void xr_list_cache_free(struct xr_list_cache *cache); /* NULL is fine */
/* One more reference, or NULL on a miss. */
struct xr_list_body *xr_list_cache_get(struct xr_list_cache *cache, struct xr_str key, uint64_t version);
/* version: the store's before the body was read. A body or a key that is too large is not kept. */
void xr_list_cache_put(struct xr_list_cache *cache, struct xr_str key, uint64_t version, struct xr_list_body *body);
