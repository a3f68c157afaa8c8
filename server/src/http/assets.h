// SPDX-License-Identifier: Apache-2.0
/* http/assets.h - files that the build put into the program (scripts/embed.py). Their bytes are read-only and stay
 * backed by the program's file: nothing is copied at start. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct xr_asset {
    const char *path; /* of the URL: "/docs" */
    const char *content_type;
    const char *etag; /* with its quotes; weak, as it stands for both encodings */
    const unsigned char *bytes;
    size_t size;
    bool gzip; /* how bytes are stored */
};
extern const struct xr_asset XR_ASSETS[]; /* ends with path NULL */
