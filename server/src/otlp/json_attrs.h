// SPDX-License-Identifier: Apache-2.0
/* otlp/json_attrs.h - the parts of OTLP's JSON that are below its lists of spans: members, times, attributes. A member
 * of the wrong type is as good as absent. Pure; one thread a decoding. */
#pragma once
#include "otlp/decoding.h"

/* A member's name as OTLP spells it, and as protobuf's printers may. */
struct xr_json_name {
    struct xr_str camel, snake;
};
#define XR_JSON_NAME(camel, snake) {XR_STR(camel), XR_STR(snake)}

/* The last value that is not null of each of n names, NULL if there is none; all NULL if object is no object. */
void xr_json_members(yyjson_val *object, const struct xr_json_name *names, size_t n, yyjson_val **ret_values);
/* Empty if value is no string. */
struct xr_str xr_json_text_of(yyjson_val *value);
/* Nanoseconds, from a number or a number in a string; what is no time is 0, what is too large is INT64_MAX. */
int64_t xr_json_time_of(yyjson_val *value);
/* Adds the attributes of a list of KeyValue to `attrs`, unmerged. */
XR_MUST_USE enum xr_code xr_json_attrs(struct xr_decoding *d, yyjson_val *list, struct xr_attr_list *attrs);
