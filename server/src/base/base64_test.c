// SPDX-License-Identifier: Apache-2.0
#include "base/base64.h"
#include "base/test.h"

static const struct {
    struct xr_str bytes;
    const char *text;
} RFC4648[] = {
    {{"", 0}, ""},
    {{"f", 1}, "Zg=="},
    {{"fo", 2}, "Zm8="},
    {{"foo", 3}, "Zm9v"},
    {{"foob", 4}, "Zm9vYg=="},
    {{"fooba", 5}, "Zm9vYmE="},
    {{"foobar", 6}, "Zm9vYmFy"},
    {{"\x00\x00", 2}, "AAA="},
    {{"\xfb\xff\xfe\xff", 4}, "+//+/w=="},
};
enum { VECTORS = sizeof RFC4648 / sizeof *RFC4648, ROOM = 32 };

static void bytes_are_encoded_with_padding(void **state) {
    (void)state;
    for (size_t i = 0; i < VECTORS; i++) {
        char out[ROOM];
        size_t len = xr_base64_length(RFC4648[i].bytes.len);
        assert_int_equal(len, strlen(RFC4648[i].text));
        xr_base64_encode(RFC4648[i].bytes.ptr, RFC4648[i].bytes.len, out);
        assert_memory_equal(out, RFC4648[i].text, len);
    }
}

static void every_form_is_decoded(void **state) {
    (void)state;
    for (size_t i = 0; i < VECTORS; i++) {
        for (int form = 0; form < 4; form++) {
            char text[ROOM], out[ROOM], normal[ROOM];
            size_t n = 0, len = 0;
            strcpy(text, RFC4648[i].text);
            for (char *p = text; *p; p++) {
                if (form & 1 && *p == '=')
                    *p = '\0';
                else if (form & 2)
                    *p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
                if (!*p)
                    break;
            }
            assert_true(xr_base64_decode(xr_str_from(text), out, &n));
            assert_true(xr_str_eq((struct xr_str){out, n}, RFC4648[i].bytes));
            assert_true(xr_base64_normalise(xr_str_from(text), normal, &len));
            assert_true(xr_str_eq((struct xr_str){normal, len}, xr_str_from(RFC4648[i].text)));
        }
    }
}

/* Where the text lies, and any number of bytes before it. */
static void text_is_decoded_in_place(void **state) {
    (void)state;
    enum { LENGTH = 300, BEFORE = 5 };
    uint8_t bytes[LENGTH];
    char text[BEFORE + 2 * LENGTH];
    for (size_t i = 0; i < LENGTH; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 3);
    for (size_t n = 0; n <= LENGTH; n++) {
        for (size_t before = 0; before <= BEFORE; before++) {
            size_t got = 0;
            struct xr_str in = {.ptr = text + BEFORE, .len = xr_base64_length(n)};
            xr_base64_encode(bytes, n, text + BEFORE);
            assert_true(xr_base64_decode(in, text + BEFORE - before, &got));
            assert_int_equal(got, n);
            assert_memory_equal(text + BEFORE - before, bytes, n);
        }
    }
}

static void bits_behind_the_last_byte_are_dropped(void **state) {
    (void)state;
    char out[ROOM];
    size_t len = 0;
    assert_true(xr_base64_normalise(XR_STR("Zn"), out, &len));
    assert_memory_equal(out, "Zg==", len);
    assert_true(xr_base64_normalise(XR_STR("Zm+="), out, &len));
    assert_memory_equal(out, "Zm8=", len);
}

static void what_is_not_base64_is_refused(void **state) {
    (void)state;
    static const char *const TEXTS[] = {"A",    "AAAAA", "=",    "==",   "===",   "====", "A===",  "AA=",       "AAA==",
                                        "=AAA", "A=AA",  "AA=A", "AA A", "AA\n=", "AA*=", "AAAA=", "\xC3\xA9=="};
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        char out[ROOM];
        size_t n = 0;
        if (xr_base64_decode(xr_str_from(TEXTS[i]), out, &n) || xr_base64_normalise(xr_str_from(TEXTS[i]), out, &n))
            fail_msg("%s", TEXTS[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_encoded_with_padding), cmocka_unit_test(every_form_is_decoded),
        cmocka_unit_test(text_is_decoded_in_place),       cmocka_unit_test(bits_behind_the_last_byte_are_dropped),
        cmocka_unit_test(what_is_not_base64_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
