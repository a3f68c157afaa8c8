// SPDX-License-Identifier: Apache-2.0
#include "http/list_cache.h"
#include "base/limits.h"
#include "base/sha256.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct xr_list_body {
    atomic_size_t refs;
    char *bytes;
    size_t n;
    char etag[XR_LIST_ETAG_MAX];
};

struct entry {
    char key[XR_LIST_CACHE_KEY_MAX];
    size_t key_len;
    uint64_t version;
    uint64_t used; /* the cache's clock at its last use: the smallest is replaced */
    struct xr_list_body *body; /* NULL: free */
};

struct xr_list_cache {
    pthread_mutex_t lock;
    uint64_t clock;
    struct entry entries[XR_LIST_CACHE_ENTRIES];
};

struct xr_list_body *xr_list_body_new(char *bytes, size_t n) {
    struct xr_list_body *body = malloc(sizeof *body);
    if (!body) {
        free(bytes);
        return NULL;
    }
    uint8_t hash[XR_SHA256_SIZE];
    char hex[XR_SHA256_HEX + 1];
    xr_sha256_of(bytes, n, hash);
    xr_hex_encode(hash, XR_SHA256_SIZE, hex);
    atomic_init(&body->refs, 1);
    body->bytes = bytes;
    body->n = n;
    snprintf(body->etag, sizeof body->etag, "W/\"%.32s\"", hex);
    return body;
}

static struct xr_list_body *body_ref(struct xr_list_body *body) {
    atomic_fetch_add_explicit(&body->refs, 1, memory_order_relaxed);
    return body;
}

void xr_list_body_unref(void *arg) {
    struct xr_list_body *body = arg;
    if (!body || atomic_fetch_sub_explicit(&body->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(body->bytes);
    free(body);
}

struct xr_str xr_list_body_bytes(const struct xr_list_body *body) {
    return (struct xr_str){.ptr = body->bytes, .len = body->n};
}

const char *xr_list_body_etag(const struct xr_list_body *body) {
    return body->etag;
}

struct xr_list_cache *xr_list_cache_new(void) {
    struct xr_list_cache *cache = calloc(1, sizeof *cache);
    if (cache && pthread_mutex_init(&cache->lock, NULL) != 0) {
        free(cache);
        return NULL;
    }
    return cache;
}

void xr_list_cache_free(struct xr_list_cache *cache) {
    if (!cache)
        return;
    for (size_t i = 0; i < XR_LIST_CACHE_ENTRIES; i++)
        xr_list_body_unref(cache->entries[i].body);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

static struct entry *find(struct xr_list_cache *cache, struct xr_str key) {
    for (size_t i = 0; i < XR_LIST_CACHE_ENTRIES; i++) {
        struct entry *entry = &cache->entries[i];
        if (entry->body && xr_str_eq((struct xr_str){.ptr = entry->key, .len = entry->key_len}, key))
            return entry;
    }
    return NULL;
}

static struct entry *least_recent(struct xr_list_cache *cache) {
    struct entry *oldest = &cache->entries[0];
    for (size_t i = 1; i < XR_LIST_CACHE_ENTRIES; i++)
        if (cache->entries[i].used < oldest->used)
            oldest = &cache->entries[i];
    return oldest;
}

struct xr_list_body *xr_list_cache_get(struct xr_list_cache *cache, struct xr_str key, uint64_t version) {
    struct xr_list_body *body = NULL;
    pthread_mutex_lock(&cache->lock);
    struct entry *entry = find(cache, key);
    if (entry && entry->version == version) {
        entry->used = ++cache->clock;
        body = body_ref(entry->body);
    }
    pthread_mutex_unlock(&cache->lock);
    return body;
}

void xr_list_cache_put(struct xr_list_cache *cache, struct xr_str key, uint64_t version, struct xr_list_body *body) {
    if (body->n > XR_LIST_CACHE_BODY_MAX || key.len > XR_LIST_CACHE_KEY_MAX)
        return;
    pthread_mutex_lock(&cache->lock);
    struct entry *entry = find(cache, key);
    if (!entry)
        entry = least_recent(cache);
    struct xr_list_body *old = entry->body;
    /* A slower reader of an older version must not undo a newer entry. */
    bool newer =
        old && xr_str_eq((struct xr_str){.ptr = entry->key, .len = entry->key_len}, key) && entry->version > version;
    if (newer) {
        old = NULL;
    } else {
        if (key.len > 0)
            memcpy(entry->key, key.ptr, key.len);
        entry->key_len = key.len;
        entry->version = version;
        entry->used = ++cache->clock;
        entry->body = body_ref(body);
    }
    pthread_mutex_unlock(&cache->lock);
    xr_list_body_unref(old);
}
