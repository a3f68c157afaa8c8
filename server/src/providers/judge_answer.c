// SPDX-License-Identifier: Apache-2.0
#include "providers/judge_answer.h"
#include "base/json.h"
#include "base/text.h"
#include "providers/one_line.h"
#include <math.h>
#include <stdlib.h>

/* yyjson's values of one object. The shortest take 8 times its text, and it asks for half as much again. */
enum { VALUES_MAX = 16 * XR_JUDGE_ANSWER_MAX };
/* Characters of a score in a string. */
enum { SCORE_TEXT_MAX = 64 };

/* --- where the answer is --- */

static struct xr_str from(struct xr_str text, size_t at) {
    return (struct xr_str){.ptr = text.ptr + at, .len = text.len - at};
}

static bool begins_with(struct xr_str text, struct xr_str prefix) {
    return text.len >= prefix.len && memcmp(text.ptr, prefix.ptr, prefix.len) == 0;
}

static struct xr_str without_thinking(struct xr_str text) {
    static const struct xr_str OPEN = XR_STR("<think>"), CLOSE = XR_STR("</think>");
    if (!begins_with(text, OPEN))
        return text;
    const char *close = memmem(text.ptr, text.len, CLOSE.ptr, CLOSE.len);
    return close ? from(text, (size_t)(close - text.ptr) + CLOSE.len) : text;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Whether the '{' that text begins with may be an object's: prose and formulas have others. */
static bool may_be_object(struct xr_str text) {
    size_t at = 1;
    while (at < text.len && is_space(text.ptr[at]))
        at++;
    return at < text.len && (text.ptr[at] == '"' || text.ptr[at] == '}');
}

/* Bytes up to the '}' that closes the '{' text begins with; 0: there is none. */
static size_t object_size(struct xr_str text) {
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && c == '{')
            depth++;
        else if (!in_string && c == '}' && --depth == 0)
            return i + 1;
    }
    return 0;
}

/* --- what it says --- */

static enum xr_code refuse_score(struct xr_err *err, const char *what) {
    return xr_fail(err, XR_REFUSED, NULL, "the judge's score is %s, not a number", what);
}

static enum xr_code take_number(double value, int64_t *ret_score, struct xr_err *err) {
    char shown[XR_NUMBER_MAX + 1] = {0};
    if (value >= 0 && value <= 100) {
        /* Not floor(value + 0.5): that sum is rounded itself, and makes 1 of the largest double below 0.5. */
        *ret_score = (int64_t)value + (value - floor(value) >= 0.5);
        return XR_OK;
    }
    if (isnan(value))
        memcpy(shown, "NaN", sizeof "NaN");
    else if (isinf(value))
        memcpy(shown, value < 0 ? "-Infinity" : "Infinity", value < 0 ? sizeof "-Infinity" : sizeof "Infinity");
    else
        xr_number_format(value, shown);
    return xr_fail(err, XR_REFUSED, NULL, "the judge's score %s is not in 0..100", shown);
}

static size_t digits(const char *p) {
    return strspn(p, "0123456789");
}

/* [+-]digits[.digits], then perhaps % or /100, spaces between them. text is NUL-terminated, in the "C" locale as the
 * whole server is. */
static bool read_decimal(const char *text, double *ret_value) {
    const char *p = text + strspn(text, "+-");
    if (p > text + 1 || digits(p) == 0)
        return false;
    p += digits(p);
    if (*p == '.' && digits(p + 1) > 0)
        p += 1 + digits(p + 1);
    p += strspn(p, " ");
    if (*p == '%') {
        p++;
    } else if (*p == '/') {
        p += 1 + strspn(p + 1, " ");
        if (strncmp(p, "100", 3) != 0)
            return false;
        p += 3;
    }
    if (*p)
        return false;
    *ret_value = strtod(text, NULL);
    return true;
}

static enum xr_code take_text(struct xr_str text, int64_t *ret_score, struct xr_err *err) {
    char number[SCORE_TEXT_MAX + 1] = {0}, shown[XR_EXCERPT_SIZE];
    struct xr_str trimmed = xr_text_trim(text);
    double value = 0;
    if (trimmed.len <= SCORE_TEXT_MAX && trimmed.len > 0)
        memcpy(number, trimmed.ptr, trimmed.len);
    if (strlen(number) != trimmed.len || !read_decimal(number, &value))
        return xr_fail(err, XR_REFUSED, NULL, "the judge's score is \"%s\", not a number", xr_excerpt(text, shown));
    return take_number(value, ret_score, err);
}

static enum xr_code take_score(yyjson_val *value, int64_t *ret_score, struct xr_err *err) {
    if (yyjson_is_num(value))
        return take_number(yyjson_get_num(value), ret_score, err);
    if (yyjson_is_str(value))
        return take_text(xr_json_get_str(value), ret_score, err);
    if (yyjson_is_null(value))
        return refuse_score(err, "null");
    if (yyjson_is_bool(value))
        return refuse_score(err, yyjson_get_bool(value) ? "true" : "false");
    return refuse_score(err, yyjson_is_arr(value) ? "an array" : "an object");
}

static enum xr_code take_reason(yyjson_val *value, struct xr_arena *arena, struct xr_str *ret_reason,
                                struct xr_err *err) {
    struct xr_str reason = yyjson_is_str(value) ? xr_text_trim(xr_json_get_str(value)) : (struct xr_str){0};
    if (reason.len > XR_JUDGE_REASON_MAX) {
        reason.len = XR_JUDGE_REASON_MAX;
        while (((unsigned char)reason.ptr[reason.len] & 0xC0) == 0x80)
            reason.len--;
    }
    struct xr_str kept = reason.len > 0 ? xr_arena_str(arena, reason) : (struct xr_str){0};
    if (reason.len > 0 && !kept.ptr)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    *ret_reason = kept;
    return XR_OK;
}

static enum xr_code take_answer(yyjson_val *object, yyjson_val *score, struct xr_judge_call *call, struct xr_err *err) {
    int64_t points = 0;
    struct xr_str reason = {0};
    enum xr_code code = take_score(score, &points, err);
    if (code == XR_OK)
        code = take_reason(xr_json_member(object, XR_STR("reason")), call->arena, &reason, err);
    if (code != XR_OK)
        return code;
    call->score = points;
    call->reason = reason;
    return XR_OK;
}

/* --- looking for it --- */

/* One object's text. XR_INVALID: it is not JSON; XR_NOT_FOUND: it has no score; else as xr_judge_answer. Nesting needs
 * no bound: nothing here recurses, and memory is bounded. */
static enum xr_code try_object(struct xr_str text, struct xr_judge_call *call, struct xr_err *err) {
    XR_AUTO(xr_json_doc_freep) yyjson_doc *doc = NULL;
    struct xr_json_memory memory = {.max = VALUES_MAX};
    char *copy = malloc(text.len + XR_JSON_PADDING);
    if (!copy)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    memcpy(copy, text.ptr, text.len);
    xr_json_mend_surrogates(copy, text.len);
    enum xr_code code = xr_json_parse_in_place(copy, text.len, &memory, &doc, err);
    yyjson_val *object = yyjson_doc_get_root(doc), *score = xr_json_member(object, XR_STR("score"));
    if (code == XR_OK)
        code = score ? take_answer(object, score, call, err) : XR_NOT_FOUND;
    else if (code != XR_NO_MEMORY)
        code = XR_INVALID;
    free(copy);
    return code;
}

/* What is inside an object that is no JSON, or that does not end, is not looked at: it would be a part of the answer
 * taken for the whole. So every byte is looked at once. */
static enum xr_code look_for_answer(struct xr_str text, struct xr_judge_call *call, struct xr_err *err) {
    char shown[XR_EXCERPT_SIZE];
    struct xr_str rest = text;
    bool objects = false;
    for (const char *brace; rest.len > 0 && (brace = memchr(rest.ptr, '{', rest.len));) {
        rest = from(rest, (size_t)(brace - rest.ptr));
        if (!may_be_object(rest)) {
            rest = from(rest, 1);
            continue;
        }
        size_t size = object_size(rest);
        if (size == 0)
            break;
        enum xr_code code = try_object((struct xr_str){.ptr = rest.ptr, .len = size}, call, err);
        if (code != XR_INVALID && code != XR_NOT_FOUND)
            return code;
        objects = objects || code == XR_NOT_FOUND;
        rest = from(rest, size);
    }
    return xr_fail(err, XR_REFUSED, NULL,
                   objects ? "the judge's answer has no score: %s" : "the judge's answer is not JSON: %s",
                   xr_excerpt(text, shown));
}

enum xr_code xr_judge_answer(struct xr_str text, struct xr_judge_call *call, struct xr_err *err) {
    struct xr_str trimmed = xr_text_trim(text);
    if (trimmed.len > XR_JUDGE_ANSWER_MAX)
        return xr_fail(err, XR_REFUSED, NULL, "the judge's answer has %zu bytes, more than %d", trimmed.len,
                       XR_JUDGE_ANSWER_MAX);
    struct xr_str answer = xr_text_trim(without_thinking(trimmed));
    if (answer.len == 0)
        return xr_fail(err, XR_REFUSED, NULL, "the judge's answer is empty");
    return look_for_answer(answer, call, err);
}
