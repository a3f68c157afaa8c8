// SPDX-License-Identifier: Apache-2.0
/* spec: a request that parses has one canonical text, which parses and is written again byte for byte; text that is
 * taken as canonical is what is written. */
#include "spec/spec.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_MAX = 1 << 26 };

static void require(bool holds) {
    if (!holds)
        abort();
}

static void fill_in(struct xr_spec *spec) {
    static const char SALT[] = "0190c0de-1234-4abc-8def-0123456789ab";
    for (size_t i = 0; i < spec->turn_count; i++) {
        spec->turns[i].has_sha256 = spec->turns[i].audio != XR_AUDIO_NONE;
        spec->turns[i].sha256[0] = (uint8_t)i;
    }
    if (spec->live)
        memcpy(spec->live_salt, SALT, sizeof SALT);
}

/* True if text is canonical; then writing it again gives text. */
static bool check_canonical(struct xr_str text) {
    struct xr_arena *arena = xr_arena_new(ARENA_MAX);
    struct xr_spec spec = {0};
    struct xr_str again = {0};
    require(arena != NULL);
    enum xr_code code = xr_spec_parse_canonical(text, arena, &spec, NULL);
    require(code == XR_OK || code == XR_CORRUPT);
    if (code == XR_OK) {
        require(xr_spec_canonical(&spec, arena, &again, NULL) == XR_OK);
        require(xr_str_eq(text, again));
    }
    xr_spec_free(&spec);
    xr_arena_free(arena);
    return code == XR_OK;
}

static void check_issues(const struct xr_issues *issues) {
    require(issues->count <= XR_ISSUES_MAX && issues->count <= issues->total);
    for (size_t i = 0; i < issues->count; i++)
        require(issues->items[i].path.ptr && issues->items[i].message.ptr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct xr_str text = {.ptr = (const char *)data, .len = size};
    struct xr_arena *arena = xr_arena_new(ARENA_MAX);
    require(arena != NULL);
    struct xr_issues issues = {.arena = arena};
    struct xr_spec spec = {0};
    struct xr_str canonical = {0};
    enum xr_code code = xr_spec_parse(text, arena, &issues, &spec, NULL);
    require((code == XR_INVALID) == (issues.total > 0));
    check_issues(&issues);
    if (code == XR_OK) {
        fill_in(&spec);
        require(xr_spec_canonical(&spec, arena, &canonical, NULL) == XR_OK);
        require(check_canonical(canonical));
    }
    xr_spec_free(&spec);
    xr_arena_free(arena);
    check_canonical(text);
    return 0;
}
