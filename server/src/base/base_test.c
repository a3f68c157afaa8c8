// SPDX-License-Identifier: Apache-2.0
/* err, str, arena, buf, clock, sha256, uuid */
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/sha256.h"
#include "base/test.h"
#include "base/uuid.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void every_code_has_a_name(void **state) {
    (void)state;
    for (int code = 0; code < XR_CODE_COUNT; code++)
        assert_non_null(xr_code_name((enum xr_code)code));
    assert_string_equal(xr_code_name((enum xr_code)999), "unknown");
}

static void fail_fills_the_detail_and_returns_the_code(void **state) {
    (void)state;
    struct xr_err err;
    assert_int_equal(xr_fail(&err, XR_INVALID, "turns[0]", "must be 1..%d", 5), XR_INVALID);
    assert_string_equal(err.path, "turns[0]");
    assert_string_equal(err.message, "must be 1..5");
    assert_int_equal(xr_fail(NULL, XR_IO, NULL, "x"), XR_IO);
}

static void fail_cuts_at_a_character(void **state) {
    (void)state;
    struct xr_err err;
    char text[2 * XR_ERR_MESSAGE_MAX];
    for (size_t i = 0; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xC3\xA9", 2);
    text[sizeof text - 1] = '\0';
    xr_fail(&err, XR_IO, NULL, "%s", text);
    assert_int_equal(strlen(err.message) % 2, 0);
    assert_int_equal(strlen(err.message), XR_ERR_MESSAGE_MAX - 2);
}

static void fail_may_quote_its_own_detail(void **state) {
    (void)state;
    struct xr_err err;
    xr_fail(&err, XR_IO, NULL, "disk gone");
    xr_fail(&err, XR_INTERNAL, NULL, "reading: %s", err.message);
    assert_string_equal(err.message, "reading: disk gone");
}

static void arena_keeps_to_its_cap_and_aligns(void **state) {
    (void)state;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(100000);
    for (int i = 0; i < 50; i++) {
        unsigned char *p = xr_arena_alloc(arena, 1000);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (int k = 0; k < 1000; k++)
            assert_int_equal(p[k], 0);
        memset(p, 0xEE, 1000);
    }
    assert_false(xr_arena_is_over(arena));
    assert_null(xr_arena_alloc(arena, 60000));
    assert_true(xr_arena_is_over(arena));
    assert_null(xr_arena_alloc(arena, SIZE_MAX));
    assert_null(xr_arena_array(arena, SIZE_MAX / 2, 4));
    assert_non_null(xr_arena_alloc(arena, 40000));
    assert_true(xr_arena_used(arena) <= 100000);
}

static void buffer_failure_is_sticky(void **state) {
    (void)state;
    struct xr_buf buf = xr_buf_make(10);
    xr_buf_append(&buf, "12345678", 8);
    xr_buf_append(&buf, "abc", 3);
    assert_true(buf.failed);
    assert_true(buf.over);
    xr_buf_append(&buf, "9", 1);
    assert_int_equal(buf.len, 8);
    size_t n;
    assert_null(xr_buf_take(&buf, &n));
    xr_buf_clear(&buf);
    xr_buf_printf(&buf, "%d", 42);
    assert_false(buf.failed || buf.over);
    char *bytes = xr_buf_take(&buf, &n);
    assert_int_equal(n, 2);
    free(bytes);
}

static void hex_round_trips_and_refuses(void **state) {
    (void)state;
    unsigned char bytes[3];
    char text[7];
    assert_true(xr_hex_decode(XR_STR("00aBfF"), bytes, 3));
    xr_hex_encode(bytes, 3, text);
    assert_string_equal(text, "00abff");
    assert_false(xr_hex_decode(XR_STR("00abf"), bytes, 3));
    assert_false(xr_hex_decode(XR_STR("00abfg"), bytes, 3));
}

static void iso_times_parse_exactly(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ns; /* XR_TIME_NONE: refused */
    } CASES[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:00.000000001Z", 1},
        {"1969-12-31T23:59:59.999999999Z", -1},
        {"2026-01-02T03:04:05.678Z", 1767323045678000000},
        {"2026-01-02T05:04:05.678+02:00", 1767323045678000000},
        {"2026-01-01T21:34:05.678-05:30", 1767323045678000000},
        {"2024-02-29T00:00:00Z", 1709164800000000000},
        {"2023-02-29T00:00:00Z", XR_TIME_NONE},
        {"1900-02-29T00:00:00Z", XR_TIME_NONE},
        {"2026-13-01T00:00:00Z", XR_TIME_NONE},
        {"2026-01-01T24:00:00Z", XR_TIME_NONE},
        {"2026-01-01T00:00:60Z", XR_TIME_NONE},
        {"2026-01-01T00:00:00", XR_TIME_NONE},
        {"2026-01-01 00:00:00Z", XR_TIME_NONE},
        {"2026-01-01T00:00:00.0000000001Z", XR_TIME_NONE},
        {"2026-01-01T00:00:00Zx", XR_TIME_NONE},
        {"1000-01-01T00:00:00Z", XR_TIME_NONE},
        {"9999-01-01T00:00:00Z", XR_TIME_NONE},
        {"", XR_TIME_NONE},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        int64_t ns = XR_TIME_NONE;
        enum xr_code code = xr_time_parse(xr_str_from(CASES[i].text), &ns, NULL);
        assert_int_equal(code, CASES[i].ns == XR_TIME_NONE ? XR_INVALID : XR_OK);
        assert_int_equal(ns, CASES[i].ns);
    }
}

static void iso_times_format_with_floor(void **state) {
    (void)state;
    char text[XR_ISO_MAX];
    xr_time_format(1767323045678999999, text);
    assert_string_equal(text, "2026-01-02T03:04:05.678Z");
    xr_time_format(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
    assert_int_equal(xr_ns_to_ms(-1), -1);
    assert_int_equal(xr_ns_to_ms(999999), 0);
}

/* What libc says of the same moment. */
static void assert_formatted_like_libc(int64_t ns) {
    char text[XR_ISO_MAX], seconds[XR_ISO_MAX], want[XR_ISO_MAX + 16];
    int64_t ms = xr_ns_to_ms(ns);
    time_t second = (time_t)(ms >= 0 || ms % 1000 == 0 ? ms / 1000 : ms / 1000 - 1);
    struct tm tm;
    assert_non_null(gmtime_r(&second, &tm));
    assert_int_not_equal(strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &tm), 0);
    snprintf(want, sizeof want, "%s.%03dZ", seconds, (int)(ms - second * 1000));
    xr_time_format(ns, text);
    assert_string_equal(text, want);
    assert_int_equal(strlen(text), XR_ISO_LEN);
}

static void iso_times_are_those_of_libc(void **state) {
    (void)state;
    static const int64_t EXTREMES[] = {0, -1, INT64_MAX, INT64_MIN + 1, 951782399999999999, 951782400000000000};
    for (size_t i = 0; i < sizeof EXTREMES / sizeof *EXTREMES; i++)
        assert_formatted_like_libc(EXTREMES[i]);
    uint64_t random = 88172645463325252;
    for (int i = 0; i < 20000; i++) {
        random = random * 6364136223846793005 + 1442695040888963407;
        assert_formatted_like_libc((int64_t)random >> i % 32);
    }
    for (int64_t day = -106751; day <= 106751; day++)
        assert_formatted_like_libc(day * 86400 * XR_NS_PER_S);
}

static void sha256_in_parts_is_sha256(void **state) {
    (void)state;
    uint8_t whole[XR_SHA256_SIZE], parts[XR_SHA256_SIZE];
    char hex[XR_SHA256_HEX + 1];
    xr_sha256_of("abc", 3, whole);
    xr_hex_encode(whole, sizeof whole, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    XR_AUTO(xr_sha256_freep) struct xr_sha256 *hash = xr_sha256_new();
    xr_sha256_update(hash, "a", 1);
    xr_sha256_update(hash, "bc", 2);
    xr_sha256_final(hash, parts);
    assert_memory_equal(whole, parts, sizeof whole);
}

static void uuids_are_version_4_and_round_trip(void **state) {
    (void)state;
    struct xr_uuid id = xr_uuid_new(), back;
    char text[XR_UUID_TEXT + 1];
    xr_uuid_format(&id, text);
    assert_int_equal(text[14], '4');
    assert_true(xr_uuid_parse(xr_str_from(text), &back));
    assert_memory_equal(&id, &back, sizeof id);
    assert_true(xr_uuid_parse(XR_STR("00000000-0000-0000-0000-00000000ABCD"), &back));
    assert_false(xr_uuid_parse(XR_STR("000000000000-0000-0000-0000-00000000"), &back));
    assert_false(xr_uuid_parse(XR_STR("------------------------------------"), &back));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_a_name),
        cmocka_unit_test(fail_fills_the_detail_and_returns_the_code),
        cmocka_unit_test(fail_cuts_at_a_character),
        cmocka_unit_test(fail_may_quote_its_own_detail),
        cmocka_unit_test(arena_keeps_to_its_cap_and_aligns),
        cmocka_unit_test(buffer_failure_is_sticky),
        cmocka_unit_test(hex_round_trips_and_refuses),
        cmocka_unit_test(iso_times_parse_exactly),
        cmocka_unit_test(iso_times_format_with_floor),
        cmocka_unit_test(iso_times_are_those_of_libc),
        cmocka_unit_test(sha256_in_parts_is_sha256),
        cmocka_unit_test(uuids_are_version_4_and_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
