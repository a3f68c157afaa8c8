// SPDX-License-Identifier: Apache-2.0
/* evaluate/check.h - what the checks of single assertions share. Inside evaluate/ only; one thread. */
#pragma once
#include "base/buf.h"
#include "evaluate/evaluate.h"

/* A turn of the conversation as it was heard. */
struct xr_checked_turn {
    const struct xr_turn_metric *metric;
    const struct xr_transcript *transcript; /* NULL: none */
    struct xr_str lowered; /* of the transcript, made at the first use: ptr NULL until then */
    struct xr_window window;
};

struct xr_check {
    const struct xr_assertion *assertion;
    const struct xr_evidence *evidence;
    struct xr_checked_turn *turn;
    struct xr_arena *arena;
    struct xr_assertion_result *result; /* status and message are to be filled */
    int64_t regex_ns; /* that regular expressions have taken so far, in all turns */
};

/* A check fills the result. XR_INVALID: it could not be made, err says why; XR_NO_MEMORY. */
typedef enum xr_code xr_check_fn(struct xr_check *check, struct xr_err *err);

/* text_checks.c: the turn has a transcript. */
xr_check_fn xr_check_contains, xr_check_not_contains, xr_check_equals, xr_check_regex;
/* span_checks.c: the evidence has an anchor. */
xr_check_fn xr_check_tool_called, xr_check_tool_not_called, xr_check_tool_args, xr_check_ttft;
/* assertions.c */
xr_check_fn xr_check_latency;

/* message.c */
XR_MUST_USE enum xr_code xr_check_pass(struct xr_check *check);
/* Copies the message into the arena and clears the buffer. */
XR_MUST_USE enum xr_code xr_check_tell(struct xr_check *check, enum xr_status status, struct xr_buf *message,
                                       struct xr_err *err);
/* The same from a format; for text without NUL. */
XR_MUST_USE enum xr_code xr_check_tellf(struct xr_check *check, enum xr_status status, struct xr_err *err,
                                        const char *fmt, ...) XR_PRINTF(4, 5);
/* At most XR_MESSAGE_EXCERPT_MAX code points of s, then an ellipsis if there were more. */
void xr_message_excerpt(struct xr_buf *message, struct xr_str s);
/* The excerpt in double quotes. */
void xr_message_quote(struct xr_buf *message, struct xr_str s);
