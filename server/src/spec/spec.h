// SPDX-License-Identifier: Apache-2.0
/* spec/spec.h - a conversation: parse, validate, canonicalise, hash. Pure; any thread. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/sha256.h"
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

/* One problem of a body, as the API reports it. Views into the arena; no caller's value is in it. */
struct xr_issue {
    struct xr_str path, message, expected, received;
};
/* Problems found so far; further ones beyond XR_ISSUES_MAX are counted but not kept. */
struct xr_issues {
    struct xr_arena *arena;
    struct xr_issue items[XR_ISSUES_MAX];
    size_t count; /* kept */
    size_t total;
};
/* Copies its texts. expected and received may be NULL (left out of the JSON). An issue that the arena has no room for
 * is counted in total but not kept. */
void xr_issues_add(struct xr_issues *issues, const char *path, const char *message, const char *expected,
                   const char *received);
/* "object", "array", "string", "integer", "number", "boolean", "null" or "nothing" (NULL): an issue's `received`. */
const char *xr_json_type_name(yyjson_val *value);

enum xr_role { XR_ROLE_USER, XR_ROLE_AGENT };
const char *xr_role_name(enum xr_role role); /* "user", "agent" */

enum xr_assertion_kind {
    XR_ASSERT_CONTAINS,
    XR_ASSERT_NOT_CONTAINS,
    XR_ASSERT_EQUALS,
    XR_ASSERT_REGEX,
    XR_ASSERT_TOOL_CALLED,
    XR_ASSERT_TOOL_NOT_CALLED,
    XR_ASSERT_TOOL_ARGS_MATCH,
    XR_ASSERT_MAX_LATENCY_MS,
    XR_ASSERT_MAX_TTFT_MS,
    XR_ASSERT_KIND_COUNT
};
const char *xr_assertion_kind_name(enum xr_assertion_kind kind);

struct xr_assertion {
    enum xr_assertion_kind kind;
    struct xr_str text; /* contains, not_contains, equals: text; regex: pattern; tool_*: name */
    struct xr_str flags; /* regex */
    bool case_insensitive; /* contains, not_contains, equals */
    bool trim; /* equals */
    int64_t max_ms; /* max_latency_ms, max_ttft_ms */
    yyjson_val *args; /* tool_args_match: an object inside the spec's document */
};

enum xr_audio_kind { XR_AUDIO_NONE, XR_AUDIO_RECORDED, XR_AUDIO_TTS };

struct xr_turn_spec {
    enum xr_role role;
    bool has_text, has_key, has_voice_id;
    struct xr_str text, key;
    enum xr_audio_kind audio;
    struct xr_str upload_key; /* recorded, in a request */
    struct xr_str voice_id; /* tts */
    bool has_sha256; /* set by the caller of xr_spec_canonical, or read from a canonical spec */
    uint8_t sha256[XR_SHA256_SIZE]; /* of the stored WAV file */
    struct xr_assertion *assertions;
    size_t assertion_count;
};

struct xr_judge_spec { /* kind text_match */
    struct xr_str reference, rubric;
    bool has_rubric;
    int64_t pass_score;
};

/* A parsed conversation: lives in the arena it was parsed into (strings too), plus one yyjson document that
 * xr_spec_free frees and that only `args` point into. */
struct xr_spec {
    struct xr_str name; /* empty when read from a canonical spec */
    bool live;
    char live_salt[37]; /* set by the caller before xr_spec_canonical when live */
    struct xr_turn_spec *turns;
    size_t turn_count;
    struct xr_judge_spec *judges;
    size_t judge_count;
    yyjson_doc *doc;
};

/* Parses and validates a request's `spec`. All problems are added to issues; XR_INVALID if there is one (or text is
 * not JSON, path ""). Paths are "turns[0].assertions[1].text"; the spec itself is "". Unknown keys are dropped.
 * XR_TOO_LARGE, without an issue, when text is longer than XR_SPEC_MAX. */
XR_MUST_USE enum xr_code xr_spec_parse(struct xr_str text, struct xr_arena *arena, struct xr_issues *issues,
                                       struct xr_spec *ret_spec, struct xr_err *err);
/* Parses what xr_spec_canonical wrote (from the store). XR_CORRUPT if it is not that. */
XR_MUST_USE enum xr_code xr_spec_parse_canonical(struct xr_str text, struct xr_arena *arena, struct xr_spec *ret_spec,
                                                 struct xr_err *err);
void xr_spec_free(struct xr_spec *spec); /* the document; the rest is the arena's. Zeroed spec is fine. */

/* The canonical text (ASCII, keys sorted by UTF-16 code unit, defaults materialised), allocated in the arena. Every
 * turn with audio must have its sha256 and a live spec its live_salt: XR_INTERNAL, with the path, if not. */
XR_MUST_USE enum xr_code xr_spec_canonical(const struct xr_spec *spec, struct xr_arena *arena, struct xr_str *ret_text,
                                           struct xr_err *err);
/* sha256 of the canonical text. */
void xr_spec_hash(struct xr_str canonical, uint8_t out[XR_SHA256_SIZE]);
