// SPDX-License-Identifier: Apache-2.0
/* store/fault_vfs.h - SQLite's file layer with faults, for tests: the n-th operation that can fail does. */
#pragma once
#include <stdbool.h>

enum fault_kind {
    FAULT_FULL, /* writes: the disk is full */
    FAULT_WRITE, /* writes: I/O error */
    FAULT_SYNC, /* fsync: I/O error */
    FAULT_KINDS
};
/* Registers the layer (once) under this name. */
const char *fault_vfs_name(void);
/* From now on: the countdown-th operation of that kind fails (1 is the next one), and with `lasting` all after it.
 * suffix: only files whose name ends so ("" for all, "queue.db-wal"); it must outlive the fault. */
void fault_arm(enum fault_kind kind, const char *suffix, int countdown, bool lasting);
/* Ends the fault; true if it has struck. */
bool fault_disarm(void);
