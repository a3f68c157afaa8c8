// SPDX-License-Identifier: Apache-2.0
#include "store/lifecycle.h"
#include <stddef.h>

static const char *const STATES[XR_LIFECYCLE_COUNT] = {
    [XR_PENDING] = "pending",     [XR_RUNNING] = "running",     [XR_RECORDING_UPLOADED] = "recording_uploaded",
    [XR_ANALYZING] = "analyzing", [XR_COMPLETED] = "completed", [XR_FAILED_STATE] = "failed",
};
static const char *const STEPS[XR_STEP_COUNT] = {
    [XR_STEP_VAD] = "vad",
    [XR_STEP_TRANSCRIBE] = "transcribe",
    [XR_STEP_METRICS] = "metrics",
    [XR_STEP_EVALUATE] = "evaluate",
};
static const char *const REASONS[XR_REASON_COUNT] = {
    [XR_REASON_STALLED] = "stalled",
    [XR_REASON_TIMEOUT] = "timeout",
    [XR_REASON_EXPLICIT_FAIL] = "explicit_fail",
    [XR_REASON_MAX_ATTEMPTS_EXCEEDED] = "max_attempts_exceeded",
    [XR_REASON_WORKER_LOST] = "worker_lost",
    [XR_REASON_UPLOAD_FAILED] = "upload_failed",
    [XR_REASON_DRIVER_ABORTED] = "driver_aborted",
    [XR_REASON_AGENT_NOT_JOINED] = "agent_not_joined",
    [XR_REASON_AUDIO_MISSING] = "audio_missing",
    [XR_REASON_MISSING_CREDENTIAL] = "missing_credential",
    [XR_REASON_TRANSCRIPTION_FAILED] = "transcription_failed",
    [XR_REASON_METRICS_FAILED] = "metrics_failed",
    [XR_REASON_EVALUATION_FAILED] = "evaluation_failed",
    [XR_REASON_SPEC_VAD_MISMATCH] = "spec_vad_mismatch",
};

#define FROM(state) (1u << (state))
/* ALLOWED[actor][to]: the states it may be reached from; the picture is in the header. A retry also needs the
 * recording, which is the row's business. */
static const unsigned ALLOWED[XR_ACTOR_COUNT][XR_LIFECYCLE_COUNT] = {
    [XR_BY_CLIENT] = {[XR_RUNNING] = FROM(XR_PENDING),
                      [XR_FAILED_STATE] = FROM(XR_PENDING) | FROM(XR_RUNNING) | FROM(XR_RECORDING_UPLOADED)},
    [XR_BY_UPLOAD] = {[XR_RECORDING_UPLOADED] = FROM(XR_PENDING) | FROM(XR_RUNNING) | FROM(XR_RECORDING_UPLOADED)},
    [XR_BY_ANALYZE] = {[XR_ANALYZING] = FROM(XR_RECORDING_UPLOADED)},
    [XR_BY_RETRY] = {[XR_ANALYZING] = FROM(XR_FAILED_STATE)},
    [XR_BY_WORKER] = {[XR_COMPLETED] = FROM(XR_ANALYZING), [XR_FAILED_STATE] = FROM(XR_ANALYZING)},
    [XR_BY_SWEEP] = {[XR_FAILED_STATE] = FROM(XR_PENDING) | FROM(XR_RUNNING)},
};

static const char *name_of(const char *const *names, size_t count, unsigned value) {
    return value < count ? names[value] : NULL;
}

static bool parse(const char *const *names, int count, struct xr_str name, int *ret_value) {
    for (int i = 0; i < count; i++) {
        if (names[i] && xr_str_eq(name, xr_str_from(names[i]))) {
            *ret_value = i;
            return true;
        }
    }
    return false;
}

const char *xr_lifecycle_name(enum xr_lifecycle state) {
    const char *name = name_of(STATES, XR_LIFECYCLE_COUNT, (unsigned)state);
    return name ? name : "unknown";
}

const char *xr_step_name(enum xr_step step) {
    return name_of(STEPS, XR_STEP_COUNT, (unsigned)step);
}

const char *xr_reason_name(enum xr_reason reason) {
    return name_of(REASONS, XR_REASON_COUNT, (unsigned)reason);
}

bool xr_lifecycle_parse(struct xr_str name, enum xr_lifecycle *ret_state) {
    int value;
    bool found = parse(STATES, XR_LIFECYCLE_COUNT, name, &value);
    if (found)
        *ret_state = (enum xr_lifecycle)value;
    return found;
}

bool xr_reason_parse(struct xr_str name, enum xr_reason *ret_reason) {
    int value;
    bool found = parse(REASONS, XR_REASON_COUNT, name, &value);
    if (found)
        *ret_reason = (enum xr_reason)value;
    return found;
}

bool xr_lifecycle_allowed(enum xr_actor actor, enum xr_lifecycle from, enum xr_lifecycle to) {
    if ((unsigned)actor >= XR_ACTOR_COUNT || (unsigned)from >= XR_LIFECYCLE_COUNT || (unsigned)to >= XR_LIFECYCLE_COUNT)
        return false;
    return (ALLOWED[actor][to] & FROM(from)) != 0;
}

bool xr_lifecycle_terminal(enum xr_lifecycle state) {
    return state == XR_COMPLETED || state == XR_FAILED_STATE;
}
