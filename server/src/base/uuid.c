// SPDX-License-Identifier: Apache-2.0
#include "base/uuid.h"
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct xr_uuid xr_uuid_new(void) {
    struct xr_uuid id;
    /* getrandom of up to 256 bytes is not interrupted once the pool is ready; without randomness nothing can go on. */
    if (getrandom(id.bytes, sizeof id.bytes, 0) != (ssize_t)sizeof id.bytes)
        abort();
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0F) | 0x40);
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3F) | 0x80);
    return id;
}

void xr_uuid_format(const struct xr_uuid *id, char out[XR_UUID_TEXT + 1]) {
    char hex[2 * XR_UUID_SIZE + 1];
    xr_hex_encode(id->bytes, XR_UUID_SIZE, hex);
    static const int GROUPS[] = {8, 4, 4, 4, 12};
    char *to = out;
    const char *from = hex;
    for (int i = 0; i < 5; i++) {
        if (i)
            *to++ = '-';
        memcpy(to, from, (size_t)GROUPS[i]);
        to += GROUPS[i];
        from += GROUPS[i];
    }
    *to = '\0';
}

bool xr_uuid_parse(struct xr_str text, struct xr_uuid *ret_id) {
    char hex[2 * XR_UUID_SIZE];
    size_t n = 0;
    if (text.len != XR_UUID_TEXT)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash != (text.ptr[i] == '-'))
            return false;
        if (!dash)
            hex[n++] = text.ptr[i];
    }
    return xr_hex_decode((struct xr_str){.ptr = hex, .len = n}, ret_id->bytes, XR_UUID_SIZE);
}
