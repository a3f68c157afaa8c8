// SPDX-License-Identifier: Apache-2.0
/* providers/cloud.h - calls that another host answers: the provider's adapter builds the request and reads the response
 * on the threads of a pool of its own ("cloud"), client.h does the rest. Any thread may call start; new and free belong
 * to providers.c. */
#pragma once
#include "providers/provider.h"

struct xr_cloud;
/* config is borrowed. concurrency: see xr_providers_new. */
XR_MUST_USE enum xr_code xr_cloud_new(const struct xr_providers_config *config, unsigned concurrency,
                                      const struct xr_clock *clock, struct xr_cloud **ret_cloud, struct xr_err *err);
/* Ends every call with XR_CANCELLED and waits for it. NULL is fine. Nothing may be started beside it. */
void xr_cloud_free(struct xr_cloud *cloud);
XR_DEFINE_FREEP(struct xr_cloud, xr_cloud_free)
/* The call's provider has an adapter, and xr_providers_stage_ready says that it can be called. XR_NO_MEMORY: nothing
 * was started, the call is not answered. */
XR_MUST_USE enum xr_code xr_cloud_start(struct xr_cloud *cloud, struct xr_call *call, struct xr_err *err);
