// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "otlp/testkit.h"
#include <stdio.h>
#include <stdlib.h>

static struct decoded decode_text(const char *text) {
    struct xr_buf body = xr_buf_make(1 << 26);
    json_of(&body, text);
    struct decoded d = decode(TEST_JSON, xr_buf_view(&body));
    xr_buf_clear(&body);
    return d;
}

static struct decoded decode_value(const char *value) {
    struct xr_buf body = xr_buf_make(1 << 26);
    request_of_value(TEST_JSON, &body, value);
    struct decoded d = decode(TEST_JSON, xr_buf_view(&body));
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

#define EMPTY_SPAN(resource)                                                                                           \
    "{'trace':'text:','span':'text:','parent':null,'name':'','from':0,'to':0,'attrs':{},'resource':" resource "}\n"

static void a_request_becomes_its_spans(void **state) {
    (void)state;
    assert_spans("{'resourceSpans':[{'resource':{'attributes':[{'key':'r','value':{'stringValue':'R'}}]},"
                 "'scopeSpans':[{'scope':{'name':'s'},'spans':[{'traceId':'000102030405060708090A0b0c0d0e0f',"
                 "'spanId':'0011223344556677','parentSpanId':'8899aabbccddeeff','name':'chat','kind':1,"
                 "'startTimeUnixNano':'1700000000000000001','endTimeUnixNano':1700000000000000002,'attributes':["
                 "{'key':'s','value':{'stringValue':'x'}},{'key':'i','value':{'intValue':'42'}},"
                 "{'key':'d','value':{'doubleValue':1.5}},{'key':'b','value':{'boolValue':true}}],"
                 "'status':{'code':2},'events':[],'links':[],'flags':257}]}]}]}",
                 "{'trace':'000102030405060708090a0b0c0d0e0f','span':'0011223344556677','parent':'8899aabbccddeeff',"
                 "'name':'chat','from':1700000000000000001,'to':1700000000000000002,"
                 "'attrs':{'s':'x','i':42,'d':{'double':1.5},'b':true},'resource':{'r':'R'}}\n");
}

static void each_span_has_the_attributes_of_its_resource(void **state) {
    (void)state;
    assert_spans("{'resourceSpans':[{'scopeSpans':[{'spans':[{},{}]}],'resource':{'attributes':["
                 "{'key':'r','value':{'intValue':1}},{'key':'r','value':{'intValue':2}}]}},"
                 "{'resource':{'attributes':[{'key':'s','value':{'intValue':3}}]},"
                 "'scopeSpans':[{'spans':[{}]},{'spans':[]},{'spans':[{}]}]},{'scopeSpans':[{'spans':[{}]}]}]}",
                 EMPTY_SPAN("{'r':2}") EMPTY_SPAN("{'r':2}") EMPTY_SPAN("{'s':3}") EMPTY_SPAN("{'s':3}")
                     EMPTY_SPAN("{}"));
}

static void names_may_be_snake_case(void **state) {
    (void)state;
    assert_spans("{'resource_spans':[{'scope_spans':[{'spans':[{'trace_id':'000102030405060708090a0b0c0d0e0f',"
                 "'span_id':'0011223344556677','parent_span_id':'8899aabbccddeeff','name':'n',"
                 "'start_time_unix_nano':'1','end_time_unix_nano':'2','attributes':["
                 "{'key':'s','value':{'string_value':'x'}},{'key':'i','value':{'int_value':'42'}},"
                 "{'key':'d','value':{'double_value':1.5}},{'key':'b','value':{'bool_value':true}},"
                 "{'key':'a','value':{'array_value':{'values':[{'int_value':1}]}}},"
                 "{'key':'k','value':{'kvlist_value':{'values':[{'key':'x','value':{'int_value':1}}]}}},"
                 "{'key':'y','value':{'bytes_value':'AAE='}}]}]}]}]}",
                 "{'trace':'000102030405060708090a0b0c0d0e0f','span':'0011223344556677','parent':'8899aabbccddeeff',"
                 "'name':'n','from':1,'to':2,'attrs':{'s':'x','i':42,'d':{'double':1.5},'b':true,'a':{'json':[1]},"
                 "'k':{'json':{'x':1}},'y':'AAE='},'resource':{}}\n");
}

static const struct {
    const char *value, *want; /* want: {} if it is dropped */
} VALUES[] = {
    {"{'stringValue':''}", "{'k':''}"},
    {"{'stringValue':'a\\u0000b'}", "{'k':'a\\u0000b'}"},
    {"{'stringValue':5}", "{}"},
    {"{'intValue':0}", "{'k':0}"},
    {"{'intValue':9223372036854775807}", "{'k':9223372036854775807}"},
    {"{'intValue':'-9223372036854775808'}", "{'k':-9223372036854775808}"},
    {"{'intValue':9223372036854775808}", "{}"},
    {"{'intValue':'9223372036854775808'}", "{}"},
    {"{'intValue':-9223372036854775809}", "{}"},
    {"{'intValue':5.0}", "{'k':5}"},
    {"{'intValue':'5e3'}", "{'k':5000}"},
    {"{'intValue':5.5}", "{}"},
    {"{'intValue':1e30}", "{}"},
    {"{'intValue':1e999}", "{}"},
    {"{'intValue':-1e999}", "{}"},
    {"{'intValue':'NaN'}", "{}"},
    {"{'intValue':'12x'}", "{}"},
    {"{'intValue':'12\\u0000'}", "{}"},
    {"{'intValue':''}", "{}"},
    {"{'intValue':' 1'}", "{}"},
    {"{'intValue':true}", "{}"},
    {"{'intValue':{'low':5,'high':0}}", "{}"},
    {"{'doubleValue':2}", "{'k':{'double':2}}"},
    {"{'doubleValue':-0.5}", "{'k':{'double':-0.5}}"},
    {"{'doubleValue':18446744073709551615}", "{'k':{'double':18446744073709552000}}"},
    {"{'doubleValue':'2.5'}", "{'k':{'double':2.5}}"},
    {"{'doubleValue':'1e3'}", "{'k':{'double':1000}}"},
    {"{'doubleValue':'NaN'}", "{}"},
    {"{'doubleValue':'Infinity'}", "{}"},
    {"{'doubleValue':'-Infinity'}", "{}"},
    {"{'doubleValue':NaN}", "{}"},
    {"{'doubleValue':1e999}", "{}"},
    {"{'doubleValue':'1e999'}", "{}"},
    {"{'doubleValue':'x'}", "{}"},
    {"{'doubleValue':[]}", "{}"},
    {"{'boolValue':false}", "{'k':false}"},
    {"{'boolValue':1}", "{}"},
    {"{'bytesValue':''}", "{'k':''}"},
    {"{'bytesValue':'AAE='}", "{'k':'AAE='}"},
    {"{'bytesValue':'AAE'}", "{'k':'AAE='}"},
    {"{'bytesValue':'_-8'}", "{'k':'/+8='}"},
    {"{'bytesValue':'AAH='}", "{'k':'AAE='}"},
    {"{'bytesValue':'AA=='}", "{'k':'AA=='}"},
    {"{'bytesValue':'A'}", "{}"},
    {"{'bytesValue':'AA='}", "{}"},
    {"{'bytesValue':'!AAA'}", "{}"},
    {"{'bytesValue':5}", "{}"},
    {"{'arrayValue':{}}", "{'k':{'json':[]}}"},
    {"{'arrayValue':{'values':null}}", "{'k':{'json':[]}}"},
    {"{'arrayValue':{'values':{}}}", "{'k':{'json':[]}}"},
    {"{'arrayValue':[]}", "{}"},
    {"{'arrayValue':{'values':[{'stringValue':'a'},{'intValue':'1'},{'doubleValue':0.5},{'boolValue':false}]}}",
     "{'k':{'json':['a',1,0.5,false]}}"},
    {"{'arrayValue':{'values':[{'doubleValue':'NaN'},{},null,{'intValue':1e30},5,{'bytesValue':'AA'}]}}",
     "{'k':{'json':[null,null,null,null,null,'AA==']}}"},
    {"{'arrayValue':{'values':[{'arrayValue':{'values':[{'intValue':1}]}},{'kvlistValue':{}}]}}",
     "{'k':{'json':[[1],{}]}}"},
    {"{'kvlistValue':{'values':[{'key':'a','value':{'intValue':1}},{'key':'b'},{'key':'c','value':{}},5,"
     "{'key':'d','value':{'kvlistValue':{'values':[{'key':'e','value':{'stringValue':'f'}}]}}}]}}",
     "{'k':{'json':{'a':1,'d':{'e':'f'}}}}"},
    {"{}", "{}"},
    {"null", "{}"},
    {"5", "{}"},
    {"[{'stringValue':'x'}]", "{}"},
    {"{'stringValue':null}", "{}"},
    {"{'stringValue':null,'intValue':1}", "{'k':1}"},
    {"{'intValue':1,'stringValue':null}", "{'k':1}"},
    {"{'intValue':1,'stringValue':'x'}", "{'k':'x'}"},
    {"{'futureValue':{'a':[{}]},'intValue':1,'other':[[[]]]}", "{'k':1}"},
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

static void what_is_no_request_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *body, *path;
    } CASES[] = {
        {"", ""},
        {" ", ""},
        {"[]", ""},
        {"null", ""},
        {"5", ""},
        {"{", ""},
        {"{}x", ""},
        {"{'a':'\xFF'}", ""},
        {"{'a':'\xED\xA0\x80'}", ""},
        {"{'a':01}", ""},
        {"{'a':1,}", ""},
        {"{'resourceSpans':{}}", "resourceSpans"},
        {"{'resourceSpans':'x'}", "resourceSpans"},
        {"{'resourceSpans':[5]}", "resourceSpans[0]"},
        {"{'resourceSpans':[null]}", "resourceSpans[0]"},
        {"{'resourceSpans':[{},{'scopeSpans':{}}]}", "resourceSpans[1].scopeSpans"},
        {"{'resource_spans':[{'scope_spans':1}]}", "resourceSpans[0].scopeSpans"},
        {"{'resourceSpans':[{'scopeSpans':[{},[]]}]}", "resourceSpans[0].scopeSpans[1]"},
        {"{'resourceSpans':[{'scopeSpans':[{'spans':{}}]}]}", "resourceSpans[0].scopeSpans[0].spans"},
        {"{'resourceSpans':[{'scopeSpans':[{'spans':[{},{},7]}]}]}", "resourceSpans[0].scopeSpans[0].spans[2]"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct decoded d = decode_text(CASES[i].body);
        if (d.code != XR_INVALID)
            fail_msg("%s: %s", CASES[i].body, xr_code_name(d.code));
        assert_int_equal(d.refusal.fault, XR_OTLP_BODY);
        assert_string_equal(d.err.path, CASES[i].path);
        assert_true(d.err.message[0]);
        assert_int_equal(d.count, 0);
        decoded_clear(&d);
    }
}

static void a_request_may_be_empty(void **state) {
    (void)state;
    static const char *const BODIES[] = {
        "{}",
        "{'resourceSpans':null}",
        "{'resourceSpans':[]}",
        "{'resourceSpans':[{}]}",
        "{'resourceSpans':[{'scopeSpans':null}]}",
        "{'resourceSpans':[{'scopeSpans':[{}]}]}",
        "{'resourceSpans':[{'scopeSpans':[{'spans':null}]}]}",
        "{'x':[1,{'y':[]}]}",
        "{'resourceSpans':[{'instrumentationLibrarySpans':[{'spans':[{}]}]}]}",
    };
    for (size_t i = 0; i < sizeof BODIES / sizeof *BODIES; i++)
        assert_spans(BODIES[i], "");
}

/* Of the span's fields; their absence and a wrong type are the same. */
static void a_field_of_the_wrong_type_is_absent(void **state) {
    (void)state;
    static const char *const SPANS[] = {
        "{}",
        "{'traceId':5,'spanId':[],'parentSpanId':{},'name':1,'startTimeUnixNano':true,'endTimeUnixNano':[],"
        "'attributes':{}}",
        "{'traceId':null,'spanId':null,'parentSpanId':null,'name':null,'startTimeUnixNano':null,"
        "'endTimeUnixNano':null,'attributes':null}",
        "{'traceId':'','spanId':'','parentSpanId':'','name':'','startTimeUnixNano':'','endTimeUnixNano':'x',"
        "'attributes':[5,null,[],{},{'key':'k'},{'key':'k','value':null},'x']}",
    };
    for (size_t i = 0; i < sizeof SPANS / sizeof *SPANS; i++) {
        char body[1000];
        snprintf(body, sizeof body, "{'resourceSpans':[{'resource':[],'scopeSpans':[{'spans':[%s]}]}]}", SPANS[i]);
        assert_spans(body, EMPTY_SPAN("{}"));
    }
}

static void times_are_clamped(void **state) {
    (void)state;
    static const struct {
        const char *time, *want;
    } CASES[] = {
        {"0", "0"},
        {"1", "1"},
        {"'1700000000123456789'", "1700000000123456789"},
        {"1700000000123456789", "1700000000123456789"},
        {"9223372036854775807", "9223372036854775807"},
        {"9223372036854775808", "9223372036854775807"},
        {"'18446744073709551615'", "9223372036854775807"},
        {"'18446744073709551616'", "9223372036854775807"},
        {"1e300", "9223372036854775807"},
        {"1e999", "9223372036854775807"},
        {"-1", "0"},
        {"'-5'", "0"},
        {"-1e999", "0"},
        {"1.75e3", "1750"},
        {"1.9", "1"},
        {"'1.7e18'", "1700000000000000000"},
        {"NaN", "0"},
        {"'x'", "0"},
        {"'12 '", "0"},
        {"{}", "0"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char body[500], want[500];
        snprintf(body, sizeof body,
                 "{'resourceSpans':[{'scopeSpans':[{'spans':[{'startTimeUnixNano':%s,'endTimeUnixNano':%s}]}]}]}",
                 CASES[i].time, CASES[i].time);
        snprintf(want, sizeof want,
                 "{'trace':'text:','span':'text:','parent':null,'name':'','from':%s,'to':%s,'attrs':{},"
                 "'resource':{}}\n",
                 CASES[i].want, CASES[i].want);
        assert_spans(body, want);
    }
}

static void unpaired_surrogates_are_replaced(void **state) {
    (void)state;
    static const struct {
        const char *value, *want;
    } CASES[] = {
        {"\\ud83d", "\xEF\xBF\xBD"},
        {"\\ude00", "\xEF\xBF\xBD"},
        {"\\ud83d\\ude00", "\xF0\x9F\x98\x80"},
        {"\\uD83Dx\\uDE00", "\xEF\xBF\xBDx\xEF\xBF\xBD"},
        {"\\ud83d\\ud83d\\ude00", "\xEF\xBF\xBD\xF0\x9F\x98\x80"},
        {"\\ud83d\\n", "\xEF\xBF\xBD\\n"},
        {"\\ud83d\\u0041", "\xEF\xBF\xBD\x41"},
        {"\\\\ud83d", "\\\\ud83d"},
        {"\\\\\\ud83d", "\\\\\xEF\xBF\xBD"},
        {"\\\"\\ud83d", "\\\"\xEF\xBF\xBD"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char value[100], want[100];
        snprintf(value, sizeof value, "{'stringValue':'%s'}", CASES[i].value);
        snprintf(want, sizeof want, "{\"k\":\"%s\"}\n", CASES[i].want);
        struct decoded d = decode_value(value);
        assert_int_equal(d.code, XR_OK);
        assert_text(&d.attrs, want);
        decoded_clear(&d);
    }
    /* At the very end of a body there is none; whatever it is, it is no valid JSON. */
    static const char *const ENDS[] = {"{'a':'\\ud83d", "{'a':'\\ud83", "{'a':'\\", "{'a':'\\ud83d\\",
                                       "{'a':'\\ud83d\\ude0"};
    for (size_t i = 0; i < sizeof ENDS / sizeof *ENDS; i++) {
        struct decoded d = decode_text(ENDS[i]);
        assert_int_equal(d.code, XR_INVALID);
        decoded_clear(&d);
    }
}

static void of_repeated_members_the_last_counts(void **state) {
    (void)state;
    assert_spans("{'resourceSpans':[5],'resource_spans':[{'scopeSpans':[{'spans':[{'name':'a','name':'b','name':null,"
                 "'attributes':[{'key':'x','key':'y','value':{'intValue':1},'value':{'intValue':2}}]}]}]}],"
                 "'resourceSpans':null}",
                 "{'trace':'text:','span':'text:','parent':null,'name':'b','from':0,'to':0,'attrs':{'y':2},"
                 "'resource':{}}\n");
}

static void values_of_a_body_are_bounded(void **state) {
    (void)state;
    size_t len = XR_BODY_OTLP_MAX;
    char *body = malloc(len);
    assert_non_null(body);
    memset(body, '[', len);
    struct decoded d = decode(TEST_JSON, (struct xr_str){.ptr = body, .len = len});
    assert_int_equal(d.code, XR_TOO_LARGE);
    decoded_clear(&d);
    free(body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_becomes_its_spans),
        cmocka_unit_test(each_span_has_the_attributes_of_its_resource),
        cmocka_unit_test(names_may_be_snake_case),
        cmocka_unit_test(values_of_every_kind),
        cmocka_unit_test(what_is_no_request_is_refused),
        cmocka_unit_test(a_request_may_be_empty),
        cmocka_unit_test(a_field_of_the_wrong_type_is_absent),
        cmocka_unit_test(times_are_clamped),
        cmocka_unit_test(unpaired_surrogates_are_replaced),
        cmocka_unit_test(of_repeated_members_the_last_counts),
        cmocka_unit_test(values_of_a_body_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
