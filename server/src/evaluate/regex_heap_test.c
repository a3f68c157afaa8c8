// SPDX-License-Identifier: Apache-2.0
#include "base/test.h"
#include "evaluate/regex_heap.h"
#include <string.h>

enum { SIZE = 1 << 20, SLOTS = 64, ROUNDS = 20000 };

static void memory_is_aligned_and_as_large_as_asked_for(void **state) {
    (void)state;
    XR_AUTO(xr_regex_heap_freep) struct xr_regex_heap *heap = xr_regex_heap_new(SIZE);
    for (size_t n = 0; n < 300; n++) {
        void *p = xr_regex_heap_alloc(heap, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        assert_true(xr_regex_heap_usable(p) >= n);
        memset(p, 0xAA, xr_regex_heap_usable(p));
    }
    assert_int_equal(xr_regex_heap_usable(NULL), 0);
}

static void last_block_grows_in_place_to_the_end(void **state) {
    (void)state;
    XR_AUTO(xr_regex_heap_freep) struct xr_regex_heap *heap = xr_regex_heap_new(SIZE);
    void *other = xr_regex_heap_alloc(heap, 100), *p = xr_regex_heap_alloc(heap, 100);
    assert_non_null(other);
    for (size_t n = 1000; n < SIZE - 4096; n += 1000)
        assert_ptr_equal(xr_regex_heap_resize(heap, p, n), p);
    assert_false(xr_regex_heap_exhausted(heap));
}

static void a_full_heap_refuses_and_keeps_what_it_has(void **state) {
    (void)state;
    XR_AUTO(xr_regex_heap_freep) struct xr_regex_heap *heap = xr_regex_heap_new(SIZE);
    char *kept = xr_regex_heap_alloc(heap, 1000);
    memset(kept, 'k', 1000);
    assert_non_null(xr_regex_heap_alloc(heap, 10));
    assert_null(xr_regex_heap_resize(heap, kept, SIZE));
    assert_true(xr_regex_heap_exhausted(heap));
    assert_null(xr_regex_heap_alloc(heap, SIZE_MAX));
    assert_null(xr_regex_heap_resize(heap, kept, SIZE_MAX));
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(kept[i], 'k');
    assert_non_null(xr_regex_heap_alloc(heap, 1000));
}

static void freed_memory_is_used_again(void **state) {
    (void)state;
    XR_AUTO(xr_regex_heap_freep) struct xr_regex_heap *heap = xr_regex_heap_new(SIZE);
    for (size_t i = 0; i < ROUNDS; i++) {
        void *first = xr_regex_heap_alloc(heap, 1000), *second = xr_regex_heap_alloc(heap, 3000);
        assert_non_null(first);
        assert_non_null(second);
        xr_regex_heap_release(heap, first);
        xr_regex_heap_release(heap, second);
    }
    xr_regex_heap_release(heap, NULL);
}

/* Freed large blocks serve small requests when nothing fresh is left. */
static void any_free_block_serves_before_a_refusal(void **state) {
    (void)state;
    XR_AUTO(xr_regex_heap_freep) struct xr_regex_heap *heap = xr_regex_heap_new(SIZE);
    void *large = xr_regex_heap_alloc(heap, SIZE / 2);
    while (xr_regex_heap_alloc(heap, 4096) != NULL) {
    }
    while (xr_regex_heap_alloc(heap, 16) != NULL) {
    }
    xr_regex_heap_release(heap, large);
    assert_ptr_equal(xr_regex_heap_alloc(heap, 16), large);
}

struct slot {
    unsigned char *p;
    size_t n;
    unsigned char fill;
};

static void check_fill(const struct slot *slot, size_t n) {
    for (size_t i = 0; i < n; i++)
        assert_int_equal(slot->p[i], slot->fill);
}

static void blocks_never_overlap(void **state) {
    (void)state;
    XR_AUTO(xr_regex_heap_freep) struct xr_regex_heap *heap = xr_regex_heap_new(SIZE);
    struct slot slots[SLOTS] = {0};
    uint32_t seed = 1;
    for (unsigned round = 0; round < ROUNDS; round++) {
        seed = seed * 1664525u + 1013904223u;
        struct slot *slot = &slots[seed >> 8 & (SLOTS - 1)];
        size_t n = 1 + (seed >> 16) % 2000;
        check_fill(slot, slot->n);
        if ((seed >> 30) == 0) {
            xr_regex_heap_release(heap, slot->p);
            *slot = (struct slot){0};
            continue;
        }
        unsigned char *p = xr_regex_heap_resize(heap, slot->p, n);
        assert_non_null(p);
        slot->p = p;
        check_fill(slot, n < slot->n ? n : slot->n);
        *slot = (struct slot){.p = p, .n = n, .fill = (unsigned char)round};
        memset(p, slot->fill, n);
    }
}

static void a_size_without_room_is_no_heap(void **state) {
    (void)state;
    assert_null(xr_regex_heap_new(16));
    assert_null(xr_regex_heap_new(SIZE_MAX / 2));
    xr_regex_heap_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_aligned_and_as_large_as_asked_for),
        cmocka_unit_test(last_block_grows_in_place_to_the_end),
        cmocka_unit_test(a_full_heap_refuses_and_keeps_what_it_has),
        cmocka_unit_test(freed_memory_is_used_again),
        cmocka_unit_test(any_free_block_serves_before_a_refusal),
        cmocka_unit_test(blocks_never_overlap),
        cmocka_unit_test(a_size_without_room_is_no_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
