// SPDX-License-Identifier: Apache-2.0
/* store/lifecycle.h - a replay's states, steps and failure reasons, and which transition is whose. Pure.
 *
 *   pending --> running --> recording_uploaded --> analyzing --> completed
 *      |           |               |                  |    ^
 *      +-----------+---------------+------------------+    | retry (a failed replay that has its recording)
 *                                  v                       |
 *                                failed -------------------+
 */
#pragma once
#include "base/str.h"
#include <stdbool.h>

enum xr_lifecycle { /* stored numbers: append only */
                    XR_PENDING,
                    XR_RUNNING,
                    XR_RECORDING_UPLOADED,
                    XR_ANALYZING,
                    XR_COMPLETED,
                    XR_FAILED_STATE,
                    XR_LIFECYCLE_COUNT
};
enum xr_step { XR_STEP_NONE, XR_STEP_VAD, XR_STEP_TRANSCRIBE, XR_STEP_METRICS, XR_STEP_EVALUATE, XR_STEP_COUNT };
enum xr_reason { /* stored numbers: append only */
                 XR_REASON_NONE,
                 XR_REASON_STALLED,
                 XR_REASON_TIMEOUT,
                 XR_REASON_EXPLICIT_FAIL,
                 XR_REASON_MAX_ATTEMPTS_EXCEEDED,
                 XR_REASON_WORKER_LOST,
                 XR_REASON_UPLOAD_FAILED,
                 XR_REASON_DRIVER_ABORTED,
                 XR_REASON_AGENT_NOT_JOINED,
                 XR_REASON_AUDIO_MISSING,
                 XR_REASON_MISSING_CREDENTIAL,
                 XR_REASON_TRANSCRIPTION_FAILED,
                 XR_REASON_METRICS_FAILED,
                 XR_REASON_EVALUATION_FAILED,
                 XR_REASON_SPEC_VAD_MISMATCH,
                 XR_REASON_COUNT
};
const char *xr_lifecycle_name(enum xr_lifecycle state);
const char *xr_step_name(enum xr_step step); /* NULL for none */
const char *xr_reason_name(enum xr_reason reason); /* NULL for none */
bool xr_lifecycle_parse(struct xr_str name, enum xr_lifecycle *ret_state);
bool xr_reason_parse(struct xr_str name, enum xr_reason *ret_reason); /* not "none" */

enum xr_actor { XR_BY_CLIENT, XR_BY_UPLOAD, XR_BY_ANALYZE, XR_BY_RETRY, XR_BY_WORKER, XR_BY_SWEEP, XR_ACTOR_COUNT };
/* Is from -> to the actor's to make? The same state again is not a transition (the caller treats it as no change). */
bool xr_lifecycle_allowed(enum xr_actor actor, enum xr_lifecycle from, enum xr_lifecycle to);
bool xr_lifecycle_terminal(enum xr_lifecycle state);
