// SPDX-License-Identifier: Apache-2.0
#include "http/ordered.h"
#include "base/limits.h"
#include <stdlib.h>

/* While they are moved about, each value has a comma behind it. */
struct mark {
    int64_t key;
    size_t at, size;
};

struct xr_ordered xr_ordered_make(struct xr_json *j) {
    return (struct xr_ordered){.j = j, .marks = xr_buf_make(XR_DETAIL_ARENA_MAX), .at = j->buf->len};
}

void xr_ordered_add(struct xr_ordered *values, int64_t key) {
    struct xr_buf *buf = values->j->buf;
    xr_buf_char(buf, ',');
    values->j->comma = false;
    struct mark mark = {.key = key, .at = values->at, .size = buf->len - values->at};
    xr_buf_append(&values->marks, &mark, sizeof mark);
    values->at = buf->len;
}

static int compare(const void *left, const void *right) {
    const struct mark *a = left, *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

static bool in_order(const struct mark *marks, size_t count) {
    for (size_t i = 1; i < count; i++)
        if (marks[i].key < marks[i - 1].key)
            return false;
    return true;
}

/* The values of `marks` are, in another order, the `size` bytes at `from`. */
static void rearrange(struct xr_buf *buf, struct xr_buf *scratch, const struct mark *marks, size_t count, size_t from,
                      size_t size) {
    char *copy = xr_buf_reserve(scratch, size), *to = buf->data + from;
    if (!copy)
        return;
    memcpy(copy, to, size);
    for (size_t i = 0; i < count; i++) {
        memcpy(to, copy + (marks[i].at - from), marks[i].size);
        to += marks[i].size;
    }
}

/* Spans come nearly sorted, so the values fall into short groups that have the right place as a whole. */
static void move_groups(struct xr_buf *buf, struct xr_buf *scratch, const struct mark *marks, size_t count, size_t at) {
    size_t first = 0, from = at, reach = at;
    for (size_t i = 0; i < count; i++) {
        size_t end = marks[i].at + marks[i].size;
        at += marks[i].size;
        reach = end > reach ? end : reach;
        if (reach != at)
            continue;
        if (i > first)
            rearrange(buf, scratch, marks + first, i + 1 - first, from, at - from);
        first = i + 1;
        from = at;
    }
}

enum xr_code xr_ordered_end(struct xr_ordered *values, struct xr_err *err) {
    struct xr_buf *buf = values->j->buf, scratch = xr_buf_make(buf->max);
    struct mark *marks = (void *)values->marks.data;
    size_t count = values->marks.len / sizeof *marks;
    bool failed = values->marks.failed;
    if (count > 0 && !failed && !buf->failed) {
        if (!in_order(marks, count)) {
            size_t start = marks[0].at;
            qsort(marks, count, sizeof *marks, compare);
            move_groups(buf, &scratch, marks, count, start);
        }
        buf->len--; /* the last comma */
        values->j->comma = true;
    }
    failed = failed || scratch.failed;
    xr_buf_clear(&scratch);
    xr_buf_clear(&values->marks);
    return failed ? xr_fail(err, XR_NO_MEMORY, NULL, "out of memory") : XR_OK;
}
