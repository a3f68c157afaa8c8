// SPDX-License-Identifier: Apache-2.0
#include "providers/answer.h"
#include "base/limits.h"
#include "base/text.h"
#include "providers/one_line.h"

/* Of yyjson's values. It asks at once for 16 bytes per 6 of the text, and the shortest values, of two bytes of text,
 * take 16 each. A body of speech is one long string: it needs what is asked for at once. */
enum { VALUES_PER_BYTE = 12 };
#define VALUES_MIN XR_KIB(64)
#define VALUES_MAX XR_MIB(192)

static struct xr_json_memory memory_for(size_t len) {
    size_t max = VALUES_MIN + VALUES_PER_BYTE * len;
    return (struct xr_json_memory){.max = max < VALUES_MAX ? max : VALUES_MAX};
}

static enum xr_code not_json(const struct xr_response *response, enum xr_code code, const struct xr_err *why,
                             struct xr_err *err) {
    char shown[XR_EXCERPT_SIZE];
    if (code == XR_NO_MEMORY)
        return xr_fail(err, code, NULL, "%s", why->message);
    if (code == XR_INVALID && response->content_type.len > 0 &&
        !xr_text_contains(response->content_type, XR_STR("json")))
        return xr_fail(err, XR_REFUSED, NULL, "answered %s instead of JSON", xr_excerpt(response->content_type, shown));
    return xr_fail(err, XR_REFUSED, NULL, "the answer cannot be read: %s", why->message);
}

/* RFC 8259, 8.1: a byte order mark may be ignored, and some hosts send one. */
static size_t mark_len(const struct xr_response *response) {
    static const char MARK[] = "\xef\xbb\xbf";
    const size_t len = sizeof MARK - 1;
    return response->len >= len && memcmp(response->body, MARK, len) == 0 ? len : 0;
}

enum xr_code xr_answer_parse(const struct xr_response *response, struct xr_answer *answer, struct xr_err *err) {
    struct xr_err why;
    yyjson_doc *doc = NULL;
    const size_t mark = mark_len(response), len = response->len - mark;
    char *text = response->body + mark;
    answer->memory = memory_for(len);
    xr_json_mend_surrogates(text, len);
    enum xr_code code = xr_json_parse_in_place(text, len, &answer->memory, &doc, &why);
    if (code != XR_OK)
        return not_json(response, code, &why, err);
    if (!yyjson_is_obj(yyjson_doc_get_root(doc))) {
        yyjson_doc_free(doc);
        return xr_fail(err, XR_REFUSED, NULL, "the answer is not a JSON object");
    }
    answer->doc = doc;
    answer->root = yyjson_doc_get_root(doc);
    return XR_OK;
}

void xr_answer_clear(struct xr_answer *answer) {
    yyjson_doc_free(answer->doc);
    answer->doc = NULL;
    answer->root = NULL;
}

yyjson_val *xr_answer_member(yyjson_val *object, const char *key) {
    return yyjson_is_obj(object) ? xr_json_member(object, xr_str_from(key)) : NULL;
}

struct xr_str xr_answer_str(yyjson_val *object, const char *key) {
    yyjson_val *value = xr_answer_member(object, key);
    return yyjson_is_str(value) ? xr_json_get_str(value) : (struct xr_str){0};
}

int64_t xr_answer_count(yyjson_val *object, const char *key) {
    yyjson_val *value = xr_answer_member(object, key);
    bool fits = yyjson_is_uint(value) && yyjson_get_uint(value) <= INT64_MAX;
    return fits ? (int64_t)yyjson_get_uint(value) : -1;
}

void xr_answer_usage(yyjson_val *tokens, const char *input, const char *output, struct xr_usage *usage) {
    usage->input_tokens = xr_answer_count(tokens, input);
    usage->output_tokens = xr_answer_count(tokens, output);
}

void xr_answer_join(struct xr_str *text, struct xr_str more) {
    if (!text->ptr) {
        *text = more;
        return;
    }
    memmove((char *)(uintptr_t)text->ptr + text->len, more.ptr, more.len);
    text->len += more.len;
}

enum xr_code xr_answer_lacks(const struct xr_answer *answer, const char *what, struct xr_err *err) {
    char shown[XR_EXCERPT_SIZE];
    yyjson_val *error = xr_answer_member(answer->root, "error");
    struct xr_str said = yyjson_is_str(error) ? xr_json_get_str(error) : xr_answer_str(error, "message");
    if (said.ptr)
        return xr_fail(err, XR_REFUSED, NULL, "answered an error: %s", xr_excerpt(said, shown));
    return xr_fail(err, XR_REFUSED, NULL, "the answer has no %s", what);
}

enum xr_code xr_request_built(const struct xr_request *request, struct xr_err *err) {
    if (!request->body.failed)
        return XR_OK;
    if (request->body.over)
        return xr_fail(err, XR_REFUSED, NULL, "the request would have more than %zu bytes", request->body.max);
    return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
}
