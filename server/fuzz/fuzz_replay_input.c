// SPDX-License-Identifier: Apache-2.0
/* http/replay_input and http/cursor: the first byte chooses the parser. What is taken obeys its bounds. */
#include "base/clock.h"
#include "http/input.h"
#include "http/replay_input.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds)
        abort();
}

static void try_create(struct xr_str body, struct xr_arena *arena, struct xr_issues *issues) {
    struct xr_replay_input input;
    yyjson_doc *doc = NULL;
    enum xr_code code = xr_replay_input_parse(body, arena, issues, &input, NULL);
    check((code == XR_INVALID) == (issues->total > 0));
    if (code != XR_OK || !input.run_config.ptr)
        return;
    check(xr_json_parse(input.run_config, XR_JSON_DEPTH_MAX, &doc, NULL) == XR_OK);
    yyjson_doc_free(doc);
}

static void try_compare(struct xr_str body, struct xr_arena *arena, struct xr_issues *issues) {
    struct xr_compare_input input;
    enum xr_code code = xr_compare_input_parse(body, arena, issues, &input, NULL);
    check((code == XR_INVALID) == (issues->total > 0));
    if (code != XR_OK || input.count < XR_COMPARE_MIN || input.count > XR_COMPARE_MAX)
        return;
    for (size_t i = 0; i < input.count; i++)
        check(xr_replay_id_valid(input.ids[i]));
}

static void try_patch(struct xr_str body, struct xr_arena *arena, struct xr_issues *issues) {
    (void)arena;
    struct xr_patch patch;
    enum xr_code code = xr_patch_parse(body, issues, &patch, NULL);
    check((code == XR_INVALID) == (issues->total > 0));
    for (int from = 0; code == XR_OK && from < XR_LIFECYCLE_COUNT; from++) {
        struct xr_replay row = {.state = (enum xr_lifecycle)from, .finished_ns = XR_TIME_NONE};
        struct xr_replay_change change;
        enum xr_lifecycle to;
        if (xr_patch_decide(&patch, &row, &change, &to) == XR_PATCH_CHANGE)
            check(xr_lifecycle_allowed(XR_BY_CLIENT, row.state, change.to));
    }
}

static void try_page(struct xr_str text, struct xr_arena *arena, struct xr_issues *issues) {
    char again[XR_CURSOR_TEXT + 1];
    struct xr_str repaired;
    struct xr_page page;
    if (xr_media_type(text, arena, &repaired, NULL) != XR_OK)
        return;
    struct xr_page_query query = {.cursor = text, .limit = text, .q = repaired};
    (void)xr_page_parse(XR_CURSOR_REPLAYS, &query, issues, &page);
    struct xr_cursor cursor;
    if (!xr_cursor_decode(XR_CURSOR_REPLAYS, text, &cursor))
        return;
    xr_cursor_encode(XR_CURSOR_REPLAYS, &cursor, again);
    check(xr_str_eq(text, xr_str_from(again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const TRIES[])(struct xr_str text, struct xr_arena *arena,
                                 struct xr_issues *issues) = {try_create, try_compare, try_patch, try_page};
    if (size == 0)
        return 0;
    struct xr_arena *arena = xr_arena_new(XR_REQUEST_ARENA_MAX);
    struct xr_issues issues = {.arena = arena};
    check(arena != NULL);
    TRIES[data[0] % (sizeof TRIES / sizeof *TRIES)]((struct xr_str){.ptr = (const char *)data + 1, .len = size - 1},
                                                    arena, &issues);
    xr_arena_free(arena);
    return 0;
}
