// SPDX-License-Identifier: Apache-2.0
/* providers/provider.h - what a provider is and the one table of them. For the files of this folder only. */
#pragma once
#include "providers/providers.h"

/* A provider that works inside this process. */
struct xr_provider_ops {
    /* Cheap: what is big loads at the first run. workers: the most runs at a time. NULL with close: there is no state.
     */
    enum xr_code (*open)(const struct xr_providers_config *config, unsigned workers, void **ret_state,
                         struct xr_err *err);
    /* Does the call's work and fills in its results; blocks, so it is called on a pool's thread, several at a time. It
     * looks at xr_call_check at least every few dozen milliseconds. */
    enum xr_code (*run)(void *state, struct xr_call *call, struct xr_err *err);
    void (*close)(void *state); /* nothing is running */
};

/* One row of the table. */
struct xr_provider {
    enum xr_stage_kind stage;
    bool is_default; /* chosen when nothing is configured */
    const char *name;
    const char *key_env; /* its credential and its other host; NULL: built in, needs neither */
    const char *base_url_env;
    const char *model, *voice; /* defaults; NULL: has none */
    const struct xr_provider_ops *ops; /* NULL: this build cannot call it */
};
extern const struct xr_provider XR_PROVIDERS[];
extern const size_t XR_PROVIDER_COUNT;

extern const struct xr_provider_ops XR_TTS_LOCAL;
extern const struct xr_provider_ops XR_TRANSCRIPTION_LOCAL;
extern const struct xr_provider_ops XR_TRANSCRIPTION_NONE;
extern const struct xr_provider_ops XR_JUDGE_LEXICAL;

/* What was configured for one stage. Strings live as long as the config; key must reach no log, error or row. */
struct xr_stage_config {
    const struct xr_provider *provider; /* NULL: none */
    const char *model, *voice;
    const char *key, *base_url; /* NULL: not set */
};
const struct xr_stage_config *xr_providers_stage(const struct xr_providers_config *config, enum xr_stage_kind stage);
/* The directory of PocketSphinx's model. */
const char *xr_providers_pocketsphinx_model(const struct xr_providers_config *config);
/* XR_OK when a call may be tried; XR_NO_CREDENTIAL (path: the variable to set) or XR_REFUSED. */
XR_MUST_USE enum xr_code xr_providers_stage_ready(const struct xr_providers_config *config, enum xr_stage_kind stage,
                                                  struct xr_err *err);

/* XR_CANCELLED or XR_TIMEOUT once the call is to end, else XR_OK. Any thread; costs about a clock reading. */
XR_MUST_USE enum xr_code xr_call_check(const struct xr_call *call, struct xr_err *err);
