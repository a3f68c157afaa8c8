// SPDX-License-Identifier: Apache-2.0
/* LiveKit Agents' own spans: sessions, turns, speech. Its tools and model calls are the gen_ai vocabulary's. */
#include "otlp/vocab_fields.h"
#include "otlp/vocabulary.h"

static const struct xr_str PREFIX = XR_NAME("lk.");

static bool recognises(const struct xr_span *span) {
    return xr_field_any(&span->attrs, PREFIX);
}

const struct xr_vocabulary XR_VOCABULARY_LIVEKIT = {
    .name = "livekit",
    .number = 3,
    .prefix = XR_NAME("lk."),
    .recognises = recognises,
};
