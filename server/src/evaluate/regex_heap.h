// SPDX-License-Identifier: Apache-2.0
/* evaluate/regex_heap.h - all the memory of one run of the regular-expression engine, in one capped mapping of its own.
 * Whatever state the engine is stopped in, freeing the heap frees everything; and as it takes no lock, the engine may
 * be stopped inside it. One thread at a time. */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

struct xr_regex_heap;

/* size: bytes mapped, the heap's own included; touched only when used. NULL when out of memory. */
struct xr_regex_heap *xr_regex_heap_new(size_t size);
void xr_regex_heap_free(struct xr_regex_heap *heap); /* NULL is fine */
XR_DEFINE_FREEP(struct xr_regex_heap, xr_regex_heap_free)

/* As malloc, realloc and free, aligned to 16 bytes; NULL when the heap is full. */
void *xr_regex_heap_alloc(struct xr_regex_heap *heap, size_t n);
void *xr_regex_heap_resize(struct xr_regex_heap *heap, void *p, size_t n);
void xr_regex_heap_release(struct xr_regex_heap *heap, void *p);
/* Bytes that may be used at p, at least what was asked for. */
size_t xr_regex_heap_usable(const void *p);
/* True once an allocation was refused. */
bool xr_regex_heap_exhausted(const struct xr_regex_heap *heap);
