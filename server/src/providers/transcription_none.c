// SPDX-License-Identifier: Apache-2.0
/* Transcription turned off. A caller that knows the choice makes no call; one that does not is told. */
#include "providers/provider.h"

static enum xr_code transcription_none_run(void *state, struct xr_call *call, struct xr_err *err) {
    (void)state, (void)call;
    return xr_fail(err, XR_REFUSED, NULL, "transcription is turned off: XRAY_TRANSCRIPTION_PROVIDER is none");
}

const struct xr_provider_ops XR_TRANSCRIPTION_NONE = {.run = transcription_none_run};
