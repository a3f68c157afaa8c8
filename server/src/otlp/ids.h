// SPDX-License-Identifier: Apache-2.0
/* otlp/ids.h - trace and span ids from either encoding. `size` is the standard's length of that id. Pure. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "otlp/span.h"

/* As protobuf carries them; of the standard's length *ret_id is a view. XR_NO_MEMORY. */
XR_MUST_USE enum xr_code xr_id_of_bytes(struct xr_str bytes, size_t size, struct xr_arena *arena, struct xr_id *ret_id,
                                        struct xr_err *err);
/* As JSON carries them: hex in either case or base64 in any form; else *ret_id is a view. XR_NO_MEMORY. */
XR_MUST_USE enum xr_code xr_id_of_text(struct xr_str text, size_t size, struct xr_arena *arena, struct xr_id *ret_id,
                                       struct xr_err *err);
/* A parent's: none if it is empty or nothing but zeros. */
struct xr_id xr_id_of_parent(struct xr_id id);
