// SPDX-License-Identifier: Apache-2.0
#include "providers/one_line.h"
#include "base/text.h"

/* Bytes of the control character or line separator that text begins with; 0: it begins with another. */
static size_t control_size(struct xr_str text) {
    const struct xr_str first = {.ptr = text.ptr, .len = xr_utf8_first(text)};
    const bool separates = xr_str_eq(first, XR_STR("\u2028")) || xr_str_eq(first, XR_STR("\u2029"));
    return separates || xr_text_starts_control(first) ? first.len : 0;
}

/* What *text begins with, as it is shown; *text moves behind it. */
static struct xr_str take(struct xr_str *text) {
    struct xr_str shown = XR_STR(" ");
    size_t taken = 0;
    for (size_t n; (n = control_size((struct xr_str){.ptr = text->ptr + taken, .len = text->len - taken})) > 0;)
        taken += n;
    if (taken == 0) {
        taken = xr_utf8_first(*text);
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
