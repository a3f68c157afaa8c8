// SPDX-License-Identifier: Apache-2.0
/* providers/fake.h - the calls of providers.h, answered as a test says, on threads of their own. Link fake.c into the
 * test; it stands in for xr_*_start, xr_tts_voice, xr_tts_cache_key, xr_tts_ready and xr_providers_choice, so the test
 * may use nothing else of providers/ but usage.c. Tests only; any thread.
 *
 * A call has a label, by which rules and the other functions name it: the text to speak, a judge's reference, and for a
 * transcription the second of the recording in which the cut starts ("0", "1", ...). */
#pragma once
#include "providers/providers.h"

struct xr_providers_config {
    struct xr_provider_choice stage[XR_STAGE_KIND_COUNT];
};
/* What an answered call has used (one that was refused too, but it brought no output): of speech its characters and
 * FAKE_SPOKEN_MS, of a transcription FAKE_HEARD_MS, of a judge's tokens. */
enum { FAKE_SPOKEN_MS = 100, FAKE_HEARD_MS = 640, FAKE_INPUT_TOKENS = 70, FAKE_OUTPUT_TOKENS = 9 };
/* A provider named "fake" with the model "fake-1" for each stage. */
struct xr_providers_config fake_config(void);

struct fake_rule {
    enum xr_stage_kind stage;
    const char *label; /* NULL: every call of the stage; must outlive the fake */
    enum xr_code code; /* XR_UNAVAILABLE comes with the status 503, XR_REFUSED with 400 */
    const char *text; /* transcript or reason; NULL: "heard LABEL" */
    int64_t score;
    int times; /* the rule is for so many calls; 0: for all */
    bool held; /* not answered before fake_release or the end of its group */
    bool stubborn; /* held beyond the end of its group */
};

struct xr_providers *fake_new(void);
void fake_free(struct xr_providers *fake); /* answers what is held, joins the threads */
/* The last rule that fits decides when a call is started. Without one: "heard LABEL", score 90. */
void fake_script(struct xr_providers *fake, struct fake_rule rule);
void fake_forget(struct xr_providers *fake); /* all rules; calls that are held stay so */
/* Waits until so many calls of the stage have been started since the beginning. */
void fake_await(struct xr_providers *fake, enum xr_stage_kind stage, size_t started);
/* Answers the oldest held call of that label as it was ruled; returns once its `done` has. */
void fake_release(struct xr_providers *fake, enum xr_stage_kind stage, const char *label);
size_t fake_started(struct xr_providers *fake, enum xr_stage_kind stage);
int64_t fake_deadline(struct xr_providers *fake, enum xr_stage_kind stage); /* of the call that was started last */
size_t fake_most_at_once(struct xr_providers *fake, enum xr_stage_kind stage);
