// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"
#include "base/limits.h"
#include "base/test.h"
#include "http/multipart.h"
#include <stdio.h>
#include <stdlib.h>

/* Writes what the parser says as one line a part: "name[*]=data;", the star for a file. */
static enum xr_code on_begin(void *ctx, const struct xr_multipart_part *part, struct xr_err *err) {
    (void)err;
    xr_buf_str(ctx, part->name);
    xr_buf_printf(ctx, "%s=", part->is_file ? "*" : "");
    return XR_OK;
}

static enum xr_code on_data(void *ctx, struct xr_str bytes, struct xr_err *err) {
    (void)err;
    xr_buf_str(ctx, bytes);
    return XR_OK;
}

static enum xr_code on_end(void *ctx, struct xr_err *err) {
    (void)err;
    xr_buf_char(ctx, ';');
    return XR_OK;
}

static enum xr_code parse(const char *content_type, struct xr_str body, size_t split, struct xr_buf *out) {
    const struct xr_multipart_sink sink = {.begin = on_begin, .data = on_data, .end = on_end, .ctx = out};
    struct xr_multipart *parser = NULL;
    enum xr_code code = xr_multipart_new(xr_str_from(content_type), &sink, &parser, NULL);
    if (code == XR_OK)
        code = xr_multipart_feed(parser, (struct xr_str){.ptr = body.ptr, .len = split}, NULL);
    if (code == XR_OK)
        code = xr_multipart_feed(parser, (struct xr_str){.ptr = body.ptr + split, .len = body.len - split}, NULL);
    if (code == XR_OK)
        code = xr_multipart_finish(parser, NULL);
    xr_multipart_free(parser);
    return code;
}

#define CT "multipart/form-data; boundary=B"
#define PART(headers, data) "--B\r\n" headers "\r\n\r\n" data "\r\n"
#define CD "Content-Disposition: form-data; "
#define END "--B--\r\n"

static const struct {
    const char *what, *content_type;
    struct xr_str body;
    enum xr_code code;
    struct xr_str out; /* when the code is XR_OK */
} CASES[] = {
    {"a field", CT, XR_STR(PART(CD "name=\"a\"", "1") END), XR_OK, XR_STR("a=1;")},
    {"a token as name", CT, XR_STR(PART(CD "name=a", "1") END), XR_OK, XR_STR("a=1;")},
    {"a file", CT, XR_STR(PART(CD "name=\"a\"; filename=\"x;y.wav\"", "1") END), XR_OK, XR_STR("a*=1;")},
    {"an empty file name", CT, XR_STR(PART(CD "name=\"a\"; filename=\"\"", "") END), XR_OK, XR_STR("a*=;")},
    {"an extended file name", CT, XR_STR(PART(CD "name=\"a\"; filename*=utf-8''x", "1") END), XR_OK, XR_STR("a*=1;")},
    {"an extended name", CT, XR_STR(PART(CD "name*=utf-8''%c3%a9; filename=x", "") END), XR_OK, XR_STR("\xC3\xA9*=;")},
    {"other headers", CT, XR_STR(PART("X: y\r\ncontent-disposition:form-data;name=a\r\nContent-Type: z", "1") END),
     XR_OK, XR_STR("a=1;")},
    {"two parts", CT, XR_STR(PART(CD "name=a", "1") PART(CD "name=b", "2") END), XR_OK, XR_STR("a=1;b=2;")},
    {"no parts", CT, XR_STR(END), XR_OK, XR_STR("")},
    {"empty data", CT, XR_STR(PART(CD "name=a", "") END), XR_OK, XR_STR("a=;")},
    {"data that looks like the end", CT, XR_STR(PART(CD "name=a", "\r\n--\r\n-\r\r\n--A\r\n--") END), XR_OK,
     XR_STR("a=\r\n--\r\n-\r\r\n--A\r\n--;")},
    {"line ends around the data", CT, XR_STR(PART(CD "name=a", "\r\n\r\n") END), XR_OK, XR_STR("a=\r\n\r\n;")},
    {"NUL in the data", CT, XR_STR(PART(CD "name=a", "x\0y") END), XR_OK, XR_STR("a=x\0y;")},
    {"preamble and epilogue", CT, XR_STR("hello\r\n--A\r\n" PART(CD "name=a", "1") "--B-- \r\nbye\r\n--B\r\n"), XR_OK,
     XR_STR("a=1;")},
    {"padding after the boundary", CT, XR_STR("--B \t \r\n" CD "name=a\r\n\r\n1\r\n--B--"), XR_OK, XR_STR("a=1;")},
    {"a quote as curl wrote it", CT, XR_STR(PART(CD "name=\"a\\\"b\\\\c\"", "1") END), XR_OK, XR_STR("a\"b\\c=1;")},
    {"a quote as browsers write it", CT, XR_STR(PART(CD "name=\"a%22b%0d%0Ac\"", "1") END), XR_OK,
     XR_STR("a\"b\r\nc=1;")},
    {"a percent sign of its own", CT, XR_STR(PART(CD "name=\"100%41%\"", "1") END), XR_OK, XR_STR("100%41%=1;")},
    {"a backslash of its own", CT, XR_STR(PART(CD "name=\"a\"; filename=\"C:\\dir\\x\"", "1") END), XR_OK,
     XR_STR("a*=1;")},
    {"an empty name", CT, XR_STR(PART(CD "name=\"\"", "1") END), XR_OK, XR_STR("=1;")},
    {"a quoted boundary", "Multipart/Form-Data; charset=utf-8; BOUNDARY=\"B\"", XR_STR(PART(CD "name=a", "1") END),
     XR_OK, XR_STR("a=1;")},

    {"another type", "multipart/mixed; boundary=B", XR_STR(END), XR_INVALID, {0}},
    {"no boundary", "multipart/form-data", XR_STR(END), XR_INVALID, {0}},
    {"an empty boundary", "multipart/form-data; boundary=", XR_STR(END), XR_INVALID, {0}},
    {"an open quote", "multipart/form-data; boundary=\"B", XR_STR(END), XR_INVALID, {0}},
    {"no type", "", XR_STR(END), XR_INVALID, {0}},
    {"nothing", CT, XR_STR(""), XR_INVALID, {0}},
    {"no boundary in the body", CT, XR_STR("hello"), XR_INVALID, {0}},
    {"no end", CT, XR_STR(PART(CD "name=a", "1")), XR_INVALID, {0}},
    {"an end cut short", CT, XR_STR(PART(CD "name=a", "1") "--B-"), XR_INVALID, {0}},
    {"a boundary that goes on", CT, XR_STR(PART(CD "name=a", "\r\n--BC") END), XR_INVALID, {0}},
    {"a bare line feed", CT, XR_STR("--B\n" CD "name=a\n\n1\n--B--"), XR_INVALID, {0}},
    {"no headers", CT, XR_STR("--B\r\n\r\n1\r\n" END), XR_INVALID, {0}},
    {"no disposition", CT, XR_STR(PART("X: y", "1") END), XR_INVALID, {0}},
    {"another disposition", CT, XR_STR(PART("Content-Disposition: attachment; name=a", "1") END), XR_INVALID, {0}},
    {"no name", CT, XR_STR(PART("Content-Disposition: form-data; filename=a", "1") END), XR_INVALID, {0}},
};
enum { CASE_COUNT = sizeof CASES / sizeof CASES[0] };

/* A message means the same however the network cuts it. */
static void forms_are_parsed_whatever_the_pieces(void **state) {
    (void)state;
    for (size_t i = 0; i < CASE_COUNT; i++) {
        for (size_t split = 0; split <= CASES[i].body.len; split++) {
            struct xr_buf out = xr_buf_make(4096);
            enum xr_code code = parse(CASES[i].content_type, CASES[i].body, split, &out);
            if (code != CASES[i].code || (code == XR_OK && !xr_str_eq(xr_buf_view(&out), CASES[i].out)))
                fail_msg("%s, cut at %zu: %s, %.*s", CASES[i].what, split, xr_code_name(code),
                         XR_STR_ARG(xr_buf_view(&out)));
            xr_buf_clear(&out);
        }
    }
}

static void forms_are_parsed_byte_by_byte(void **state) {
    (void)state;
    for (size_t i = 0; i < CASE_COUNT; i++) {
        struct xr_buf out = xr_buf_make(4096);
        const struct xr_multipart_sink sink = {.begin = on_begin, .data = on_data, .end = on_end, .ctx = &out};
        struct xr_multipart *parser = NULL;
        enum xr_code code = xr_multipart_new(xr_str_from(CASES[i].content_type), &sink, &parser, NULL);
        for (size_t at = 0; at < CASES[i].body.len && code == XR_OK; at++)
            code = xr_multipart_feed(parser, (struct xr_str){.ptr = CASES[i].body.ptr + at, .len = 1}, NULL);
        if (code == XR_OK)
            code = xr_multipart_finish(parser, NULL);
        assert_int_equal(code, CASES[i].code);
        if (code == XR_OK)
            assert_true(xr_str_eq(xr_buf_view(&out), CASES[i].out));
        xr_multipart_free(parser);
        xr_buf_clear(&out);
    }
}

static void headers_and_parts_are_bounded(void **state) {
    (void)state;
    struct xr_buf body = xr_buf_make(XR_MIB(1)), out = xr_buf_make(XR_MIB(1));
    xr_buf_str(&body, XR_STR("--B\r\nX: "));
    for (size_t i = 0; i < XR_MULTIPART_HEADER_MAX; i++)
        xr_buf_char(&body, 'x');
    assert_int_equal(parse(CT, xr_buf_view(&body), 0, &out), XR_TOO_LARGE);
    xr_buf_clear(&body);
    for (size_t i = 0; i < XR_MULTIPART_PARTS_MAX; i++)
        xr_buf_str(&body, XR_STR(PART(CD "name=a", "")));
    size_t full = body.len;
    xr_buf_str(&body, XR_STR(END));
    assert_int_equal(parse(CT, xr_buf_view(&body), 0, &out), XR_OK);
    body.len = full;
    xr_buf_str(&body, XR_STR(PART(CD "name=a", "") END));
    assert_int_equal(parse(CT, xr_buf_view(&body), 0, &out), XR_TOO_LARGE);
    xr_buf_clear(&body);
    xr_buf_clear(&out);
}

static void longest_boundary_is_the_standards(void **state) {
    (void)state;
    char content_type[160];
    struct xr_buf out = xr_buf_make(64);
    for (int n = 69; n <= 71; n++) {
        snprintf(content_type, sizeof content_type, "multipart/form-data; boundary=%.*s", n,
                 "1234567890123456789012345678901234567890123456789012345678901234567890123");
        char body[128];
        snprintf(body, sizeof body, "--%s--", strchr(content_type, '=') + 1);
        assert_int_equal(parse(content_type, xr_str_from(body), 0, &out), n <= 70 ? XR_OK : XR_INVALID);
    }
}

static enum xr_code count_pieces(void *ctx, struct xr_str bytes, struct xr_err *err) {
    (void)bytes, (void)err;
    ++*(size_t *)ctx;
    return XR_OK;
}

static enum xr_code no_begin(void *ctx, const struct xr_multipart_part *part, struct xr_err *err) {
    (void)ctx, (void)part, (void)err;
    return XR_OK;
}

static enum xr_code no_end(void *ctx, struct xr_err *err) {
    (void)ctx, (void)err;
    return XR_OK;
}

/* Each piece is a write to the disk: bytes that merely look like a line end must not cut them. */
static void data_is_handed_on_in_pieces_as_large_as_it_came(void **state) {
    (void)state;
    size_t pieces = 0;
    const struct xr_multipart_sink sink = {.begin = no_begin, .data = count_pieces, .end = no_end, .ctx = &pieces};
    XR_AUTO(xr_multipart_freep) struct xr_multipart *parser = NULL;
    assert_int_equal(xr_multipart_new(XR_STR(CT), &sink, &parser, NULL), XR_OK);
    assert_int_equal(xr_multipart_feed(parser, XR_STR(PART(CD "name=a", "\r1\r\n2\r\n--3\r\r4") END), NULL), XR_OK);
    assert_int_equal(pieces, 1);
}

static enum xr_code refuse(void *ctx, struct xr_str bytes, struct xr_err *err) {
    (void)ctx, (void)bytes;
    return xr_fail(err, XR_STORAGE_FULL, NULL, "full");
}

static void a_sink_that_fails_ends_parsing(void **state) {
    (void)state;
    struct xr_buf out = xr_buf_make(64);
    const struct xr_multipart_sink sink = {.begin = on_begin, .data = refuse, .end = on_end, .ctx = &out};
    struct xr_multipart *parser = NULL;
    struct xr_err err;
    assert_int_equal(xr_multipart_new(XR_STR(CT), &sink, &parser, NULL), XR_OK);
    assert_int_equal(xr_multipart_feed(parser, XR_STR(PART(CD "name=a", "1") END), &err), XR_STORAGE_FULL);
    assert_string_equal(err.message, "full");
    assert_true(xr_str_eq(xr_buf_view(&out), XR_STR("a=")));
    xr_multipart_free(parser);
    xr_buf_clear(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_are_parsed_whatever_the_pieces),
        cmocka_unit_test(forms_are_parsed_byte_by_byte),
        cmocka_unit_test(headers_and_parts_are_bounded),
        cmocka_unit_test(longest_boundary_is_the_standards),
        cmocka_unit_test(data_is_handed_on_in_pieces_as_large_as_it_came),
        cmocka_unit_test(a_sink_that_fails_ends_parsing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
