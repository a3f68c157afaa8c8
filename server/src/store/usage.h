// SPDX-License-Identifier: Apache-2.0
/* store/usage.h - what our own provider calls have used, summed: evaluation_usage of a replay, and speech_usage of a
 * conversation whose speech no replay has paid for yet. xr_store_tx_*: writer's thread; reads: the reader's.
 *
 * It is what was spent on a replay in all. Adding never replaces, so a stage that runs again adds what it used again;
 * the caller sees to it that no call is added twice. */
#pragma once
#include "base/sha256.h"
#include "store/store.h"

enum xr_usage_stage { /* stored numbers: append only; the API shows them in this order */
                      XR_USAGE_TTS,
                      XR_USAGE_TRANSCRIPTION,
                      XR_USAGE_JUDGE,
                      XR_USAGE_STAGE_COUNT
};
const char *xr_usage_stage_name(enum xr_usage_stage stage);

struct xr_usage_row {
    enum xr_usage_stage stage;
    struct xr_str provider, model; /* never null */
    int64_t calls;
    int64_t input_tokens, output_tokens, audio_ms, characters; /* -1: null */
};
/* Adds to the row of its stage, provider and model: null and n are n, and a sum that does not fit is INT64_MAX.
 * XR_CONFLICT unless the replay is `analyzing`. */
XR_MUST_USE enum xr_code xr_store_tx_usage_add(struct xr_store_tx *tx, int64_t replay_id,
                                               const struct xr_usage_row *row, struct xr_err *err);
/* By stage, then provider, then model. */
XR_MUST_USE enum xr_code xr_store_usage_get(struct xr_store_reader *reader, int64_t replay_id, struct xr_arena *arena,
                                            struct xr_usage_row **ret_rows, size_t *ret_count, struct xr_err *err);

/* The same for speech, of a conversation; the row's stage is not looked at. XR_NOT_FOUND: no such conversation. */
XR_MUST_USE enum xr_code xr_store_tx_speech_usage_add(struct xr_store_tx *tx,
                                                      const uint8_t conversation_hash[XR_SHA256_SIZE],
                                                      const struct xr_usage_row *row, struct xr_err *err);
/* Makes what a conversation's speech has used so far this new replay's: it is the run that paid for it. Part of
 * xr_store_tx_replay_create. */
XR_MUST_USE enum xr_code xr_store_tx_speech_usage_move(struct xr_store_tx *tx, int64_t conversation_id,
                                                       int64_t replay_id, struct xr_err *err);
