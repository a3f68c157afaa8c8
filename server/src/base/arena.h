// SPDX-License-Identifier: Apache-2.0
/* base/arena.h - a capped region of memory that is freed at once. One owner, one thread at a time; nothing given to
 * another thread may point into it. Its first block is allocated at the first use. */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include <stdbool.h>
#include <stddef.h>

struct xr_arena;

/* cap: the most bytes the arena will ever hand out. NULL when out of memory. */
struct xr_arena *xr_arena_new(size_t cap);
void xr_arena_free(struct xr_arena *arena); /* NULL is fine */
XR_DEFINE_FREEP(struct xr_arena, xr_arena_free)

/* Zeroed, aligned to 16 bytes; NULL when out of memory or over the cap. */
void *xr_arena_alloc(struct xr_arena *arena, size_t size);
/* count * size with overflow checked. */
void *xr_arena_array(struct xr_arena *arena, size_t count, size_t size);
/* A copy, NUL-terminated for convenience (the NUL is not counted in len). ret->ptr is NULL on failure. */
struct xr_str xr_arena_str(struct xr_arena *arena, struct xr_str s);
/* printf into the arena, NUL-terminated; NULL on failure. */
char *xr_arena_printf(struct xr_arena *arena, const char *fmt, ...) XR_PRINTF(2, 3);
/* Bytes handed out so far. */
size_t xr_arena_used(const struct xr_arena *arena);
/* Whether an allocation was refused because of the cap: the same work would not fit again. */
bool xr_arena_is_over(const struct xr_arena *arena);
