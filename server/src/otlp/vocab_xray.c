// SPDX-License-Identifier: Apache-2.0
/* Our own SDK's spans: a turn and its stages, known by their names. */
#include "otlp/vocab_fields.h"
#include "otlp/vocabulary.h"

static const struct xr_str NAMES[] = {XR_NAME("xray.turn"), XR_NAME("xray.stage.stt"), XR_NAME("xray.stage.tts")};

static bool recognises(const struct xr_span *span) {
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (xr_str_eq(span->name, NAMES[i]))
            return true;
    return false;
}

const struct xr_vocabulary XR_VOCABULARY_XRAY = {
    .name = "xray",
    .number = 0,
    .prefix = XR_NAME("xray."),
    .recognises = recognises,
};
