// SPDX-License-Identifier: Apache-2.0
/* otlp/vocabulary.h - the names that agents use. A vocabulary is one file (vocab_NAME.c) and one line in the table
 * (vocabulary.c); the first that recognises a span is its. Pure; any thread. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "otlp/span.h"

enum xr_extract_kind { XR_EXTRACT_NONE, XR_EXTRACT_TOOL_CALL, XR_EXTRACT_MODEL_USAGE };
/* What a span says of a tool call or a model call, beside its own ids and times. */
struct xr_extract {
    enum xr_extract_kind kind;
    /* TOOL_CALL */
    struct xr_str tool_name; /* not empty */
    struct xr_str args_json, result_json; /* ptr NULL: null */
    /* MODEL_USAGE */
    struct xr_str provider, model; /* ptr NULL: null */
    int64_t input_tokens, output_tokens, total_tokens, ttft_ms; /* -1: null */
};

struct xr_vocabulary {
    const char *name; /* as the API shows it */
    int number; /* as it is stored: never given to another one */
    struct xr_str prefix; /* of the attributes that are kept, beside lk.* */
    bool (*recognises)(const struct xr_span *span);
    /* NULL: nothing to extract. Starts from a zeroed *ret_extract; strings are the span's or the arena's. */
    enum xr_code (*extract)(const struct xr_span *span, struct xr_arena *arena, struct xr_extract *ret_extract,
                            struct xr_err *err);
};
extern const struct xr_vocabulary XR_VOCABULARY_XRAY, XR_VOCABULARY_GEN_AI, XR_VOCABULARY_LANGFUSE,
    XR_VOCABULARY_LIVEKIT;

/* In the order of matching; NULL: none knows the span. */
const struct xr_vocabulary *xr_vocabulary_of(const struct xr_span *span);
/* By its stored number, 0..XR_VOCABULARY_COUNT - 1; NULL: no such one. */
enum { XR_VOCABULARY_COUNT = 4 };
const struct xr_vocabulary *xr_vocabulary_numbered(int64_t number);
/* The i-th in the order of matching, NULL at the end: for tests and documents. */
const struct xr_vocabulary *xr_vocabulary_at(size_t i);

/* The attributes that are kept of a span, as one compact JSON object in the arena. */
XR_MUST_USE enum xr_code xr_vocabulary_keep(const struct xr_vocabulary *vocabulary, const struct xr_span *span,
                                            struct xr_arena *arena, struct xr_str *ret_json, struct xr_err *err);
