// SPDX-License-Identifier: Apache-2.0
/* store/replays.h - the replays table: every state change goes through here. xr_store_tx_*: writer's thread; others:
 * the reader's. Each state change raises `seq` by one (events carry it) and `touched` to now. */
#pragma once
#include "base/sha256.h"
#include "base/uuid.h"
#include "store/lifecycle.h"
#include "store/store.h"

struct xr_replay {
    int64_t id; /* row id */
    struct xr_uuid uuid;
    int64_t conversation_id;
    uint8_t conversation_hash[XR_SHA256_SIZE];
    bool live; /* its conversation is live */
    enum xr_lifecycle state;
    enum xr_step step;
    enum xr_reason reason;
    int64_t seq;
    int64_t started_ns;
    int64_t finished_ns; /* XR_TIME_NONE: null */
    int64_t recording_started_ns; /* XR_TIME_NONE: null */
    bool has_audio;
    int64_t job_id; /* of the current or last job; -1: null */
    int passed; /* 0, 1, -1: null */
    int64_t response_median_ms, response_p95_ms; /* -1: null */
    struct xr_str run_config; /* JSON text; ptr NULL: null */
};
/* Views of ret_replay are in the arena. XR_NOT_FOUND. */
XR_MUST_USE enum xr_code xr_store_replay_get(struct xr_store_reader *reader, const struct xr_uuid *uuid,
                                             struct xr_arena *arena, struct xr_replay *ret_replay, struct xr_err *err);
/* Newest first. after_id: row id of the last one seen, 0 for the start. */
XR_MUST_USE enum xr_code xr_store_replays_list(struct xr_store_reader *reader, int64_t conversation_id,
                                               int64_t after_id, size_t limit, struct xr_arena *arena,
                                               struct xr_replay **ret_replays, size_t *ret_count, struct xr_err *err);

/* The same row without run_config, for use inside a write. */
XR_MUST_USE enum xr_code xr_store_tx_replay_get(struct xr_store_tx *tx, const struct xr_uuid *uuid,
                                                struct xr_replay *ret_replay, struct xr_err *err);
XR_MUST_USE enum xr_code xr_store_tx_replay_by_id(struct xr_store_tx *tx, int64_t replay_id,
                                                  struct xr_replay *ret_replay, struct xr_err *err);

/* `pending`; also raises the conversation's last_run_at. XR_NOT_FOUND: no such conversation. run_config.ptr NULL: null
 */
XR_MUST_USE enum xr_code xr_store_tx_replay_create(struct xr_store_tx *tx, const struct xr_uuid *uuid,
                                                   const uint8_t conversation_hash[XR_SHA256_SIZE],
                                                   struct xr_str run_config, struct xr_err *err);

/* One transition. On XR_CONFLICT (not the actor's to make, or the row has moved on) *ret_replay is filled all the same:
 * it is the row as it stands, so that the caller can name its state. On XR_OK it is the row after. */
struct xr_replay_change {
    enum xr_actor actor;
    enum xr_lifecycle to;
    enum xr_step step; /* when to is analyzing */
    enum xr_reason reason; /* when to is failed */
    int64_t finished_ns; /* when to is terminal; XR_TIME_NONE: now */
    bool set_recording; /* upload: has_audio, and the anchor below (XR_TIME_NONE: null) */
    int64_t recording_started_ns;
    int64_t job_id; /* analyze, retry: -1 leaves it */
    int passed; /* completed: 0 or 1 */
};
XR_MUST_USE enum xr_code xr_store_tx_replay_change(struct xr_store_tx *tx, int64_t replay_id,
                                                   const struct xr_replay_change *change, struct xr_replay *ret_replay,
                                                   struct xr_err *err);
/* The worker's step forward while analyzing; XR_CONFLICT if it is not analyzing any more. */
XR_MUST_USE enum xr_code xr_store_tx_replay_step(struct xr_store_tx *tx, int64_t replay_id, enum xr_step step,
                                                 int64_t *ret_seq, struct xr_err *err);
/* "Somebody works on it": for the sweep of stalled replays. */
XR_MUST_USE enum xr_code xr_store_tx_replay_touch(struct xr_store_tx *tx, int64_t replay_id, struct xr_err *err);
XR_MUST_USE enum xr_code xr_store_tx_replay_job(struct xr_store_tx *tx, int64_t replay_id, int64_t job_id,
                                                struct xr_err *err);

struct xr_replay_ref {
    int64_t id;
    struct xr_uuid uuid;
    int64_t seq;
};
/* Fails (`stalled`) up to max pending or running replays whose touch is older than before_ns; refs are filled in. */
XR_MUST_USE enum xr_code xr_store_tx_replays_stall(struct xr_store_tx *tx, int64_t before_ns,
                                                   struct xr_replay_ref *refs, size_t max, size_t *ret_count,
                                                   struct xr_err *err);
/* Replays in `analyzing`, for reconciliation. each may not write. */
XR_MUST_USE enum xr_code xr_store_tx_replays_analyzing(struct xr_store_tx *tx,
                                                       void (*each)(const struct xr_replay *replay, void *ctx),
                                                       void *ctx, struct xr_err *err);
/* Every replay that has its recording (the sweep of files at start). */
XR_MUST_USE enum xr_code xr_store_recordings_each(struct xr_store_reader *reader,
                                                  void (*each)(const struct xr_uuid *uuid, void *ctx), void *ctx,
                                                  struct xr_err *err);
