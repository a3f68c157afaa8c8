// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "evaluate/check.h"
#include <stdarg.h>
#include <stdio.h>

enum xr_code xr_check_pass(struct xr_check *check) {
    check->result->status = XR_PASSED;
    check->result->message = (struct xr_str){0};
    return XR_OK;
}

enum xr_code xr_check_tell(struct xr_check *check, enum xr_status status, struct xr_buf *message, struct xr_err *err) {
    struct xr_str text = {0};
    if (!message->failed)
        text = xr_arena_str(check->arena, xr_buf_view(message));
    xr_buf_clear(message);
    if (!text.ptr)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    check->result->status = status;
    check->result->message = text;
    return XR_OK;
}

enum xr_code xr_check_tellf(struct xr_check *check, enum xr_status status, struct xr_err *err, const char *fmt, ...) {
    struct xr_buf message = xr_buf_make(XR_MESSAGE_MAX);
    char text[XR_ERR_MESSAGE_MAX + 128]; /* the longest argument is an error's message */
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    xr_buf_str(&message, xr_str_from(text));
    return xr_check_tell(check, status, &message, err);
}

/* Bytes of the first max code points of valid UTF-8. */
static size_t prefix_length(struct xr_str s, size_t max) {
    size_t code_points = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (((unsigned char)s.ptr[i] & 0xC0) != 0x80 && code_points++ == max)
            return i;
    }
    return s.len;
}

void xr_message_excerpt(struct xr_buf *message, struct xr_str s) {
    size_t n = prefix_length(s, XR_MESSAGE_EXCERPT_MAX);
    xr_buf_append(message, s.ptr, n);
    if (n < s.len)
        xr_buf_str(message, XR_STR("…"));
}

void xr_message_quote(struct xr_buf *message, struct xr_str s) {
    xr_buf_char(message, '"');
    xr_message_excerpt(message, s);
    xr_buf_char(message, '"');
}
