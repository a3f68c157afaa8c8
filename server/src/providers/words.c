// SPDX-License-Identifier: Apache-2.0
#include "providers/words.h"
#include "base/text.h"
#include "providers/pieces.h"
#include <ctype.h>
#include <libstemmer.h>
#include <limits.h>

/* --- pieces --- */

static bool is_letter(char c) {
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static size_t letters_end(struct xr_str s, size_t at) {
    while (at < s.len && (is_letter(s.ptr[at]) || (s.ptr[at] == '\'' && at + 1 < s.len && is_letter(s.ptr[at + 1]))))
        at++;
    return at;
}

/* A comma belongs to a number when exactly three digits follow. */
static bool is_group(struct xr_str s, size_t at) {
    if (s.len - at < 4 || s.ptr[at] != ',')
        return false;
    for (size_t i = 1; i <= 3; i++)
        if (!is_digit(s.ptr[at + i]))
            return false;
    return s.len - at == 4 || !is_digit(s.ptr[at + 4]);
}

static size_t digits_end(struct xr_str s, size_t at) {
    while (at < s.len && (is_digit(s.ptr[at]) || is_group(s, at)))
        at += s.ptr[at] == ',' ? 4 : 1;
    return at;
}

static char joint_of(struct xr_str s, size_t from, size_t to) {
    if (from == to)
        return 0;
    return to - from == 1 ? s.ptr[from] : ' ';
}

static bool next_piece(struct xr_str s, size_t *at, struct xr_piece *ret_piece) {
    size_t from = *at, start = from;
    while (start < s.len && !is_letter(s.ptr[start]) && !is_digit(s.ptr[start]))
        start++;
    if (start == s.len)
        return false;
    bool is_number = is_digit(s.ptr[start]);
    size_t end = is_number ? digits_end(s, start) : letters_end(s, start);
    *ret_piece = (struct xr_piece){.text = {.ptr = s.ptr + start, .len = end - start},
                                   .joint = from == 0 ? ' ' : joint_of(s, from, start),
                                   .is_number = is_number,
                                   .is_money = is_number && start > 0 && s.ptr[start - 1] == '$'};
    *at = end;
    return true;
}

static enum xr_code cut_pieces(struct xr_arena *arena, struct xr_str s, struct xr_pieces *ret_pieces,
                               struct xr_err *err) {
    struct xr_piece piece;
    size_t count = 0, at = 0;
    while (next_piece(s, &at, &piece))
        count++;
    struct xr_piece *items = xr_arena_array(arena, count, sizeof *items);
    if (!items)
        return xr_fail(err, XR_NO_MEMORY, NULL, "the text has too many words");
    at = 0;
    for (size_t i = 0; i < count && next_piece(s, &at, &items[i]); i++)
        ;
    *ret_pieces = (struct xr_pieces){.items = items, .count = count};
    return XR_OK;
}

/* --- content words --- */

/* What a text is made into. Room for three words a piece: a number, its unit, and an implied p.m. */
struct build {
    struct xr_arena *arena;
    struct sb_stemmer *stemmer;
    struct xr_str text;
    struct xr_pieces pieces;
    struct xr_content_words words;
    bool no_memory;
};
enum { WORDS_A_PIECE = 3 };

/* The text from one piece to the end of another. */
static struct xr_str span(const struct build *b, size_t first, size_t last) {
    const struct xr_str *end = &b->pieces.items[last].text;
    const char *start = b->pieces.items[first].text.ptr;
    return (struct xr_str){.ptr = start, .len = (size_t)(end->ptr - start) + end->len};
}

static struct xr_str keep(struct build *b, const char *bytes, size_t n) {
    struct xr_str copy = xr_arena_str(b->arena, (struct xr_str){.ptr = bytes, .len = n});
    b->no_memory = b->no_memory || !copy.ptr;
    return copy;
}

static struct xr_content_word *add(struct build *b, struct xr_str key, struct xr_str shown) {
    struct xr_content_word *word = &b->words.items[b->words.count++];
    *word = (struct xr_content_word){.key = key, .shown = shown};
    return word;
}

static void add_stem(struct build *b, struct xr_str word, struct xr_str shown) {
    const sb_symbol *stem = sb_stemmer_stem(b->stemmer, (const sb_symbol *)word.ptr, (int)word.len);
    if (!stem) {
        b->no_memory = true;
        return;
    }
    add(b, keep(b, (const char *)stem, (size_t)sb_stemmer_length(b->stemmer)), shown);
}

static bool is_piece(const struct build *b, size_t at, const char *text) {
    return at < b->pieces.count && xr_str_eq(b->pieces.items[at].text, xr_str_from(text));
}

/* "am", "pm", "a.m.", "p m" after a number; elsewhere "am" is the verb. */
static size_t add_half_of_day(struct build *b, size_t at) {
    static const struct {
        const char *whole, *first;
        struct xr_str key;
    } HALVES[] = {{"am", "a", XR_STR("a.m.")}, {"pm", "p", XR_STR("p.m.")}};
    for (size_t i = 0; i < sizeof HALVES / sizeof *HALVES; i++) {
        size_t n = is_piece(b, at, HALVES[i].whole)                               ? 1
                   : is_piece(b, at, HALVES[i].first) && is_piece(b, at + 1, "m") ? 2
                                                                                  : 0;
        if (n == 0)
            continue;
        add(b, HALVES[i].key, span(b, at, at + n - 1));
        return at + n;
    }
    return at;
}

static void add_number(struct build *b, const struct xr_number *number, struct xr_str shown) {
    struct xr_content_word *word = add(b, keep(b, number->digits, number->len), shown);
    if (number->alt_len == 0)
        return;
    word->alt = keep(b, number->alt, number->alt_len);
    if (number->is_afternoon)
        add(b, XR_STR("p.m."), shown)->implied = true;
}

/* "$25.40" is said "twenty five dollars and forty cents". */
static size_t add_money(struct build *b, size_t at) {
    struct xr_number cents;
    size_t next = at;
    const struct xr_piece *piece = at < b->pieces.count ? &b->pieces.items[at] : NULL;
    add_stem(b, XR_STR("dollars"), XR_STR("dollars"));
    if (!piece || !piece->is_number || piece->joint != '.' || piece->text.len != 2 ||
        !xr_number_read(&(struct xr_pieces){.items = piece, .count = 1}, 0, &cents, &next))
        return at;
    if (cents.digits[0] != '0') {
        add_number(b, &cents, piece->text);
        add_stem(b, XR_STR("cents"), XR_STR("cents"));
    }
    return at + 1;
}

static size_t add_unit(struct build *b, size_t first, size_t at) {
    const struct xr_str *last = &b->pieces.items[at - 1].text;
    const char *after = last->ptr + last->len;
    if (b->pieces.items[first].is_money)
        at = add_money(b, at);
    if (after < b->text.ptr + b->text.len && *after == '%')
        add_stem(b, XR_STR("percent"), XR_STR("percent"));
    return add_half_of_day(b, at);
}

static size_t add_word(struct build *b, size_t at) {
    struct xr_str word = b->pieces.items[at].text, shown = word;
    if (is_piece(b, at, "per") && is_piece(b, at + 1, "cent")) {
        add_stem(b, XR_STR("percent"), span(b, at, at + 1));
        return at + 2;
    }
    if (!xr_is_stop_word(word) && word.len <= INT_MAX)
        add_stem(b, word, shown);
    return at + 1;
}

static void add_all(struct build *b) {
    for (size_t at = 0; at < b->pieces.count && !b->no_memory;) {
        struct xr_number number;
        size_t next;
        if (xr_number_read(&b->pieces, at, &number, &next)) {
            add_number(b, &number, span(b, at, next - 1));
            at = add_unit(b, at, next);
        } else
            at = add_word(b, at);
    }
}

static enum xr_code build(struct build *b, struct xr_str text, struct xr_err *err) {
    enum xr_code code = xr_text_ascii(b->arena, text, &b->text, err);
    if (code != XR_OK)
        return code;
    char *lower = (char *)b->text.ptr; /* the arena's, not the caller's */
    for (size_t i = 0; i < b->text.len; i++)
        lower[i] = (char)tolower((unsigned char)lower[i]);
    code = cut_pieces(b->arena, b->text, &b->pieces, err);
    if (code != XR_OK)
        return code;
    b->words.items = xr_arena_array(b->arena, b->pieces.count, WORDS_A_PIECE * sizeof *b->words.items);
    if (!b->words.items)
        return xr_fail(err, XR_NO_MEMORY, NULL, "the text has too many words");
    add_all(b);
    return b->no_memory ? xr_fail(err, XR_NO_MEMORY, NULL, "out of memory") : XR_OK;
}

enum xr_code xr_content_words(struct xr_arena *arena, struct xr_str text, struct xr_content_words *ret_words,
                              struct xr_err *err) {
    struct build b = {.arena = arena, .stemmer = sb_stemmer_new("english", "UTF_8")};
    if (!b.stemmer)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    enum xr_code code = build(&b, text, err);
    sb_stemmer_delete(b.stemmer);
    if (code == XR_OK)
        *ret_words = b.words;
    return code;
}
