// SPDX-License-Identifier: Apache-2.0
/* http/router, http/conditional, http/params: one line of text as path, as Range, as entity tags, as a header with
 * parameters. What is found lies inside the input. */
#include "http/conditional.h"
#include "http/params.h"
#include "http/router.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void nothing(struct xr_request *req) {
    (void)req;
}

static const struct xr_route TABLE[] = {
    {"GET", "/", nothing, NULL, XR_BODY_NONE, 0},
    {"GET", "/a/{id}", nothing, NULL, XR_BODY_NONE, 0},
    {"POST", "/a/compare", nothing, NULL, XR_BODY_NONE, 0},
    {"GET", "/a/{id}/b/{idx}/c", nothing, NULL, XR_BODY_NONE, 0},
    {0},
};

static void require(bool holds) {
    if (!holds)
        abort();
}

static void check_path(struct xr_str text, char *room) {
    struct xr_match match = xr_router_match(TABLE, XR_STR("GET"), text);
    require(!match.route || match.path_known);
    for (size_t i = 0; i < XR_PARAMS_MAX; i++) {
        struct xr_str param = match.params[i];
        require(param.len == 0 || (param.ptr >= text.ptr && param.ptr + param.len <= text.ptr + text.len));
        require(param.len == 0 || !memchr(param.ptr, '/', param.len));
        require(xr_percent_decode(param, room) <= param.len);
    }
    char allow[64];
    xr_router_allow(TABLE, text, allow, sizeof allow);
    require(match.path_known == (allow[0] != '\0'));
}

static void check_range(struct xr_str text) {
    static const uint64_t SIZES[] = {0, 1, 10, UINT64_MAX};
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        struct xr_range range;
        if (xr_byte_range_parse(text, SIZES[i], &range) == XR_RANGE_PART)
            require(range.length > 0 && range.first < SIZES[i] && range.length <= SIZES[i] - range.first);
    }
}

static void check_params(struct xr_str text) {
    struct xr_param param;
    struct xr_str rest = text;
    for (size_t left = rest.len; xr_params_next(&rest, &param); left = rest.len)
        require(rest.len < left);
    require(xr_params_value(text).len <= text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct xr_str text = {.ptr = (const char *)data, .len = size};
    char *room = malloc(size + 1);
    require(room != NULL);
    require(xr_percent_decode(text, room) <= size);
    check_path(text, room);
    check_range(text);
    check_params(text);
    require(!xr_etag_same_strong(text, XR_STR("\"a\"")) || xr_etag_listed(text, XR_STR("\"a\"")));
    (void)xr_accepts_gzip(text);
    free(room);
    return 0;
}
