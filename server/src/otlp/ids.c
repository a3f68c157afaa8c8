// SPDX-License-Identifier: Apache-2.0
#include "otlp/ids.h"
#include "base/base64.h"
#include <ctype.h>

/* Room for what an id's base64 may hold: xr_base64_decode writes at most 2 bytes more than the id has. */
enum { DECODED_MAX = XR_TRACE_ID_SIZE + 4 };

static enum xr_code no_memory(struct xr_err *err) {
    return xr_fail(err, XR_NO_MEMORY, NULL, "the ids need too much memory");
}

enum xr_code xr_id_of_bytes(struct xr_str bytes, size_t size, struct xr_arena *arena, struct xr_id *ret_id,
                            struct xr_err *err) {
    if (bytes.len == size || bytes.len == 0) {
        *ret_id = (struct xr_id){.value = bytes.len ? bytes : XR_STR(""), .is_text = bytes.len == 0};
        return XR_OK;
    }
    char *hex = bytes.len < SIZE_MAX / 2 ? xr_arena_alloc(arena, 2 * bytes.len + 1) : NULL;
    if (!hex)
        return no_memory(err);
    xr_hex_encode(bytes.ptr, bytes.len, hex);
    *ret_id = (struct xr_id){.value = {.ptr = hex, .len = 2 * bytes.len}, .is_text = true};
    return XR_OK;
}

static bool is_hex(struct xr_str text) {
    size_t i = 0;
    while (i < text.len && isxdigit((unsigned char)text.ptr[i]))
        i++;
    return i == text.len;
}

/* As base64 only text of the right length is looked at. Nothing but hex digits is rather a hex id of another length
 * than base64 without padding. */
static bool decode(struct xr_str text, size_t size, unsigned char out[DECODED_MAX]) {
    size_t n, padded = xr_base64_length(size), unpadded = (size * 4 + 2) / 3;
    if (xr_hex_decode(text, out, size))
        return true;
    if (text.len != padded && (text.len != unpadded || is_hex(text)))
        return false;
    return xr_base64_decode(text, out, &n) && n == size;
}

enum xr_code xr_id_of_text(struct xr_str text, size_t size, struct xr_arena *arena, struct xr_id *ret_id,
                           struct xr_err *err) {
    unsigned char bytes[DECODED_MAX];
    if (!decode(text, size, bytes)) {
        *ret_id = (struct xr_id){.value = text.len ? text : XR_STR(""), .is_text = true};
        return XR_OK;
    }
    char *kept = xr_arena_alloc(arena, size);
    if (!kept)
        return no_memory(err);
    memcpy(kept, bytes, size);
    *ret_id = (struct xr_id){.value = {.ptr = kept, .len = size}};
    return XR_OK;
}

struct xr_id xr_id_of_parent(struct xr_id id) {
    char zero = id.is_text ? '0' : '\0';
    for (size_t i = 0; i < id.value.len; i++)
        if (id.value.ptr[i] != zero)
            return id;
    return (struct xr_id){0};
}
