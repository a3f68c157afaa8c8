// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "http/encode.h"

/* Wall clock from - to in milliseconds; false if one is unknown. Spans bring any time an int64 holds, so the difference
 * need not fit one. */
static bool elapsed_ms(int64_t from_ns, int64_t to_ns, int64_t *ret_ms) {
    int64_t ns;
    if (from_ns == XR_TIME_NONE || to_ns == XR_TIME_NONE || __builtin_sub_overflow(to_ns, from_ns, &ns))
        return false;
    *ret_ms = xr_ns_to_ms(ns);
    return true;
}

static void kv_offset(struct xr_json *j, int64_t anchor_ns, int64_t started_ns) {
    int64_t ms;
    if (elapsed_ms(anchor_ns, started_ns, &ms))
        xr_json_kv_int(j, "audio_offset_ms", ms);
    else
        xr_json_kv_null(j, "audio_offset_ms");
}

static void kv_start_and_end(struct xr_json *j, int64_t started_ns, int64_t ended_ns) {
    int64_t ms;
    xr_json_kv_time(j, "started_at", started_ns);
    xr_json_kv_time(j, "ended_at", ended_ns);
    if (elapsed_ms(started_ns, ended_ns, &ms) && ms >= 0)
        xr_json_kv_int(j, "latency_ms", ms);
    else
        xr_json_kv_null(j, "latency_ms");
}

void xr_detail_turn_encode(struct xr_json *j, const struct xr_turn *turn) {
    xr_json_object(j);
    xr_json_kv_int(j, "idx", turn->idx);
    xr_json_kv_strz(j, "role", xr_channel_name(turn->role));
    xr_json_kv_int(j, "turn_start_ms", xr_ns_to_ms(turn->turn_start_ns));
    xr_json_kv_int(j, "turn_end_ms", xr_ns_to_ms(turn->turn_end_ns));
    xr_json_kv_int(j, "voice_start_ms", xr_ns_to_ms(turn->voice_start_ns));
    xr_json_kv_int(j, "voice_end_ms", xr_ns_to_ms(turn->voice_end_ns));
    xr_json_object_end(j);
}

void xr_segment_encode(struct xr_json *j, const struct xr_segment_row *row) {
    xr_json_object(j);
    xr_json_kv_int(j, "id", row->id);
    xr_json_kv_strz(j, "channel", xr_channel_name(row->segment.channel));
    xr_json_kv_int(j, "start_ms", xr_ns_to_ms(row->segment.start_ns));
    xr_json_kv_int(j, "end_ms", xr_ns_to_ms(row->segment.end_ns));
    xr_json_object_end(j);
}

void xr_transcript_encode(struct xr_json *j, const struct xr_transcript_row *row) {
    xr_json_object(j);
    xr_json_kv_int(j, "turn_idx", row->turn_idx);
    xr_json_kv_str(j, "text", row->text);
    xr_json_kv_opt_str(j, "language", row->language);
    if (row->words_json.ptr && !xr_str_eq(row->words_json, XR_STR("[]")))
        xr_json_kv_raw(j, "words", row->words_json);
    else
        xr_json_kv_null(j, "words");
    xr_json_kv_int(j, "duration_ms", row->duration_ms);
    xr_json_kv_str(j, "provider", row->provider);
    xr_json_kv_str(j, "model", row->model);
    xr_json_object_end(j);
}

void xr_tool_call_encode(struct xr_json *j, const struct xr_tool_call_row *row, int64_t anchor_ns) {
    xr_json_object(j);
    xr_json_kv_int(j, "id", row->id);
    kv_offset(j, anchor_ns, row->call.started_ns);
    xr_json_kv_opt_str(j, "span_id", row->span_id);
    xr_json_kv_str(j, "name", row->call.name);
    xr_json_kv_opt_str(j, "args_json", row->call.args_json);
    xr_json_kv_opt_str(j, "result_json", row->result_json);
    kv_start_and_end(j, row->call.started_ns, row->ended_ns);
    xr_json_object_end(j);
}

void xr_model_usage_encode(struct xr_json *j, const struct xr_model_usage_row *row, int64_t anchor_ns) {
    xr_json_object(j);
    xr_json_kv_int(j, "id", row->id);
    kv_offset(j, anchor_ns, row->usage.started_ns);
    xr_json_kv_opt_str(j, "span_id", row->span_id);
    xr_json_kv_opt_str(j, "provider", row->provider);
    xr_json_kv_opt_str(j, "model", row->model);
    xr_json_kv_opt_int(j, "input_tokens", row->input_tokens);
    xr_json_kv_opt_int(j, "output_tokens", row->output_tokens);
    xr_json_kv_opt_int(j, "total_tokens", row->total_tokens);
    xr_json_kv_opt_int(j, "ttft_ms", row->usage.ttft_ms);
    kv_start_and_end(j, row->usage.started_ns, row->ended_ns);
    xr_json_object_end(j);
}

void xr_span_encode(struct xr_json *j, const struct xr_span_row *row, int64_t anchor_ns) {
    xr_json_object(j);
    xr_json_kv_int(j, "id", row->id);
    xr_json_kv_str(j, "trace_id", row->trace_id);
    xr_json_kv_str(j, "span_id", row->span_id);
    xr_json_kv_opt_str(j, "parent_span_id", row->parent_span_id);
    xr_json_kv_str(j, "name", row->name);
    xr_json_kv_strz(j, "vocabulary", row->vocabulary);
    xr_json_kv_time(j, "started_at", row->started_ns);
    xr_json_kv_time(j, "ended_at", row->ended_ns);
    xr_json_kv_str(j, "attributes_json", row->attributes_json);
    kv_offset(j, anchor_ns, row->started_ns);
    xr_json_object_end(j);
}

void xr_usage_encode(struct xr_json *j, const struct xr_usage_row *row) {
    xr_json_object(j);
    xr_json_kv_strz(j, "stage", xr_usage_stage_name(row->stage));
    xr_json_kv_str(j, "provider", row->provider);
    xr_json_kv_str(j, "model", row->model);
    xr_json_kv_int(j, "calls", row->calls);
    xr_json_kv_opt_int(j, "input_tokens", row->input_tokens);
    xr_json_kv_opt_int(j, "output_tokens", row->output_tokens);
    xr_json_kv_opt_int(j, "audio_ms", row->audio_ms);
    xr_json_kv_opt_int(j, "characters", row->characters);
    xr_json_object_end(j);
}

void xr_audio_levels_encode(struct xr_json *j, const struct xr_vad_levels levels[XR_CHANNEL_COUNT]) {
    xr_json_object(j);
    for (int channel = 0; channel < XR_CHANNEL_COUNT; channel++) {
        xr_json_key(j, xr_str_from(xr_channel_name((enum xr_channel)channel)));
        xr_json_object(j);
        xr_json_key(j, XR_STR("noise_floor_dbfs"));
        xr_json_decimal1(j, levels[channel].noise_floor_dbfs);
        xr_json_key(j, XR_STR("speech_dbfs"));
        xr_json_decimal1(j, levels[channel].speech_dbfs);
        xr_json_object_end(j);
    }
    xr_json_object_end(j);
}
