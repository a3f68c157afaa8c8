// SPDX-License-Identifier: Apache-2.0
#include "base/gzip.h"
#include "base/test.h"
#include <stdlib.h>
#include <zlib.h>

enum { PLAIN = 200000, ROOM = PLAIN + 4096 };

static size_t pack(const char *bytes, size_t n, char *to, size_t room) {
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)bytes;
    z.avail_in = (unsigned)n;
    z.next_out = (unsigned char *)to;
    z.avail_out = (unsigned)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t packed = room - z.avail_out;
    deflateEnd(&z);
    return packed;
}

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
    sample->packed_len = pack(sample->plain, PLAIN, sample->packed, ROOM);
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
    size_t a = pack("abc", 3, two, sizeof two), n = 0;
    size_t b = pack("de", 2, two + a, sizeof two - a);
    assert_int_equal(unpack(two, a + b, 5, &out, &n), XR_OK);
    assert_int_equal(n, 5);
    assert_memory_equal(out, "abcde", 5);
    free(out);
}

static void nothing_packed_is_nothing(void **state) {
    (void)state;
    char packed[64], *out = NULL;
    size_t n = 1;
    assert_int_equal(unpack(packed, pack("", 0, packed, sizeof packed), 0, &out, &n), XR_OK);
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
    size_t n, len = pack("hello", 5, packed, sizeof packed);
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(unpack(packed, cut, 100, &out, &n), XR_INVALID);
    packed[len] = 'x';
    assert_int_equal(unpack(packed, len + 1, 100, &out, &n), XR_INVALID);
    packed[len - 6] ^= 1; /* of the checksum */
    assert_int_equal(unpack(packed, len, 100, &out, &n), XR_INVALID);
    assert_null(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_packed_comes_back), cmocka_unit_test(members_are_joined),
        cmocka_unit_test(nothing_packed_is_nothing),  cmocka_unit_test(one_byte_over_the_bound_is_too_large),
        cmocka_unit_test(every_cut_is_invalid),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
