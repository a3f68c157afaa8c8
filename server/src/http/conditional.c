// SPDX-License-Identifier: Apache-2.0
#include "http/conditional.h"
#include "http/params.h"

static struct xr_str from(struct xr_str s, size_t at) {
    return (struct xr_str){.ptr = s.ptr + at, .len = s.len - at};
}

/* Takes digits off *s. What does not fit is UINT64_MAX: it is past the end of any file. */
static bool take_number(struct xr_str *s, uint64_t *ret_n) {
    uint64_t n = 0;
    size_t i = 0;
    for (; i < s->len && s->ptr[i] >= '0' && s->ptr[i] <= '9'; i++) {
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(s->ptr[i] - '0'), &n))
            n = UINT64_MAX / 10;
    }
    if (i == 0)
        return false;
    *s = from(*s, i);
    *ret_n = n;
    return true;
}

static enum xr_range_kind last_bytes(struct xr_str spec, uint64_t size, struct xr_range *ret_range) {
    uint64_t n;
    spec = from(spec, 1);
    if (!take_number(&spec, &n) || spec.len > 0)
        return XR_RANGE_WHOLE;
    if (n == 0)
        return XR_RANGE_UNSATISFIABLE;
    if (size == 0) /* satisfiable, but no Content-Range can say so */
        return XR_RANGE_WHOLE;
    if (n > size)
        n = size;
    *ret_range = (struct xr_range){.first = size - n, .length = n};
    return XR_RANGE_PART;
}

enum xr_range_kind xr_byte_range_parse(struct xr_str header, uint64_t size, struct xr_range *ret_range) {
    struct xr_str unit = XR_STR("bytes=");
    if (header.len < unit.len || !xr_str_same((struct xr_str){.ptr = header.ptr, .len = unit.len}, unit))
        return XR_RANGE_WHOLE;
    struct xr_str spec = xr_str_strip(from(header, unit.len));
    if (spec.len > 0 && spec.ptr[0] == '-')
        return last_bytes(spec, size, ret_range);
    uint64_t first, last = UINT64_MAX;
    if (!take_number(&spec, &first) || spec.len == 0 || spec.ptr[0] != '-')
        return XR_RANGE_WHOLE;
    spec = from(spec, 1);
    if (spec.len > 0 && (!take_number(&spec, &last) || spec.len > 0 || last < first))
        return XR_RANGE_WHOLE;
    if (first >= size)
        return XR_RANGE_UNSATISFIABLE;
    if (last >= size)
        last = size - 1;
    *ret_range = (struct xr_range){.first = first, .length = last - first + 1};
    return XR_RANGE_PART;
}

static struct xr_str opaque(struct xr_str etag) {
    return etag.len >= 2 && memcmp(etag.ptr, "W/", 2) == 0 ? from(etag, 2) : etag;
}

/* Takes one entity tag off *rest, with the comma before it. A tag may hold commas between its quotes. */
static bool next_etag(struct xr_str *rest, struct xr_str *ret_etag) {
    size_t at = 0;
    while (at < rest->len && (rest->ptr[at] == ',' || rest->ptr[at] == ' ' || rest->ptr[at] == '\t'))
        at++;
    size_t start = at;
    if (rest->len - at >= 2 && memcmp(rest->ptr + at, "W/", 2) == 0)
        at += 2;
    if (at >= rest->len || rest->ptr[at] != '"')
        return false;
    const char *close = memchr(rest->ptr + at + 1, '"', rest->len - at - 1);
    if (!close)
        return false;
    size_t end = (size_t)(close - rest->ptr) + 1;
    *ret_etag = (struct xr_str){.ptr = rest->ptr + start, .len = end - start};
    *rest = from(*rest, end);
    return true;
}

bool xr_etag_listed(struct xr_str header, struct xr_str etag) {
    struct xr_str rest = xr_str_strip(header), one;
    if (xr_str_eq(rest, XR_STR("*")))
        return true;
    while (next_etag(&rest, &one)) {
        if (xr_str_eq(opaque(one), opaque(etag)))
            return true;
    }
    return false;
}

bool xr_etag_same_strong(struct xr_str header, struct xr_str etag) {
    struct xr_str one = xr_str_strip(header);
    return one.len > 0 && one.ptr[0] == '"' && xr_str_eq(one, etag);
}

/* "q=0", "q=0.0", ...: not wanted at all. */
static bool is_refused(struct xr_str coding) {
    struct xr_param param;
    while (xr_params_next(&coding, &param)) {
        if (!xr_str_same(param.name, XR_STR("q")))
            continue;
        for (size_t i = 0; i < param.raw.len; i++) {
            if (param.raw.ptr[i] >= '1' && param.raw.ptr[i] <= '9')
                return false;
        }
        return true;
    }
    return false;
}

bool xr_accepts_gzip(struct xr_str header) {
    bool any = false;
    while (header.len > 0) {
        const char *comma = memchr(header.ptr, ',', header.len);
        struct xr_str coding = {.ptr = header.ptr, .len = comma ? (size_t)(comma - header.ptr) : header.len};
        header = from(header, comma ? coding.len + 1 : coding.len);
        struct xr_str name = xr_params_value(coding);
        if (xr_str_same(name, XR_STR("gzip")) || xr_str_same(name, XR_STR("x-gzip")))
            return !is_refused(coding);
        if (xr_str_eq(name, XR_STR("*")))
            any = !is_refused(coding);
    }
    return any;
}
