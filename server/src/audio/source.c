// SPDX-License-Identifier: Apache-2.0
#include "audio/source.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct xr_source xr_source_memory(const uint8_t *bytes, size_t n) {
    return (struct xr_source){.fd = -1, .bytes = bytes, .size = n};
}

enum xr_code xr_source_file(int fd, struct xr_source *ret_source, struct xr_err *err) {
    struct stat st;
    if (fstat(fd, &st) != 0)
        return xr_fail(err, XR_IO, NULL, "cannot tell the file's size: %s", strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_size < 0)
        return xr_fail(err, XR_IO, NULL, "not a regular file");
    *ret_source = (struct xr_source){.fd = fd, .size = (uint64_t)st.st_size};
    return XR_OK;
}

static enum xr_code read_file(int fd, uint64_t at, uint8_t *dst, size_t n, size_t *ret_n, struct xr_err *err) {
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(fd, dst + done, n - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return xr_fail(err, XR_IO, NULL, "cannot read the file: %s", strerror(errno));
        if (got == 0)
            break; /* shorter than it was */
        done += (size_t)got;
    }
    *ret_n = done;
    return XR_OK;
}

enum xr_code xr_source_read(const struct xr_source *source, uint64_t at, void *dst, size_t n, size_t *ret_n,
                            struct xr_err *err) {
    uint64_t there = at < source->size ? source->size - at : 0;
    if (n > there)
        n = (size_t)there;
    if (source->fd >= 0)
        return read_file(source->fd, at, dst, n, ret_n, err);
    if (n > 0)
        memcpy(dst, source->bytes + at, n);
    *ret_n = n;
    return XR_OK;
}
