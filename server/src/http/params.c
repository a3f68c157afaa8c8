// SPDX-License-Identifier: Apache-2.0
#include "http/params.h"
#include <strings.h>

bool xr_str_same(struct xr_str a, struct xr_str b) {
    return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static struct xr_str from(struct xr_str s, size_t at) {
    return (struct xr_str){.ptr = s.ptr + at, .len = s.len - at};
}

struct xr_str xr_str_strip(struct xr_str s) {
    while (s.len > 0 && is_blank(s.ptr[0]))
        s = from(s, 1);
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

struct xr_str xr_params_value(struct xr_str header) {
    const char *end = header.len ? memchr(header.ptr, ';', header.len) : NULL;
    if (end)
        header.len = (size_t)(end - header.ptr);
    return xr_str_strip(header);
}

/* Length of a quoted string at s with both quotes; 0 when it does not end. */
static size_t quoted_length(struct xr_str s) {
    for (size_t i = 1; i < s.len; i++) {
        if (s.ptr[i] == '\\')
            i++;
        else if (s.ptr[i] == '"')
            return i + 1;
    }
    return 0;
}

static bool take_value(struct xr_str *rest, struct xr_param *param) {
    size_t n;
    if (rest->len > 0 && rest->ptr[0] == '"') {
        n = quoted_length(*rest);
        if (n == 0)
            return false;
        param->quoted = true;
        param->raw = (struct xr_str){.ptr = rest->ptr + 1, .len = n - 2};
    } else {
        const char *end = rest->len ? memchr(rest->ptr, ';', rest->len) : NULL;
        n = end ? (size_t)(end - rest->ptr) : rest->len;
        param->quoted = false;
        param->raw = xr_str_strip((struct xr_str){.ptr = rest->ptr, .len = n});
    }
    *rest = from(*rest, n);
    return true;
}

bool xr_params_next(struct xr_str *rest, struct xr_param *ret_param) {
    struct xr_param param = {0};
    struct xr_str s = *rest;
    const char *semicolon = s.len ? memchr(s.ptr, ';', s.len) : NULL;
    if (!semicolon)
        return false;
    s = xr_str_strip(from(s, (size_t)(semicolon - s.ptr) + 1));
    const char *equals = s.len ? memchr(s.ptr, '=', s.len) : NULL;
    if (!equals)
        return false;
    param.name = xr_str_strip((struct xr_str){.ptr = s.ptr, .len = (size_t)(equals - s.ptr)});
    s = from(s, (size_t)(equals - s.ptr) + 1);
    while (s.len > 0 && is_blank(s.ptr[0]))
        s = from(s, 1);
    if (!take_value(&s, &param))
        return false;
    *rest = s;
    *ret_param = param;
    return true;
}
