// SPDX-License-Identifier: Apache-2.0
#include "providers/redact.h"
#include "base/limits.h"
#include "base/text.h"
#include <strings.h>

enum {
    FORMS = 3, /* of one key: as it is, as JSON writes it, the same with its slashes escaped */
    NEEDLES_MAX = FORMS * XR_STAGE_KIND_COUNT,
    ANSWER_KEY_MIN = 16, /* bytes of any key that is looked for in answers */
    ANSWER_CODE_MIN = 8, /* the same of one that is no plain word */
    ANSWER_REST_MIN = 4, /* the same behind a vendor's prefix */
    BEGINNING_MIN = 4, /* bytes of a key at the end of a text that are no coincidence */
    LONG_RUN = 16, /* characters behind "sk-" that are a key's even in the middle of a word */
    ESCAPE_LEN = 6, /* \u0041 */
    WINDOW = 8 * 1024, /* so much of a text is looked at */
    HIDDEN = '\0', /* marks bytes of the window that are not to be shown */
};

/* One text to be found, by the algorithm of Knuth, Morris and Pratt: hostile text cannot make the search slow. */
struct needle {
    struct xr_str text;
    bool in_answers;
    const uint16_t *fallback; /* [n]: length of the longest other beginning that the first n bytes end in */
};
_Static_assert(2 * XR_PROVIDER_KEY_MAX <= UINT16_MAX, "a needle's length fits its fallbacks");

struct xr_secrets {
    struct needle needles[NEEDLES_MAX];
    size_t count;
};

/* --- which keys are looked for in answers --- */

static const struct xr_str VENDOR_PREFIXES[] = {XR_STR("sk-"), XR_STR("AIza")};
enum { VENDOR_PREFIX_COUNT = sizeof VENDOR_PREFIXES / sizeof *VENDOR_PREFIXES };

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_word(struct xr_str key) {
    size_t at = 0;
    while (at < key.len && is_letter(key.ptr[at]))
        at++;
    return at == key.len;
}

static bool begins(struct xr_str s, size_t at, struct xr_str prefix) {
    return s.len - at >= prefix.len && memcmp(s.ptr + at, prefix.ptr, prefix.len) == 0;
}

/* An answer may well hold what is no real key, but a placeholder or a word: "none", "ollama", "password". */
static bool is_sought_in_answers(struct xr_str key) {
    for (size_t i = 0; i < VENDOR_PREFIX_COUNT; i++)
        if (begins(key, 0, VENDOR_PREFIXES[i]) && key.len - VENDOR_PREFIXES[i].len >= ANSWER_REST_MIN)
            return true;
    return key.len >= (is_word(key) ? ANSWER_KEY_MIN : ANSWER_CODE_MIN);
}

/* --- making the needles --- */

static bool add_needle(struct xr_secrets *secrets, struct xr_arena *arena, struct xr_str text, bool in_answers) {
    for (size_t i = 0; i < secrets->count; i++) {
        if (xr_str_eq(secrets->needles[i].text, text)) {
            secrets->needles[i].in_answers |= in_answers;
            return true;
        }
    }
    uint16_t *fallback = xr_arena_array(arena, text.len + 1, sizeof *fallback);
    if (!fallback)
        return false;
    for (size_t n = 1, known = 0; n < text.len; n++) {
        while (known > 0 && text.ptr[known] != text.ptr[n])
            known = fallback[known];
        known += text.ptr[known] == text.ptr[n];
        fallback[n + 1] = (uint16_t)known;
    }
    secrets->needles[secrets->count++] = (struct needle){.text = text, .in_answers = in_answers, .fallback = fallback};
    return true;
}

/* A copy with a backslash before each of the characters. */
static struct xr_str escaped(struct xr_arena *arena, struct xr_str key, const char *characters) {
    char *out = xr_arena_alloc(arena, 2 * key.len);
    size_t n = 0;
    for (size_t i = 0; out && i < key.len; i++) {
        if (strchr(characters, key.ptr[i]))
            out[n++] = '\\';
        out[n++] = key.ptr[i];
    }
    return (struct xr_str){.ptr = out, .len = n};
}

static bool add_key(struct xr_secrets *secrets, struct xr_arena *arena, struct xr_str key) {
    static const char *const ESCAPED[FORMS] = {"", "\"\\", "\"\\/"};
    const bool in_answers = is_sought_in_answers(key);
    for (size_t form = 0; form < FORMS; form++) {
        struct xr_str text = escaped(arena, key, ESCAPED[form]);
        if (!text.ptr || !add_needle(secrets, arena, text, in_answers))
            return false;
    }
    return true;
}

enum xr_code xr_secrets_new(struct xr_arena *arena, const char *const keys[XR_STAGE_KIND_COUNT],
                            const struct xr_secrets **ret_secrets, struct xr_err *err) {
    struct xr_secrets *secrets = xr_arena_alloc(arena, sizeof *secrets);
    if (!secrets)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    for (size_t stage = 0; stage < XR_STAGE_KIND_COUNT; stage++)
        if (keys[stage] && !add_key(secrets, arena, xr_str_from(keys[stage])))
            return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    *ret_secrets = secrets;
    return XR_OK;
}

/* --- finding them --- */

/* The printable character that JSON's \u escape at the beginning of the text stands for; NUL: there is none. */
static char unescaped(struct xr_str s) {
    uint8_t unit[2];
    if (s.len < ESCAPE_LEN || s.ptr[0] != '\\' || s.ptr[1] != 'u' ||
        !xr_hex_decode((struct xr_str){.ptr = s.ptr + 2, .len = ESCAPE_LEN - 2}, unit, sizeof unit))
        return '\0';
    return unit[0] == 0 && unit[1] > 0x20 && unit[1] < 0x7f ? (char)unit[1] : '\0';
}

/* Writes such escapes out, in place; the new length. */
static size_t unescape(char *text, size_t len) {
    size_t n = 0;
    for (size_t at = 0; at < len;) {
        const char c = unescaped((struct xr_str){.ptr = text + at, .len = len - at});
        text[n++] = c ? c : text[at];
        at += c ? ESCAPE_LEN : 1;
    }
    return n;
}

/* How far one needle's search is. */
struct search {
    size_t matched; /* the text so far ends in so many of the needle's first bytes */
    size_t covered; /* the end of what its matches cover */
};

static bool advance(const struct needle *needle, struct search *search, char c) {
    while (search->matched > 0 && needle->text.ptr[search->matched] != c)
        search->matched = needle->fallback[search->matched];
    search->matched += needle->text.ptr[search->matched] == c;
    return search->matched == needle->text.len;
}

static void cover(char *text, struct search *search, size_t start, size_t end, char mark) {
    start = start > search->covered ? start : search->covered;
    memset(text + start, mark, end - start);
    search->covered = end;
}

/* All needles go through the text side by side, each seeing it as it was: keys may overlap or hold one another. */
static void cover_keys(const struct xr_secrets *secrets, bool in_answer, char *text, size_t len, char mark,
                       size_t beginning_min) {
    struct search searches[NEEDLES_MAX] = {0};
    for (size_t at = 0; at < len; at++) {
        const char c = text[at];
        for (size_t i = 0; i < secrets->count; i++) {
            const struct needle *needle = &secrets->needles[i];
            if ((in_answer && !needle->in_answers) || !advance(needle, &searches[i], c))
                continue;
            cover(text, &searches[i], at + 1 - needle->text.len, at + 1, mark);
            searches[i].matched = needle->fallback[needle->text.len];
        }
    }
    for (size_t i = 0; i < secrets->count; i++)
        if (searches[i].matched >= beginning_min)
            cover(text, &searches[i], len - searches[i].matched, len, mark);
}

void xr_redact_keys(const struct xr_providers_config *config, char *text, size_t len) {
    cover_keys(xr_providers_secrets(config), true, text, len, '*', SIZE_MAX);
}

/* --- what looks like a key --- */

static bool is_alnum(char c) {
    return (c >= '0' && c <= '9') || is_letter(c);
}

static bool is_blank_byte(char c) {
    return c != HIDDEN && (unsigned char)c <= 0x20;
}

/* Where the run of characters that a key may have ends. '*' is of keys that were masked, '%' of escaped ones. */
static size_t run_end(struct xr_str s, size_t at) {
    for (; at < s.len; at++) {
        const char c = s.ptr[at];
        const bool escapes = c == '\\' && at + 1 < s.len && s.ptr[at + 1] == '/';
        if (c != HIDDEN && !is_alnum(c) && !strchr("-._~+/=*%", c) && !escapes)
            break;
    }
    return at;
}

/* The end of a vendor's key that starts here; `at` when none does. "risk-based" has none. */
static size_t vendor_key_end(struct xr_str s, size_t at) {
    for (size_t i = 0; i < VENDOR_PREFIX_COUNT; i++) {
        if (!begins(s, at, VENDOR_PREFIXES[i]))
            continue;
        const size_t start = at + VENDOR_PREFIXES[i].len, end = run_end(s, start);
        const bool starts_word = at == 0 || !is_alnum(s.ptr[at - 1]);
        return end - start >= (starts_word ? 1 : LONG_RUN) ? end : at;
    }
    return at;
}

/* Where the white space after "Bearer" ends; `at` when that is not here. */
static size_t bearer_end(struct xr_str s, size_t at) {
    static const char BEARER[] = "bearer";
    const size_t word = sizeof BEARER - 1;
    if (s.len - at <= word || strncasecmp(s.ptr + at, BEARER, word) != 0)
        return at;
    size_t end = at + word;
    while (end < s.len && is_blank_byte(s.ptr[end]))
        end++;
    return end > at + word ? end : at;
}

static void cover_lookalikes(char *text, size_t len) {
    const struct xr_str s = {.ptr = text, .len = len};
    for (size_t at = 0; at < len;) {
        const size_t start = bearer_end(s, at);
        const size_t end = start > at ? run_end(s, start) : vendor_key_end(s, at);
        memset(text + start, HIDDEN, end - start);
        at = end > at ? end : at + 1;
    }
}

/* --- what is shown --- */

static bool is_blank(struct xr_str character) {
    return xr_text_starts_control(character) || xr_text_trim(character).len == 0;
}

/* What stands for the beginning of *rest, which moves on. Empty: a space. */
static struct xr_str next_shown(struct xr_str *rest) {
    size_t n = 0;
    while (n < rest->len && rest->ptr[n] == HIDDEN)
        n++;
    struct xr_str shown = XR_STR("[redacted]");
    if (n == 0) {
        n = xr_utf8_first(*rest);
        shown = n > 0 ? (struct xr_str){.ptr = rest->ptr, .len = n} : XR_STR("\xEF\xBF\xBD");
        if (n > 0 && is_blank(shown))
            shown.len = 0;
        n += n == 0;
    }
    rest->ptr += n;
    rest->len -= n;
    return shown;
}

static void show(struct xr_str rest, struct xr_buf *out) {
    const size_t before = out->len;
    bool gap = false;
    while (rest.len > 0) {
        struct xr_str shown = next_shown(&rest);
        if (shown.len == 0) {
            gap = out->len > before;
            continue;
        }
        if (out->failed || out->len - before + gap + shown.len > XR_PROVIDER_ERROR_MAX)
            return;
        if (gap)
            xr_buf_char(out, ' ');
        xr_buf_str(out, shown);
        gap = false;
    }
}

void xr_redact_text(const struct xr_providers_config *config, struct xr_str text, struct xr_buf *out) {
    char window[WINDOW];
    size_t len = text.len < sizeof window ? text.len : sizeof window;
    for (size_t i = 0; i < len; i++)
        window[i] = text.ptr[i] == HIDDEN ? ' ' : text.ptr[i];
    len = unescape(window, len);
    cover_keys(xr_providers_secrets(config), false, window, len, HIDDEN, BEGINNING_MIN);
    cover_lookalikes(window, len);
    show((struct xr_str){.ptr = window, .len = len}, out);
}
