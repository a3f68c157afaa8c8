// SPDX-License-Identifier: Apache-2.0
/* http/spool.h - an upload on its way into a temporary file: straight from the socket's buffer to the page cache, so
 * memory does not grow with it. One thread at a time. */
#pragma once
#include "http/request.h"

struct xr_spool {
    struct xr_body_file file;
    struct xr_sha256 *hash; /* NULL: not hashed */
    uint64_t started; /* bytes whose way to the disk has been started */
};
/* XR_STORAGE_FULL, XR_IO, XR_NO_MEMORY. */
XR_MUST_USE enum xr_code xr_spool_open(struct xr_files *files, bool hashed, struct xr_spool *ret_spool,
                                       struct xr_err *err);
XR_MUST_USE enum xr_code xr_spool_write(struct xr_spool *spool, struct xr_str bytes, struct xr_err *err);
void xr_spool_finish(struct xr_spool *spool); /* file.sha256 */
/* Closes and discards. */
void xr_spool_drop(struct xr_spool *spool);
