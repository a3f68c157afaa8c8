// SPDX-License-Identifier: Apache-2.0
/* spec/fields.h - reads a JSON object into a struct by its record (schema.h). For the spec folder only. */
#pragma once
#include "spec/schema.h"
#include "spec/spec.h"

struct xr_reader {
    struct xr_arena *arena;
    struct xr_issues *issues;
    unsigned form; /* XR_FORM_REQUEST or XR_FORM_CANONICAL */
    bool no_memory; /* the arena is full; what was read is incomplete */
};

/* Reads `value`, which is at `path`, into the zeroed struct `to`. Every problem becomes an issue and reading goes on;
 * a list that is too long is read up to its bound. Strings are copied into the arena. */
void xr_record_read(struct xr_reader *reader, const struct xr_record *record, yyjson_val *value,
                    const struct xr_path *path, void *to);
