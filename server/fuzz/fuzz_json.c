// SPDX-License-Identifier: Apache-2.0
/* base/json: what parses is written again and parses again. */
#include "base/json.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct xr_str text = {.ptr = (const char *)data, .len = size};
    yyjson_doc *doc = NULL;
    if (xr_json_parse(text, 64, &doc, NULL) != XR_OK)
        return 0;
    for (int style = XR_JSON_RESPONSE; style <= XR_JSON_ASCII; style++) {
        struct xr_buf out = xr_buf_make(1 << 24);
        struct xr_json j = xr_json_make(&out, (enum xr_json_style)style);
        if (xr_json_value(&j, yyjson_doc_get_root(doc), 64) != XR_OK)
            abort();
        yyjson_doc *again = NULL;
        if (!out.failed && xr_json_parse(xr_buf_view(&out), 64, &again, NULL) != XR_OK)
            abort();
        yyjson_doc_free(again);
        xr_buf_clear(&out);
    }
    yyjson_doc_free(doc);
    return 0;
}
