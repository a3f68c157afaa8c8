// SPDX-License-Identifier: Apache-2.0
/* base/uuid.h - random (version 4) UUIDs, RFC 9562. Any thread. */
#pragma once
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

enum { XR_UUID_SIZE = 16, XR_UUID_TEXT = 36 };
struct xr_uuid {
    uint8_t bytes[XR_UUID_SIZE];
};
struct xr_uuid xr_uuid_new(void);
void xr_uuid_format(const struct xr_uuid *id, char out[XR_UUID_TEXT + 1]); /* lower case */
bool xr_uuid_parse(struct xr_str text, struct xr_uuid *ret_id); /* 8-4-4-4-12, either case */
