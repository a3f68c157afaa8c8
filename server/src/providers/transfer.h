// SPDX-License-Identifier: Apache-2.0
/* providers/transfer.h - one attempt at an exchange: a libcurl easy handle, what it is told and what became of it. The
 * client's thread only. */
#pragma once
#include "providers/curl_library.h"
#include "providers/exchange.h"

struct xr_transfer;
/* curl: outlives it. ca_file: replaces the system's; NULL: those. XR_NO_MEMORY. */
XR_MUST_USE enum xr_code xr_transfer_new(const struct xr_curl *curl, struct xr_exchange *exchange, const char *ca_file,
                                         struct xr_transfer **ret_transfer, struct xr_err *err);
/* Not while its handle is in a multi handle. NULL is fine. */
void xr_transfer_free(struct xr_transfer *transfer);
CURL *xr_transfer_handle(const struct xr_transfer *transfer);
struct xr_exchange *xr_transfer_exchange(const struct xr_curl *curl, CURL *handle);

/* What became of the attempt. */
struct xr_transfer_result {
    enum xr_code code;
    bool transient; /* another attempt may go better */
    bool crowded; /* it failed for what others have: it was no attempt */
    int64_t retry_after_s; /* 0: nothing was said */
};
/* result: libcurl's. Fills in the exchange's response and content type, or its err; secrets: what an error must not
 * hold. */
struct xr_transfer_result xr_transfer_finish(struct xr_transfer *transfer, CURLcode result,
                                             const struct xr_providers_config *secrets);
