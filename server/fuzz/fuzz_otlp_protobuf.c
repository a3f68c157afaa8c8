// SPDX-License-Identifier: Apache-2.0
/* otlp/decode_protobuf: see otlp_sink.h for what must hold. */
#include "otlp_sink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct otlp_seen seen = {0};
    const struct xr_span_sink sink = {.take = otlp_take, .ctx = &seen};
    struct xr_otlp_refusal refusal = {0};
    struct xr_err err = {0};
    struct xr_arena *arena = xr_arena_new(XR_OTLP_ARENA_MAX);
    otlp_check(arena != NULL);
    struct xr_str body = {.ptr = (const char *)data, .len = size};
    enum xr_code code = xr_otlp_decode_protobuf(body, arena, &sink, &refusal, &err);
    otlp_check_result(code, &seen, &refusal, &err);
    xr_arena_free(arena);
    return 0;
}
