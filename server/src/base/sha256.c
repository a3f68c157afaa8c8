// SPDX-License-Identifier: Apache-2.0
#include "base/sha256.h"
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>

struct xr_sha256 {
    EVP_MD_CTX *ctx;
};

struct xr_sha256 *xr_sha256_new(void) {
    struct xr_sha256 *hash = calloc(1, sizeof *hash);
    if (!hash)
        return NULL;
    hash->ctx = EVP_MD_CTX_new();
    if (!hash->ctx || EVP_DigestInit_ex(hash->ctx, EVP_sha256(), NULL) != 1) {
        xr_sha256_free(hash);
        return NULL;
    }
    return hash;
}

void xr_sha256_free(struct xr_sha256 *hash) {
    if (!hash)
        return;
    EVP_MD_CTX_free(hash->ctx);
    free(hash);
}

/* Updating and finishing an initialised SHA-256 in memory cannot fail. */
void xr_sha256_update(struct xr_sha256 *hash, const void *bytes, size_t n) {
    if (EVP_DigestUpdate(hash->ctx, bytes, n) != 1)
        abort();
}

void xr_sha256_final(struct xr_sha256 *hash, uint8_t out[XR_SHA256_SIZE]) {
    if (EVP_DigestFinal_ex(hash->ctx, out, NULL) != 1)
        abort();
}

void xr_sha256_of(const void *bytes, size_t n, uint8_t out[XR_SHA256_SIZE]) {
    SHA256(bytes, n, out);
}
