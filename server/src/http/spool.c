// SPDX-License-Identifier: Apache-2.0
#include "http/spool.h"
#include "base/limits.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum xr_code xr_spool_open(struct xr_files *files, bool hashed, struct xr_spool *ret_spool, struct xr_err *err) {
    struct xr_sha256 *hash = hashed ? xr_sha256_new() : NULL;
    if (hashed && !hash)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    int fd = -1;
    enum xr_code code = xr_files_temp(files, &fd, ret_spool->file.path, err);
    if (code != XR_OK) {
        xr_sha256_free(hash);
        return code;
    }
    ret_spool->file.fd = fd;
    ret_spool->file.size = 0;
    ret_spool->hash = hash;
    ret_spool->started = 0;
    return XR_OK;
}

/* Without this the whole upload would wait in the page cache for the fsync at its end; so the disk works meanwhile, and
 * the fsync is short. A hint: a file system that cannot do it loses nothing but that. */
static void start_writeback(struct xr_spool *spool) {
    uint64_t n = spool->file.size - spool->started;
    if (n < XR_WRITEBACK_STEP)
        return;
    (void)sync_file_range(spool->file.fd, (off64_t)spool->started, (off64_t)n, SYNC_FILE_RANGE_WRITE);
    spool->started = spool->file.size;
}

enum xr_code xr_spool_write(struct xr_spool *spool, struct xr_str bytes, struct xr_err *err) {
    for (size_t done = 0; done < bytes.len;) {
        ssize_t n = write(spool->file.fd, bytes.ptr + done, bytes.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return xr_files_errno(err, errno, "writing an upload");
        done += (size_t)n;
    }
    spool->file.size += bytes.len;
    if (spool->hash)
        xr_sha256_update(spool->hash, bytes.ptr, bytes.len);
    start_writeback(spool);
    return XR_OK;
}

void xr_spool_finish(struct xr_spool *spool) {
    if (!spool->hash)
        return;
    xr_sha256_final(spool->hash, spool->file.sha256);
    xr_sha256_free(spool->hash);
    spool->hash = NULL;
}

void xr_spool_drop(struct xr_spool *spool) {
    xr_sha256_free(spool->hash);
    spool->hash = NULL;
    if (spool->file.fd >= 0)
        close(spool->file.fd);
    spool->file.fd = -1;
    xr_files_discard(spool->file.path);
}
