// SPDX-License-Identifier: Apache-2.0
/* fuzz/answer_calls.h - what the targets of the adapters share: the first byte chooses the vendor and the content type,
 * the rest is a response of another host. */
#pragma once
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "providers/adapter.h"
#include <stdlib.h>
#include <string.h>

static inline void check(bool holds) {
    if (!holds)
        abort();
}

static inline const char *no_variable(const char *name, void *ctx) {
    (void)name, (void)ctx;
    return NULL;
}

/* Made once: xr_call_check looks at it. */
static inline struct xr_providers *the_providers(void) {
    static struct xr_providers *providers;
    static struct xr_providers_config *config;
    if (providers)
        return providers;
    struct xr_buf problems = xr_buf_make(1024);
    check(xr_providers_config_load(no_variable, NULL, &problems, &config, NULL) == XR_OK);
    check(xr_providers_new(config, 1, 1, xr_clock_system(), &providers, NULL) == XR_OK);
    return providers;
}

/* '0', '1' and '2' are the vendors with JSON's type, '3'..'5' without a type, '6'..'8' with text's, and so on to 'G'.
 */
static inline const struct xr_adapter *adapter_of(const uint8_t *data, const struct xr_adapter *const adapters[3]) {
    return adapters[data[0] % 3];
}

/* The body is a copy that ends where it may end: free it. size > 0. */
static inline struct xr_response response_of(const uint8_t *data, size_t size) {
    static const struct {
        struct xr_str type, parameters;
    } TYPES[] = {
        {XR_STR("application/json"), XR_STR("; charset=utf-8")},
        {XR_STR(""), XR_STR("")},
        {XR_STR("text/plain"), XR_STR("")},
        {XR_STR("audio/mpeg"), XR_STR("")},
        {XR_STR("audio/pcm"), XR_STR(";rate=16000")},
        {XR_STR("audio/l16"), XR_STR("; rate=\"8000\"; channels=2")},
        {XR_STR("image/png"), XR_STR("")},
        {XR_STR("application/octet-stream"), XR_STR("")},
    };
    const size_t len = size - 1, row = data[0] / 3 % (sizeof TYPES / sizeof *TYPES);
    struct xr_response response = {.body = malloc(len + XR_JSON_PADDING),
                                   .len = len,
                                   .content_type = TYPES[row].type,
                                   .parameters = TYPES[row].parameters};
    check(response.body != NULL);
    if (len > 0)
        memcpy(response.body, data + 1, len);
    memset(response.body + len, 0, XR_JSON_PADDING);
    return response;
}

/* What every failure is like. */
static inline void check_failure(enum xr_code code, const struct xr_err *err) {
    check(code == XR_REFUSED && err->code == code && err->message[0] != '\0');
    check(xr_utf8_valid(xr_str_from(err->message)));
}

static inline void check_usage(const struct xr_usage *usage) {
    check(usage->calls == 0 && usage->audio_ms == -1 && usage->characters == -1);
    check(usage->input_tokens >= -1 && usage->output_tokens >= -1);
}
