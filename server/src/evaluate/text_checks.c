// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "evaluate/check.h"
#include <time.h>

/* What an assertion compares: the transcript and the expected text, in the assertion's own case and trim. */
struct operands {
    struct xr_str heard, expected;
};

static enum xr_code lower_transcript(struct xr_check *check, struct xr_str *ret_text, struct xr_err *err) {
    struct xr_checked_turn *turn = check->turn;
    if (!turn->lowered.ptr) {
        enum xr_code code = xr_text_lower(check->arena, turn->transcript->text, &turn->lowered, err);
        if (code != XR_OK)
            return code;
    }
    *ret_text = turn->lowered;
    return XR_OK;
}

static enum xr_code prepare(struct xr_check *check, struct operands *ret_operands, struct xr_err *err) {
    const struct xr_assertion *a = check->assertion;
    struct operands operands = {.heard = check->turn->transcript->text, .expected = a->text};
    if (a->case_insensitive) {
        enum xr_code code = lower_transcript(check, &operands.heard, err);
        if (code == XR_OK)
            code = xr_text_lower(check->arena, a->text, &operands.expected, err);
        if (code != XR_OK)
            return code;
    }
    if (a->trim) {
        operands.heard = xr_text_trim(operands.heard);
        operands.expected = xr_text_trim(operands.expected);
    }
    *ret_operands = operands;
    return XR_OK;
}

/* `The transcript <verb> "<expected>": it is "<heard>".` */
static enum xr_code tell_mismatch(struct xr_check *check, const char *verb, struct xr_err *err) {
    struct xr_buf message = xr_buf_make(XR_MESSAGE_MAX);
    xr_buf_printf(&message, "The transcript %s ", verb);
    xr_message_quote(&message, check->assertion->text);
    xr_buf_str(&message, XR_STR(": it is "));
    xr_message_quote(&message, check->turn->transcript->text);
    xr_buf_char(&message, '.');
    return xr_check_tell(check, XR_FAILED, &message, err);
}

enum xr_code xr_check_contains(struct xr_check *check, struct xr_err *err) {
    struct operands operands;
    enum xr_code code = prepare(check, &operands, err);
    if (code != XR_OK)
        return code;
    return xr_text_contains(operands.heard, operands.expected) ? xr_check_pass(check)
                                                               : tell_mismatch(check, "does not contain", err);
}

enum xr_code xr_check_not_contains(struct xr_check *check, struct xr_err *err) {
    struct operands operands;
    enum xr_code code = prepare(check, &operands, err);
    if (code != XR_OK)
        return code;
    return xr_text_contains(operands.heard, operands.expected) ? tell_mismatch(check, "contains", err)
                                                               : xr_check_pass(check);
}

enum xr_code xr_check_equals(struct xr_check *check, struct xr_err *err) {
    struct operands operands;
    enum xr_code code = prepare(check, &operands, err);
    if (code != XR_OK)
        return code;
    return xr_str_eq(operands.heard, operands.expected) ? xr_check_pass(check)
                                                        : tell_mismatch(check, "does not equal", err);
}

static enum xr_code tell_no_match(struct xr_check *check, struct xr_err *err) {
    struct xr_buf message = xr_buf_make(XR_MESSAGE_MAX);
    xr_buf_str(&message, XR_STR("The transcript does not match /"));
    xr_message_excerpt(&message, check->assertion->text);
    xr_buf_char(&message, '/');
    xr_buf_str(&message, check->assertion->flags);
    xr_buf_str(&message, XR_STR(": it is "));
    xr_message_quote(&message, check->turn->transcript->text);
    xr_buf_char(&message, '.');
    return xr_check_tell(check, XR_FAILED, &message, err);
}

static int64_t monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * XR_NS_PER_S + now.tv_nsec;
}

enum xr_code xr_check_regex(struct xr_check *check, struct xr_err *err) {
    const struct xr_assertion *a = check->assertion;
    struct xr_err why = {0};
    bool found = false;
    if (check->regex_ns > XR_REGEX_REPLAY_MS * XR_NS_PER_MS)
        return xr_check_tellf(check, XR_ERRORED, err,
                              "The regular expression was not run: those before it took more than %d s.",
                              XR_REGEX_REPLAY_MS / 1000);
    int64_t before_ns = monotonic_ns();
    enum xr_code code = xr_regex_test(a->text, a->flags, check->turn->transcript->text, &found, &why);
    check->regex_ns += monotonic_ns() - before_ns;
    switch (code) {
    case XR_OK:
        return found ? xr_check_pass(check) : tell_no_match(check, err);
    case XR_INVALID:
        return xr_check_tellf(check, XR_ERRORED, err, "The regular expression is invalid: %s.", why.message);
    case XR_TIMEOUT:
    case XR_NO_MEMORY:
        return xr_check_tellf(check, XR_ERRORED, err, "The regular expression was stopped: it %s.", why.message);
    case XR_OVERLOADED: /* the machine's trouble, not the pattern's: no verdict can be made of it */
        return xr_fail(err, XR_NO_MEMORY, NULL, "%s", why.message);
    default:
        return xr_check_tellf(check, XR_ERRORED, err, "The regular expression failed: %s.", why.message);
    }
}
