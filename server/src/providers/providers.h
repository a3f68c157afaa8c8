// SPDX-License-Identifier: Apache-2.0
/* providers/providers.h - the three stages that have a provider (speech, transcription, judge): choosing one per stage
 * from the environment, and calls that never make the caller wait.
 *
 * A call is started with xr_*_start and answered exactly once through its `done`, on a provider's thread and never from
 * inside start. `done` must be short: hand the work on. The request struct and everything it points to belong to the
 * caller and must live until done. */
#pragma once
#include "audio/wav.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/pool.h"
#include "base/str.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum xr_stage_kind { XR_STAGE_TTS, XR_STAGE_TRANSCRIPTION, XR_STAGE_JUDGE, XR_STAGE_KIND_COUNT };

/* What the environment chose for one stage. Views are valid as long as the config. */
struct xr_provider_choice {
    const char *provider; /* "local", "none", "lexical", "openai", ...; NULL: no judge provider */
    const char *model;
    const char *voice; /* tts */
};

struct xr_providers_config;
/* Reads the variables of spec/providers.md through getenv_fn (tests pass their own). Every problem is appended to
 * `problems` as one line (ambiguous keys, an unknown provider name, ...); XR_INVALID if there is one. */
XR_MUST_USE enum xr_code xr_providers_config_load(const char *(*getenv_fn)(const char *name, void *ctx), void *ctx,
                                                  struct xr_buf *problems, struct xr_providers_config **ret_config,
                                                  struct xr_err *err);
void xr_providers_config_free(struct xr_providers_config *config);
XR_DEFINE_FREEP(struct xr_providers_config, xr_providers_config_free)
struct xr_provider_choice xr_providers_choice(const struct xr_providers_config *config, enum xr_stage_kind stage);
/* What is usable but may not be what was meant, one line each: variables that have no use, keys that others can read.
 * Hosts are in it, but no key. */
struct xr_str xr_providers_warnings(const struct xr_providers_config *config);
/* What would be used, one line a stage; keys are masked. */
void xr_providers_describe(const struct xr_providers_config *config, struct xr_buf *out);
/* Is there a key that this process is to keep to itself? */
bool xr_providers_have_key(const struct xr_providers_config *config);
/* Is it an XRAY_ variable that xr_providers_config_load reads? Pure. */
bool xr_providers_variable(struct xr_str name);

struct xr_providers; /* any thread */
/* config is borrowed. workers: threads (and decoders) of the local providers, 1..64. concurrency, 1..256: the most
 * calls of one group at a time that another host answers; all groups together may have XR_PROVIDER_SHARES times as many
 * of a stage, so that one whose calls hang leaves room to the others. With 1 there is no more than one of a stage. */
XR_MUST_USE enum xr_code xr_providers_new(const struct xr_providers_config *config, unsigned workers,
                                          unsigned concurrency, const struct xr_clock *clock,
                                          struct xr_providers **ret_providers, struct xr_err *err);
/* Cancels what runs (each done is called with XR_CANCELLED), joins the threads. Nothing may be started beside it. */
void xr_providers_free(struct xr_providers *providers);
XR_DEFINE_FREEP(struct xr_providers, xr_providers_free)

/* The calls of one replay, or of one conversation's speech. `cancelled` ends each of them soon; each is still answered.
 * Zeroed is ready to use. */
struct xr_call_group {
    _Atomic bool cancelled;
    uint64_t order; /* those of the lowest go first; 0: in the order in which they come */
    /* The implementation's: places.h, exchange.h. */
    struct xr_share {
        unsigned held;
        bool came;
        int64_t none_since_ns, waited_ns, allowed_ns;
    } share[XR_STAGE_KIND_COUNT];
    _Atomic size_t answer_bytes;
};

/* What calls have used. Sums; -1: not known, or there is no such thing. */
struct xr_usage {
    int64_t calls; /* that were answered */
    int64_t input_tokens, output_tokens; /* as the provider counts them */
    int64_t audio_ms; /* heard or spoken */
    int64_t characters; /* spoken, UTF-16 code units */
};
#define XR_USAGE_NONE ((struct xr_usage){0, -1, -1, -1, -1})
/* Adds `more` to *sum. What only one of them knows is the sum. */
void xr_usage_add(struct xr_usage *sum, const struct xr_usage *more);

/* Common to the three requests. */
struct xr_call {
    struct xr_call_group *group; /* may be NULL */
    /* The call ends XR_TIMEOUT there. The time in which none of its group's calls of this stage could be sent, because
     * others were being answered, is added to it. Once that is as much as there was in the beginning, the call ends
     * XR_OVERLOADED. */
    int64_t deadline_mono_ns;
    void (*done)(struct xr_call *call);
    void *ctx;
    /* Set before done: */
    enum xr_code code;
    /* code XR_UNAVAILABLE, XR_REFUSED, XR_NO_CREDENTIAL, XR_TIMEOUT, XR_OVERLOADED, XR_CANCELLED, XR_INTERNAL; XR_IO,
     * XR_STORAGE_FULL, XR_NO_MEMORY when the caller's file or arena, or memory itself, gave out. */
    struct xr_err err;
    struct xr_usage usage; /* also of a call that failed: an unusable answer is paid for */
    struct xr_providers *providers; /* the implementation's from here on */
    struct xr_task task;
    enum xr_stage_kind stage;
};

struct xr_tts_call {
    struct xr_call call;
    struct xr_str text;
    struct xr_str voice; /* resolved: see xr_tts_voice */
    int out_fd; /* an empty file open for writing; gets a 48 kHz mono 16-bit WAV, at most XR_TTS_WAV_MAX */
    uint64_t frames; /* result */
};
/* The voice a turn is spoken with: its own voice_id, else XRAY_TTS_VOICE, else the provider's default. */
struct xr_str xr_tts_voice(const struct xr_providers *providers, bool has_voice_id, struct xr_str voice_id);
/* sha256(JSON [provider, model, voice, text]) : the key of tts_synth_cache. */
XR_MUST_USE enum xr_code xr_tts_cache_key(const struct xr_providers *providers, struct xr_str voice, struct xr_str text,
                                          uint8_t out[32], struct xr_err *err);
/* XR_NO_CREDENTIAL when the chosen provider lacks its key: err->path is the variable to set (env_var in the API). */
XR_MUST_USE enum xr_code xr_tts_ready(const struct xr_providers *providers, struct xr_err *err);
void xr_tts_start(struct xr_providers *providers, struct xr_tts_call *call);

struct xr_word {
    struct xr_str text;
    int64_t start_ms, end_ms; /* from the cut's start */
};
struct xr_transcribe_call {
    struct xr_call call;
    struct xr_cut cut;
    struct xr_arena *arena; /* gets the result; used by no one else until done */
    struct xr_str text, language; /* result; language.ptr NULL: unknown */
    struct xr_word *words; /* result; NULL: none */
    size_t word_count;
    int64_t duration_ms;
};
void xr_transcribe_start(struct xr_providers *providers, struct xr_transcribe_call *call);

struct xr_judge_turn {
    int64_t idx;
    bool is_agent;
    struct xr_str text;
};
struct xr_judge_call {
    struct xr_call call;
    struct xr_str reference, rubric; /* rubric.ptr NULL: none */
    const struct xr_judge_turn *turns;
    size_t turn_count;
    struct xr_arena *arena; /* gets the reason */
    int64_t score; /* result, 0..100 */
    struct xr_str reason;
    int64_t prompt_version; /* 0: the provider has no prompt */
};
/* XR_REFUSED is an unusable answer: that judge is `errored`; XR_UNAVAILABLE (after the retries, or a status that is not
 * retried) and XR_NO_CREDENTIAL fail the replay. prompt_version is set in either case once a prompt was sent. */
void xr_judge_start(struct xr_providers *providers, struct xr_judge_call *call);
