// SPDX-License-Identifier: Apache-2.0
/* spec/testing.h - what the tests of this folder share. Tests only. */
#pragma once
#include "base/test.h"
#include "spec/spec.h"
#include <stdio.h>
#include <stdlib.h>

/* One parse and all it left behind. */
struct parsed {
    struct xr_arena *arena;
    struct xr_issues issues;
    struct xr_spec spec;
    struct xr_err err;
    enum xr_code code;
};

static inline struct parsed parse(struct xr_str text) {
    struct parsed p = {.arena = xr_arena_new(XR_REQUEST_ARENA_MAX)};
    assert_non_null(p.arena);
    p.issues.arena = p.arena;
    p.code = xr_spec_parse(text, p.arena, &p.issues, &p.spec, &p.err);
    assert_int_equal(p.code == XR_INVALID, p.issues.total > 0);
    return p;
}

static inline void done(struct parsed *p) {
    xr_spec_free(&p->spec);
    xr_arena_free(p->arena);
}

static inline void assert_str(struct xr_str s, const char *want) {
    assert_int_equal(s.len, strlen(want));
    assert_memory_equal(s.ptr, want, s.len);
}

static inline void assert_accepted(struct xr_str text) {
    struct parsed p = parse(text);
    if (p.code != XR_OK)
        print_error("%.*s: %s: %s\n", (int)(text.len < 200 ? text.len : 200), text.ptr, p.err.path, p.err.message);
    assert_int_equal(p.code, XR_OK);
    done(&p);
}

static inline void assert_one_issue(struct xr_str text, const char *path, const char *received) {
    struct parsed p = parse(text);
    if (p.issues.total != 1)
        print_error("%.*s: %zu issues\n", (int)(text.len < 200 ? text.len : 200), text.ptr, p.issues.total);
    assert_int_equal(p.issues.total, 1);
    assert_int_equal(p.issues.count, 1);
    assert_str(p.issues.items[0].path, path);
    if (received)
        assert_str(p.issues.items[0].received, received);
    assert_string_equal(p.err.path, path);
    done(&p);
}

/* head + unit * count + tail */
static inline struct xr_str repeated(struct xr_buf *buf, const char *head, const char *unit, size_t count,
                                     const char *tail) {
    xr_buf_clear(buf);
    xr_buf_str(buf, xr_str_from(head));
    for (size_t i = 0; i < count; i++)
        xr_buf_str(buf, xr_str_from(unit));
    xr_buf_str(buf, xr_str_from(tail));
    assert_false(buf->failed);
    return xr_buf_view(buf);
}

#define TURN(members) "{\"name\":\"n\",\"turns\":[{\"role\":\"agent\"},{" members "}]}"
#define ASSERTION(members)                                                                                             \
    TURN("\"role\":\"agent\",\"assertions\":[{\"kind\":\"tool_called\",\"name\":\"t\"},{" members "}]")
#define JUDGE(members) "{\"name\":\"n\",\"turns\":[{\"role\":\"agent\"}],\"judges\":[{" members "}]}"
#define T "turns[1]."
#define A "turns[1].assertions[1]."
#define J "judges[0]."
