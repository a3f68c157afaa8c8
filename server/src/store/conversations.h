// SPDX-License-Identifier: Apache-2.0
/* store/conversations.h - rows of conversations and tts_synth_cache. xr_store_tx_*: writer's thread; others: the
 * reader's. Results live in the arena they were read into. */
#pragma once
#include "base/sha256.h"
#include "store/lifecycle.h"
#include "store/store.h"

struct xr_conversation {
    int64_t id;
    uint8_t hash[XR_SHA256_SIZE];
    struct xr_str name;
    struct xr_str spec; /* the canonical text that was hashed */
    bool live;
    int64_t created_ns, last_run_ns;
    const uint8_t *audio; /* turn_count * 32 bytes: sha256 of each turn's WAV, zeros for none */
    size_t turn_count;
};
/* Upsert by hash: a known one gets name and last_run_at, nothing else. Both times are the write's, not the struct's. */
XR_MUST_USE enum xr_code xr_store_tx_conversation_put(struct xr_store_tx *tx,
                                                      const struct xr_conversation *conversation, struct xr_err *err);
XR_MUST_USE enum xr_code xr_store_conversation_get(struct xr_store_reader *reader, const uint8_t hash[XR_SHA256_SIZE],
                                                   struct xr_arena *arena, struct xr_conversation *ret_conversation,
                                                   struct xr_err *err);

struct xr_conversation_recent { /* one of the newest 20 replays */
    char replay_id[37];
    enum xr_lifecycle state;
    int passed; /* 0, 1, -1: null */
};
enum { XR_CONVERSATION_RECENT_MAX = 20 };
struct xr_conversation_item {
    char hash[XR_SHA256_HEX + 1];
    struct xr_str name;
    int64_t created_ns, last_run_ns;
    int64_t replays;
    const struct xr_conversation_recent *recent; /* newest first; [0] is `latest` */
    size_t recent_count;
    int64_t rowid;
};
/* Most recently run first (then by id). after_last_run_ns/after_id: the cursor's position, XR_TIME_NONE for the start.
 * q: substring of the name, Unicode case-insensitive; len 0: all. */
XR_MUST_USE enum xr_code xr_store_conversations_list(struct xr_store_reader *reader, struct xr_str q,
                                                     int64_t after_last_run_ns, int64_t after_id, size_t limit,
                                                     struct xr_arena *arena, struct xr_conversation_item **ret_items,
                                                     size_t *ret_count, struct xr_err *err);

/* tts_synth_cache: key -> sha256 of the WAV. XR_NOT_FOUND on a miss. */
XR_MUST_USE enum xr_code xr_store_tts_cache_get(struct xr_store_reader *reader, const uint8_t key[XR_SHA256_SIZE],
                                                uint8_t ret_sha256[XR_SHA256_SIZE], struct xr_err *err);
struct xr_tts_cache_row {
    uint8_t key[XR_SHA256_SIZE], sha256[XR_SHA256_SIZE];
    struct xr_str provider, model, voice;
    int64_t characters, audio_ms;
};
XR_MUST_USE enum xr_code xr_store_tx_tts_cache_put(struct xr_store_tx *tx, const struct xr_tts_cache_row *row,
                                                   struct xr_err *err);

/* Calls each(sha256, ctx) for every WAV that a conversation or the cache names (may repeat): the sweep at start. */
XR_MUST_USE enum xr_code xr_store_turn_audio_each(struct xr_store_reader *reader,
                                                  void (*each)(const uint8_t sha256[XR_SHA256_SIZE], void *ctx),
                                                  void *ctx, struct xr_err *err);
