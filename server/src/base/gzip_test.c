// SPDX-License-Identifier: Apache-2.0
#include "base/gzip.h"
#include "base/test_gzip.h"
#include <stdlib.h>

enum { PLAIN = 200000, ROOM = PLAIN + 4096 };

struct sample {
    char plain[PLAIN], packed[ROOM];
    size_t packed_len;
};

static int setup(void **state) {
    struct sample *sample = malloc(sizeof *sample);
    assert_non_null(sample);
    uint32_t x = 1;
    for (size_t i = 0; i < PLAIN; i++) {
        x = x * 1664525u + 1013904223u;
        sample->plain[i] = (char)(x >> 24);
    }
    sample->packed_len = xr_test_gzip(sample->plain, PLAIN, sample->packed, ROOM);
    *state = sample;
    return 0;
}

static int teardown(void **state) {
    free(*state);
    return 0;
}

static enum xr_code unpack(const char *bytes, size_t n, size_t max, char **ret, size_t *ret_len) {
    return xr_gunzip((struct xr_str){.ptr = bytes, .len = n}, max, ret, ret_len, NULL);
}

static void what_was_packed_comes_back(void **state) {
    struct sample *sample = *state;
    char *out = NULL;
    size_t n = 0;
    assert_int_equal(unpack(sample->packed, sample->packed_len, PLAIN, &out, &n), XR_OK);
    assert_int_equal(n, PLAIN);
    assert_memory_equal(out, sample->plain, PLAIN);
    free(out);
}

static void members_are_joined(void **state) {
    (void)state;
    char two[256], *out = NULL;
    size_t a = xr_test_gzip("abc", 3, two, sizeof two), n = 0;
    size_t b = xr_test_gzip("de", 2, two + a, sizeof two - a);
    assert_int_equal(unpack(two, a + b, 5, &out, &n), XR_OK);
    assert_int_equal(n, 5);
    assert_memory_equal(out, "abcde", 5);
    free(out);
}

static void nothing_packed_is_nothing(void **state) {
    (void)state;
    char packed[64], *out = NULL;
    size_t n = 1;
    assert_int_equal(unpack(packed, xr_test_gzip("", 0, packed, sizeof packed), 0, &out, &n), XR_OK);
    assert_int_equal(n, 0);
    free(out);
}

static void one_byte_over_the_bound_is_too_large(void **state) {
    struct sample *sample = *state;
    char *out = NULL;
    size_t n;
    assert_int_equal(unpack(sample->packed, sample->packed_len, PLAIN - 1, &out, &n), XR_TOO_LARGE);
    assert_null(out);
}

static void every_cut_is_invalid(void **state) {
    (void)state;
    char packed[64], *out = NULL;
    size_t n, len = xr_test_gzip("hello", 5, packed, sizeof packed);
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(unpack(packed, cut, 100, &out, &n), XR_INVALID);
    packed[len] = 'x';
    assert_int_equal(unpack(packed, len + 1, 100, &out, &n), XR_INVALID);
    packed[len - 6] ^= 1; /* of the checksum */
    assert_int_equal(unpack(packed, len, 100, &out, &n), XR_INVALID);
    assert_null(out);
}

/* As a request's body comes: in pieces of any length. */
static void pieces_of_any_length_come_back_whole(void **state) {
    static const size_t LENGTHS[] = {1, 7, 4096, 100000};
    struct sample *sample = *state;
    for (size_t i = 0; i < sizeof LENGTHS / sizeof *LENGTHS; i++) {
        XR_AUTO(xr_gunzip_closep) struct xr_gunzip_stream *stream = NULL;
        struct xr_buf out = xr_buf_make(PLAIN + 1);
        assert_int_equal(xr_gunzip_open(PLAIN, &stream, NULL), XR_OK);
        for (size_t at = 0; at < sample->packed_len; at += LENGTHS[i]) {
            size_t left = sample->packed_len - at;
            struct xr_str piece = {.ptr = sample->packed + at, .len = left < LENGTHS[i] ? left : LENGTHS[i]};
            assert_int_equal(xr_gunzip_finish(stream, NULL), XR_INVALID);
            assert_int_equal(xr_gunzip_write(stream, piece, &out, NULL), XR_OK);
        }
        assert_int_equal(xr_gunzip_finish(stream, NULL), XR_OK);
        assert_int_equal(out.len, PLAIN);
        assert_memory_equal(out.data, sample->plain, PLAIN);
        xr_buf_clear(&out);
    }
}

/* A megabyte of zeros is a kilobyte packed: what is inflated ends at the bound, whatever is behind it. */
static void a_bomb_costs_no_more_than_its_bound(void **state) {
    enum { BOMB = 1 << 20, BOUND = 1000 };
    (void)state;
    char *zeros = calloc(1, BOMB), packed[8192];
    assert_non_null(zeros);
    size_t len = xr_test_gzip(zeros, BOMB, packed, sizeof packed);
    XR_AUTO(xr_gunzip_closep) struct xr_gunzip_stream *stream = NULL;
    struct xr_buf out = xr_buf_make(BOUND + 1);
    assert_int_equal(xr_gunzip_open(BOUND, &stream, NULL), XR_OK);
    assert_int_equal(xr_gunzip_write(stream, (struct xr_str){.ptr = packed, .len = len}, &out, NULL), XR_TOO_LARGE);
    assert_int_equal(out.len, BOUND + 1);
    assert_true(out.cap <= 2 * (BOUND + 1));
    xr_buf_clear(&out);
    free(zeros);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_packed_comes_back),
        cmocka_unit_test(members_are_joined),
        cmocka_unit_test(nothing_packed_is_nothing),
        cmocka_unit_test(one_byte_over_the_bound_is_too_large),
        cmocka_unit_test(every_cut_is_invalid),
        cmocka_unit_test(pieces_of_any_length_come_back_whole),
        cmocka_unit_test(a_bomb_costs_no_more_than_its_bound),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
