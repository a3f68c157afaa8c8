// SPDX-License-Identifier: Apache-2.0
#include "spec/canonical.h"
#include "spec/fields.h"
#include "spec/schema.h"
#include "spec/spec.h"

static enum xr_code no_memory(struct xr_err *err) {
    return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
}

/* Rules between members, which no table of members can hold. */
static void check_turn_count(struct xr_reader *reader, const struct xr_spec *spec) {
    bool is_empty_list = spec->turns && spec->turn_count == 0;
    if (is_empty_list && !spec->live)
        xr_issues_add(reader->issues, "turns", "must not be empty unless live", "array of at least 1", "array of 0");
}

/* `args` have their own bound; this one is for what stands under unknown keys. */
static void check_depth(struct xr_reader *reader, yyjson_val *root) {
    if (!xr_json_depth_within(root, XR_SPEC_DEPTH_MAX))
        xr_issues_add(reader->issues, "", "is nested too deeply", NULL, NULL);
}

/* All problems of root become issues; XR_INVALID if there is one. */
static enum xr_code read_root(struct xr_reader *reader, yyjson_val *root, struct xr_spec *spec, struct xr_err *err) {
    const struct xr_issues *issues = reader->issues;
    size_t before = issues->total;
    xr_record_read(reader, &XR_SPEC_RECORD, root, &(struct xr_path){0}, spec);
    check_turn_count(reader, spec);
    if (issues->total == before)
        check_depth(reader, root);
    bool lost = issues->count < issues->total && issues->count < XR_ISSUES_MAX;
    if (reader->no_memory || lost)
        return no_memory(err);
    if (issues->total == before)
        return XR_OK;
    const struct xr_issue *first = before < issues->count ? &issues->items[before] : NULL;
    return xr_fail(err, XR_INVALID, first ? first->path.ptr : NULL, "%s", first ? first->message.ptr : "is not valid");
}

/* Text that is no JSON is one more issue, at the root. */
static enum xr_code not_json(struct xr_issues *issues, const struct xr_err *why, struct xr_err *err) {
    size_t before = issues->count;
    xr_issues_add(issues, "", why->message, "JSON", NULL);
    if (issues->count == before && issues->count < XR_ISSUES_MAX)
        return no_memory(err);
    return xr_fail(err, XR_INVALID, NULL, "%s", why->message);
}

enum xr_code xr_spec_parse(struct xr_str text, struct xr_arena *arena, struct xr_issues *issues,
                           struct xr_spec *ret_spec, struct xr_err *err) {
    XR_AUTO(xr_json_doc_freep) yyjson_doc *doc = NULL;
    struct xr_reader reader = {.arena = arena, .issues = issues, .form = XR_FORM_REQUEST};
    struct xr_spec spec = {0};
    struct xr_err why = {0};
    if (text.len > XR_SPEC_MAX)
        return xr_fail(err, XR_TOO_LARGE, NULL, "longer than %zu bytes", XR_SPEC_MAX);
    /* The JSON parser does not recurse, so any nesting that fits the text may be parsed: the reader then knows which
     * `args` is too deep, and all other problems are found as well. */
    enum xr_code code = xr_json_parse(text, (int)XR_SPEC_MAX, &doc, &why);
    if (code == XR_INVALID)
        return not_json(issues, &why, err);
    if (code == XR_OK)
        code = read_root(&reader, yyjson_doc_get_root(doc), &spec, err);
    else
        xr_fail(err, code, NULL, "%s", why.message);
    if (code != XR_OK)
        return code;
    spec.doc = doc;
    doc = NULL;
    *ret_spec = spec;
    return XR_OK;
}

/* Every rule of the encoding (order, escapes, numbers, no unknown or repeated key) at once: written again, it must be
 * the same text. */
static enum xr_code check_is_canonical(const struct xr_spec *spec, struct xr_str text, struct xr_arena *arena,
                                       struct xr_err *err) {
    XR_AUTO(xr_buf_clear) struct xr_buf again = xr_buf_make(text.len);
    struct xr_err why = {0};
    if (!xr_buf_reserve(&again, text.len))
        return no_memory(err);
    enum xr_code code = xr_canonical_spec(spec, arena, &again, &why);
    if (code == XR_NO_MEMORY)
        return no_memory(err);
    /* The room is there, so a buffer that failed was given more than the text. */
    if (code != XR_OK || again.failed || !xr_str_eq(text, xr_buf_view(&again)))
        return xr_fail(err, XR_CORRUPT, why.path, "a stored conversation is not in canonical form");
    return XR_OK;
}

static enum xr_code read_canonical(struct xr_reader *reader, yyjson_val *root, struct xr_str text, struct xr_spec *spec,
                                   struct xr_err *err) {
    struct xr_err why = {0};
    enum xr_code code = read_root(reader, root, spec, &why);
    if (code == XR_OK)
        return check_is_canonical(spec, text, reader->arena, err);
    if (code == XR_INVALID)
        code = XR_CORRUPT;
    return xr_fail(err, code, why.path, "%s", why.message);
}

enum xr_code xr_spec_parse_canonical(struct xr_str text, struct xr_arena *arena, struct xr_spec *ret_spec,
                                     struct xr_err *err) {
    XR_AUTO(xr_json_doc_freep) yyjson_doc *doc = NULL;
    struct xr_issues issues = {.arena = arena};
    struct xr_reader reader = {.arena = arena, .issues = &issues, .form = XR_FORM_CANONICAL};
    struct xr_spec spec = {0};
    struct xr_err why = {0};
    if (text.len > XR_CANONICAL_MAX)
        return xr_fail(err, XR_CORRUPT, NULL, "longer than %zu bytes", XR_CANONICAL_MAX);
    enum xr_code code = xr_json_parse(text, XR_SPEC_DEPTH_MAX, &doc, &why);
    if (code == XR_INVALID || code == XR_TOO_LARGE)
        return xr_fail(err, XR_CORRUPT, NULL, "%s", why.message);
    if (code != XR_OK)
        return xr_fail(err, code, NULL, "%s", why.message);
    code = read_canonical(&reader, yyjson_doc_get_root(doc), text, &spec, err);
    if (code != XR_OK)
        return code;
    spec.doc = doc;
    doc = NULL;
    *ret_spec = spec;
    return XR_OK;
}

void xr_spec_free(struct xr_spec *spec) {
    yyjson_doc_free(spec->doc);
    *spec = (struct xr_spec){0};
}
