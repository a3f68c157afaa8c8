// SPDX-License-Identifier: Apache-2.0
/* store/store.h - durable rows: opening, the single writer, readers. The operations themselves are in
 * store/conversations.h, store/replays.h and store/results.h; jobs are in queue/queue.h.
 *
 * One writer thread owns the only write connections, one a file. It takes writes from a bounded FIFO, applies each
 * inside a savepoint, and commits many with one fsync. Nobody else writes. Readers are connections of their own, one a
 * thread.
 *
 * xray.db is WAL with synchronous=FULL. queue.db is WAL with synchronous=NORMAL: what a power cut can take from it is
 * put back by reconciliation at start (docs/adr). Two files cannot commit together: xray.db goes first. */
#pragma once
#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

struct xr_store; /* any thread */
struct xr_store_tx; /* inside a write's apply only: the writer's thread */
struct xr_store_reader; /* one thread */

/* Opens (creates, migrates) both files and starts the writer. XR_FOREIGN: the message names the files to move away
 * (foreign application_id, the earlier public server's xray.db or bunqueue.db, a newer user_version). */
XR_MUST_USE enum xr_code xr_store_open(const char *path, const char *queue_path, const struct xr_clock *clock,
                                       struct xr_store **ret_store, struct xr_err *err);
/* Commits what is queued, checkpoints, closes. Every reader must be closed before. NULL is fine. */
void xr_store_free(struct xr_store *store);
XR_DEFINE_FREEP(struct xr_store, xr_store_free)

/* A write. Owned by the submitter, must live until done has been called; done may free it. */
struct xr_write {
    /* On the writer's thread, inside a savepoint. A code other than XR_OK rolls this write alone back. May run more
     * than once (the group is applied again when a commit failed for a passing reason): it must not keep state between
     * runs. */
    enum xr_code (*apply)(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err);
    /* On the writer's thread, after the commit (or the rollback): code and err tell. Must not block. Called in the
     * order of submission, bulk chains and others each among themselves. */
    void (*done)(struct xr_write *write, enum xr_code code, const struct xr_err *err);
    void *ctx;
    struct xr_write *next; /* links a chain for xr_store_submit; the store's, while queued */
    /* Of a chain's first: much to write, and no verdict waits for it. A group takes no more bulk chains as soon as
     * another one waits, which then joins it; and if both wait, they take turns at being first in a group. */
    bool bulk;
};
/* Queues a chain of writes (linked by next), whole and in order, to be committed in one group. Never waits; any thread.
 * XR_OVERLOADED when XR_WRITES_MAX would be passed, XR_CANCELLED when the store is closing: then nothing is queued and
 * done is not called. */
XR_MUST_USE enum xr_code xr_store_submit(struct xr_store *store, struct xr_write *chain, struct xr_err *err);
/* Commits so far: changes whenever anything a reader can see may have changed. Any thread. */
uint64_t xr_store_version(const struct xr_store *store);
/* How many committed writes have lost their part in queue.db (its commit failed after that of xray.db): when it has
 * grown, reconcile as at start. Any thread. */
uint64_t xr_store_queue_losses(const struct xr_store *store);
/* XR_OK when the writer is alive and its last commit did not fail (for /readyz). */
XR_MUST_USE enum xr_code xr_store_health(const struct xr_store *store, struct xr_err *err);

XR_MUST_USE enum xr_code xr_store_reader_open(struct xr_store *store, struct xr_store_reader **ret_reader,
                                              struct xr_err *err);
void xr_store_reader_close(struct xr_store_reader *reader); /* NULL is fine */
XR_DEFINE_FREEP(struct xr_store_reader, xr_store_reader_close)
/* A consistent snapshot over several reads; end it soon. Nesting is not allowed. */
XR_MUST_USE enum xr_code xr_store_reader_begin(struct xr_store_reader *reader, struct xr_err *err);
void xr_store_reader_end(struct xr_store_reader *reader);

/* The time of this write's group (wall clock), the same for every write in it. */
int64_t xr_store_tx_now(const struct xr_store_tx *tx);
