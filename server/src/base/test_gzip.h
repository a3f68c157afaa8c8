// SPDX-License-Identifier: Apache-2.0
/* base/test_gzip.h - packing, which only tests do. */
#pragma once
#include "base/test.h"
#include <zlib.h>

/* One gzip member of n bytes; its length. Fails the test when it does not fit. */
static inline size_t xr_test_gzip(const char *bytes, size_t n, char *to, size_t room) {
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)bytes;
    z.avail_in = (unsigned)n;
    z.next_out = (unsigned char *)to;
    z.avail_out = (unsigned)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}
