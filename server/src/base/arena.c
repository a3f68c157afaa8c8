// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { ALIGN = 16, BLOCK_MIN = 4096, BLOCK_MAX = 256 * 1024 };

struct block {
    struct block *next;
    size_t size, used; /* of data */
    _Alignas(ALIGN) unsigned char data[];
};

struct xr_arena {
    struct block *blocks; /* newest first; allocations come from it */
    size_t cap, total;
    bool over;
};

struct xr_arena *xr_arena_new(size_t cap) {
    struct xr_arena *arena = calloc(1, sizeof *arena);
    if (arena)
        arena->cap = cap;
    return arena;
}

void xr_arena_free(struct xr_arena *arena) {
    if (!arena)
        return;
    for (struct block *b = arena->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(arena);
}

static struct block *add_block(struct xr_arena *arena, size_t need) {
    size_t size = arena->blocks ? arena->blocks->size * 2 : BLOCK_MIN;
    if (size > BLOCK_MAX)
        size = BLOCK_MAX;
    if (size < need)
        size = need;
    struct block *b = malloc(sizeof *b + size);
    if (!b)
        return NULL;
    b->size = size;
    b->used = 0;
    b->next = arena->blocks;
    arena->blocks = b;
    return b;
}

void *xr_arena_alloc(struct xr_arena *arena, size_t size) {
    size_t need = size <= arena->cap ? (size + ALIGN - 1) & ~(size_t)(ALIGN - 1) : SIZE_MAX;
    if (need == 0)
        need = ALIGN;
    if (need > arena->cap - arena->total) {
        arena->over = true;
        return NULL;
    }
    struct block *b = arena->blocks;
    if (!b || b->size - b->used < need)
        b = add_block(arena, need);
    if (!b)
        return NULL;
    void *p = b->data + b->used;
    b->used += need;
    arena->total += need;
    return memset(p, 0, need);
}

void *xr_arena_array(struct xr_arena *arena, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    return xr_arena_alloc(arena, bytes);
}

struct xr_str xr_arena_str(struct xr_arena *arena, struct xr_str s) {
    char *copy = s.len < SIZE_MAX ? xr_arena_alloc(arena, s.len + 1) : NULL;
    if (!copy)
        return (struct xr_str){0};
    if (s.len)
        memcpy(copy, s.ptr, s.len);
    return (struct xr_str){.ptr = copy, .len = s.len};
}

char *xr_arena_printf(struct xr_arena *arena, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *out = n < 0 ? NULL : xr_arena_alloc(arena, (size_t)n + 1);
    if (out)
        vsnprintf(out, (size_t)n + 1, fmt, again);
    va_end(again);
    return out;
}

size_t xr_arena_used(const struct xr_arena *arena) {
    return arena->total;
}

bool xr_arena_is_over(const struct xr_arena *arena) {
    return arena->over;
}
