// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "base/test.h"
#include "http/list_cache.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put(struct xr_list_cache *cache, struct xr_str key, uint64_t version, const char *text) {
    struct xr_list_body *body = xr_list_body_new(strdup(text), strlen(text));
    xr_list_cache_put(cache, key, version, body);
    xr_list_body_unref(body);
}

/* NULL: a miss. */
static void assert_cached(struct xr_list_cache *cache, struct xr_str key, uint64_t version, const char *want) {
    struct xr_list_body *body = xr_list_cache_get(cache, key, version);
    if (want)
        assert_true(body && xr_str_eq(xr_list_body_bytes(body), xr_str_from(want)));
    else
        assert_null(body);
    xr_list_body_unref(body);
}

static void an_entry_holds_for_its_version_only(void **state) {
    (void)state;
    struct xr_list_cache *cache = xr_list_cache_new();
    assert_cached(cache, XR_STR("k"), 1, NULL);
    put(cache, XR_STR("k"), 1, "one");
    assert_cached(cache, XR_STR("k"), 1, "one");
    assert_cached(cache, XR_STR("k"), 2, NULL);
    assert_cached(cache, XR_STR("K"), 1, NULL);
    put(cache, XR_STR("k"), 2, "two");
    assert_cached(cache, XR_STR("k"), 2, "two");
    assert_cached(cache, XR_STR("k"), 1, NULL);
    xr_list_cache_free(cache);
}

static void a_slow_reader_does_not_undo_a_newer_entry(void **state) {
    (void)state;
    struct xr_list_cache *cache = xr_list_cache_new();
    put(cache, XR_STR("k"), 2, "two");
    put(cache, XR_STR("k"), 1, "one");
    assert_cached(cache, XR_STR("k"), 2, "two");
    assert_cached(cache, XR_STR("k"), 1, NULL);
    xr_list_cache_free(cache);
}

static void the_least_recently_used_entry_goes(void **state) {
    (void)state;
    struct xr_list_cache *cache = xr_list_cache_new();
    char keys[XR_LIST_CACHE_ENTRIES + 1][8];
    for (int i = 0; i <= XR_LIST_CACHE_ENTRIES; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        if (i == XR_LIST_CACHE_ENTRIES) /* k0 is used, so k1 is the oldest */
            assert_cached(cache, xr_str_from(keys[0]), 1, "k0");
        put(cache, xr_str_from(keys[i]), 1, keys[i]);
    }
    assert_cached(cache, xr_str_from(keys[0]), 1, "k0");
    assert_cached(cache, xr_str_from(keys[1]), 1, NULL);
    assert_cached(cache, xr_str_from(keys[XR_LIST_CACHE_ENTRIES]), 1, keys[XR_LIST_CACHE_ENTRIES]);
    xr_list_cache_free(cache);
}

static void large_keys_and_bodies_are_not_kept(void **state) {
    (void)state;
    struct xr_list_cache *cache = xr_list_cache_new();
    static char key[XR_LIST_CACHE_KEY_MAX + 1];
    put(cache, (struct xr_str){.ptr = key, .len = sizeof key}, 1, "x");
    assert_cached(cache, (struct xr_str){.ptr = key, .len = sizeof key}, 1, NULL);
    put(cache, (struct xr_str){.ptr = key, .len = sizeof key - 1}, 1, "x");
    assert_cached(cache, (struct xr_str){.ptr = key, .len = sizeof key - 1}, 1, "x");
    size_t n = XR_LIST_CACHE_BODY_MAX + 1;
    struct xr_list_body *body = xr_list_body_new(calloc(n, 1), n);
    xr_list_cache_put(cache, XR_STR("big"), 1, body);
    xr_list_body_unref(body);
    assert_cached(cache, XR_STR("big"), 1, NULL);
    xr_list_cache_free(cache);
}

static void a_body_outlives_its_entry(void **state) {
    (void)state;
    struct xr_list_cache *cache = xr_list_cache_new();
    put(cache, XR_STR("k"), 1, "one");
    struct xr_list_body *body = xr_list_cache_get(cache, XR_STR("k"), 1);
    put(cache, XR_STR("k"), 2, "two");
    xr_list_cache_free(cache);
    assert_true(xr_str_eq(xr_list_body_bytes(body), XR_STR("one")));
    xr_list_body_unref(body);
}

static void equal_bodies_have_equal_etags(void **state) {
    (void)state;
    struct xr_list_body *a = xr_list_body_new(strdup("one"), 3), *b = xr_list_body_new(strdup("one"), 3);
    struct xr_list_body *c = xr_list_body_new(strdup("two"), 3);
    assert_string_equal(xr_list_body_etag(a), xr_list_body_etag(b));
    assert_string_not_equal(xr_list_body_etag(a), xr_list_body_etag(c));
    assert_memory_equal(xr_list_body_etag(a), "W/\"", 3);
    assert_int_equal(strlen(xr_list_body_etag(a)), 36);
    xr_list_body_unref(a);
    xr_list_body_unref(b);
    xr_list_body_unref(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_holds_for_its_version_only),
        cmocka_unit_test(a_slow_reader_does_not_undo_a_newer_entry),
        cmocka_unit_test(the_least_recently_used_entry_goes),
        cmocka_unit_test(large_keys_and_bodies_are_not_kept),
        cmocka_unit_test(a_body_outlives_its_entry),
        cmocka_unit_test(equal_bodies_have_equal_etags),
    };
    return cmocka_run_group_tests_name("http/list_cache", tests, NULL, NULL);
}
