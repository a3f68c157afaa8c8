// SPDX-License-Identifier: Apache-2.0
#include "providers/judge_answer.h"
#include "base/json.h"
#include "base/text.h"
#include "providers/one_line.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* yyjson's values of one object. The shortest take 8 times its text, and it asks for half as much again. */
enum { VALUES_MAX = 16 * XR_JUDGE_ANSWER_MAX };
/* Characters of a score in a string. */
enum { SCORE_TEXT_MAX = 64 };
enum { NO_SCORE = -1 };

/* --- where objects are --- */

static struct xr_str from(struct xr_str text, size_t at) {
    return (struct xr_str){.ptr = text.ptr + at, .len = text.len - at};
}

static bool begins_with(struct xr_str text, struct xr_str prefix) {
    return text.len >= prefix.len && memcmp(text.ptr, prefix.ptr, prefix.len) == 0;
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

/* The first score, and the first that is not the same; NO_SCORE: there is none. */
struct scores {
    int64_t first, other;
};

static void add_score(struct scores *scores, int64_t score) {
    if (scores->first == NO_SCORE)
        scores->first = score;
    else if (scores->first != score && scores->other == NO_SCORE)
        scores->other = score;
}

/* Those of one object: of duplicate keys too, none counts more than another. */
static enum xr_code take_scores(yyjson_val *object, struct scores *ret_scores, struct xr_err *err) {
    struct scores scores = {NO_SCORE, NO_SCORE};
    size_t i, n;
    yyjson_val *name, *value;
    yyjson_obj_foreach(object, i, n, name, value) {
        int64_t score = NO_SCORE;
        if (!xr_str_eq(xr_json_get_str(name), XR_STR("score")))
            continue;
        enum xr_code code = take_score(value, &score, err);
        if (code != XR_OK)
            return code;
        add_score(&scores, score);
    }
    if (scores.first == NO_SCORE)
        return XR_NOT_FOUND;
    *ret_scores = scores;
    return XR_OK;
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

/* --- one object --- */

/* What the text of one object says; call NULL: only its scores are asked for. XR_INVALID: it is not JSON; XR_NOT_FOUND:
 * it has no score; else as xr_judge_answer. Nesting needs no bound: nothing here recurses, and memory is bounded. */
static enum xr_code read_object(struct xr_str text, struct scores *ret_scores, struct xr_judge_call *call,
                                struct xr_err *err) {
    XR_AUTO(xr_json_doc_freep) yyjson_doc *doc = NULL;
    struct xr_json_memory memory = {.max = VALUES_MAX};
    char *copy = malloc(text.len + XR_JSON_PADDING);
    if (!copy)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    memcpy(copy, text.ptr, text.len);
    xr_json_mend_surrogates(copy, text.len);
    enum xr_code code = xr_json_parse_in_place(copy, text.len, &memory, &doc, err);
    yyjson_val *object = yyjson_doc_get_root(doc);
    struct scores scores;
    if (code == XR_OK)
        code = take_scores(object, &scores, err);
    else if (code != XR_NO_MEMORY)
        code = XR_INVALID;
    if (code == XR_OK && call)
        code = take_reason(xr_json_member(object, XR_STR("reason")), call->arena, &call->reason, err);
    if (code == XR_OK)
        *ret_scores = scores;
    free(copy);
    return code;
}

/* --- all of them --- */

struct search {
    struct xr_str rest; /* not looked at yet */
    struct xr_str answer; /* what is not thinking, so far as is known */
    struct xr_str scored; /* the last object with a score that can be used; ptr NULL: there is none */
    struct xr_str unusable; /* the first with one that cannot; ptr NULL: there is none */
    struct scores scores;
    bool objects; /* there is an object without a score */
    bool unfinished; /* the last object does not end */
    bool thinking; /* nor does the thinking */
};

/* What came before was thinking. */
static void begin_answer(struct search *s, struct xr_str rest) {
    *s = (struct search){.rest = rest, .answer = rest, .scores = {NO_SCORE, NO_SCORE}};
}

/* Takes the tag that the rest begins with, an opening one with all that it opens; false: there is none. */
static bool skip_thinking(struct search *s) {
    static const struct {
        struct xr_str open, close;
    } TAGS[] = {{XR_STR("<think>"), XR_STR("</think>")},
                {XR_STR("[THINK]"), XR_STR("[/THINK]")},
                {XR_STR("<thinking>"), XR_STR("</thinking>")},
                {XR_STR("<reasoning>"), XR_STR("</reasoning>")}};
    for (size_t i = 0; i < sizeof TAGS / sizeof *TAGS; i++) {
        struct xr_str close = TAGS[i].close;
        bool opens = begins_with(s->rest, TAGS[i].open);
        if (!opens && !begins_with(s->rest, close))
            continue;
        const char *at = opens ? memmem(s->rest.ptr, s->rest.len, close.ptr, close.len) : s->rest.ptr;
        if (at)
            begin_answer(s, from(s->rest, (size_t)(at - s->rest.ptr) + close.len));
        s->thinking = !at;
        return true;
    }
    return false;
}

static void note_scores(struct search *s, struct xr_str object, const struct scores *scores) {
    s->scored = object;
    add_score(&s->scores, scores->first);
    if (scores->other != NO_SCORE)
        add_score(&s->scores, scores->other);
}

/* Takes the object that the rest begins with. Only XR_NO_MEMORY ends the search: what is found may yet turn out to be
 * thinking. */
static enum xr_code note_object(struct search *s, struct xr_err *err) {
    struct scores scores;
    struct xr_str object = {.ptr = s->rest.ptr, .len = object_size(s->rest)};
    s->unfinished = object.len == 0;
    if (s->unfinished)
        return XR_OK;
    enum xr_code code = read_object(object, &scores, NULL, err);
    if (code == XR_NO_MEMORY)
        return code;
    s->rest = from(s->rest, object.len);
    if (code == XR_OK)
        note_scores(s, object, &scores);
    else if (code == XR_REFUSED && !s->unusable.ptr)
        s->unusable = object;
    s->objects = s->objects || code == XR_NOT_FOUND;
    return XR_OK;
}

/* What is inside an object is not looked at, also where it is no JSON or does not end: a part of the answer would be
 * taken for the whole, and a tag that is quoted for one that is meant. So every byte is looked at once. */
static enum xr_code search(struct search *s, struct xr_err *err) {
    enum xr_code code = XR_OK;
    while (code == XR_OK && s->rest.len > 0 && !s->unfinished && !s->thinking) {
        if (skip_thinking(s))
            continue;
        if (s->rest.ptr[0] == '{' && may_be_object(s->rest))
            code = note_object(s, err);
        else
            s->rest = from(s->rest, 1);
    }
    return code;
}

static enum xr_code refuse_text(struct xr_str text, const char *what, struct xr_err *err) {
    char shown[XR_EXCERPT_SIZE];
    return xr_fail(err, XR_REFUSED, NULL, "the judge's answer %s: %s", what, xr_excerpt(text, shown));
}

static enum xr_code conclude(const struct search *s, struct xr_judge_call *call, struct xr_err *err) {
    struct scores scores;
    struct xr_str answer = xr_text_trim(s->answer), object = s->unusable.ptr ? s->unusable : s->scored;
    if (answer.len == 0)
        return xr_fail(err, XR_REFUSED, NULL, "the judge's answer is empty");
    if (s->thinking)
        return refuse_text(answer, "ends in its thinking", err);
    if (s->unfinished)
        return refuse_text(answer, "is cut off", err);
    if (!object.ptr)
        return refuse_text(answer, s->objects ? "has no score" : "is not JSON", err);
    if (!s->unusable.ptr && s->scores.other != NO_SCORE)
        return xr_fail(err, XR_REFUSED, NULL, "the judge's answer has several scores: %" PRId64 ", %" PRId64,
                       s->scores.first, s->scores.other);
    enum xr_code code = read_object(object, &scores, call, err);
    if (code == XR_OK)
        call->score = scores.first;
    return code;
}

enum xr_code xr_judge_answer(struct xr_str text, struct xr_judge_call *call, struct xr_err *err) {
    struct xr_str trimmed = xr_text_trim(text);
    struct search s;
    if (trimmed.len > XR_JUDGE_ANSWER_MAX)
        return xr_fail(err, XR_REFUSED, NULL, "the judge's answer has %zu bytes, more than %d", trimmed.len,
                       XR_JUDGE_ANSWER_MAX);
    begin_answer(&s, trimmed);
    enum xr_code code = search(&s, err);
    return code == XR_OK ? conclude(&s, call, err) : code;
}
