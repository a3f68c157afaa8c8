// SPDX-License-Identifier: Apache-2.0
/* providers/adapter_testing.h - what the adapters' tests share: a request to build, a response to read. Tests only. */
#pragma once
#include "base/json.h"
#include "base/limits.h"
#include "base/test.h"
#include "providers/adapter.h"
#include <stdlib.h>

static inline struct xr_request test_request(void) {
    struct xr_request request = {.arena = xr_arena_new(XR_CALL_ARENA_MAX), .body = xr_buf_make(XR_PROVIDER_BODY_MAX)};
    assert_non_null(request.arena);
    return request;
}

static inline void test_request_clear(struct xr_request *request) {
    xr_arena_free(request->arena);
    xr_buf_clear(&request->body);
}

/* A copy of body of its own, as long as it may be and no longer, so that a read behind it is found. content_type NULL:
 * none was sent; lower case. Free with test_response_clear. */
static inline struct xr_response test_response(const char *content_type, struct xr_str body) {
    const size_t n = content_type ? strcspn(content_type, ";") : 0;
    struct xr_response response = {.body = malloc(body.len + XR_JSON_PADDING),
                                   .len = body.len,
                                   .content_type = {.ptr = content_type, .len = n},
                                   .parameters = xr_str_from(content_type ? content_type + n : NULL)};
    assert_non_null(response.body);
    if (body.len > 0)
        memcpy(response.body, body.ptr, body.len);
    memset(response.body + body.len, 0, XR_JSON_PADDING);
    return response;
}

static inline void test_response_clear(struct xr_response *response) {
    free(response->body);
}

static inline enum xr_code test_read(const struct xr_adapter *adapter, const struct xr_stage_config *stage,
                                     struct xr_call *call, const char *content_type, struct xr_str body,
                                     struct xr_err *err) {
    struct xr_response response = test_response(content_type, body);
    call->usage = XR_USAGE_NONE;
    enum xr_code code = adapter->read(stage, call, &response, err);
    test_response_clear(&response); /* nothing that was read may point into it */
    return code;
}

static inline void assert_str(struct xr_str got, const char *want) {
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.ptr, want, got.len);
}
