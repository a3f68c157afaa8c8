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

/* Whose API it is: where it is, and how a request says who sends it. */
struct xr_vendor {
    const char *name;
    const char *key_env, *base_url_env;
    const char *url; /* the vendor's own host, with its version */
    const char *version; /* added to a base URL that has none: "v1" */
    /* Where a base URL counts as having one. The vendors' own clients differ: OpenAI's takes a URL as it is given
     * (gateways have theirs anywhere in it), the others add the version to what does not end in one. */
    bool version_anywhere;
    const char *key_header; /* the key follows it */
};
extern const struct xr_vendor XR_OPENAI, XR_GOOGLE, XR_MISTRAL;

struct xr_adapter; /* providers/adapter.h */

/* One row of the table. What is built in has ops and no vendor, what another host answers a vendor and an adapter. */
struct xr_provider {
    enum xr_stage_kind stage;
    bool is_default; /* chosen when nothing is configured */
    const char *name;
    const char *model, *voice; /* defaults; NULL: has none */
    const struct xr_provider_ops *ops;
    const struct xr_vendor *vendor;
    const struct xr_adapter *adapter;
};
extern const struct xr_provider XR_PROVIDERS[];
extern const size_t XR_PROVIDER_COUNT;

extern const struct xr_provider_ops XR_TTS_LOCAL;
extern const struct xr_provider_ops XR_TRANSCRIPTION_LOCAL;
extern const struct xr_provider_ops XR_TRANSCRIPTION_NONE;
extern const struct xr_provider_ops XR_JUDGE_LEXICAL;

extern const struct xr_adapter XR_TTS_OPENAI, XR_TTS_GOOGLE, XR_TTS_MISTRAL;
extern const struct xr_adapter XR_TRANSCRIPTION_OPENAI, XR_TRANSCRIPTION_GOOGLE, XR_TRANSCRIPTION_MISTRAL;
extern const struct xr_adapter XR_JUDGE_OPENAI, XR_JUDGE_GOOGLE, XR_JUDGE_MISTRAL;

/* What was configured for one stage. Strings live as long as the config; key must reach no log, error or row. */
struct xr_stage_config {
    const struct xr_provider *provider; /* NULL: none */
    const char *model, *voice;
    const char *key; /* NULL: not set */
    const char *base_url; /* NULL: the vendor's own */
    const char *key_variable, *base_url_variable; /* where they come from; NULL with them */
};
const struct xr_stage_config *xr_providers_stage(const struct xr_providers_config *config, enum xr_stage_kind stage);
/* What xr_redact_text and xr_redact_keys hide. */
const struct xr_secrets *xr_providers_secrets(const struct xr_providers_config *config);
/* The file of certificates that servers are checked against instead of the system's (SSL_CERT_FILE), which could be
 * read at start; NULL: the system's. */
const char *xr_providers_ca_file(const struct xr_providers_config *config);
/* The directory of PocketSphinx's model. */
const char *xr_providers_pocketsphinx_model(const struct xr_providers_config *config);
/* XR_OK when a call may be tried; XR_NO_CREDENTIAL (path: the variable to set). */
XR_MUST_USE enum xr_code xr_providers_stage_ready(const struct xr_providers_config *config, enum xr_stage_kind stage,
                                                  struct xr_err *err);

/* Answers the call: the last thing that is done with it. err: not the call's own; only read with a code that is not
 * XR_OK.
 */
void xr_call_answer(struct xr_call *call, enum xr_code code, const struct xr_err *err);
/* XR_CANCELLED or XR_TIMEOUT once the call is to end, else XR_OK. Any thread; costs about a clock reading. */
XR_MUST_USE enum xr_code xr_call_check(const struct xr_call *call, struct xr_err *err);
