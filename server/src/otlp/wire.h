// SPDX-License-Identifier: Apache-2.0
/* otlp/wire.h - protobuf's wire format: the fields of one message, one after the other, without a copy and without
 * recursion. Pure. */
#pragma once
#include "base/str.h"
#include <stdint.h>

/* The rest (3 and 4, groups; 6 and 7, which stand for nothing) are not supported. */
enum xr_wire_type { XR_WIRE_VARINT = 0, XR_WIRE_I64 = 1, XR_WIRE_LEN = 2, XR_WIRE_I32 = 5 };
/* As on the wire: compared as a whole, a field of another type than it must have is an unknown one. */
#define XR_WIRE_TAG(number, type) ((uint32_t)(number) << 3 | (uint32_t)(type))

/* The bytes of a message that are still to be read. */
struct xr_wire {
    const unsigned char *at, *end;
};
struct xr_wire_field {
    uint32_t tag; /* of XR_WIRE_UNSUPPORTED too */
    uint64_t number; /* VARINT, I64, I32 */
    struct xr_str bytes; /* LEN: a view */
    const char *fault; /* of XR_WIRE_MALFORMED: what is wrong */
};
static inline struct xr_wire xr_wire_of(struct xr_str message) {
    const unsigned char *at = (const unsigned char *)message.ptr;
    return (struct xr_wire){.at = at, .end = message.len ? at + message.len : at};
}

enum xr_wire_result { XR_WIRE_FIELD, XR_WIRE_END, XR_WIRE_MALFORMED, XR_WIRE_UNSUPPORTED };
/* The next field. After MALFORMED or UNSUPPORTED the message is of no use. */
enum xr_wire_result xr_wire_next(struct xr_wire *wire, struct xr_wire_field *ret_field);
