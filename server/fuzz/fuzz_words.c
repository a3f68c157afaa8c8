// SPDX-License-Identifier: Apache-2.0
/* base/text's nearest ASCII, and providers/words: any bytes become words that have a key and can be shown. */
#include "base/text.h"
#include "providers/words.h"
#include <stdint.h>
#include <stdlib.h>

enum { ARENA = 1 << 26 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_words(const struct xr_content_words *words) {
    for (size_t i = 0; i < words->count; i++) {
        const struct xr_content_word *word = &words->items[i];
        if (word->key.len == 0 || word->shown.len == 0 || (word->alt.ptr && word->alt.len == 0))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct xr_str text = {.ptr = (const char *)data, .len = size}, ascii;
    struct xr_content_words words, of_ascii;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    if (!arena || xr_text_ascii(arena, text, &ascii, NULL) != XR_OK ||
        xr_content_words(arena, text, &words, NULL) != XR_OK ||
        xr_content_words(arena, ascii, &of_ascii, NULL) != XR_OK)
        return 0; /* an input too large for the arena */
    for (size_t i = 0; i < ascii.len; i++)
        if (ascii.ptr[i] < 0x20 || ascii.ptr[i] > 0x7e)
            abort();
    check_words(&words);
    if (words.count != of_ascii.count)
        abort();
    return 0;
}
