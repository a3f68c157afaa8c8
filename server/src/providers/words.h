// SPDX-License-Identifier: Apache-2.0
/* providers/words.h - the content words of an English text, written so that two ways to say the same thing are equal:
 * stems for words, digits for numbers and clock times in words or digits. Pure; any thread. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include <stdbool.h>
#include <stddef.h>

/* One content word. "seven thirty", "7:30" and "07:30" have the key "730"; "tables" has "tabl". */
struct xr_content_word {
    struct xr_str key;
    struct xr_str alt; /* as good as key ("730" of "19:30"); ptr NULL: none */
    struct xr_str shown; /* as it stood in the text, lower case */
    bool implied; /* not said itself, but meant: the p.m. of "19:30" */
};
struct xr_content_words {
    struct xr_content_word *items; /* in the order of the text, repetitions included */
    size_t count;
};

/* Memory comes from the arena, a few dozen bytes a word. */
XR_MUST_USE enum xr_code xr_content_words(struct xr_arena *arena, struct xr_str text,
                                          struct xr_content_words *ret_words, struct xr_err *err);
/* True if the word (lower case) is in Snowball's English stop list. */
bool xr_is_stop_word(struct xr_str word);
