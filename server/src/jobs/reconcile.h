// SPDX-License-Identifier: Apache-2.0
/* jobs/reconcile.h - the queue after a crash: two files cannot commit together, so one may be ahead of the other. */
#pragma once
#include "base/log.h"
#include "store/store.h"

/* Voids every lease (the process that held it is gone) and queues an `analyzing` replay that has no live job. Waits for
 * the commit: main's thread, before anything else runs. */
XR_MUST_USE enum xr_code xr_reconcile(struct xr_store *store, const struct xr_log *log, struct xr_err *err);

/* The second half inside somebody else's write: queues `analyzing` replays without a live job again and adds their
 * number to *requeued. For when the store has lost queue changes while running (xr_store_queue_losses). */
XR_MUST_USE enum xr_code xr_reconcile_tx(struct xr_store_tx *tx, size_t *requeued, struct xr_err *err);
