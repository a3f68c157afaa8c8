// SPDX-License-Identifier: Apache-2.0
#include "providers/transcript.h"
#include "base/limits.h"
#include "base/text.h"
#include <math.h>
#include <stdlib.h>

enum { NUMERAL_MAX = 32 };

/* --- the form --- */

void xr_transcript_field(struct xr_request *request, const char *name, const char *value) {
    request->parts[request->part_count++] = (struct xr_part){.name = name, .data = xr_str_from(value)};
}

enum xr_code xr_transcript_form(const struct xr_stage_config *stage, const struct xr_transcribe_call *call,
                                struct xr_request *request, struct xr_err *err) {
    enum xr_code code = xr_cut_to_wav(&call->call, &call->cut, &request->body, err);
    if (code != XR_OK)
        return code;
    request->parts[request->part_count++] = (struct xr_part){
        .name = "file", .data = xr_buf_view(&request->body), .file_name = "turn.wav", .content_type = "audio/wav"};
    xr_transcript_field(request, "model", stage->model);
    return XR_OK;
}

/* --- times --- */

/* A number, or a string that has one, as some hosts write durations; NaN: neither. */
static double seconds_of(yyjson_val *value) {
    if (yyjson_is_num(value))
        return yyjson_get_num(value);
    char numeral[NUMERAL_MAX], *end = numeral;
    if (!yyjson_is_str(value) || yyjson_get_len(value) == 0 || yyjson_get_len(value) >= sizeof numeral)
        return NAN;
    memcpy(numeral, yyjson_get_str(value), yyjson_get_len(value) + 1);
    double seconds = strtod(numeral, &end);
    return end == numeral + yyjson_get_len(value) ? seconds : NAN;
}

/* False if it is no time that a recording can have. */
static bool read_ms(yyjson_val *value, int64_t *ret_ms) {
    static const int64_t MOST = XR_RECORDING_MS_MAX;
    double ms = seconds_of(value) * 1000;
    if (!(ms >= 0 && ms <= (double)MOST))
        return false;
    *ret_ms = llround(ms);
    return true;
}

static int64_t cut_ms(const struct xr_cut *cut) {
    return (int64_t)(cut->frames * 1000 / cut->wav.rate);
}

static int64_t at_most(int64_t ms, int64_t max) {
    return ms < max ? ms : max;
}

/* --- words --- */

/* The words so far. */
struct words {
    const struct xr_word_list *list;
    struct xr_arena *arena;
    int64_t end_ms; /* the cut's */
    size_t given; /* by the answer */
    struct xr_word *items; /* NULL while they are counted */
    size_t count;
};

/* False: it is no word. Times are unusable: ret_word's text is empty. */
static bool read_word(const struct words *words, yyjson_val *item, struct xr_word *ret_word) {
    struct xr_word word = {.text = xr_answer_str(item, words->list->text)};
    if (!word.text.ptr)
        return false;
    word.text = xr_text_trim(word.text);
    if (!read_ms(xr_answer_member(item, "start"), &word.start_ms) ||
        !read_ms(xr_answer_member(item, "end"), &word.end_ms) || word.start_ms > words->end_ms + XR_TRANSCRIPT_SLACK_MS)
        word.text.len = 0;
    word.start_ms = at_most(word.start_ms, words->end_ms);
    word.end_ms = at_most(word.end_ms, words->end_ms);
    if (word.end_ms < word.start_ms)
        word.end_ms = word.start_ms;
    *ret_word = word;
    return true;
}

/* XR_INVALID: the list is not one of words. */
static enum xr_code take_word(struct words *words, yyjson_val *item) {
    struct xr_word word;
    if (++words->given > XR_TRANSCRIPT_WORDS_MAX || !read_word(words, item, &word))
        return XR_INVALID;
    if (word.text.len == 0)
        return XR_OK;
    if (words->items) {
        word.text = xr_arena_str(words->arena, word.text);
        if (!word.text.ptr)
            return XR_NO_MEMORY;
        words->items[words->count] = word;
    }
    words->count++;
    return XR_OK;
}

static enum xr_code take_list(struct words *words, yyjson_val *list) {
    size_t i, n;
    yyjson_val *item;
    yyjson_arr_foreach(list, i, n, item) {
        enum xr_code code = take_word(words, item);
        if (code != XR_OK)
            return code;
    }
    return XR_OK;
}

static enum xr_code take_nested(struct words *words) {
    size_t i, n;
    yyjson_val *item;
    yyjson_arr_foreach(words->list->list, i, n, item) {
        enum xr_code code = take_list(words, xr_answer_member(item, words->list->nested));
        if (code != XR_OK)
            return code;
    }
    return XR_OK;
}

static enum xr_code take_all(struct words *words) {
    words->count = words->given = 0;
    return words->list->nested ? take_nested(words) : take_list(words, words->list->list);
}

/* Counted first, so that the arena has one array of them. */
static enum xr_code read_words(struct words *words) {
    enum xr_code code = take_all(words);
    if (code == XR_INVALID)
        words->count = 0;
    if (code == XR_INVALID || words->count == 0)
        return XR_OK;
    words->items = xr_arena_array(words->arena, words->count, sizeof *words->items);
    return words->items ? take_all(words) : XR_NO_MEMORY;
}

/* --- the answer --- */

/* Copied; a NULL ptr: unknown. False when the arena gave out. */
static bool read_language(yyjson_val *answer, struct xr_arena *arena, struct xr_str *ret_language) {
    struct xr_str language = xr_text_trim(xr_answer_str(answer, "language"));
    if (language.len == 0 || language.len > XR_TRANSCRIPT_LANGUAGE_MAX) {
        *ret_language = (struct xr_str){0};
        return true;
    }
    *ret_language = xr_arena_str(arena, language);
    return ret_language->ptr != NULL;
}

/* A cut that was sent with silence behind it is not as long as it is heard to be. */
static int64_t duration_of(yyjson_val *answer, int64_t of_cut_ms) {
    int64_t ms = 0;
    bool told = read_ms(xr_answer_member(answer, "duration"), &ms) && ms > 0;
    return told && of_cut_ms >= XR_CLOUD_CUT_MS_MIN ? ms : of_cut_ms;
}

static enum xr_code out_of_memory(struct xr_arena *arena, struct xr_err *err) {
    if (xr_arena_is_over(arena))
        return xr_fail(err, XR_REFUSED, NULL, "the transcript is too large");
    return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
}

enum xr_code xr_transcript_read(struct xr_transcribe_call *call, const struct xr_answer *answer,
                                const struct xr_word_list *list, struct xr_err *err) {
    struct xr_str language, text = xr_answer_str(answer->root, "text");
    struct words words = {.list = list, .arena = call->arena, .end_ms = cut_ms(&call->cut)};
    if (!text.ptr)
        return xr_answer_lacks(answer, "text", err);
    text = xr_arena_str(call->arena, xr_text_trim(text));
    if (!text.ptr || !read_language(answer->root, call->arena, &language) || read_words(&words) != XR_OK)
        return out_of_memory(call->arena, err);
    call->text = text;
    call->language = language;
    call->words = words.items;
    call->word_count = words.count;
    call->duration_ms = duration_of(answer->root, words.end_ms);
    return XR_OK;
}
