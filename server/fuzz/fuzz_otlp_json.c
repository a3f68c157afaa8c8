// SPDX-License-Identifier: Apache-2.0
/* otlp/decode_json: see otlp_sink.h for what must hold. */
#include "otlp_sink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct otlp_seen seen = {0};
    const struct xr_span_sink sink = {.take = otlp_take, .ctx = &seen};
    struct xr_otlp_refusal refusal = {0};
    struct xr_err err = {0};
    struct xr_arena *arena = xr_arena_new(XR_OTLP_ARENA_MAX);
    char *body = malloc(size + XR_OTLP_PADDING);
    otlp_check(arena && body);
    if (size)
        memcpy(body, data, size);
    enum xr_code code = xr_otlp_decode_json(body, size, arena, &sink, &refusal, &err);
    otlp_check_result(code, &seen, &refusal, &err);
    free(body);
    xr_arena_free(arena);
    return 0;
}
