// SPDX-License-Identifier: Apache-2.0
#include "providers/adapter.h"

/* RFC 3986, 2.3. Not isalnum: it asks the locale. */
static bool unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

const char *xr_path_segment(struct xr_arena *arena, const char *text) {
    static const char DIGITS[] = "0123456789ABCDEF";
    char *segment = xr_arena_array(arena, strlen(text) + 1, 3), *to = segment;
    for (; segment && *text; text++) {
        if (unreserved(*text)) {
            *to++ = *text;
            continue;
        }
        *to++ = '%';
        *to++ = DIGITS[(unsigned char)*text >> 4];
        *to++ = DIGITS[(unsigned char)*text & 15];
    }
    return segment; /* zeroed by the arena, so terminated */
}
