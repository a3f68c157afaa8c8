// SPDX-License-Identifier: Apache-2.0
/* evaluate/args_match: the expected arguments and a call's, separated by a byte FF. What parses contains itself. */
#include "base/limits.h"
#include "evaluate/args_match.h"
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool matches(struct xr_str expected, struct xr_str actual, bool otherwise) {
    XR_AUTO(xr_json_doc_freep) yyjson_doc *doc = NULL;
    bool match = false;
    if (xr_json_parse(expected, XR_JSON_DEPTH_MAX, &doc, NULL) != XR_OK)
        return otherwise;
    if (xr_args_match(yyjson_doc_get_root(doc), actual, &match, NULL) != XR_OK)
        abort();
    return match;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *bytes = (const char *)data;
    const char *end = size > 0 ? memchr(bytes, 0xFF, size) : NULL;
    if (!end)
        return 0;
    struct xr_str expected = {.ptr = bytes, .len = (size_t)(end - bytes)};
    struct xr_str actual = {.ptr = end + 1, .len = size - expected.len - 1};
    if (!matches(expected, expected, true) || !matches(actual, actual, true))
        abort();
    /* Both ways only if neither has more: then each contains what the other contains. */
    if (matches(expected, actual, false) && matches(actual, expected, false) &&
        matches(XR_STR("{}"), expected, false) != matches(XR_STR("{}"), actual, false))
        abort();
    return 0;
}
