// SPDX-License-Identifier: Apache-2.0
/* Large bodies: parsed where they lie, with bounded memory. */
#include "base/json.h"
#include <assert.h>
#include <stdlib.h>

static_assert(XR_JSON_PADDING >= YYJSON_PADDING_SIZE, "yyjson reads a few bytes behind the text");

/* Bytes of an escape \uXXXX, and of one surrogate's. */
enum { ESCAPE = 6, SURROGATE_MASK = 0xFC00, HIGH_SURROGATE = 0xD800, LOW_SURROGATE = 0xDC00 };

/* The code unit that an escape at p stands for; -1 if there is none. */
static int unit_at(const char *p, const char *end) {
    uint8_t bytes[2];
    if (end - p < ESCAPE || p[0] != '\\' || p[1] != 'u' ||
        !xr_hex_decode((struct xr_str){.ptr = p + 2, .len = 4}, bytes, sizeof bytes))
        return -1;
    return bytes[0] << 8 | bytes[1];
}

void xr_json_mend_surrogates(char *text, size_t len) {
    char *p = text, *end = text + len;
    while (p < end && (p = memchr(p, '\\', (size_t)(end - p)))) {
        int unit = unit_at(p, end), kind = unit & SURROGATE_MASK;
        if (unit < 0) {
            p += end - p > 1 ? 2 : 1; /* another escape */
            continue;
        }
        if (kind == HIGH_SURROGATE && (unit_at(p + ESCAPE, end) & SURROGATE_MASK) == LOW_SURROGATE)
            p += ESCAPE; /* a pair */
        else if (kind == HIGH_SURROGATE || kind == LOW_SURROGATE)
            memcpy(p + 2, "fffd", 4);
        p += ESCAPE;
    }
}

static bool claim(struct xr_json_memory *memory, size_t size) {
    if (size > memory->max - memory->used) {
        memory->over = true;
        return false;
    }
    memory->used += size;
    return true;
}

static void *capped_malloc(void *ctx, size_t size) {
    return claim(ctx, size) ? malloc(size) : NULL;
}

static void *capped_realloc(void *ctx, void *ptr, size_t old_size, size_t size) {
    struct xr_json_memory *memory = ctx;
    if (size > old_size && !claim(memory, size - old_size))
        return NULL;
    return realloc(ptr, size);
}

/* What a document gives back is not counted: it does so only at its end. */
static void capped_free(void *ctx, void *ptr) {
    (void)ctx;
    free(ptr);
}

enum xr_code xr_json_parse_in_place(char *text, size_t len, struct xr_json_memory *memory, yyjson_doc **ret_doc,
                                    struct xr_err *err) {
    const yyjson_alc alc = {capped_malloc, capped_realloc, capped_free, memory};
    const yyjson_read_flag flags = YYJSON_READ_INSITU | YYJSON_READ_ALLOW_INF_AND_NAN;
    yyjson_read_err why;
    if (len == 0)
        return xr_fail(err, XR_INVALID, NULL, "not valid JSON: it is empty");
    memset(text + len, 0, XR_JSON_PADDING);
    yyjson_doc *doc = yyjson_read_opts(text, len, flags, &alc, &why);
    if (!doc && memory->over)
        return xr_fail(err, XR_TOO_LARGE, NULL, "JSON has more values than %zu bytes of memory hold", memory->max);
    if (!doc && why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    if (!doc)
        return xr_fail(err, XR_INVALID, NULL, "not valid JSON: %s at byte %zu", why.msg, why.pos);
    *ret_doc = doc;
    return XR_OK;
}
