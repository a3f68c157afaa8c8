// SPDX-License-Identifier: Apache-2.0
#include "http/input.h"
#include "base/limits.h"
#include "base/text.h"

enum { TURN_INDEX_DIGITS = 4, RANGE_DIGITS = 9 };

#define ONE_TO_LIMIT "1.." XR_NUMERAL(XR_LIST_LIMIT_MAX)

bool xr_hash_parse(struct xr_str text, uint8_t ret_hash[XR_SHA256_SIZE]) {
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] >= 'A' && text.ptr[i] <= 'F')
            return false;
    return xr_hex_decode(text, ret_hash, XR_SHA256_SIZE);
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool xr_replay_id_valid(struct xr_str text) {
    if (text.len != XR_UUID_TEXT)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!is_digit(c) && !(c >= 'a' && c <= 'f') && !(c >= 'A' && c <= 'F') && c != '-')
            return false;
    }
    return true;
}

bool xr_range_parse(struct xr_str text, int64_t min, int64_t max, int64_t *ret_value) {
    int64_t value = 0;
    if (text.len == 0 || text.len > RANGE_DIGITS)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_digit(text.ptr[i]))
            return false;
        value = value * 10 + (text.ptr[i] - '0');
    }
    if (value < min || value > max)
        return false;
    *ret_value = value;
    return true;
}

bool xr_turn_index_parse(struct xr_str text, int64_t *ret_idx) {
    return text.len <= TURN_INDEX_DIGITS && xr_range_parse(text, 0, INT64_MAX, ret_idx);
}

bool xr_page_parse(enum xr_cursor_kind kind, const struct xr_page_query *query, struct xr_issues *issues,
                   struct xr_page *ret_page) {
    size_t before = issues->total;
    struct xr_page page = {.limit = XR_LIST_LIMIT_DEFAULT, .q = query->q};
    int64_t limit = XR_LIST_LIMIT_DEFAULT;
    if (query->limit.ptr && !xr_range_parse(query->limit, 1, XR_LIST_LIMIT_MAX, &limit))
        xr_issues_add(issues, "limit", "must be an integer in " ONE_TO_LIMIT, "integer " ONE_TO_LIMIT, NULL);
    page.limit = (size_t)limit;
    page.has_cursor = query->cursor.ptr != NULL;
    if (page.has_cursor && !xr_cursor_decode(kind, query->cursor, &page.cursor))
        xr_issues_add(issues, "cursor", "is not a next_cursor of this list", "next_cursor of an earlier page", NULL);
    if (query->q.ptr && xr_utf16_length(query->q) > XR_NAME_MAX)
        xr_issues_add(issues, "q", "is longer than any name: at most " XR_NUMERAL(XR_NAME_MAX) " characters",
                      "string of at most " XR_NUMERAL(XR_NAME_MAX) " characters", NULL);
    if (issues->total != before)
        return false;
    *ret_page = page;
    return true;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t';
}

enum xr_code xr_media_type(struct xr_str header, struct xr_arena *arena, struct xr_str *ret_type, struct xr_err *err) {
    const char *end = header.len > 0 ? memchr(header.ptr, ';', header.len) : NULL;
    struct xr_str type = {.ptr = header.ptr, .len = end ? (size_t)(end - header.ptr) : header.len};
    while (type.len > 0 && is_space(type.ptr[type.len - 1]))
        type.len--;
    while (type.len > 0 && is_space(*type.ptr)) {
        type.ptr++;
        type.len--;
    }
    enum xr_code code = xr_utf8_repair(arena, type, &type, err);
    if (code != XR_OK)
        return code;
    char *lower = xr_arena_alloc(arena, type.len + 1);
    if (!lower)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    for (size_t i = 0; i < type.len; i++)
        lower[i] = type.ptr[i] >= 'A' && type.ptr[i] <= 'Z' ? (char)(type.ptr[i] - 'A' + 'a') : type.ptr[i];
    *ret_type = (struct xr_str){.ptr = lower, .len = type.len};
    return XR_OK;
}
