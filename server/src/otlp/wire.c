// SPDX-License-Identifier: Apache-2.0
#include "otlp/wire.h"

enum { VARINT_BYTES_MAX = 10, TYPE_MASK = 7 };

static const char TRUNCATED[] = "the message ends within a field";
static const char VARINT_TOO_LONG[] = "a varint has more than 10 bytes";
static const char LENGTH_TOO_LARGE[] = "a length passes the end of its message";
static const char NO_FIELD_NUMBER[] = "a field has no valid number";

/* NULL, or what is wrong. */
static const char *read_varint(struct xr_wire *wire, uint64_t *ret_value) {
    uint64_t value = 0;
    if (wire->at < wire->end && *wire->at < 0x80) {
        *ret_value = *wire->at++;
        return NULL;
    }
    for (unsigned i = 0; i < VARINT_BYTES_MAX; i++) {
        if (wire->at == wire->end)
            return TRUNCATED;
        unsigned char byte = *wire->at++;
        value |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            *ret_value = value;
            return NULL;
        }
    }
    return VARINT_TOO_LONG;
}

/* Little-endian. */
static const char *read_fixed(struct xr_wire *wire, unsigned size, uint64_t *ret_value) {
    uint64_t value = 0;
    if ((size_t)(wire->end - wire->at) < size)
        return TRUNCATED;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)wire->at[i] << (8 * i);
    wire->at += size;
    *ret_value = value;
    return NULL;
}

static const char *read_bytes(struct xr_wire *wire, struct xr_str *ret_bytes) {
    uint64_t len;
    const char *fault = read_varint(wire, &len);
    if (fault)
        return fault;
    if (len > (uint64_t)(wire->end - wire->at))
        return LENGTH_TOO_LARGE;
    *ret_bytes = (struct xr_str){.ptr = (const char *)wire->at, .len = (size_t)len};
    wire->at += len;
    return NULL;
}

static enum xr_wire_result malformed(struct xr_wire_field *ret_field, const char *fault) {
    ret_field->fault = fault;
    return XR_WIRE_MALFORMED;
}

enum xr_wire_result xr_wire_next(struct xr_wire *wire, struct xr_wire_field *ret_field) {
    uint64_t tag;
    if (wire->at == wire->end)
        return XR_WIRE_END;
    const char *fault = read_varint(wire, &tag);
    if (fault)
        return malformed(ret_field, fault);
    if (tag > UINT32_MAX || tag >> 3 == 0)
        return malformed(ret_field, NO_FIELD_NUMBER);
    ret_field->tag = (uint32_t)tag;
    switch (tag & TYPE_MASK) {
    case XR_WIRE_VARINT:
        fault = read_varint(wire, &ret_field->number);
        break;
    case XR_WIRE_I64:
        fault = read_fixed(wire, 8, &ret_field->number);
        break;
    case XR_WIRE_LEN:
        fault = read_bytes(wire, &ret_field->bytes);
        break;
    case XR_WIRE_I32:
        fault = read_fixed(wire, 4, &ret_field->number);
        break;
    default:
        return XR_WIRE_UNSUPPORTED;
    }
    return fault ? malformed(ret_field, fault) : XR_WIRE_FIELD;
}
