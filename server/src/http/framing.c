// SPDX-License-Identifier: Apache-2.0
#include "http/framing.h"
#include "http/params.h"

static enum MHD_Result count_lengths(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_len,
                                     const char *value, size_t value_len) {
    (void)kind, (void)value, (void)value_len;
    size_t *count = cls;
    *count += xr_str_same((struct xr_str){.ptr = key, .len = key_len}, XR_STR("Content-Length"));
    return MHD_YES;
}

/* libmicrohttpd has refused what is no number. */
static int64_t parse_length(struct xr_str value) {
    int64_t n = 0;
    for (size_t i = 0; i < value.len && value.ptr[i] >= '0' && value.ptr[i] <= '9'; i++) {
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, value.ptr[i] - '0', &n))
            return INT64_MAX;
    }
    return n;
}

struct xr_framing xr_framing_read(const struct xr_request *req, const char *version) {
    const struct xr_framing unsound = {.sound = false};
    struct xr_str host, coding, length;
    bool coded = xr_request_header_view(req, "Transfer-Encoding", &coding);
    bool counted = xr_request_header_view(req, "Content-Length", &length);
    if (version != req->conn->target_end + 1)
        return unsound;
    if (strcmp(version, "HTTP/1.1") == 0 && !xr_request_header_view(req, "Host", &host))
        return unsound;
    if (coded) {
        if (counted || !xr_str_same(xr_str_strip(coding), XR_STR("chunked")))
            return unsound;
        return (struct xr_framing){.sound = true, .length = XR_BODY_LENGTH_UNKNOWN};
    }
    if (!counted)
        return (struct xr_framing){.sound = true, .length = 0};
    size_t count = 0;
    MHD_get_connection_values_n(req->mhd, MHD_HEADER_KIND, count_lengths, &count);
    return (struct xr_framing){.sound = count == 1, .length = parse_length(length)};
}

struct xr_str xr_framing_path(const char *target) {
    struct xr_str path = xr_str_from(target), scheme = XR_STR("http://");
    if (path.len < scheme.len || !xr_str_same((struct xr_str){.ptr = path.ptr, .len = scheme.len}, scheme))
        return path;
    const char *slash = memchr(path.ptr + scheme.len, '/', path.len - scheme.len);
    return slash ? xr_str_from(slash) : XR_STR("/");
}
