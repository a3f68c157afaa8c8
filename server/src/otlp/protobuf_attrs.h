// SPDX-License-Identifier: Apache-2.0
/* otlp/protobuf_attrs.h - the parts of OTLP's protobuf that are below its lists of spans. Pure; one thread a decoding.
 */
#pragma once
#include "otlp/decoding.h"
#include "otlp/wire.h"

/* XR_INVALID for what xr_wire_next could not read: XR_WIRE_MALFORMED or XR_WIRE_UNSUPPORTED. */
XR_MUST_USE enum xr_code xr_protobuf_refuse(struct xr_decoding *d, enum xr_wire_result why,
                                            const struct xr_wire_field *field);
/* A string as it is or, if it is not UTF-8, repaired in the arena. */
XR_MUST_USE enum xr_code xr_protobuf_text(struct xr_decoding *d, struct xr_str bytes, struct xr_str *ret_text);
/* Adds the attribute that a KeyValue is, if it has a value. */
XR_MUST_USE enum xr_code xr_protobuf_attr(struct xr_decoding *d, struct xr_str key_value, struct xr_attr_list *attrs);
