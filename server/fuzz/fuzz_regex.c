// SPDX-License-Identifier: Apache-2.0
/* evaluate/regex: pattern, flags and text, separated by bytes FF (which UTF-8 never holds). */
#include "base/text.h"
#include "evaluate/evaluate.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 512, SEPARATOR = 0xFF };

static struct xr_str take_field(struct xr_str *rest) {
    const char *end = rest->ptr ? memchr(rest->ptr, SEPARATOR, rest->len) : NULL;
    struct xr_str field = {.ptr = rest->ptr, .len = end ? (size_t)(end - rest->ptr) : rest->len};
    size_t skip = field.len + (end != NULL);
    *rest = (struct xr_str){.ptr = skip < rest->len ? rest->ptr + skip : NULL, .len = rest->len - skip};
    return field;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct xr_str rest = {.ptr = (const char *)data, .len = size};
    struct xr_str pattern = take_field(&rest), flags = take_field(&rest), text = take_field(&rest);
    struct xr_err err = {0};
    bool found = false;
    if (size > INPUT_MAX || !xr_utf8_valid(pattern) || !xr_utf8_valid(flags) || !xr_utf8_valid(text))
        return 0;
    enum xr_code code = xr_regex_test(pattern, flags, text, &found, &err);
    bool bounded = code == XR_TIMEOUT || code == XR_NO_MEMORY;
    if (code != XR_OK && code != XR_INVALID && !bounded)
        abort();
    if (code != XR_OK && (found || err.message[0] == '\0'))
        abort();
    return 0;
}
