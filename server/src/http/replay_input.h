// SPDX-License-Identifier: Apache-2.0
/* http/replay_input.h - the JSON bodies of the replay routes, and what a PATCH means for a row. Pure; any thread.
 *
 * Parsers add every problem to issues and return XR_INVALID if there was one. */
#pragma once
#include "base/arena.h"
#include "base/limits.h"
#include "spec/spec.h"
#include "store/replays.h"

struct xr_replay_input { /* POST /v1/replays */
    uint8_t conversation_hash[XR_SHA256_SIZE];
    struct xr_str run_config; /* compact JSON in the arena; ptr NULL: null */
};
XR_MUST_USE enum xr_code xr_replay_input_parse(struct xr_str body, struct xr_arena *arena, struct xr_issues *issues,
                                               struct xr_replay_input *ret_input, struct xr_err *err);

struct xr_compare_input { /* POST /v1/replays/compare */
    size_t count; /* of replay_ids, as sent */
    struct xr_str ids[XR_COMPARE_MAX]; /* in the arena; only if count is XR_COMPARE_MIN..XR_COMPARE_MAX */
};
/* A count out of bounds is no issue: the caller has an error of its own for it. */
XR_MUST_USE enum xr_code xr_compare_input_parse(struct xr_str body, struct xr_arena *arena, struct xr_issues *issues,
                                                struct xr_compare_input *ret_input, struct xr_err *err);

struct xr_patch { /* PATCH /v1/replays/{id} */
    bool has_state, has_reason, has_finished;
    enum xr_lifecycle state;
    enum xr_reason reason; /* XR_REASON_NONE: null */
    int64_t finished_ns; /* XR_TIME_NONE: null */
};
XR_MUST_USE enum xr_code xr_patch_parse(struct xr_str body, struct xr_issues *issues, struct xr_patch *ret_patch,
                                        struct xr_err *err);

/* What a PATCH does to the row as it stands:
 *   SAME    the state it names is the row's (nothing changes, whatever else it says), or it asks for what is there
 *   CHANGE  *ret_change is the client's to make
 *   REFUSE  invalid_lifecycle_transition from row->state to *ret_to */
enum xr_patch_verdict { XR_PATCH_SAME, XR_PATCH_CHANGE, XR_PATCH_REFUSE };
enum xr_patch_verdict xr_patch_decide(const struct xr_patch *patch, const struct xr_replay *row,
                                      struct xr_replay_change *ret_change, enum xr_lifecycle *ret_to);
