// SPDX-License-Identifier: Apache-2.0
#include "jobs/result_json.h"

void xr_turn_metric_encode(struct xr_json *j, const struct xr_turn_metric *metric) {
    xr_json_object(j);
    xr_json_kv_int(j, "turn_idx", metric->turn_idx);
    xr_json_kv_strz(j, "role", xr_channel_name(metric->role));
    xr_json_kv_opt_int(j, "agent_response_ms", metric->agent_response_ms);
    xr_json_kv_opt_int(j, "agent_response_uncertainty_ms", metric->agent_response_uncertainty_ms);
    xr_json_kv_bool(j, "interrupted", metric->interrupted);
    xr_json_kv_opt_int(j, "interruption_start_ms", metric->interruption_start_ms);
    xr_json_object_end(j);
}

static void encode_assertion(struct xr_json *j, const struct xr_assertion_result *result) {
    xr_json_object(j);
    xr_json_kv_int(j, "turn_idx", result->turn_idx);
    xr_json_kv_int(j, "assertion_idx", result->assertion_idx);
    xr_json_kv_strz(j, "kind", xr_assertion_kind_name(result->kind));
    xr_json_kv_strz(j, "status", xr_status_name(result->status));
    xr_json_kv_opt_str(j, "message", result->message);
    xr_json_object_end(j);
}

static void encode_judge(struct xr_json *j, const struct xr_judge_result *result) {
    xr_json_object(j);
    xr_json_kv_int(j, "judge_idx", result->judge_idx);
    xr_json_kv_strz(j, "kind", "text_match"); /* the only kind of judge there is */
    xr_json_kv_strz(j, "status", xr_status_name(result->status));
    xr_json_kv_opt_int(j, "score", result->score);
    xr_json_kv_opt_str(j, "reason", result->reason);
    xr_json_kv_opt_int(j, "prompt_version", result->prompt_version);
    xr_json_object_end(j);
}

static void encode_metrics(struct xr_json *j, const struct xr_turn_metric *metrics, size_t count) {
    xr_json_object(j);
    xr_json_key(j, XR_STR("turns"));
    xr_json_array(j);
    for (size_t i = 0; i < count; i++)
        xr_turn_metric_encode(j, &metrics[i]);
    xr_json_array_end(j);
    xr_json_object_end(j);
}

void xr_result_encode(struct xr_json *j, const struct xr_uuid *replay, const uint8_t conversation_hash[XR_SHA256_SIZE],
                      const struct xr_evaluation *evaluation, const struct xr_turn_metric *metrics,
                      size_t metric_count) {
    char id[XR_UUID_TEXT + 1], hash[XR_SHA256_HEX + 1];
    xr_uuid_format(replay, id);
    xr_hex_encode(conversation_hash, XR_SHA256_SIZE, hash);
    xr_json_object(j);
    xr_json_kv_strz(j, "replay_id", id);
    xr_json_kv_strz(j, "conversation_hash", hash);
    xr_json_kv_bool(j, "passed", evaluation->passed);
    xr_json_key(j, XR_STR("assertions"));
    xr_json_array(j);
    for (size_t i = 0; i < evaluation->assertion_count; i++)
        encode_assertion(j, &evaluation->assertions[i]);
    xr_json_array_end(j);
    xr_json_key(j, XR_STR("judges"));
    xr_json_array(j);
    for (size_t i = 0; i < evaluation->judge_count; i++)
        encode_judge(j, &evaluation->judges[i]);
    xr_json_array_end(j);
    xr_json_key(j, XR_STR("metrics"));
    encode_metrics(j, metrics, metric_count);
    xr_json_object_end(j);
}
