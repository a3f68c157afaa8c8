// SPDX-License-Identifier: Apache-2.0
/* http/listing.h - pages of the two lists, from the store to {"items": [...], "next_cursor": ...}.
 *
 * Conversations are sorted by their last run, so a row that is run while a client pages jumps over the pages it has
 * still to read. No row may be missed, so a list is read in passes. The first pass goes from the top to the end. Each
 * further one goes from the top down to where the pass before it began: exactly the rows that have moved (or are new)
 * since. The list ends with a pass during which nothing moved. A cursor holds the place in the pass, where the pass
 * stops, and where it began. */
#pragma once
#include "base/json.h"
#include "http/input.h"
#include "store/store.h"

/* The caller has begun a snapshot on reader. On failure nothing has been written. */
XR_MUST_USE enum xr_code xr_conversations_page_write(struct xr_store_reader *reader, const struct xr_page *page,
                                                     struct xr_arena *arena, struct xr_json *j, struct xr_err *err);
XR_MUST_USE enum xr_code xr_replays_page_write(struct xr_store_reader *reader, int64_t conversation_id,
                                               const struct xr_page *page, struct xr_json *j, struct xr_err *err);
