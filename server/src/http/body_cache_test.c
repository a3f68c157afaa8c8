// SPDX-License-Identifier: Apache-2.0
#include "base/test.h"
#include "http/body_cache.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES = 4, KEY_MAX = 16, BODY_MAX = 1000, TOTAL_MAX = 2500 };

static struct xr_body_cache *new_cache(void) {
    const struct xr_body_cache_bounds bounds = {
        .entries = ENTRIES, .key_max = KEY_MAX, .body_max = BODY_MAX, .total_max = TOTAL_MAX};
    return xr_body_cache_new(&bounds);
}

static void put(struct xr_body_cache *cache, struct xr_str key, uint64_t version, const char *text) {
    struct xr_cached_body *body = xr_cached_body_new(strdup(text), strlen(text), NULL);
    xr_body_cache_put(cache, key, version, body);
    xr_cached_body_unref(body);
}

static void put_bytes(struct xr_body_cache *cache, struct xr_str key, uint64_t version, size_t n) {
    struct xr_cached_body *body = xr_cached_body_new(calloc(n, 1), n, NULL);
    xr_body_cache_put(cache, key, version, body);
    xr_cached_body_unref(body);
}

static bool is_cached(struct xr_body_cache *cache, struct xr_str key, uint64_t version) {
    struct xr_cached_body *body = xr_body_cache_get(cache, key, version);
    xr_cached_body_unref(body);
    return body;
}

/* NULL: a miss. */
static void assert_cached(struct xr_body_cache *cache, struct xr_str key, uint64_t version, const char *want) {
    struct xr_cached_body *body = xr_body_cache_get(cache, key, version);
    if (want)
        assert_true(body && xr_str_eq(xr_cached_body_bytes(body), xr_str_from(want)));
    else
        assert_null(body);
    xr_cached_body_unref(body);
}

static void an_entry_holds_for_its_version_only(void **state) {
    (void)state;
    struct xr_body_cache *cache = new_cache();
    assert_cached(cache, XR_STR("k"), 1, NULL);
    put(cache, XR_STR("k"), 1, "one");
    assert_cached(cache, XR_STR("k"), 1, "one");
    assert_cached(cache, XR_STR("k"), 2, NULL);
    assert_cached(cache, XR_STR("K"), 1, NULL);
    put(cache, XR_STR("k"), 2, "two");
    assert_cached(cache, XR_STR("k"), 2, "two");
    assert_cached(cache, XR_STR("k"), 1, NULL);
    xr_body_cache_free(cache);
}

static void a_slow_reader_does_not_undo_a_newer_entry(void **state) {
    (void)state;
    struct xr_body_cache *cache = new_cache();
    put(cache, XR_STR("k"), 2, "two");
    put(cache, XR_STR("k"), 1, "one");
    assert_cached(cache, XR_STR("k"), 2, "two");
    assert_cached(cache, XR_STR("k"), 1, NULL);
    xr_body_cache_free(cache);
}

static void the_least_recently_used_entry_goes(void **state) {
    (void)state;
    struct xr_body_cache *cache = new_cache();
    char keys[ENTRIES + 1][8];
    for (int i = 0; i <= ENTRIES; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        if (i == ENTRIES) /* k0 is used, so k1 is the oldest */
            assert_cached(cache, xr_str_from(keys[0]), 1, "k0");
        put(cache, xr_str_from(keys[i]), 1, keys[i]);
    }
    assert_cached(cache, xr_str_from(keys[0]), 1, "k0");
    assert_cached(cache, xr_str_from(keys[1]), 1, NULL);
    assert_cached(cache, xr_str_from(keys[ENTRIES]), 1, keys[ENTRIES]);
    xr_body_cache_free(cache);
}

static void large_keys_and_bodies_are_not_kept(void **state) {
    (void)state;
    struct xr_body_cache *cache = new_cache();
    static char key[KEY_MAX + 1];
    put(cache, (struct xr_str){.ptr = key, .len = sizeof key}, 1, "x");
    assert_cached(cache, (struct xr_str){.ptr = key, .len = sizeof key}, 1, NULL);
    put(cache, (struct xr_str){.ptr = key, .len = sizeof key - 1}, 1, "x");
    assert_cached(cache, (struct xr_str){.ptr = key, .len = sizeof key - 1}, 1, "x");
    put_bytes(cache, XR_STR("big"), 1, BODY_MAX + 1);
    assert_cached(cache, XR_STR("big"), 1, NULL);
    xr_body_cache_free(cache);
}

static void bodies_go_until_all_of_them_are_within_the_bound(void **state) {
    (void)state;
    struct xr_body_cache *cache = new_cache();
    put_bytes(cache, XR_STR("a"), 1, 1000);
    put_bytes(cache, XR_STR("b"), 1, 500);
    put_bytes(cache, XR_STR("c"), 1, 1000);
    assert_true(is_cached(cache, XR_STR("a"), 1)); /* 2,500 bytes; now b is the oldest */
    put_bytes(cache, XR_STR("d"), 1, 501);
    assert_false(is_cached(cache, XR_STR("b"), 1));
    assert_false(is_cached(cache, XR_STR("c"), 1));
    assert_true(is_cached(cache, XR_STR("a"), 1));
    assert_true(is_cached(cache, XR_STR("d"), 1));
    put_bytes(cache, XR_STR("d"), 2, 1000); /* in the place of its older version: a may stay */
    put_bytes(cache, XR_STR("e"), 1, 500);
    assert_true(is_cached(cache, XR_STR("a"), 1));
    assert_true(is_cached(cache, XR_STR("d"), 2));
    assert_true(is_cached(cache, XR_STR("e"), 1));
    xr_body_cache_free(cache);
}

static void a_body_has_the_etag_it_is_given(void **state) {
    (void)state;
    struct xr_cached_body *body = xr_cached_body_new(strdup("one"), 3, "\"x.1\"");
    assert_string_equal(xr_cached_body_etag(body), "\"x.1\"");
    xr_cached_body_unref(body);
}

static void a_body_outlives_its_entry(void **state) {
    (void)state;
    struct xr_body_cache *cache = new_cache();
    put(cache, XR_STR("k"), 1, "one");
    struct xr_cached_body *body = xr_body_cache_get(cache, XR_STR("k"), 1);
    put(cache, XR_STR("k"), 2, "two");
    xr_body_cache_free(cache);
    assert_true(xr_str_eq(xr_cached_body_bytes(body), XR_STR("one")));
    xr_cached_body_unref(body);
}

static void equal_bodies_have_equal_etags(void **state) {
    (void)state;
    struct xr_cached_body *a = xr_cached_body_new(strdup("one"), 3, NULL),
                          *b = xr_cached_body_new(strdup("one"), 3, NULL);
    struct xr_cached_body *c = xr_cached_body_new(strdup("two"), 3, NULL);
    assert_string_equal(xr_cached_body_etag(a), xr_cached_body_etag(b));
    assert_string_not_equal(xr_cached_body_etag(a), xr_cached_body_etag(c));
    assert_memory_equal(xr_cached_body_etag(a), "W/\"", 3);
    assert_int_equal(strlen(xr_cached_body_etag(a)), 36);
    xr_cached_body_unref(a);
    xr_cached_body_unref(b);
    xr_cached_body_unref(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_holds_for_its_version_only),
        cmocka_unit_test(a_slow_reader_does_not_undo_a_newer_entry),
        cmocka_unit_test(the_least_recently_used_entry_goes),
        cmocka_unit_test(large_keys_and_bodies_are_not_kept),
        cmocka_unit_test(bodies_go_until_all_of_them_are_within_the_bound),
        cmocka_unit_test(a_body_has_the_etag_it_is_given),
        cmocka_unit_test(a_body_outlives_its_entry),
        cmocka_unit_test(equal_bodies_have_equal_etags),
    };
    return cmocka_run_group_tests_name("http/body_cache", tests, NULL, NULL);
}
