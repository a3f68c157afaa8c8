// SPDX-License-Identifier: Apache-2.0
/* store/files.h - the volume's files: recordings, turn audio, temporary files. Paths are under the data directory:
 *
 *   audio/<replay id>/replay.wav      a recording
 *   audio/turns/<ab>/<sha256>.wav     a turn's WAV, by content
 *   audio/tmp/<uuid>                  being written; swept at start
 *
 * A file reaches its name by fsync, rename, fsync of the folder. Everything here may block on the disk: never on a
 * request thread, but for xr_files_temp, the open calls and xr_files_space (they touch only cached metadata). Any
 * thread. */
#pragma once
#include "base/err.h"
#include "base/sha256.h"
#include "base/uuid.h"
#include "store/store.h"
#include <stdbool.h>
#include <stdint.h>

enum { XR_PATH_MAX = 1024 };
struct xr_files;
/* Makes the folders and takes the volume's lock file (XR_CONFLICT: another process has it). */
XR_MUST_USE enum xr_code xr_files_open(const char *data_dir, struct xr_files **ret_files, struct xr_err *err);
void xr_files_free(struct xr_files *files);
XR_DEFINE_FREEP(struct xr_files, xr_files_free)

/* A new temporary file, open for reading and writing. The caller closes *ret_fd. */
XR_MUST_USE enum xr_code xr_files_temp(struct xr_files *files, int *ret_fd, char ret_path[XR_PATH_MAX],
                                       struct xr_err *err);
void xr_files_discard(const char *temp_path); /* unlink; "" and a missing file are fine */

/* fsync, rename over the final name, fsync the folders. On failure the temporary file is still there (unless it was the
 * last fsync that failed: then it has its final name). XR_STORAGE_FULL, XR_IO. */
XR_MUST_USE enum xr_code xr_files_keep_recording(struct xr_files *files, int fd, const char *temp_path,
                                                 const struct xr_uuid *replay, struct xr_err *err);
XR_MUST_USE enum xr_code xr_files_keep_turn(struct xr_files *files, int fd, const char *temp_path,
                                            const uint8_t sha256[XR_SHA256_SIZE], struct xr_err *err);

/* Read-only; XR_NOT_FOUND if the file is gone. The caller closes *ret_fd. */
XR_MUST_USE enum xr_code xr_files_open_recording(struct xr_files *files, const struct xr_uuid *replay, int *ret_fd,
                                                 struct xr_err *err);
XR_MUST_USE enum xr_code xr_files_open_turn(struct xr_files *files, const uint8_t sha256[XR_SHA256_SIZE], int *ret_fd,
                                            struct xr_err *err);

/* XR_STORAGE_FULL when less than XR_DISK_RESERVE + needed bytes are free. */
XR_MUST_USE enum xr_code xr_files_space(struct xr_files *files, uint64_t needed, struct xr_err *err);

/* At start, before anything listens: removes temporary files, recordings without a replay that says it has one, and
 * turn audio that no conversation and no cache row names. ret_removed may be NULL. */
XR_MUST_USE enum xr_code xr_files_sweep(struct xr_files *files, struct xr_store_reader *reader, size_t *ret_removed,
                                        struct xr_err *err);
/* ENOSPC, EDQUOT, EFBIG are XR_STORAGE_FULL, everything else XR_IO; the message has `what` and strerror. */
enum xr_code xr_files_errno(struct xr_err *err, int errnum, const char *what);
