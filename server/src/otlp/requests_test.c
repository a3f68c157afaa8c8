// SPDX-License-Identifier: Apache-2.0
/* What holds in both encodings: counts, nesting, repeated keys, memory. */
#include "base/limits.h"
#include "otlp/testkit.h"
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_MAX = 1 << 26 };
/* The pieces of a request in each encoding's notation; see testkit.h. */
static const struct {
    const char *request, *request_end, *resource, *resource_end, *scope, *scope_end, *span, *comma;
    const char *array, *array_end, *list, *list_end, *leaf;
    const char *attr[2]; /* begins one of a resource, of a span; then its key */
    const char *attr_value, *attr_end; /* then an int */
} NOTATION[] = {
    [TEST_JSON] = {"{'resourceSpans':[",
                   "]}",
                   "{'scopeSpans':[",
                   "]}",
                   "{'spans':[",
                   "]}",
                   "{'name':'n'}",
                   ",",
                   "{'arrayValue':{'values':[",
                   "]}}",
                   "{'kvlistValue':{'values':[{'key':'a','value':",
                   "}]}}",
                   "{'intValue':1}",
                   {"{'key':'", "{'key':'"},
                   "','value':{'intValue':",
                   "}}"},
    [TEST_PROTOBUF] = {"",
                       "",
                       "1{",
                       "}",
                       "2{",
                       "}",
                       "2{5'n'}",
                       " ",
                       "5{1{",
                       "}}",
                       "6{1{1'a'2{",
                       "}}}",
                       "3=1",
                       {"1{1'", "9{1'"},
                       "'2{3=",
                       "}}"},
};

static void encode(enum test_encoding encoding, struct xr_buf *text, struct xr_buf *out) {
    xr_buf_char(text, '\0');
    assert_false(text->failed);
    if (encoding == TEST_JSON)
        json_of(out, text->data);
    else
        protobuf_of(out, text->data);
    xr_buf_clear(text);
}

static struct decoded decode_notation(enum test_encoding encoding, struct xr_buf *text) {
    struct xr_buf body = xr_buf_make(TEXT_MAX);
    encode(encoding, text, &body);
    struct decoded d = decode(encoding, xr_buf_view(&body));
    xr_buf_clear(&body);
    return d;
}

static void put(struct xr_buf *text, const char *piece) {
    xr_buf_str(text, xr_str_from(piece));
}

/* spans in all, over several resources and scopes. */
static struct decoded decode_count(enum test_encoding encoding, size_t spans) {
    enum { RESOURCES = 3, SCOPES = 2 };
    struct xr_buf text = xr_buf_make(TEXT_MAX);
    size_t groups = (size_t)RESOURCES * SCOPES, group = 0;
    put(&text, NOTATION[encoding].request);
    for (int r = 0; r < RESOURCES; r++) {
        put(&text, r ? NOTATION[encoding].comma : "");
        put(&text, NOTATION[encoding].resource);
        for (int s = 0; s < SCOPES; s++, group++) {
            put(&text, s ? NOTATION[encoding].comma : "");
            put(&text, NOTATION[encoding].scope);
            for (size_t i = group; i < spans; i += groups) {
                put(&text, i >= groups ? NOTATION[encoding].comma : "");
                put(&text, NOTATION[encoding].span);
            }
            put(&text, NOTATION[encoding].scope_end);
        }
        put(&text, NOTATION[encoding].resource_end);
    }
    put(&text, NOTATION[encoding].request_end);
    return decode_notation(encoding, &text);
}

static void spans_of_a_request_are_bounded(void **state) {
    (void)state;
    static const size_t COUNTS[] = {0, 1, 5, XR_OTLP_SPANS_MAX - 1, XR_OTLP_SPANS_MAX, XR_OTLP_SPANS_MAX + 1, 30000};
    for (size_t i = 0; i < sizeof COUNTS / sizeof *COUNTS; i++) {
        for (int encoding = TEST_JSON; encoding <= TEST_PROTOBUF; encoding++) {
            struct decoded d = decode_count((enum test_encoding)encoding, COUNTS[i]);
            if (COUNTS[i] <= XR_OTLP_SPANS_MAX) {
                assert_int_equal(d.code, XR_OK);
                assert_int_equal(d.count, COUNTS[i]);
            } else {
                assert_int_equal(d.code, XR_INVALID);
                assert_int_equal(d.refusal.fault, XR_OTLP_SPANS);
                assert_int_equal(d.refusal.received, COUNTS[i]);
                assert_string_equal(d.err.path, "");
                assert_int_equal(d.count, 0);
            }
            decoded_clear(&d);
        }
    }
}

/* lists: bit i says whether the i-th container is a key-value list. */
static struct decoded decode_nested(enum test_encoding encoding, int depth, unsigned lists) {
    struct xr_buf value = xr_buf_make(TEXT_MAX), body = xr_buf_make(TEXT_MAX);
    for (int i = 0; i < depth; i++)
        put(&value, lists >> (i % 32) & 1 ? NOTATION[encoding].list : NOTATION[encoding].array);
    put(&value, NOTATION[encoding].leaf);
    for (int i = depth; i-- > 0;)
        put(&value, lists >> (i % 32) & 1 ? NOTATION[encoding].list_end : NOTATION[encoding].array_end);
    xr_buf_char(&value, '\0');
    request_of_value(encoding, &body, value.data);
    struct decoded d = decode(encoding, xr_buf_view(&body));
    xr_buf_clear(&value);
    xr_buf_clear(&body);
    return d;
}

static void nesting_is_bounded(void **state) {
    (void)state;
    static const int DEPTHS[] = {0, 1, 2, XR_OTLP_DEPTH_MAX - 1, XR_OTLP_DEPTH_MAX, XR_OTLP_DEPTH_MAX + 1, 64, 1000};
    static const unsigned LISTS[] = {0, UINT32_MAX, 0x55555555, 0xCCCCCCCC};
    for (int encoding = TEST_JSON; encoding <= TEST_PROTOBUF; encoding++) {
        for (size_t i = 0; i < sizeof DEPTHS / sizeof *DEPTHS; i++) {
            for (size_t k = 0; k < sizeof LISTS / sizeof *LISTS; k++) {
                struct decoded d = decode_nested((enum test_encoding)encoding, DEPTHS[i], LISTS[k]);
                assert_int_equal(d.code, DEPTHS[i] <= XR_OTLP_DEPTH_MAX ? XR_OK : XR_INVALID);
                if (d.code != XR_OK) {
                    assert_int_equal(d.refusal.fault, XR_OTLP_DEPTH);
                    assert_string_equal(d.err.path, "resourceSpans[0].scopeSpans[0].spans[0]");
                }
                decoded_clear(&d);
            }
        }
    }
}

/* A container counts without anything in it; what is no value of an attribute does not. */
static void nesting_counts_containers_of_values_only(void **state) {
    (void)state;
    enum { LEVELS = 5000 };
    struct xr_buf body = xr_buf_make(TEXT_MAX);
    put(&body, "{\"x\":");
    for (int i = 0; i < LEVELS; i++)
        put(&body, "[");
    for (int i = 0; i < LEVELS; i++)
        put(&body, "]");
    put(&body, ",\"resourceSpans\":[]}");
    struct decoded d = decode(TEST_JSON, xr_buf_view(&body));
    assert_int_equal(d.code, XR_OK);
    decoded_clear(&d);
    xr_buf_clear(&body);
}

static void nesting_of_a_resource_is_bounded(void **state) {
    (void)state;
    struct xr_buf text = xr_buf_make(TEXT_MAX);
    put(&text, "1{} 1{1{1{1'r'2{");
    for (int i = 0; i < XR_OTLP_DEPTH_MAX + 1; i++)
        put(&text, NOTATION[TEST_PROTOBUF].array);
    for (int i = 0; i < XR_OTLP_DEPTH_MAX + 1; i++)
        put(&text, NOTATION[TEST_PROTOBUF].array_end);
    put(&text, "}}}}");
    struct decoded d = decode_notation(TEST_PROTOBUF, &text);
    assert_int_equal(d.code, XR_INVALID);
    assert_int_equal(d.refusal.fault, XR_OTLP_DEPTH);
    assert_string_equal(d.err.path, "resourceSpans[1].resource");
    decoded_clear(&d);
}

/* A span and a resource, each with `count` attributes whose keys are numbered modulo `keys`. */
static void write_attributed(enum test_encoding encoding, struct xr_buf *text, int count, int keys) {
    bool json = encoding == TEST_JSON;
    put(text, json ? "{'resourceSpans':[{'resource':{'attributes':[" : "1{1{");
    for (int part = 0; part < 2; part++) {
        for (int i = 0; i < count; i++) {
            put(text, i ? NOTATION[encoding].comma : "");
            put(text, NOTATION[encoding].attr[part]);
            xr_buf_printf(text, "k%d%s%d", i % keys, NOTATION[encoding].attr_value, i);
            put(text, NOTATION[encoding].attr_end);
        }
        if (part == 0)
            put(text, json ? "]},'scopeSpans':[{'spans':[{'attributes':[" : "}2{2{");
    }
    put(text, json ? "]}]}]}]}" : "}}}");
}

static void a_repeated_key_has_its_last_value_at_its_first_place(void **state) {
    (void)state;
    static const struct {
        int count, keys;
    } CASES[] = {{2, 1}, {5, 2}, {100, 3}, {100000, 2}};
    for (int encoding = TEST_JSON; encoding <= TEST_PROTOBUF; encoding++) {
        for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
            struct xr_buf text = xr_buf_make(TEXT_MAX), want = xr_buf_make(TEXT_MAX);
            write_attributed((enum test_encoding)encoding, &text, CASES[i].count, CASES[i].keys);
            struct decoded d = decode_notation((enum test_encoding)encoding, &text);
            assert_int_equal(d.code, XR_OK);
            for (int key = 0; key < CASES[i].keys; key++) {
                int last = CASES[i].count - 1 - (CASES[i].count - 1 - key) % CASES[i].keys;
                xr_buf_printf(&want, "%s\"k%d\":%d", key ? "," : "{", key, last);
            }
            xr_buf_append(&want, "}\n", 3);
            assert_text(&d.attrs, want.data);
            assert_non_null(memmem(d.spans.data, d.spans.len, want.data, want.len - 2));
            decoded_clear(&d);
            xr_buf_clear(&want);
        }
    }
}

static const struct xr_attrs *seen_resources[4];
static enum xr_code see_resource(void *ctx, const struct xr_span *span, struct xr_err *err) {
    size_t *count = ctx;
    (void)err;
    seen_resources[(*count)++] = span->resource;
    return XR_OK;
}

static void each_resource_has_an_address_of_its_own(void **state) {
    (void)state;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_OTLP_ARENA_MAX);
    struct xr_buf body = xr_buf_make(TEXT_MAX);
    struct xr_otlp_refusal refusal;
    size_t count = 0;
    const struct xr_span_sink sink = {.take = see_resource, .ctx = &count};
    protobuf_of(&body, "1{2{2{}}2{2{}}} 1{2{2{}}} 1{1{1{1'a'2{3=1}}}2{2{}}}");
    assert_int_equal(xr_otlp_decode_protobuf(xr_buf_view(&body), arena, &sink, &refusal, NULL), XR_OK);
    assert_int_equal(count, 4);
    assert_ptr_equal(seen_resources[0], seen_resources[1]);
    assert_ptr_not_equal(seen_resources[1], seen_resources[2]);
    assert_ptr_not_equal(seen_resources[2], seen_resources[3]);
    xr_buf_clear(&body);
}

static const char *const HUNGRY[] = {
    [TEST_JSON] =
        "{'resourceSpans':[{'resource':{'attributes':[{'key':'a','value':{'bytesValue':'AAAA'}}]},'scopeSpans':"
        "[{'spans':[{'traceId':'00112233445566778899aabbccddeeff','spanId':'0011223344556677',"
        "'parentSpanId':'AAAAAAAAAAE=','attributes':[{'key':'b','value':{'arrayValue':{'values':["
        "{'bytesValue':'AA'},{'kvlistValue':{}}]}}}]},{'traceId':'x'}]}]}]}",
    [TEST_PROTOBUF] = "1{1{1{1xff 2{7x00}}} 2{2{1x00 2x01 4x02 5xff 9{1xff 2{5{1{7x00}1{1xff}1{6{1{1xff 2{3=1}}}}}}}"
                      "9{1'a'2{1xff}}} 2{}}}",
};

static void a_full_arena_ends_the_decoding(void **state) {
    (void)state;
    enum { STEP = 16 };
    for (int encoding = TEST_JSON; encoding <= TEST_PROTOBUF; encoding++) {
        struct xr_buf text = xr_buf_make(TEXT_MAX), body = xr_buf_make(TEXT_MAX);
        put(&text, HUNGRY[encoding]);
        encode((enum test_encoding)encoding, &text, &body);
        struct decoded whole = decode((enum test_encoding)encoding, xr_buf_view(&body));
        assert_int_equal(whole.code, XR_OK);
        assert_int_equal(whole.count, 2);
        assert_true(whole.arena_used >= 6 * STEP);
        for (size_t cap = 0; cap <= whole.arena_used; cap += STEP) {
            struct decoded d = decode_within((enum test_encoding)encoding, xr_buf_view(&body), cap, SIZE_MAX);
            assert_int_equal(d.code, cap < whole.arena_used ? XR_NO_MEMORY : XR_OK);
            decoded_clear(&d);
        }
        decoded_clear(&whole);
        xr_buf_clear(&body);
    }
}

static void a_failing_sink_ends_the_decoding(void **state) {
    (void)state;
    for (int encoding = TEST_JSON; encoding <= TEST_PROTOBUF; encoding++) {
        struct xr_buf text = xr_buf_make(TEXT_MAX), body = xr_buf_make(TEXT_MAX);
        put(&text, HUNGRY[encoding]);
        encode((enum test_encoding)encoding, &text, &body);
        struct decoded d = decode_within((enum test_encoding)encoding, xr_buf_view(&body), XR_OTLP_ARENA_MAX, 1);
        assert_int_equal(d.code, XR_OVERLOADED);
        assert_int_equal(d.count, 1);
        decoded_clear(&d);
        xr_buf_clear(&body);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_of_a_request_are_bounded),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(nesting_counts_containers_of_values_only),
        cmocka_unit_test(nesting_of_a_resource_is_bounded),
        cmocka_unit_test(a_repeated_key_has_its_last_value_at_its_first_place),
        cmocka_unit_test(each_resource_has_an_address_of_its_own),
        cmocka_unit_test(a_full_arena_ends_the_decoding),
        cmocka_unit_test(a_failing_sink_ends_the_decoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
