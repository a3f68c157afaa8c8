// SPDX-License-Identifier: Apache-2.0
/* audio/source.h - bytes at an offset, from a file or from memory. Borrows what it reads. Any thread. Private to
 * audio/. */
#pragma once
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

struct xr_source {
    int fd; /* -1: memory */
    const uint8_t *bytes;
    uint64_t size;
};

struct xr_source xr_source_memory(const uint8_t *bytes, size_t n);
/* XR_IO if its size cannot be told. */
XR_MUST_USE enum xr_code xr_source_file(int fd, struct xr_source *ret_source, struct xr_err *err);
/* Reads up to n bytes; fewer only at the end (0 past it). XR_IO. */
XR_MUST_USE enum xr_code xr_source_read(const struct xr_source *source, uint64_t at, void *dst, size_t n, size_t *ret_n,
                                        struct xr_err *err);
