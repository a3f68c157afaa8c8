// SPDX-License-Identifier: Apache-2.0
/* The judge that compares words, not meaning: the share of the reference's content words that the agent said. */
#include "base/limits.h"
#include "providers/provider.h"
#include "providers/words.h"
#include <stdlib.h>

/* A set of keys, as a sorted array. */
struct keys {
    struct xr_str *items;
    size_t count;
};

static int compare(const void *a, const void *b) {
    const struct xr_str *x = a, *y = b;
    int order = memcmp(x->ptr, y->ptr, x->len < y->len ? x->len : y->len);
    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static bool has(const struct keys *keys, struct xr_str key) {
    return keys->count > 0 && bsearch(&key, keys->items, keys->count, sizeof key, compare);
}

/* The agent's words of every turn. */
static enum xr_code read_turns(const struct xr_judge_call *call, struct xr_arena *arena, struct xr_content_words *turns,
                               size_t *ret_total, struct xr_err *err) {
    size_t total = 0;
    for (size_t i = 0; i < call->turn_count; i++) {
        enum xr_code code = xr_call_check(&call->call, err);
        if (code == XR_OK && call->turns[i].is_agent)
            code = xr_content_words(arena, call->turns[i].text, &turns[i], err);
        if (code != XR_OK)
            return code;
        total += turns[i].count;
    }
    *ret_total = total;
    return XR_OK;
}

static enum xr_code said_by_agent(const struct xr_judge_call *call, struct xr_arena *arena, struct keys *ret_said,
                                  struct xr_err *err) {
    size_t total = 0, n = 0;
    struct xr_content_words *turns = xr_arena_array(arena, call->turn_count, sizeof *turns);
    if (!turns)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    enum xr_code code = read_turns(call, arena, turns, &total, err);
    if (code != XR_OK)
        return code;
    struct xr_str *items = xr_arena_array(arena, total, 2 * sizeof *items);
    if (!items)
        return xr_fail(err, XR_NO_MEMORY, NULL, "the transcript has too many words");
    for (size_t i = 0; i < call->turn_count; i++)
        for (size_t k = 0; k < turns[i].count; k++) {
            items[n++] = turns[i].items[k].key;
            if (turns[i].items[k].alt.ptr)
                items[n++] = turns[i].items[k].alt;
        }
    qsort(items, n, sizeof *items, compare);
    *ret_said = (struct keys){.items = items, .count = n};
    return XR_OK;
}

/* The words that count: not what is only implied, and each once. */
static enum xr_code wanted_words(const struct xr_judge_call *call, struct xr_arena *arena,
                                 struct xr_content_words *ret_wanted, struct xr_err *err) {
    struct xr_content_words words = {0};
    enum xr_code code = xr_content_words(arena, call->reference, &words, err);
    if (code != XR_OK)
        return code;
    size_t n = 0;
    for (size_t i = 0; i < words.count; i++) {
        bool seen = words.items[i].implied;
        for (size_t k = 0; !seen && k < n; k++)
            seen = xr_str_eq(words.items[k].key, words.items[i].key);
        if (!seen)
            words.items[n++] = words.items[i];
    }
    *ret_wanted = (struct xr_content_words){.items = words.items, .count = n};
    return XR_OK;
}

static enum xr_code verdict(struct xr_judge_call *call, const struct xr_content_words *wanted, const struct keys *said,
                            struct xr_err *err) {
    struct xr_buf reason = xr_buf_make(XR_RESPONSE_MAX);
    size_t found = 0, missing = 0, all = wanted->count > 0 ? wanted->count : 1;
    for (size_t i = 0; i < wanted->count; i++) {
        const struct xr_content_word *word = &wanted->items[i];
        if (has(said, word->key) || (word->alt.ptr && has(said, word->alt))) {
            found++;
            continue;
        }
        xr_buf_str(&reason, missing++ == 0 ? XR_STR("missing: ") : XR_STR(", "));
        xr_buf_str(&reason, word->shown);
    }
    if (missing == 0)
        xr_buf_printf(&reason, "all %zu content words were said", found);
    struct xr_str kept = reason.failed ? (struct xr_str){0} : xr_arena_str(call->arena, xr_buf_view(&reason));
    xr_buf_clear(&reason);
    if (!kept.ptr)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    call->reason = kept;
    call->score = (int64_t)((found * 200 + all) / (2 * all)); /* rounded half up */
    return XR_OK;
}

static enum xr_code judge_lexical_run(void *state, struct xr_call *base, struct xr_err *err) {
    (void)state;
    struct xr_judge_call *call = (struct xr_judge_call *)base;
    struct xr_content_words wanted = {0};
    struct keys said = {0};
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_JUDGE_ARENA_MAX);
    if (!arena)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    enum xr_code code = wanted_words(call, arena, &wanted, err);
    if (code == XR_OK && wanted.count == 0)
        return xr_fail(err, XR_REFUSED, NULL, "the reference has no content words to look for");
    if (code == XR_OK)
        code = said_by_agent(call, arena, &said, err);
    if (code == XR_OK)
        code = verdict(call, &wanted, &said, err);
    return code;
}

const struct xr_provider_ops XR_JUDGE_LEXICAL = {.run = judge_lexical_run};
