// SPDX-License-Identifier: Apache-2.0
/* otlp/testkit.h - requests written down for people, and spans shown to them. Tests only. */
#pragma once
#include "base/buf.h"
#include "base/test.h"
#include "otlp/decode.h"

enum test_encoding { TEST_JSON, TEST_PROTOBUF };

/* One decoding and all that came of it. */
struct decoded {
    enum xr_code code;
    struct xr_otlp_refusal refusal;
    struct xr_err err;
    size_t count; /* of spans that the sink got */
    size_t arena_used;
    /* One line a span:
     * {"trace":"0a..","span":"..","parent":null,"name":"n","from":1,"to":2,"attrs":{..},"resource":{..}}. An id that is
     * text is "text:...". An integer is a number, a double {"double":1.5}, an array or a key-value list
     * {"json":[..]}. */
    struct xr_buf spans;
    /* The same lines with nothing but the attributes. */
    struct xr_buf attrs;
};

/* Decodes a copy of the body that has no byte too many, and asserts what holds of every span. */
struct decoded decode(enum test_encoding encoding, struct xr_str body);
/* The same with an arena of `cap` bytes, and a sink that fails at span `fail_at` (0: the first) with XR_OVERLOADED. */
struct decoded decode_within(enum test_encoding encoding, struct xr_str body, size_t cap, size_t fail_at);
void decoded_clear(struct decoded *d);
void assert_text(const struct xr_buf *got, const char *want);

/* JSON in which ' stands for ", so that it can be read in C. */
void json_of(struct xr_buf *out, const char *text);
/* A protobuf message from a text of fields, N being the field's number:
 *   N{ ... }   a message           N'text'   a string           Nx0aff   bytes in hex
 *   N=-5       a varint            N:5       64 bits            N~1.5    a double
 *   N,5        32 bits             !0aff     these bytes themselves */
void protobuf_of(struct xr_buf *out, const char *text);
/* A request of one span with one attribute "k", whose AnyValue is `value` in the encoding's notation. */
void request_of_value(enum test_encoding encoding, struct xr_buf *out, const char *value);
