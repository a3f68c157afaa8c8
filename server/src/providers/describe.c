// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "providers/url.h"

enum { KEY_SHOWN_MIN = 20, FIRST_SHOWN = 3, LAST_SHOWN = 4 };

/* Enough to tell keys apart; nothing of a short one, which could be guessed from it. */
static void describe_masked(const char *key, struct xr_buf *out) {
    const struct xr_str s = xr_str_from(key);
    if (s.len >= KEY_SHOWN_MIN)
        xr_buf_printf(out, "%.*s…%s", FIRST_SHOWN, s.ptr, s.ptr + s.len - LAST_SHOWN);
    else
        xr_buf_str(out, XR_STR("…"));
}

static void describe_key(const struct xr_stage_config *stage, struct xr_buf *out) {
    if (stage->key) {
        xr_buf_printf(out, ", key %s (", stage->key_variable);
        describe_masked(stage->key, out);
        xr_buf_char(out, ')');
    } else if (stage->base_url) {
        xr_buf_printf(out, ", no key (not needed with %s)", stage->base_url_variable);
    } else {
        xr_buf_printf(out, ", key missing: set %s", stage->provider->vendor->key_env);
    }
}

static void describe_url(const struct xr_stage_config *stage, struct xr_buf *out) {
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new((size_t)2 * XR_PROVIDER_URL_MAX);
    const char *url = NULL;
    if (arena && xr_provider_url(stage->provider->vendor, stage->base_url, "", arena, &url, NULL) == XR_OK)
        xr_buf_printf(out, ", %s", url);
    else
        out->failed = true;
}

static void describe_stage(const struct xr_stage_config *stage, struct xr_buf *out) {
    xr_buf_str(out, xr_str_from(stage->provider->name));
    if (stage->model)
        xr_buf_printf(out, ", model %s", stage->model);
    if (stage->voice)
        xr_buf_printf(out, ", voice %s", stage->voice);
    if (stage->provider->vendor) {
        describe_url(stage, out);
        describe_key(stage, out);
    }
}

void xr_providers_describe(const struct xr_providers_config *config, struct xr_buf *out) {
    static const char *const NAMES[] = {"speech", "transcription", "judge"};
    for (int i = 0; i < XR_STAGE_KIND_COUNT; i++) {
        const enum xr_stage_kind kind = (enum xr_stage_kind)i;
        const struct xr_stage_config *stage = xr_providers_stage(config, kind);
        xr_buf_printf(out, "%s: ", NAMES[kind]);
        if (stage->provider)
            describe_stage(stage, out);
        else
            xr_buf_str(out, XR_STR("none configured"));
        xr_buf_char(out, '\n');
    }
    if (xr_providers_ca_file(config))
        xr_buf_printf(out, "certificates: %s\n", xr_providers_ca_file(config));
}
