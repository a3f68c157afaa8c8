// SPDX-License-Identifier: Apache-2.0
#include "otlp/vocab_testkit.h"
#include "base/limits.h"
#include "base/test.h"

struct xr_span xr_vocab_span(const char *name, const struct xr_attr *attrs) {
    static const struct xr_attrs NO_RESOURCE = {0};
    size_t count = 0;
    while (attrs[count].key.ptr)
        count++;
    return (struct xr_span){
        .name = xr_str_from(name),
        .started_ns = VOCAB_STARTED_NS,
        .ended_ns = VOCAB_STARTED_NS + 1,
        .attrs = {.items = attrs, .count = count},
        .resource = &NO_RESOURCE,
    };
}

static const char *text(struct xr_arena *arena, struct xr_str s) {
    return s.ptr ? xr_arena_printf(arena, "%.*s", XR_STR_ARG(s)) : "-";
}

static const char *number(struct xr_arena *arena, int64_t n) {
    return n >= 0 ? xr_arena_printf(arena, "%lld", (long long)n) : n == -1 ? "-" : "below -1";
}

const char *xr_vocab_describe(const struct xr_span *span, struct xr_arena *arena) {
    const struct xr_vocabulary *vocabulary = xr_vocabulary_of(span);
    struct xr_extract e = {.kind = XR_EXTRACT_NONE};
    if (!vocabulary)
        return "none";
    if (vocabulary->extract)
        assert_int_equal(vocabulary->extract(span, arena, &e, NULL), XR_OK);
    if (e.kind == XR_EXTRACT_TOOL_CALL)
        return xr_arena_printf(arena, "%s tool %s %s %s", vocabulary->name, text(arena, e.tool_name),
                               text(arena, e.args_json), text(arena, e.result_json));
    if (e.kind == XR_EXTRACT_MODEL_USAGE)
        return xr_arena_printf(arena, "%s usage %s %s %s %s %s %s", vocabulary->name, text(arena, e.provider),
                               text(arena, e.model), number(arena, e.input_tokens), number(arena, e.output_tokens),
                               number(arena, e.total_tokens), number(arena, e.ttft_ms));
    return xr_arena_printf(arena, "%s raw", vocabulary->name);
}

void xr_vocab_check(const struct xr_vocab_case *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_MIB(1));
        struct xr_span span = xr_vocab_span(cases[i].name, cases[i].attrs);
        const char *got = xr_vocab_describe(&span, arena);
        if (strcmp(got, cases[i].want) != 0)
            fail_msg("case %zu, span \"%s\": %s, expected %s", i, cases[i].name, got, cases[i].want);
    }
}
