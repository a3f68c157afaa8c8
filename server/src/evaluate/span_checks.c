// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/limits.h"
#include "evaluate/args_match.h"
#include "evaluate/check.h"

static bool in_window(const struct xr_check *check, int64_t started_ns) {
    const struct xr_window *window = &check->turn->window;
    int64_t offset_ns;
    if (started_ns == XR_TIME_NONE ||
        __builtin_sub_overflow(started_ns, check->evidence->recording_started_ns, &offset_ns))
        return false;
    return offset_ns >= window->start_ns && offset_ns < window->end_ns;
}

/* The next tool call of the turn at or after *at, which moves past it; NULL at the end. */
static const struct xr_tool_call *next_call(const struct xr_check *check, size_t *at) {
    while (*at < check->evidence->tool_call_count) {
        const struct xr_tool_call *call = &check->evidence->tool_calls[(*at)++];
        if (in_window(check, call->started_ns))
            return call;
    }
    return NULL;
}

static bool is_named(const struct xr_check *check, const struct xr_tool_call *call) {
    return xr_str_eq(call->name, check->assertion->text);
}

static size_t count_named(const struct xr_check *check) {
    const struct xr_tool_call *call;
    size_t count = 0, at = 0;
    while ((call = next_call(check, &at)) != NULL)
        count += is_named(check, call);
    return count;
}

/* `The tool "x" was not called in this turn; these were: "a", "b" and 3 more.` */
static enum xr_code tell_not_called(struct xr_check *check, struct xr_err *err) {
    struct xr_buf message = xr_buf_make(XR_MESSAGE_MAX);
    const struct xr_tool_call *call;
    size_t count = 0, at = 0;
    xr_buf_str(&message, XR_STR("The tool "));
    xr_message_quote(&message, check->assertion->text);
    xr_buf_str(&message, XR_STR(" was not called in this turn; "));
    while ((call = next_call(check, &at)) != NULL) {
        if (count++ >= XR_MESSAGE_NAMES_MAX)
            continue;
        xr_buf_str(&message, count == 1 ? XR_STR("these were: ") : XR_STR(", "));
        xr_message_quote(&message, call->name);
    }
    if (count == 0)
        xr_buf_str(&message, XR_STR("no tool was"));
    else if (count > XR_MESSAGE_NAMES_MAX)
        xr_buf_printf(&message, " and %zu more", count - XR_MESSAGE_NAMES_MAX);
    xr_buf_char(&message, '.');
    return xr_check_tell(check, XR_FAILED, &message, err);
}

enum xr_code xr_check_tool_called(struct xr_check *check, struct xr_err *err) {
    return count_named(check) > 0 ? xr_check_pass(check) : tell_not_called(check, err);
}

enum xr_code xr_check_tool_not_called(struct xr_check *check, struct xr_err *err) {
    struct xr_buf message = xr_buf_make(XR_MESSAGE_MAX);
    size_t count = count_named(check);
    if (count == 0)
        return xr_check_pass(check);
    xr_buf_str(&message, XR_STR("The tool "));
    xr_message_quote(&message, check->assertion->text);
    xr_buf_printf(&message, " was called in this turn, %zu time%s.", count, count == 1 ? "" : "s");
    return xr_check_tell(check, XR_FAILED, &message, err);
}

static enum xr_code tell_other_args(struct xr_check *check, size_t count, struct xr_str last, struct xr_err *err) {
    struct xr_buf message = xr_buf_make(XR_MESSAGE_MAX);
    xr_buf_str(&message, XR_STR("The tool "));
    xr_message_quote(&message, check->assertion->text);
    xr_buf_printf(&message, " was not called with the expected arguments: the last of %zu call%s had ", count,
                  count == 1 ? "" : "s");
    xr_message_excerpt(&message, last.ptr ? last : XR_STR("none"));
    xr_buf_char(&message, '.');
    return xr_check_tell(check, XR_FAILED, &message, err);
}

enum xr_code xr_check_tool_args(struct xr_check *check, struct xr_err *err) {
    const struct xr_tool_call *call;
    struct xr_str last = {0};
    size_t count = 0, at = 0;
    while ((call = next_call(check, &at)) != NULL) {
        bool match = false;
        if (!is_named(check, call))
            continue;
        enum xr_code code = xr_args_match(check->assertion->args, call->args_json, &match, err);
        if (code != XR_OK)
            return code;
        if (match)
            return xr_check_pass(check);
        last = call->args_json;
        count++;
    }
    return count == 0 ? tell_not_called(check, err) : tell_other_args(check, count, last, err);
}

enum xr_code xr_check_ttft(struct xr_check *check, struct xr_err *err) {
    const struct xr_model_usage *earliest = NULL;
    size_t landed = 0;
    for (size_t i = 0; i < check->evidence->model_usage_count; i++) {
        const struct xr_model_usage *usage = &check->evidence->model_usage[i];
        if (!in_window(check, usage->started_ns))
            continue;
        landed++;
        if (usage->ttft_ms >= 0 && (!earliest || usage->started_ns < earliest->started_ns))
            earliest = usage;
    }
    if (landed == 0)
        return xr_check_tellf(check, XR_ERRORED, err, "No model call started in this turn.");
    if (!earliest)
        return xr_check_tellf(check, XR_ERRORED, err, "No model call of this turn (%zu) has a time to first token.",
                              landed);
    if (earliest->ttft_ms <= check->assertion->max_ms)
        return xr_check_pass(check);
    return xr_check_tellf(check, XR_FAILED, err, "The first token came after %lld ms, more than %lld ms.",
                          (long long)earliest->ttft_ms, (long long)check->assertion->max_ms);
}
