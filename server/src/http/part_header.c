// SPDX-License-Identifier: Apache-2.0
#include "http/part_header.h"
#include "http/params.h"
#include "http/router.h"

/* Clients write a quote inside a quoted name in two ways: \" (RFC 822; curl before 7.81) and %22 (browsers, httpx, curl
 * since). Browsers escape CR and LF as %0D and %0A too, and leave '%' itself alone, so nothing else is decoded. A
 * backslash before any other byte is a backslash (file names of old Windows browsers). Decodes in place. */
static struct xr_str unescape(struct xr_str raw, char *to) {
    size_t n = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        char next = i + 1 < raw.len ? raw.ptr[i + 1] : '\0';
        unsigned char byte;
        if (c == '\\' && (next == '"' || next == '\\')) {
            c = next;
            i++;
        } else if (c == '%' && raw.len - i > 2 &&
                   xr_hex_decode((struct xr_str){.ptr = raw.ptr + i + 1, .len = 2}, &byte, 1) &&
                   (byte == '"' || byte == '\r' || byte == '\n')) {
            c = (char)byte;
            i += 2;
        }
        to[n++] = c;
    }
    return (struct xr_str){.ptr = to, .len = n};
}

/* RFC 8187: charset'language'percent-encoded. Older Python clients send names so when they are not ASCII. */
static bool decode_extended(struct xr_str raw, char *to, struct xr_str *ret_value) {
    const char *first = raw.len ? memchr(raw.ptr, '\'', raw.len) : NULL;
    if (!first)
        return false;
    size_t left = raw.len - (size_t)(first + 1 - raw.ptr);
    const char *second = left ? memchr(first + 1, '\'', left) : NULL;
    if (!second || !xr_str_same((struct xr_str){.ptr = raw.ptr, .len = (size_t)(first - raw.ptr)}, XR_STR("utf-8")))
        return false;
    struct xr_str encoded = {.ptr = second + 1, .len = raw.len - (size_t)(second + 1 - raw.ptr)};
    *ret_value = (struct xr_str){.ptr = to, .len = xr_percent_decode(encoded, to)};
    return true;
}

struct names {
    char *header; /* what every view points into */
    struct xr_str name, extended;
    bool has_name, has_extended, has_file;
};

/* Decoding never makes a name longer, so it takes place where the name stands. */
static void take_param(const struct xr_param *param, struct names *names) {
    char *place = names->header + (param->raw.ptr - names->header);
    if (xr_str_same(param->name, XR_STR("name")) && !names->has_name) {
        names->name = param->quoted ? unescape(param->raw, place) : param->raw;
        names->has_name = true;
    } else if (xr_str_same(param->name, XR_STR("name*")) && !names->has_extended) {
        names->has_extended = decode_extended(param->raw, place, &names->extended);
    } else if (xr_str_same(param->name, XR_STR("filename")) || xr_str_same(param->name, XR_STR("filename*"))) {
        names->has_file = true;
    }
}

static bool parse_disposition(char *header, struct xr_str value, struct xr_multipart_part *ret_part) {
    if (!xr_str_same(xr_params_value(value), XR_STR("form-data")))
        return false;
    struct names names = {.header = header};
    struct xr_param param;
    while (xr_params_next(&value, &param))
        take_param(&param, &names);
    if (!names.has_name && !names.has_extended)
        return false;
    ret_part->name = names.has_extended ? names.extended : names.name;
    ret_part->is_file = names.has_file;
    return true;
}

/* Takes a line off *rest, without its CR LF. */
static bool next_line(struct xr_str *rest, struct xr_str *ret_line) {
    const char *end = rest->len ? memmem(rest->ptr, rest->len, "\r\n", 2) : NULL;
    if (!end)
        return false;
    *ret_line = (struct xr_str){.ptr = rest->ptr, .len = (size_t)(end - rest->ptr)};
    *rest = (struct xr_str){.ptr = end + 2, .len = rest->len - ret_line->len - 2};
    return true;
}

enum xr_code xr_part_header_parse(char *header, size_t n, struct xr_multipart_part *ret_part, struct xr_err *err) {
    struct xr_str rest = {.ptr = header, .len = n}, line;
    while (next_line(&rest, &line)) {
        const char *colon = line.len ? memchr(line.ptr, ':', line.len) : NULL;
        if (!colon)
            continue;
        struct xr_str name = {.ptr = line.ptr, .len = (size_t)(colon - line.ptr)};
        struct xr_str value = {.ptr = colon + 1, .len = line.len - name.len - 1};
        if (xr_str_same(name, XR_STR("Content-Disposition")) && parse_disposition(header, value, ret_part))
            return XR_OK;
    }
    return xr_fail(err, XR_INVALID, NULL,
                   "malformed multipart: a part needs Content-Disposition: form-data with a name");
}
