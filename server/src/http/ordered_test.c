// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "base/test.h"
#include "http/ordered.h"
#include <stdlib.h>

struct value {
    int64_t key;
    int64_t id;
};

/* Of different lengths. */
static void write_value(struct xr_json *j, const struct value *value) {
    xr_json_object(j);
    xr_json_kv_int(j, "key", value->key);
    for (int64_t more = 0; more < value->id % 4; more++)
        xr_json_kv_null(j, "more");
    xr_json_kv_int(j, "id", value->id);
    xr_json_object_end(j);
}

/* Something before and behind the array: neither may move. */
static void write_array(struct xr_buf *buf, const struct value *values, size_t count, bool ordered) {
    struct xr_json j = xr_json_make(buf, XR_JSON_RESPONSE);
    xr_json_object(&j);
    xr_json_kv_int(&j, "before", 1);
    xr_json_key(&j, XR_STR("values"));
    xr_json_array(&j);
    struct xr_ordered order = xr_ordered_make(&j);
    for (size_t i = 0; i < count; i++) {
        write_value(&j, &values[i]);
        if (ordered)
            xr_ordered_add(&order, values[i].key);
    }
    assert_int_equal(xr_ordered_end(&order, NULL), XR_OK);
    xr_json_array_end(&j);
    xr_json_kv_int(&j, "behind", 2);
    xr_json_object_end(&j);
}

static int compare(const void *left, const void *right) {
    const struct value *a = left, *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return a->id < b->id ? -1 : 1;
}

/* Ids are those of arrival: 0, 1, ... */
static void assert_ordered(struct value *values, size_t count) {
    struct xr_buf got = xr_buf_make(XR_MIB(4)), want = xr_buf_make(XR_MIB(4));
    for (size_t i = 0; i < count; i++)
        values[i].id = (int64_t)i;
    write_array(&got, values, count, true);
    qsort(values, count, sizeof *values, compare);
    write_array(&want, values, count, false);
    assert_false(got.failed || want.failed);
    assert_int_equal(got.len, want.len);
    assert_memory_equal(got.data, want.data, want.len);
    xr_buf_clear(&got);
    xr_buf_clear(&want);
}

enum { MANY = 3000 };

static void small_arrays_come_out_in_order(void **state) {
    (void)state;
    struct value values[4];
    for (int n = 0; n <= 4; n++) {
        for (int code = 0; code < 256; code++) { /* every order of up to four keys from 0 to 3 */
            for (int i = 0; i < n; i++)
                values[i].key = code >> 2 * i & 3;
            assert_ordered(values, (size_t)n);
        }
    }
}

static void the_whole_range_of_keys_is_ordered(void **state) {
    (void)state;
    struct value values[] = {{.key = INT64_MAX}, {.key = 0}, {.key = INT64_MIN}, {.key = -1}, {.key = INT64_MAX}};
    assert_ordered(values, sizeof values / sizeof *values);
}

static void reversed_values_come_out_in_order(void **state) {
    (void)state;
    static struct value values[MANY];
    for (int i = 0; i < MANY; i++)
        values[i].key = -i / 2;
    assert_ordered(values, MANY);
}

static void nearly_ordered_values_come_out_in_order(void **state) {
    (void)state;
    static struct value values[MANY];
    uint64_t random = 88172645463325252;
    for (uint64_t spread = 1; spread < 100000; spread *= 7) {
        for (int i = 0; i < MANY; i++) {
            random = random * 6364136223846793005 + 1442695040888963407;
            values[i].key = 3 * i + (int64_t)((random >> 33) % spread);
        }
        assert_ordered(values, MANY);
    }
}

static void a_full_buffer_fails_and_one_that_fits_does_not(void **state) {
    (void)state;
    const struct value values[] = {{.key = 2, .id = 0}, {.key = 1, .id = 1}, {.key = 0, .id = 2}};
    struct xr_buf whole = xr_buf_make(XR_KIB(1));
    write_array(&whole, values, 3, true);
    for (size_t max = 0; max <= whole.len; max++) {
        struct xr_buf buf = xr_buf_make(max);
        write_array(&buf, values, 3, true);
        assert_int_equal(buf.failed, max < whole.len);
        xr_buf_clear(&buf);
    }
    xr_buf_clear(&whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_arrays_come_out_in_order),
        cmocka_unit_test(the_whole_range_of_keys_is_ordered),
        cmocka_unit_test(reversed_values_come_out_in_order),
        cmocka_unit_test(nearly_ordered_values_come_out_in_order),
        cmocka_unit_test(a_full_buffer_fails_and_one_that_fits_does_not),
    };
    return cmocka_run_group_tests_name("http/ordered", tests, NULL, NULL);
}
