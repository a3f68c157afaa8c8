// SPDX-License-Identifier: Apache-2.0
/* From a request's bytes to the rows that are to be stored: which replay a span names, what is counted, what is kept.
 */
#include "base/limits.h"
#include "base/test.h"
#include "otlp/batch.h"
#include "otlp/testkit.h"

#define ONE "01234567-89ab-4def-8bcd-ef0123456701"
#define TWO "01234567-89ab-4def-8bcd-ef0123456702"
#define NAMED(id) "{'key':'xray.replay.id','value':{'stringValue':'" id "'}}"

struct reading {
    struct xr_arena *arena;
    struct xr_buf body;
    struct xr_span_batch batch;
    struct xr_otlp_refusal refusal;
    struct xr_err err;
    enum xr_code code;
};

static struct reading read_within(enum xr_otlp_encoding encoding, const struct xr_buf *body, size_t cap) {
    struct reading r = {.arena = xr_arena_new(cap), .body = xr_buf_make(XR_MIB(1))};
    assert_non_null(r.arena);
    xr_buf_str(&r.body, xr_buf_view(body));
    assert_non_null(xr_buf_reserve(&r.body, XR_OTLP_PADDING));
    r.code = xr_span_batch_read(encoding, r.body.data, body->len, r.arena, &r.batch, &r.refusal, &r.err);
    return r;
}

static void done(struct reading *r) {
    xr_buf_clear(&r->body);
    xr_arena_free(r->arena);
}

/* JSON in which ' stands for ". */
static struct reading read_json(const char *text) {
    struct xr_buf body = xr_buf_make(XR_MIB(1));
    json_of(&body, text);
    struct reading r = read_within(XR_OTLP_JSON, &body, XR_OTLP_ARENA_MAX);
    xr_buf_clear(&body);
    return r;
}

static void assert_replay(const struct xr_span_new *row, const char *id) {
    struct xr_uuid uuid;
    assert_true(xr_uuid_parse(xr_str_from(id), &uuid));
    assert_memory_equal(&row->replay, &uuid, sizeof uuid);
}

static void a_span_names_its_replay_before_its_resource_does(void **state) {
    (void)state;
    struct reading r = read_json("{'resourceSpans':[{'resource':{'attributes':[" NAMED(
        ONE) "]},'scopeSpans':[{'spans':["
             "{'name':'chat'},{'name':'chat','attributes':[" NAMED(
                 TWO) "]},"
                      "{'name':'chat','attributes':[" NAMED(
                          "") "]},"
                              "{'name':'chat','attributes':[{'key':'xray.replay.id','value':{'intValue':1}}]}"
                              "]}]},{'scopeSpans':[{'spans':[{'name':'chat'},"
                              "{'name':'chat','attributes':[" NAMED(TWO) "]}]}]}]}");
    static const char *const WANT[] = {ONE, TWO, ONE, ONE, TWO};
    assert_int_equal(r.code, XR_OK);
    assert_int_equal(r.batch.count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_replay(&r.batch.rows[i], WANT[i]);
    assert_int_equal(r.batch.unnamed, 1); /* the second resource names none */
    assert_int_equal(r.batch.unrecognised, 0);
    done(&r);
}

static void a_name_that_no_replay_can_have_is_not_looked_up_elsewhere(void **state) {
    (void)state;
    struct reading r = read_json("{'resourceSpans':[{'resource':{'attributes':[" NAMED(
        ONE) "]},'scopeSpans':[{'spans':["
             "{'name':'chat','attributes':[" NAMED("replay-1") "]}]}]},"
                                                               "{'resource':{'attributes':[" NAMED(
                                                                   "x") "]},'scopeSpans':[{'spans':["
                                                                        "{'name':'chat'}]}]}]}");
    assert_int_equal(r.code, XR_OK);
    assert_int_equal(r.batch.count, 0);
    assert_int_equal(r.batch.unnamed, 2);
    done(&r);
}

static void spans_of_no_vocabulary_are_counted(void **state) {
    (void)state;
    struct reading r = read_json("{'resourceSpans':[{'resource':{'attributes':[" NAMED(
        ONE) "]},'scopeSpans':[{'spans':["
             "{'name':'GET /'},{},{'name':'xray.turn'}]}]},{'scopeSpans':[{'spans':[{}]}]}]}");
    assert_int_equal(r.code, XR_OK);
    assert_int_equal(r.batch.count, 1);
    assert_int_equal(r.batch.unrecognised, 2);
    assert_int_equal(r.batch.unnamed, 1); /* it is not asked for its vocabulary then */
    done(&r);
}

static void only_what_was_found_in_a_span_is_extracted(void **state) {
    (void)state;
    struct reading r = read_json("{'resourceSpans':[{'resource':{'attributes':[" NAMED(
        ONE) "]},'scopeSpans':[{'spans':["
             "{'name':'execute_tool book'},{'name':'chat'},{'name':'execute_tool '},"
             "{'name':'xray.turn'}]}]}]}");
    assert_int_equal(r.code, XR_OK);
    assert_int_equal(r.batch.count, 4);
    assert_int_equal(r.batch.rows[0].extract->kind, XR_EXTRACT_TOOL_CALL);
    assert_int_equal(r.batch.rows[1].extract->kind, XR_EXTRACT_MODEL_USAGE);
    assert_null(r.batch.rows[2].extract);
    assert_null(r.batch.rows[3].extract);
    done(&r);
}

/* A request of n spans, each with a tool call. */
static struct xr_buf many(size_t n) {
    struct xr_buf text = xr_buf_make(XR_MIB(1)), body = xr_buf_make(XR_MIB(1));
    xr_buf_printf(&text, "{'resourceSpans':[{'resource':{'attributes':[%s]},'scopeSpans':[{'spans':[", NAMED(ONE));
    for (size_t i = 0; i < n; i++)
        xr_buf_printf(&text, "%s{'spanId':'%016zx','name':'execute_tool t','attributes':[%s]}", i ? "," : "", i,
                      "{'key':'gen_ai.tool.arguments','value':{'arrayValue':{'values':[{'intValue':1}]}}}");
    xr_buf_printf(&text, "]}]}]}");
    xr_buf_char(&text, '\0');
    assert_false(text.failed);
    json_of(&body, text.data);
    xr_buf_clear(&text);
    return body;
}

static void rows_keep_the_bodys_order_however_many(void **state) {
    (void)state;
    enum { MANY = 1500 };
    struct xr_buf body = many(MANY);
    struct reading r = read_within(XR_OTLP_JSON, &body, XR_OTLP_ARENA_MAX);
    assert_int_equal(r.code, XR_OK);
    assert_int_equal(r.batch.count, MANY);
    for (size_t i = 0; i < MANY; i++) {
        const unsigned char *id = (const unsigned char *)r.batch.rows[i].span_id.value.ptr;
        assert_int_equal((size_t)id[6] << 8 | id[7], i);
        assert_memory_equal(r.batch.rows[i].extract->args_json.ptr, "[1]", 3);
    }
    done(&r);
    xr_buf_clear(&body);
}

/* Every allocation of the arena fails in turn: never a row too few, never another code. */
static void an_arena_that_runs_out_fails_the_whole(void **state) {
    (void)state;
    enum { STEP = 16, SPANS = 20 };
    struct xr_buf body = many(SPANS);
    struct reading whole = read_within(XR_OTLP_JSON, &body, XR_OTLP_ARENA_MAX);
    size_t used = xr_arena_used(whole.arena);
    assert_int_equal(whole.code, XR_OK);
    done(&whole);
    for (size_t cap = STEP; cap <= used; cap += STEP) {
        struct reading r = read_within(XR_OTLP_JSON, &body, cap);
        if (cap < used) {
            assert_int_equal(r.code, XR_NO_MEMORY);
            assert_true(xr_arena_is_over(r.arena));
            assert_null(r.batch.rows);
        } else {
            assert_int_equal(r.code, XR_OK);
            assert_int_equal(r.batch.count, SPANS);
        }
        done(&r);
    }
    xr_buf_clear(&body);
}

static void a_broken_body_gives_no_rows(void **state) {
    (void)state;
    struct reading r =
        read_json("{'resourceSpans':[{'resource':{'attributes':[" NAMED(ONE) "]},'scopeSpans':[{'spans':["
                                                                             "{'name':'chat'},5]}]}]}");
    assert_int_equal(r.code, XR_INVALID);
    assert_int_equal(r.refusal.fault, XR_OTLP_BODY);
    assert_string_equal(r.err.path, "resourceSpans[0].scopeSpans[0].spans[1]");
    assert_null(r.batch.rows);
    done(&r);
}

static void protobuf_gives_the_same_rows(void **state) {
    (void)state;
    struct xr_buf body = xr_buf_make(XR_MIB(1));
    protobuf_of(&body, "1{ 1{ 1{ 1'xray.replay.id' 2{ 1'" ONE "' } } } 2{ 2{ 1x0102030405060708090a0b0c0d0e0f10 "
                       "2x0102030405060708 5'execute_tool book' 7:5 8:7 } 2{ 5'GET' } } } 1{ 2{ 2{ 5'chat' } } }");
    struct reading r = read_within(XR_OTLP_PROTOBUF, &body, XR_OTLP_ARENA_MAX);
    assert_int_equal(r.code, XR_OK);
    assert_int_equal(r.batch.count, 1);
    assert_replay(r.batch.rows, ONE);
    assert_int_equal(r.batch.rows->started_ns, 5);
    assert_int_equal(r.batch.rows->ended_ns, 7);
    assert_int_equal(r.batch.unrecognised, 1);
    assert_int_equal(r.batch.unnamed, 1);
    done(&r);
    xr_buf_clear(&body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_span_names_its_replay_before_its_resource_does),
        cmocka_unit_test(a_name_that_no_replay_can_have_is_not_looked_up_elsewhere),
        cmocka_unit_test(spans_of_no_vocabulary_are_counted),
        cmocka_unit_test(only_what_was_found_in_a_span_is_extracted),
        cmocka_unit_test(rows_keep_the_bodys_order_however_many),
        cmocka_unit_test(an_arena_that_runs_out_fails_the_whole),
        cmocka_unit_test(a_broken_body_gives_no_rows),
        cmocka_unit_test(protobuf_gives_the_same_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
