// SPDX-License-Identifier: Apache-2.0
/* Between parts stands the delimiter CR LF "--" boundary. No byte of it but the first is CR (a boundary holds none), so
 * what was held back of a delimiter that came to nothing is data, and the search goes on at the byte that differed:
 * nothing has to be kept but how much of the delimiter has been seen. */
#include "http/multipart.h"
#include "base/limits.h"
#include "http/params.h"
#include "http/part_header.h"
#include <stdlib.h>

enum state {
    PREAMBLE, /* before the first delimiter; dropped */
    AFTER_DELIMITER, /* "--" ends the body, blanks and CR LF begin a part */
    AFTER_DASH,
    AFTER_CR,
    HEADERS, /* collected up to the empty line */
    DATA,
    EPILOGUE /* dropped */
};

struct xr_multipart {
    struct xr_multipart_sink sink;
    enum state state;
    char delimiter[4 + XR_MULTIPART_BOUNDARY_MAX];
    size_t delimiter_len, seen; /* bytes of the delimiter seen so far */
    size_t parts, padding;
    bool in_part;
    size_t header_len;
    char header[XR_MULTIPART_HEADER_MAX];
};

static bool find_boundary(struct xr_str content_type, struct xr_str *ret_boundary) {
    if (!xr_str_same(xr_params_value(content_type), XR_STR("multipart/form-data")))
        return false;
    struct xr_param param;
    while (xr_params_next(&content_type, &param)) {
        if (!xr_str_same(param.name, XR_STR("boundary")))
            continue;
        *ret_boundary = param.raw;
        return param.raw.len >= 1 && param.raw.len <= XR_MULTIPART_BOUNDARY_MAX &&
               !memchr(param.raw.ptr, '\r', param.raw.len) && !memchr(param.raw.ptr, '\n', param.raw.len);
    }
    return false;
}

enum xr_code xr_multipart_new(struct xr_str content_type, const struct xr_multipart_sink *sink,
                              struct xr_multipart **ret_parser, struct xr_err *err) {
    struct xr_str boundary;
    if (!find_boundary(content_type, &boundary))
        return xr_fail(err, XR_INVALID, NULL, "the content type must be multipart/form-data with a boundary");
    struct xr_multipart *parser = calloc(1, sizeof *parser);
    if (!parser)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    parser->sink = *sink;
    memcpy(parser->delimiter, "\r\n--", 4);
    memcpy(parser->delimiter + 4, boundary.ptr, boundary.len);
    parser->delimiter_len = 4 + boundary.len;
    parser->seen = 2; /* the first delimiter may stand at the very start, without its CR LF */
    *ret_parser = parser;
    return XR_OK;
}

void xr_multipart_free(struct xr_multipart *parser) {
    free(parser);
}

static enum xr_code emit(struct xr_multipart *parser, const char *bytes, size_t n, struct xr_err *err) {
    if (!parser->in_part || n == 0)
        return XR_OK;
    return parser->sink.data(parser->sink.ctx, (struct xr_str){.ptr = bytes, .len = n}, err);
}

static enum xr_code end_part(struct xr_multipart *parser, struct xr_err *err) {
    parser->state = AFTER_DELIMITER;
    parser->seen = 0;
    parser->padding = 0;
    if (!parser->in_part)
        return XR_OK;
    parser->in_part = false;
    return parser->sink.end(parser->sink.ctx, err);
}

/* Goes on with a delimiter of which some bytes have been seen. Adds what it took to *at. */
static enum xr_code resume_delimiter(struct xr_multipart *parser, struct xr_str bytes, size_t *at, struct xr_err *err) {
    while (*at < bytes.len && parser->seen < parser->delimiter_len) {
        if (bytes.ptr[*at] != parser->delimiter[parser->seen]) {
            size_t held = parser->seen;
            parser->seen = 0;
            return emit(parser, parser->delimiter, held, err);
        }
        parser->seen++;
        ++*at;
    }
    return parser->seen == parser->delimiter_len ? end_part(parser, err) : XR_OK;
}

/* The first place where the delimiter stands, or where its beginning ends the bytes; their end if there is none. */
static const char *find_delimiter(const struct xr_multipart *parser, const char *from, const char *end) {
    for (const char *cr; (cr = memchr(from, '\r', (size_t)(end - from))); from = cr + 1) {
        size_t left = (size_t)(end - cr);
        if (memcmp(cr, parser->delimiter, left < parser->delimiter_len ? left : parser->delimiter_len) == 0)
            return cr;
    }
    return end;
}

/* PREAMBLE and DATA. Data goes on in pieces as large as it came: each may become a write(2). */
static enum xr_code scan(struct xr_multipart *parser, struct xr_str bytes, size_t *at, struct xr_err *err) {
    if (parser->seen > 0)
        return resume_delimiter(parser, bytes, at, err);
    const char *from = bytes.ptr + *at, *end = bytes.ptr + bytes.len;
    const char *delimiter = find_delimiter(parser, from, end);
    size_t left = (size_t)(end - delimiter);
    parser->seen = left < parser->delimiter_len ? left : parser->delimiter_len;
    *at += (size_t)(delimiter - from) + parser->seen;
    enum xr_code code = emit(parser, from, (size_t)(delimiter - from), err);
    return code == XR_OK && parser->seen == parser->delimiter_len ? end_part(parser, err) : code;
}

static enum xr_code begin_part(struct xr_multipart *parser, struct xr_err *err) {
    if (++parser->parts > XR_MULTIPART_PARTS_MAX)
        return xr_fail(err, XR_TOO_LARGE, NULL, "more than %d parts", XR_MULTIPART_PARTS_MAX);
    struct xr_multipart_part part;
    enum xr_code code = xr_part_header_parse(parser->header, parser->header_len, &part, err);
    if (code != XR_OK)
        return code;
    parser->in_part = true;
    parser->state = DATA;
    parser->seen = 0;
    return parser->sink.begin(parser->sink.ctx, &part, err);
}

/* True when the collected headers end with the empty line (no headers at all: just that line). */
static bool headers_complete(const struct xr_multipart *parser) {
    size_t n = parser->header_len;
    return (n == 2 && memcmp(parser->header, "\r\n", 2) == 0) ||
           (n >= 4 && memcmp(parser->header + n - 4, "\r\n\r\n", 4) == 0);
}

static enum xr_code take_headers(struct xr_multipart *parser, struct xr_str bytes, size_t *at, struct xr_err *err) {
    while (*at < bytes.len) {
        if (parser->header_len == sizeof parser->header)
            return xr_fail(err, XR_TOO_LARGE, NULL, "headers of a part over %zu bytes", sizeof parser->header);
        char c = bytes.ptr[(*at)++];
        parser->header[parser->header_len++] = c;
        if (c == '\n' && headers_complete(parser))
            return begin_part(parser, err);
    }
    return XR_OK;
}

static enum xr_code after_delimiter(struct xr_multipart *parser, char c, struct xr_err *err) {
    bool blank = c == ' ' || c == '\t';
    if (parser->state == AFTER_DELIMITER && blank && ++parser->padding <= XR_MULTIPART_HEADER_MAX)
        return XR_OK;
    if (parser->state == AFTER_DELIMITER && c == '\r') {
        parser->state = AFTER_CR;
        return XR_OK;
    }
    if (parser->state == AFTER_CR && c == '\n') {
        parser->state = HEADERS;
        parser->header_len = 0;
        return XR_OK;
    }
    if (parser->state == AFTER_DELIMITER && c == '-' && parser->padding == 0) {
        parser->state = AFTER_DASH;
        return XR_OK;
    }
    if (parser->state == AFTER_DASH && c == '-') {
        parser->state = EPILOGUE;
        return XR_OK;
    }
    return xr_fail(err, XR_INVALID, NULL, "malformed multipart: a boundary must be followed by a line end or \"--\"");
}

enum xr_code xr_multipart_feed(struct xr_multipart *parser, struct xr_str bytes, struct xr_err *err) {
    enum xr_code code = XR_OK;
    size_t at = 0;
    while (code == XR_OK && at < bytes.len) {
        switch (parser->state) {
        case PREAMBLE:
        case DATA:
            code = scan(parser, bytes, &at, err);
            break;
        case AFTER_DELIMITER:
        case AFTER_DASH:
        case AFTER_CR:
            code = after_delimiter(parser, bytes.ptr[at++], err);
            break;
        case HEADERS:
            code = take_headers(parser, bytes, &at, err);
            break;
        case EPILOGUE:
            return XR_OK;
        }
    }
    return code;
}

enum xr_code xr_multipart_finish(const struct xr_multipart *parser, struct xr_err *err) {
    if (parser->state == EPILOGUE)
        return XR_OK;
    return xr_fail(err, XR_INVALID, NULL, "malformed multipart: the body ends before its closing boundary");
}
