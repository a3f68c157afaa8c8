// SPDX-License-Identifier: Apache-2.0
/* http/encode.h - rows as the API shows them. Pure; failure is the writer's buffer's. */
#pragma once
#include "base/json.h"
#include "store/conversations.h"
#include "store/replays.h"
#include "store/results.h"
#include "store/usage.h"

/* XR_TIME_NONE is null. */
void xr_json_kv_time(struct xr_json *j, const char *key, int64_t wall_ns);

/* "<id>/replay.wav" and a job's id, as the API names them; each returns out. */
enum { XR_AUDIO_PATH_SIZE = XR_UUID_TEXT + 12, XR_JOB_ID_SIZE = 24 };
const char *xr_audio_path(const struct xr_uuid *replay, char out[XR_AUDIO_PATH_SIZE]);
const char *xr_job_id_text(int64_t job_id, char out[XR_JOB_ID_SIZE]);

/* The row of POST and GET /v1/conversations. XR_CORRUPT: its spec is not what was stored. */
XR_MUST_USE enum xr_code xr_conversation_encode(struct xr_json *j, const struct xr_conversation *conversation,
                                                struct xr_err *err);
void xr_conversation_item_encode(struct xr_json *j, const struct xr_conversation_item *item);
void xr_replay_item_encode(struct xr_json *j, const struct xr_replay *replay);

/* The members of a detail that come from the replay's own row; then, in encode_detail.c, the rows of its arrays.
 * anchor_ns: the recording's start, XR_TIME_NONE for none. */
void xr_detail_head_encode(struct xr_json *j, const struct xr_replay *replay);
void xr_detail_turn_encode(struct xr_json *j, const struct xr_turn *turn);
void xr_segment_encode(struct xr_json *j, const struct xr_segment_row *row);
void xr_transcript_encode(struct xr_json *j, const struct xr_transcript_row *row);
void xr_tool_call_encode(struct xr_json *j, const struct xr_tool_call_row *row, int64_t anchor_ns);
void xr_model_usage_encode(struct xr_json *j, const struct xr_model_usage_row *row, int64_t anchor_ns);
void xr_span_encode(struct xr_json *j, const struct xr_span_row *row, int64_t anchor_ns);
void xr_usage_encode(struct xr_json *j, const struct xr_usage_row *row);
void xr_audio_levels_encode(struct xr_json *j, const struct xr_vad_levels levels[XR_CHANNEL_COUNT]);
