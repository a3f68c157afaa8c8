// SPDX-License-Identifier: Apache-2.0
#include "providers/one_line.h"
#include "base/text.h"

/* Bytes of the code point that text begins with; 0: an ill-formed one. */
static size_t code_point_size(struct xr_str text) {
    unsigned char lead = (unsigned char)text.ptr[0];
    size_t n = lead < 0x80 ? 1 : lead < 0xC0 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    return n <= text.len && xr_utf8_valid((struct xr_str){.ptr = text.ptr, .len = n}) ? n : 0;
}

/* Bytes of the control character or line separator that text begins with; 0: it begins with another. */
static size_t control_size(struct xr_str text) {
    const unsigned char *p = (const unsigned char *)text.ptr;
    if (text.len >= 1 && (p[0] < 0x20 || p[0] == 0x7F))
        return 1;
    if (text.len >= 2 && p[0] == 0xC2 && p[1] >= 0x80 && p[1] < 0xA0)
        return 2; /* U+0080..U+009F: NEL is one of them */
    if (text.len >= 3 && p[0] == 0xE2 && p[1] == 0x80 && (p[2] == 0xA8 || p[2] == 0xA9))
        return 3; /* U+2028, U+2029 */
    return 0;
}

/* What *text begins with, as it is shown; *text moves behind it. */
static struct xr_str take(struct xr_str *text) {
    struct xr_str shown = XR_STR(" ");
    size_t taken = 0;
    for (size_t n; (n = control_size((struct xr_str){.ptr = text->ptr + taken, .len = text->len - taken})) > 0;)
        taken += n;
    if (taken == 0) {
        taken = code_point_size(*text);
        shown = taken > 0 ? (struct xr_str){.ptr = text->ptr, .len = taken} : XR_STR("?");
        taken += taken == 0;
    }
    *text = (struct xr_str){.ptr = text->ptr + taken, .len = text->len - taken};
    return shown;
}

void xr_one_line(struct xr_buf *out, struct xr_str text) {
    while (text.len > 0)
        xr_buf_str(out, take(&text));
}

const char *xr_excerpt(struct xr_str text, char out[XR_EXCERPT_SIZE]) {
    char *to = out;
    for (int i = 0; i < XR_EXCERPT_MAX && text.len > 0; i++) {
        struct xr_str shown = take(&text);
        memcpy(to, shown.ptr, shown.len);
        to += shown.len;
    }
    struct xr_str end = text.len > 0 ? XR_STR("...") : XR_STR("");
    memcpy(to, end.ptr, end.len);
    to[end.len] = '\0';
    return out;
}
