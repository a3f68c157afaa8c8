// SPDX-License-Identifier: Apache-2.0
#include "base/test.h"
#include "otlp/ids.h"

enum { ARENA = 1 << 16 };

static void assert_id(struct xr_id id, bool is_text, struct xr_str want) {
    assert_int_equal(id.is_text, is_text);
    assert_non_null(id.value.ptr);
    assert_true(xr_str_eq(id.value, want));
}

static void bytes_of_the_standard_length_are_a_view(void **state) {
    (void)state;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    static const char BYTES[] = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\xff";
    struct xr_id id;
    assert_int_equal(xr_id_of_bytes((struct xr_str){BYTES, 16}, XR_TRACE_ID_SIZE, arena, &id, NULL), XR_OK);
    assert_id(id, false, (struct xr_str){BYTES, 16});
    assert_ptr_equal(id.value.ptr, BYTES);
    assert_int_equal(xr_id_of_bytes((struct xr_str){BYTES, 8}, XR_SPAN_ID_SIZE, arena, &id, NULL), XR_OK);
    assert_id(id, false, (struct xr_str){BYTES, 8});
    assert_int_equal(xr_arena_used(arena), 0);
}

static void bytes_of_another_length_are_their_hex(void **state) {
    (void)state;
    static const char BYTES[40] = "\x0f\xff\x10";
    for (size_t n = 0; n < sizeof BYTES; n++) {
        for (size_t size = XR_SPAN_ID_SIZE; size <= XR_TRACE_ID_SIZE; size += XR_TRACE_ID_SIZE - XR_SPAN_ID_SIZE) {
            XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
            struct xr_id id;
            char hex[2 * sizeof BYTES + 1];
            xr_hex_encode(BYTES, n, hex);
            assert_int_equal(xr_id_of_bytes((struct xr_str){BYTES, n}, size, arena, &id, NULL), XR_OK);
            if (n == size)
                assert_id(id, false, (struct xr_str){BYTES, n});
            else
                assert_id(id, true, xr_str_from(hex));
        }
    }
}

static void text_may_be_hex_or_base64(void **state) {
    (void)state;
    static const char BYTES[] = "\xfb\xef\xfe\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\xff";
    static const struct {
        const char *text;
        size_t size;
        bool is_text;
    } CASES[] = {
        {"fbeffe030405060708090a0b0c0d0eff", 16, false},
        {"FBEFFE030405060708090A0B0C0D0EFF", 16, false},
        {"++/+AwQFBgcICQoLDA0O/w==", 16, false},
        {"++/+AwQFBgcICQoLDA0O/w", 16, false},
        {"--_-AwQFBgcICQoLDA0O_w==", 16, false},
        {"--_-AwQFBgcICQoLDA0O_w", 16, false},
        {"fbeffe0304050607", 8, false},
        {"FbeFFe0304050607", 8, false},
        {"++/+AwQFBgc=", 8, false},
        {"--_-AwQFBgc", 8, false},
        /* Anything else stays as it came. */
        {"fbeffe030405060708090a0b0c0d0ef", 16, true},
        {"fbeffe030405060708090a0b0c0d0efg", 16, true},
        {"fbeffe030405060708090a0b0c0d0eff0", 16, true},
        {"0xfbeffe030405060708090a0b0c0d0e", 16, true},
        {"++/+AwQFBgcICQoLDA0O/w=", 16, true},
        {"++/+AwQFBgcICQoLDA0O/w=!", 16, true},
        {"++/+AwQFBgcICQoLDA0O////", 16, true}, /* 18 bytes */
        {"++/+AwQFBgcICQoLDA0O/w==", 8, true},
        {"fbeffe0304050607", 16, true},
        {"fbeffe030405060708090a0b0c0d0eff", 8, true},
        {"++/+AwQFBgf+", 8, true}, /* 9 bytes */
        {"++/+AwQFBg==", 8, true}, /* 7 bytes */
        {"f47ac10b-58cc-4372-a567-0e02b2c3d479", 16, true},
        {"1", 8, true},
        {"", 8, true},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
        struct xr_id id;
        struct xr_str text = xr_str_from(CASES[i].text);
        assert_int_equal(xr_id_of_text(text, CASES[i].size, arena, &id, NULL), XR_OK);
        if (id.is_text != CASES[i].is_text)
            fail_msg("%s", CASES[i].text);
        assert_id(id, CASES[i].is_text, CASES[i].is_text ? text : (struct xr_str){BYTES, CASES[i].size});
    }
}

static void hex_of_every_length_but_the_standard_one_is_text(void **state) {
    (void)state;
    static const char HEX[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    for (size_t n = 0; n < sizeof HEX; n++) {
        XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
        struct xr_id id;
        assert_int_equal(xr_id_of_text((struct xr_str){HEX, n}, XR_TRACE_ID_SIZE, arena, &id, NULL), XR_OK);
        assert_int_equal(id.is_text, n != 32);
        assert_int_equal(xr_id_of_text((struct xr_str){HEX, n}, XR_SPAN_ID_SIZE, arena, &id, NULL), XR_OK);
        assert_int_equal(id.is_text, n != 16);
    }
}

static void a_parent_of_zeros_is_none(void **state) {
    (void)state;
    static const struct {
        struct xr_id id;
        bool is_none;
    } CASES[] = {
        {{.value = {"", 0}, .is_text = true}, true},
        {{.value = {"0", 1}, .is_text = true}, true},
        {{.value = {"000000000000000000", 18}, .is_text = true}, true},
        {{.value = {"0 0", 3}, .is_text = true}, false},
        {{.value = {"\0\0", 2}, .is_text = true}, false},
        {{.value = {"\0\0\0\0\0\0\0\0", 8}}, true},
        {{.value = {"\0\0\0\0\0\0\0\1", 8}}, false},
        {{.value = {"00000000", 8}}, false},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_id id = xr_id_of_parent(CASES[i].id);
        assert_int_equal(id.value.ptr == NULL, CASES[i].is_none);
        if (!CASES[i].is_none)
            assert_id(id, CASES[i].id.is_text, CASES[i].id.value);
    }
}

static void no_memory_is_said(void **state) {
    (void)state;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(8);
    struct xr_id id = {.is_text = true};
    assert_int_equal(xr_id_of_bytes(XR_STR("123456789"), XR_SPAN_ID_SIZE, arena, &id, NULL), XR_NO_MEMORY);
    assert_int_equal(xr_id_of_text(XR_STR("0011223344556677"), XR_SPAN_ID_SIZE, arena, &id, NULL), XR_NO_MEMORY);
    assert_null(id.value.ptr);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_of_the_standard_length_are_a_view),
        cmocka_unit_test(bytes_of_another_length_are_their_hex),
        cmocka_unit_test(text_may_be_hex_or_base64),
        cmocka_unit_test(hex_of_every_length_but_the_standard_one_is_text),
        cmocka_unit_test(a_parent_of_zeros_is_none),
        cmocka_unit_test(no_memory_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
