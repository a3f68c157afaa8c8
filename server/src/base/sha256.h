// SPDX-License-Identifier: Apache-2.0
/* base/sha256.h - SHA-256 over OpenSSL's libcrypto. One thread at a time per hash. */
#pragma once
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

enum { XR_SHA256_SIZE = 32, XR_SHA256_HEX = 64 };
struct xr_sha256;
struct xr_sha256 *xr_sha256_new(void); /* NULL when out of memory */
void xr_sha256_free(struct xr_sha256 *hash);
XR_DEFINE_FREEP(struct xr_sha256, xr_sha256_free)
void xr_sha256_update(struct xr_sha256 *hash, const void *bytes, size_t n);
void xr_sha256_final(struct xr_sha256 *hash, uint8_t out[XR_SHA256_SIZE]); /* only free may follow */
void xr_sha256_of(const void *bytes, size_t n, uint8_t out[XR_SHA256_SIZE]);
