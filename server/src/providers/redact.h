// SPDX-License-Identifier: Apache-2.0
/* providers/redact.h - keeps keys out of what other hosts send back: the text of an error, and answers that are stored.
 * For the files of this folder only. Any thread.
 *
 * A configured key is found as it is and as JSON writes it (\" \\ \/, in an error \u002f too; in an answer that is
 * another character only when it has been parsed). Not found: a key written with other escapes (%2F, &amp;, base64), in
 * pieces, or in another case. */
#pragma once
#include "providers/provider.h"

/* What is to be hidden: made by the configuration, found through xr_providers_secrets. */
struct xr_secrets;
/* keys: one a stage, NULL where there is none; copied. The result lives as long as the arena. */
XR_MUST_USE enum xr_code xr_secrets_new(struct xr_arena *arena, const char *const keys[XR_STAGE_KIND_COUNT],
                                        const struct xr_secrets **ret_secrets, struct xr_err *err);

/* Appends at most XR_PROVIDER_ERROR_MAX bytes of the text, fit for an error message: UTF-8 in one line (runs of white
 * space and control characters are one space, none at the ends), whatever is or looks like a key is "[redacted]". A
 * text may have been cut anywhere: the beginning of a configured key at its end is hidden too. */
void xr_redact_text(const struct xr_providers_config *config, struct xr_str text, struct xr_buf *out);

/* Overwrites the configured keys in the text with '*', in place; before it is parsed and after. A key is looked for
 * here if it has 16 or more bytes; or 8 or more and not letters only; or 4 or more behind "sk-" or "AIza". Others are
 * placeholders or words ("none", "ollama", "password") that an answer may well hold. */
void xr_redact_keys(const struct xr_providers_config *config, char *text, size_t len);
