// SPDX-License-Identifier: Apache-2.0
#include "http/body_cache.h"
#include "base/sha256.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct xr_cached_body {
    atomic_size_t refs;
    char *bytes;
    size_t n;
    char etag[XR_ETAG_MAX];
};

struct entry {
    char *key; /* its own key_max bytes of the cache's keys */
    size_t key_len;
    uint64_t version;
    uint64_t used; /* the cache's clock at its last use; 0: free */
    struct xr_cached_body *body;
};

struct xr_body_cache {
    struct xr_body_cache_bounds bounds;
    pthread_mutex_t lock;
    uint64_t clock;
    size_t total; /* bytes of the bodies */
    char *keys;
    struct entry entries[];
};

static void weak_etag(const char *bytes, size_t n, char out[XR_ETAG_MAX]) {
    uint8_t hash[XR_SHA256_SIZE];
    char hex[XR_SHA256_HEX + 1];
    xr_sha256_of(bytes, n, hash);
    xr_hex_encode(hash, XR_SHA256_SIZE, hex);
    snprintf(out, XR_ETAG_MAX, "W/\"%.32s\"", hex);
}

struct xr_cached_body *xr_cached_body_new(char *bytes, size_t n, const char *etag) {
    struct xr_cached_body *body = malloc(sizeof *body);
    if (!body) {
        free(bytes);
        return NULL;
    }
    char *fitting = n > 0 ? realloc(bytes, n) : NULL; /* a buffer that has grown may be twice as large */
    atomic_init(&body->refs, 1);
    body->bytes = fitting ? fitting : bytes;
    body->n = n;
    if (etag)
        snprintf(body->etag, sizeof body->etag, "%s", etag);
    else
        weak_etag(body->bytes, n, body->etag);
    return body;
}

static struct xr_cached_body *body_ref(struct xr_cached_body *body) {
    atomic_fetch_add_explicit(&body->refs, 1, memory_order_relaxed);
    return body;
}

void xr_cached_body_unref(void *arg) {
    struct xr_cached_body *body = arg;
    if (!body || atomic_fetch_sub_explicit(&body->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(body->bytes);
    free(body);
}

struct xr_str xr_cached_body_bytes(const struct xr_cached_body *body) {
    return (struct xr_str){.ptr = body->bytes, .len = body->n};
}

const char *xr_cached_body_etag(const struct xr_cached_body *body) {
    return body->etag;
}

struct xr_body_cache *xr_body_cache_new(const struct xr_body_cache_bounds *bounds) {
    struct xr_body_cache *cache = calloc(1, sizeof *cache + bounds->entries * sizeof cache->entries[0]);
    if (!cache)
        return NULL;
    cache->bounds = *bounds;
    cache->keys = calloc(bounds->entries, bounds->key_max);
    if (!cache->keys || pthread_mutex_init(&cache->lock, NULL) != 0) {
        free(cache->keys);
        free(cache);
        return NULL;
    }
    for (size_t i = 0; i < bounds->entries; i++)
        cache->entries[i].key = cache->keys + i * bounds->key_max;
    return cache;
}

void xr_body_cache_free(struct xr_body_cache *cache) {
    if (!cache)
        return;
    for (size_t i = 0; i < cache->bounds.entries; i++)
        xr_cached_body_unref(cache->entries[i].body);
    pthread_mutex_destroy(&cache->lock);
    free(cache->keys);
    free(cache);
}

static struct entry *find(struct xr_body_cache *cache, struct xr_str key) {
    for (size_t i = 0; i < cache->bounds.entries; i++) {
        struct entry *entry = &cache->entries[i];
        if (entry->body && xr_str_eq((struct xr_str){.ptr = entry->key, .len = entry->key_len}, key))
            return entry;
    }
    return NULL;
}

static void empty(struct xr_body_cache *cache, struct entry *entry) {
    if (!entry->body)
        return;
    cache->total -= entry->body->n;
    xr_cached_body_unref(entry->body);
    entry->body = NULL;
    entry->used = 0;
}

/* Of those that hold a body, or with `free_too` a free one before them; never NULL if there is one to choose. */
static struct entry *least_recent(struct xr_body_cache *cache, bool free_too) {
    struct entry *oldest = NULL;
    for (size_t i = 0; i < cache->bounds.entries; i++) {
        struct entry *entry = &cache->entries[i];
        if ((free_too || entry->body) && (!oldest || entry->used < oldest->used))
            oldest = entry;
    }
    return oldest;
}

struct xr_cached_body *xr_body_cache_get(struct xr_body_cache *cache, struct xr_str key, uint64_t version) {
    struct xr_cached_body *body = NULL;
    pthread_mutex_lock(&cache->lock);
    struct entry *entry = find(cache, key);
    if (entry && entry->version == version) {
        entry->used = ++cache->clock;
        body = body_ref(entry->body);
    }
    pthread_mutex_unlock(&cache->lock);
    return body;
}

static void store(struct xr_body_cache *cache, struct xr_str key, uint64_t version, struct xr_cached_body *body) {
    while (cache->total > cache->bounds.total_max - body->n)
        empty(cache, least_recent(cache, false));
    struct entry *entry = least_recent(cache, true);
    empty(cache, entry);
    if (key.len > 0)
        memcpy(entry->key, key.ptr, key.len);
    entry->key_len = key.len;
    entry->version = version;
    entry->used = ++cache->clock;
    entry->body = body_ref(body);
    cache->total += body->n;
}

void xr_body_cache_put(struct xr_body_cache *cache, struct xr_str key, uint64_t version, struct xr_cached_body *body) {
    const struct xr_body_cache_bounds *bounds = &cache->bounds;
    if (body->n > bounds->body_max || body->n > bounds->total_max || key.len > bounds->key_max)
        return;
    pthread_mutex_lock(&cache->lock);
    struct entry *entry = find(cache, key);
    /* A slower reader of an older version must not undo a newer entry. */
    if (!entry || entry->version <= version) {
        if (entry)
            empty(cache, entry);
        store(cache, key, version, body);
    }
    pthread_mutex_unlock(&cache->lock);
}
