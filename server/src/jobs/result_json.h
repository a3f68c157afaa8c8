// SPDX-License-Identifier: Apache-2.0
/* jobs/result_json.h - a replay's result as JSON: the same bytes in GET .../result and in the evaluation_complete
 * event. Pure; failure is the writer's buffer's. */
#pragma once
#include "base/json.h"
#include "base/sha256.h"
#include "base/uuid.h"
#include "store/results.h"

void xr_result_encode(struct xr_json *j, const struct xr_uuid *replay, const uint8_t conversation_hash[XR_SHA256_SIZE],
                      const struct xr_evaluation *evaluation, const struct xr_turn_metric *metrics,
                      size_t metric_count);
/* One row of `turn_metrics` (the replay's detail) and of `metrics.turns` (the result). */
void xr_turn_metric_encode(struct xr_json *j, const struct xr_turn_metric *metric);
