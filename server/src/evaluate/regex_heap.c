// SPDX-License-Identifier: Apache-2.0
#include "evaluate/regex_heap.h"
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGN = 16, BINS = 48 };

struct block {
    size_t capacity; /* of data, a multiple of ALIGN */
    struct block *next; /* in its bin, while free */
    _Alignas(ALIGN) unsigned char data[];
};

/* Lies at the start of its own mapping. Blocks follow it; bins[k] holds free ones of 2^k to 2^(k+1)-1 bytes. */
struct xr_regex_heap {
    size_t size, used; /* of the mapping */
    bool exhausted;
    struct block *bins[BINS];
};

static size_t round_up(size_t n) {
    return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

struct xr_regex_heap *xr_regex_heap_new(size_t size) {
    if (size < sizeof(struct xr_regex_heap) + ALIGN)
        return NULL;
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return NULL;
    struct xr_regex_heap *heap = map;
    heap->size = size;
    heap->used = round_up(sizeof *heap);
    return heap;
}

void xr_regex_heap_free(struct xr_regex_heap *heap) {
    if (heap)
        munmap(heap, heap->size);
}

static struct block *block_of(const void *p) {
    return (struct block *)((uintptr_t)p - offsetof(struct block, data));
}

static unsigned bin_of(size_t capacity) {
    return 63u - (unsigned)__builtin_clzll(capacity);
}

static struct block *take_free(struct xr_regex_heap *heap, unsigned bin, size_t need) {
    struct block *block = heap->bins[bin];
    if (!block || block->capacity < need)
        return NULL;
    heap->bins[bin] = block->next;
    return block;
}

static struct block *take_fresh(struct xr_regex_heap *heap, size_t need) {
    size_t left = heap->size - heap->used;
    if (left < sizeof(struct block) || left - sizeof(struct block) < need)
        return NULL;
    struct block *block = (struct block *)((unsigned char *)heap + heap->used);
    block->capacity = need;
    heap->used += sizeof *block + need;
    return block;
}

/* A free block that fits well, else fresh memory, else any free block that is large enough. */
static struct block *take(struct xr_regex_heap *heap, size_t need) {
    unsigned bin = bin_of(need);
    struct block *block = take_free(heap, bin, need);
    if (!block)
        block = take_free(heap, bin + 1, need);
    if (!block)
        block = take_fresh(heap, need);
    for (unsigned i = bin + 2; !block && i < BINS; i++)
        block = take_free(heap, i, need);
    return block;
}

static void *refuse(struct xr_regex_heap *heap) {
    heap->exhausted = true;
    return NULL;
}

void *xr_regex_heap_alloc(struct xr_regex_heap *heap, size_t n) {
    if (n > heap->size)
        return refuse(heap);
    struct block *block = take(heap, n > 0 ? round_up(n) : ALIGN);
    return block ? block->data : refuse(heap);
}

static bool is_last(const struct xr_regex_heap *heap, const struct block *block) {
    return block->data + block->capacity == (const unsigned char *)heap + heap->used;
}

void xr_regex_heap_release(struct xr_regex_heap *heap, void *p) {
    if (!p)
        return;
    struct block *block = block_of(p);
    if (is_last(heap, block)) {
        heap->used -= sizeof *block + block->capacity;
        return;
    }
    unsigned bin = bin_of(block->capacity);
    block->next = heap->bins[bin];
    heap->bins[bin] = block;
}

/* The last block grows where it is: the matcher's stack, which grows alone, may fill the heap without a copy. */
static bool grow_last(struct xr_regex_heap *heap, struct block *block, size_t need) {
    size_t more = need - block->capacity;
    if (!is_last(heap, block) || more > heap->size - heap->used)
        return false;
    block->capacity = need;
    heap->used += more;
    return true;
}

void *xr_regex_heap_resize(struct xr_regex_heap *heap, void *p, size_t n) {
    if (!p)
        return xr_regex_heap_alloc(heap, n);
    if (n > heap->size)
        return refuse(heap);
    struct block *block = block_of(p);
    if (n <= block->capacity || grow_last(heap, block, round_up(n)))
        return p;
    void *grown = xr_regex_heap_alloc(heap, n);
    if (grown) {
        memcpy(grown, p, block->capacity);
        xr_regex_heap_release(heap, p);
    }
    return grown;
}

size_t xr_regex_heap_usable(const void *p) {
    return p ? block_of(p)->capacity : 0;
}

bool xr_regex_heap_exhausted(const struct xr_regex_heap *heap) {
    return heap->exhausted;
}
