// SPDX-License-Identifier: Apache-2.0
/* jobs/reconcile.h - the queue after a crash: two files cannot commit together, so one may be ahead of the other. */
#pragma once
#include "base/log.h"
#include "store/store.h"

/* Voids every lease (the process that held it is gone) and queues an `analyzing` replay that has no live job. Waits for
 * the commit: main's thread, before anything else runs. */
XR_MUST_USE enum xr_code xr_reconcile(struct xr_store *store, const struct xr_log *log, struct xr_err *err);
