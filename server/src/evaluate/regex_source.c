// SPDX-License-Identifier: Apache-2.0
#include "evaluate/regex_source.h"

static bool has_flag(struct xr_str flags, char flag) {
    return flags.len > 0 && memchr(flags.ptr, flag, flags.len) != NULL;
}

/* Length of the \p{..} or \P{..} that starts here; 0 if none does. */
static size_t property_length(struct xr_str s) {
    if (s.len < 4 || s.ptr[0] != '\\' || (s.ptr[1] != 'p' && s.ptr[1] != 'P') || s.ptr[2] != '{')
        return 0;
    const char *end = memchr(s.ptr, '}', s.len);
    return end ? (size_t)(end - s.ptr) + 1 : 0;
}

void xr_regex_source(struct xr_str pattern, struct xr_str flags, struct xr_buf *out) {
    bool in_class = false;
    if (!has_flag(flags, 'i') || !has_flag(flags, 'u')) {
        xr_buf_str(out, pattern);
        return;
    }
    for (size_t i = 0; i < pattern.len;) {
        struct xr_str rest = {.ptr = pattern.ptr + i, .len = pattern.len - i};
        size_t property = in_class ? 0 : property_length(rest);
        size_t n = property > 0 ? property : rest.ptr[0] == '\\' && rest.len > 1 ? 2 : 1;
        if (rest.ptr[0] == '[' || rest.ptr[0] == ']')
            in_class = rest.ptr[0] == '[';
        if (property > 0)
            xr_buf_char(out, '[');
        xr_buf_append(out, rest.ptr, n);
        if (property > 0)
            xr_buf_char(out, ']');
        i += n;
    }
}
