// SPDX-License-Identifier: Apache-2.0
/* providers/transcript.h - what the transcription adapters share: the form two of them send, and the text and the times
 * of words that all of them read. No state; any thread. */
#pragma once
#include "providers/answer.h"

enum {
    XR_TRANSCRIPT_WORDS_MAX = 32768, /* of one turn; half an hour of hurried speech has a third of it */
    XR_TRANSCRIPT_LANGUAGE_MAX = 64, /* bytes: "en", "english", "haitian creole" */
    XR_TRANSCRIPT_SLACK_MS = 1000, /* a word may start so long after the cut's end: hosts round, and pad */
};

/* The parts `file` (the cut, in request->body) and `model`. */
XR_MUST_USE enum xr_code xr_transcript_form(const struct xr_stage_config *stage, const struct xr_transcribe_call *call,
                                            struct xr_request *request, struct xr_err *err);
/* One more plain part; there is room for as many as the adapters have. */
void xr_transcript_field(struct xr_request *request, const char *name, const char *value);

/* Where an answer has its words: an array of objects with a text, `start` and `end`, in seconds. */
struct xr_word_list {
    yyjson_val *list; /* NULL or no array: there are none */
    const char *nested; /* the items have arrays of words under this name; NULL: they are the words */
    const char *text; /* the name of a word's text */
};
/* Puts text, language, duration and words of an answer into the call, strings copied into its arena.
 *
 * The text is what counts: an answer without one (a string, perhaps empty, `text`) is XR_REFUSED. It is trimmed. What
 * else is unusable is left out: a language that is no short string is unknown; a duration that is no sane number of
 * seconds is the cut's, and so is that of a cut shorter than XR_CLOUD_CUT_MS_MIN. So with words: a list that is not one
 * of words is none, nor is one longer than XR_TRANSCRIPT_WORDS_MAX; a word is left out if it has no letters or its
 * times are missing, negative, not finite or beyond the cut's end (by more than XR_TRANSCRIPT_SLACK_MS; by less they
 * are the end). A word that ends before it starts ends there. Strings are UTF-8, or the answer were no JSON. */
XR_MUST_USE enum xr_code xr_transcript_read(struct xr_transcribe_call *call, const struct xr_answer *answer,
                                            const struct xr_word_list *words, struct xr_err *err);
