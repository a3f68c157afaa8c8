// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const NAMES[XR_CODE_COUNT] = {
    [XR_OK] = "ok",
    [XR_INVALID] = "invalid",
    [XR_NOT_FOUND] = "not_found",
    [XR_CONFLICT] = "conflict",
    [XR_TOO_LARGE] = "too_large",
    [XR_OVERLOADED] = "overloaded",
    [XR_STORAGE_FULL] = "storage_full",
    [XR_IO] = "io",
    [XR_CORRUPT] = "corrupt",
    [XR_FOREIGN] = "foreign",
    [XR_NO_MEMORY] = "no_memory",
    [XR_NO_CREDENTIAL] = "no_credential",
    [XR_UNAVAILABLE] = "unavailable",
    [XR_REFUSED] = "refused",
    [XR_TIMEOUT] = "timeout",
    [XR_CANCELLED] = "cancelled",
    [XR_INTERNAL] = "internal",
};

const char *xr_code_name(enum xr_code code) {
    return (unsigned)code < XR_CODE_COUNT ? NAMES[code] : "unknown";
}

/* Takes a cut multi-byte character off the end of a NUL-terminated text that filled its buffer. */
static void trim_cut_character(char *text) {
    size_t len = strlen(text);
    size_t at = len;
    while (at > 0 && ((unsigned char)text[at - 1] & 0xC0) == 0x80)
        at--;
    if (at == 0)
        return;
    unsigned char lead = (unsigned char)text[at - 1];
    size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (len - (at - 1) < want)
        text[at - 1] = '\0';
}

enum xr_code xr_fail(struct xr_err *err, enum xr_code code, const char *path, const char *fmt, ...) {
    if (!err)
        return code;
    /* Formatted aside first: an argument may point into *err itself. */
    char message[XR_ERR_MESSAGE_MAX];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    if (n >= (int)sizeof message)
        trim_cut_character(message);
    struct xr_err made = {.code = code};
    int p = snprintf(made.path, sizeof made.path, "%s", path ? path : "");
    if (p >= (int)sizeof made.path)
        trim_cut_character(made.path);
    memcpy(made.message, message, sizeof message);
    *err = made;
    return code;
}
