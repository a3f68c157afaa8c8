// SPDX-License-Identifier: Apache-2.0
/* store/writer.h - the writer's thread: a bounded FIFO of writes, group commit, checkpoints. */
#pragma once
#include "store/internal.h"

struct xr_writer;
struct xr_writer_files {
    struct xr_sql *main, *queue;
};
/* Takes the connections over on XR_OK. */
XR_MUST_USE enum xr_code xr_writer_start(struct xr_writer_files files, const struct xr_clock *clock,
                                         const struct xr_store_options *options, struct xr_writer **ret_writer,
                                         struct xr_err *err);
/* Commits what is queued, ends the thread, closes the connections (which checkpoints). NULL is fine. */
void xr_writer_stop(struct xr_writer *writer);
XR_MUST_USE enum xr_code xr_writer_submit(struct xr_writer *writer, struct xr_write *chain, struct xr_err *err);
uint64_t xr_writer_version(const struct xr_writer *writer);
uint64_t xr_writer_queue_losses(const struct xr_writer *writer);
XR_MUST_USE enum xr_code xr_writer_health(struct xr_writer *writer, struct xr_err *err);
