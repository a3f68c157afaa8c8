// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "otlp/testkit.h"

static struct decoded decode_text(const char *text) {
    struct xr_buf body = xr_buf_make(1 << 26);
    protobuf_of(&body, text);
    struct decoded d = decode(TEST_PROTOBUF, xr_buf_view(&body));
    xr_buf_clear(&body);
    return d;
}

static struct decoded decode_value(const char *value) {
    struct xr_buf body = xr_buf_make(1 << 26);
    request_of_value(TEST_PROTOBUF, &body, value);
    struct decoded d = decode(TEST_PROTOBUF, xr_buf_view(&body));
    xr_buf_clear(&body);
    return d;
}

static void assert_spans(const char *text, const char *want) {
    struct decoded d = decode_text(text);
    struct xr_buf lines = xr_buf_make(1 << 20);
    if (d.code != XR_OK)
        fail_msg("%s\n%s: %s: %s", text, xr_code_name(d.code), d.err.path, d.err.message);
    json_of(&lines, want);
    xr_buf_char(&lines, '\0');
    assert_text(&d.spans, lines.data);
    xr_buf_clear(&lines);
    decoded_clear(&d);
}

static void a_request_becomes_its_spans(void **state) {
    (void)state;
    assert_spans("1{1{1{1'r'2{1'R'}}} 2{1{1's'}2{1x000102030405060708090a0b0c0d0e0f 2x0011223344556677"
                 " 4x8899aabbccddeeff 5'chat' 6=1 7:1700000000000000001 8:1700000000000000002"
                 " 9{1's'2{1'x'}} 9{1'i'2{3=42}} 9{1'd'2{4~1.5}} 9{1'b'2{2=1}} 9{1'a'2{5{1{3=1}1{1'z'}}}}"
                 " 9{1'k'2{6{1{1'x'2{3=-1}}}}} 9{1'y'2{7x0001}} 10=0 11{1:5 2'e'} 13{} 15{3=2} 16,257}3'url'}}",
                 "{'trace':'000102030405060708090a0b0c0d0e0f','span':'0011223344556677','parent':'8899aabbccddeeff',"
                 "'name':'chat','from':1700000000000000001,'to':1700000000000000002,"
                 "'attrs':{'s':'x','i':42,'d':{'double':1.5},'b':true,'a':{'json':[1,'z']},'k':{'json':{'x':-1}},"
                 "'y':'AAE='},'resource':{'r':'R'}}\n");
}

static void a_resource_may_come_behind_its_spans(void **state) {
    (void)state;
    assert_spans("1{2{2{5'a'}2{5'b'}}1{1{1'r'2{3=1}}}2{2{5'c'}}1{1{1'r'2{3=2}}}} 1{2{2{5'd'}}}",
                 "{'trace':'text:','span':'text:','parent':null,'name':'a','from':0,'to':0,'attrs':{},"
                 "'resource':{'r':2}}\n"
                 "{'trace':'text:','span':'text:','parent':null,'name':'b','from':0,'to':0,'attrs':{},"
                 "'resource':{'r':2}}\n"
                 "{'trace':'text:','span':'text:','parent':null,'name':'c','from':0,'to':0,'attrs':{},"
                 "'resource':{'r':2}}\n"
                 "{'trace':'text:','span':'text:','parent':null,'name':'d','from':0,'to':0,'attrs':{},"
                 "'resource':{}}\n");
}

static const struct {
    const char *value, *want; /* want: {} if it is dropped */
} VALUES[] = {
    {"1''", "{'k':''}"},
    {"1'x'", "{'k':'x'}"},
    {"1x61ff62", "{'k':'a\xEF\xBF\xBD\x62'}"},
    {"1xeda080", "{'k':'\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD'}"},
    {"1x00", "{'k':'\\u0000'}"},
    {"2=0", "{'k':false}"},
    {"2=1", "{'k':true}"},
    {"2=7", "{'k':true}"},
    {"3=0", "{'k':0}"},
    {"3=9223372036854775807", "{'k':9223372036854775807}"},
    {"3=-9223372036854775808", "{'k':-9223372036854775808}"},
    {"!1880808080808080808002", "{'k':0}"}, /* bits behind the 64th are dropped, as protobuf's own readers do */
    {"4~-0.5", "{'k':{'double':-0.5}}"},
    {"4~nan", "{}"},
    {"4~inf", "{}"},
    {"4~-inf", "{}"},
    {"5{}", "{'k':{'json':[]}}"},
    {"5{1{}1{4~nan}1{3=1}1{1x61ff}1{7x00}}", "{'k':{'json':[null,null,1,'a\xEF\xBF\xBD','AA==']}}"},
    {"5{2'x'1=5 1{3=1}}", "{'k':{'json':[1]}}"},
    {"6{}", "{'k':{'json':{}}}"},
    {"6{1{1'a'2{3=1}}1{1'b'}1{1'c'2{}}1{1'd'2{4~inf}}1{1xff 2{2=1}}1{2{1'v'}}}",
     "{'k':{'json':{'a':1,'\xEF\xBF\xBD':true,'':'v'}}}"},
    {"6{1{1'a'2{5{1{6{1{1'b'2{3=1}}}}}}}}", "{'k':{'json':{'a':[{'b':1}]}}}"},
    {"7x", "{'k':''}"},
    {"7x00", "{'k':'AA=='}"},
    {"7x0001", "{'k':'AAE='}"},
    {"7xfbeffe", "{'k':'++/+'}"},
    {"7xfbeffeff", "{'k':'++/+/w=='}"},
    {"", "{}"},
    {"8=5", "{}"}, /* an index into a string table: not ours */
    {"99'x'", "{}"},
    {"1'x'3=5", "{'k':5}"}, /* the last of several */
    {"3=5 1'x'", "{'k':'x'}"},
    {"3'x'", "{}"}, /* another wire type than it must have: unknown */
    {"1=5", "{}"},
    {"4=5", "{}"},
    {"4,5", "{}"},
    {"3:5", "{}"},
};

static void values_of_every_kind(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof VALUES / sizeof *VALUES; i++) {
        struct decoded d = decode_value(VALUES[i].value);
        struct xr_buf want = xr_buf_make(1000);
        if (d.code != XR_OK)
            fail_msg("%s: %s", VALUES[i].value, d.err.message);
        json_of(&want, VALUES[i].want);
        xr_buf_append(&want, "\n", 2);
        assert_text(&d.attrs, want.data);
        xr_buf_clear(&want);
        decoded_clear(&d);
    }
}

static void malformed_messages_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *body, *path;
    } CASES[] = {
        {"!0a", ""},
        {"!0a05", ""},
        {"!0affffffffffffffffff01", ""},
        {"!08ffffffffffffffffffff01", ""},
        {"!80808080808080808080800a", ""},
        {"!08", ""},
        {"!0880", ""},
        {"!0901020304050607", ""},
        {"!0d010203", ""},
        {"!00", ""}, /* field number 0 */
        {"!0200", ""},
        {"!828080801000", ""}, /* a tag of more than 32 bits */
        {"1{!0a05}", "resourceSpans[0]"},
        {"1{} 1{2{} !12}", "resourceSpans[1]"},
        {"1{2{!12}}", "resourceSpans[0].scopeSpans[0]"},
        {"1{2{} 2{2{} !1205}}", "resourceSpans[0].scopeSpans[1]"},
        {"1{2{2{!0a}}}", "resourceSpans[0].scopeSpans[0].spans[0]"},
        {"1{} 1{2{} 2{2{} 2{} 2{!3901}}}", "resourceSpans[1].scopeSpans[1].spans[2]"},
        {"1{2{2{9{!0a05}}}}", "resourceSpans[0].scopeSpans[0].spans[0]"},
        {"1{2{2{9{2{!0a05}}}}}", "resourceSpans[0].scopeSpans[0].spans[0]"},
        {"1{2{2{9{2{5{1{!00}}}}}}}", "resourceSpans[0].scopeSpans[0].spans[0]"},
        {"1{2{2{9{2{6{1{!00}}}}}}}", "resourceSpans[0].scopeSpans[0].spans[0]"},
        {"1{1{!0a}}", "resourceSpans[0].resource"},
        {"1{1{1{!0a}} 2{2{}}}", "resourceSpans[0].resource"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct decoded d = decode_text(CASES[i].body);
        if (d.code != XR_INVALID || d.refusal.fault != XR_OTLP_BODY)
            fail_msg("%s: %s", CASES[i].body, xr_code_name(d.code));
        assert_string_equal(d.err.path, CASES[i].path);
        assert_true(d.err.message[0]);
        decoded_clear(&d);
    }
}

static void groups_and_unknown_wire_types_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *body;
        unsigned wire_type;
    } CASES[] = {
        {"!0b0c", 3},
        {"!0c", 4},
        {"!0e", 6},
        {"!0f", 7},
        {"!9b06", 3},
        {"1{!1e}", 6},
        {"1{1{!0f}}", 7},
        {"1{2{!0b}}", 3},
        {"1{2{2{!0c}}}", 4},
        {"1{2{2{9{!16}}}}", 6},
        {"1{2{2{9{2{!2b}}}}}", 3},
        {"1{2{2{9{2{5{!0f}}}}}}", 7},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct decoded d = decode_text(CASES[i].body);
        assert_int_equal(d.code, XR_INVALID);
        assert_int_equal(d.refusal.fault, XR_OTLP_WIRE_TYPE);
        assert_int_equal(d.refusal.wire_type, CASES[i].wire_type);
        decoded_clear(&d);
    }
}

static void unknown_fields_are_skipped(void **state) {
    (void)state;
    static const char WANT[] =
        "{'trace':'text:','span':'text:','parent':null,'name':'n','from':0,'to':0,'attrs':{'a':1},"
        "'resource':{}}\n";
    static const char *const BODIES[] = {
        "1{2{2{5'n'9{1'a'2{3=1}}}}}",
        "99=1 1{99'x'2{99:1 2{99,1 5'n'99{1{}}9{99=1 1'a'2{3=1 99~0}}}}1000=1}",
        "536870911=1 1=5 1{1=7 2:1 2{2,1 2{1=1 2:1 4,1 5=1 7=1 8'x' 9=1 5'n'9{1=1 2=1 1'a'2{3=1}}}}}",
    };
    for (size_t i = 0; i < sizeof BODIES / sizeof *BODIES; i++)
        assert_spans(BODIES[i], WANT);
}

static void a_request_may_be_empty(void **state) {
    (void)state;
    static const char *const BODIES[] = {"", "1{}", "1{1{}2{}}", "1{2{1{1's'}}}", "2{1{2{2{}}}}"};
    for (size_t i = 0; i < sizeof BODIES / sizeof *BODIES; i++)
        assert_spans(BODIES[i], "");
}

static void of_repeated_fields_the_last_counts(void **state) {
    (void)state;
    assert_spans(
        "1{2{2{1x01 1x000102030405060708090a0b0c0d0e0f 2x01 2x0000000000000000 4x01 4x 5'a' 5'b' 7:1 7:2 8:3 8:4"
        " 9{1'x'1'y'2{3=1}2{3=2}}}}}",
        "{'trace':'000102030405060708090a0b0c0d0e0f','span':'0000000000000000','parent':null,'name':'b',"
        "'from':2,'to':4,'attrs':{'y':2},'resource':{}}\n");
}

static void times_are_clamped(void **state) {
    (void)state;
    assert_spans("1{2{2{7:9223372036854775807 8:9223372036854775808}2{7:18446744073709551615 8:0}}}",
                 "{'trace':'text:','span':'text:','parent':null,'name':'','from':9223372036854775807,"
                 "'to':9223372036854775807,'attrs':{},'resource':{}}\n"
                 "{'trace':'text:','span':'text:','parent':null,'name':'','from':9223372036854775807,"
                 "'to':0,'attrs':{},'resource':{}}\n");
}

static void names_that_are_not_utf8_are_repaired(void **state) {
    (void)state;
    assert_spans("1{2{2{5xc3 9{1xe282 2{3=1}}}}}",
                 "{'trace':'text:','span':'text:','parent':null,'name':'\xEF\xBF\xBD','from':0,'to':0,"
                 "'attrs':{'\xEF\xBF\xBD\xEF\xBF\xBD':1},'resource':{}}\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_becomes_its_spans),
        cmocka_unit_test(a_resource_may_come_behind_its_spans),
        cmocka_unit_test(values_of_every_kind),
        cmocka_unit_test(malformed_messages_are_refused),
        cmocka_unit_test(groups_and_unknown_wire_types_are_refused),
        cmocka_unit_test(unknown_fields_are_skipped),
        cmocka_unit_test(a_request_may_be_empty),
        cmocka_unit_test(of_repeated_fields_the_last_counts),
        cmocka_unit_test(times_are_clamped),
        cmocka_unit_test(names_that_are_not_utf8_are_repaired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
