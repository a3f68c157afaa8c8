// SPDX-License-Identifier: Apache-2.0
#include "http/router.h"
#include <stdio.h>

enum { LITERAL_MAX = 64 }; /* a literal segment of a route is shorter than this */

size_t xr_percent_decode(struct xr_str in, char *out) {
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (c == '%' && in.len - i > 2 && xr_hex_decode((struct xr_str){.ptr = in.ptr + i + 1, .len = 2}, &c, 1))
            i += 2;
        out[n++] = c;
    }
    return n;
}

/* Takes "/segment" off the front of *path; false at its end or where no '/' is. */
static bool next_segment(struct xr_str *path, struct xr_str *ret_segment) {
    if (path->len == 0 || path->ptr[0] != '/')
        return false;
    const char *from = path->ptr + 1;
    const char *slash = memchr(from, '/', path->len - 1);
    size_t len = slash ? (size_t)(slash - from) : path->len - 1;
    *ret_segment = (struct xr_str){.ptr = from, .len = len};
    *path = (struct xr_str){.ptr = from + len, .len = path->len - 1 - len};
    return true;
}

static bool same_literal(struct xr_str pattern, struct xr_str segment) {
    if (segment.len == 0 || !memchr(segment.ptr, '%', segment.len))
        return xr_str_eq(pattern, segment);
    char decoded[3 * LITERAL_MAX];
    if (segment.len > sizeof decoded)
        return false;
    size_t n = xr_percent_decode(segment, decoded);
    return xr_str_eq(pattern, (struct xr_str){.ptr = decoded, .len = n});
}

/* How many literal segments agree, -1 when the path is not the pattern's. */
static int match_path(const char *pattern_text, struct xr_str path, struct xr_str params[XR_PARAMS_MAX]) {
    struct xr_str pattern = xr_str_from(pattern_text), want, have;
    int literals = 0;
    size_t param = 0;
    while (next_segment(&pattern, &want)) {
        if (!next_segment(&path, &have))
            return -1;
        if (want.len > 0 && want.ptr[0] == '{') {
            if (have.len == 0 || param == XR_PARAMS_MAX)
                return -1;
            params[param++] = have;
        } else if (same_literal(want, have)) {
            literals++;
        } else {
            return -1;
        }
    }
    return path.len == 0 ? literals : -1;
}

static bool answers(const struct xr_route *route, struct xr_str method) {
    if (xr_str_eq(method, XR_STR("HEAD")))
        method = XR_STR("GET");
    return xr_str_eq(method, xr_str_from(route->method));
}

struct xr_match xr_router_match(const struct xr_route *routes, struct xr_str method, struct xr_str path) {
    struct xr_match match = {0};
    int best = -1;
    for (const struct xr_route *route = routes; route->method; route++) {
        struct xr_str params[XR_PARAMS_MAX] = {0};
        int literals = match_path(route->path, path, params);
        if (literals < 0)
            continue;
        match.path_known = true;
        if (literals > best && answers(route, method)) {
            best = literals;
            match.route = route;
            memcpy(match.params, params, sizeof params);
        }
    }
    return match;
}

void xr_router_allow(const struct xr_route *routes, struct xr_str path, char *out, size_t size) {
    static const char *const METHODS[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof METHODS / sizeof METHODS[0] && n < size; i++) {
        if (xr_router_match(routes, xr_str_from(METHODS[i]), path).route)
            n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "", METHODS[i]);
    }
}
