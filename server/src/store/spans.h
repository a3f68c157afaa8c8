// SPDX-License-Identifier: Apache-2.0
/* store/spans.h - storing what the agent under test sends: spans, and the tool calls and model calls found in them. The
 * reads are in store/results.h. */
#pragma once
#include "otlp/batch.h"
#include "store/store.h"

struct xr_span_counts {
    size_t stored;
    size_t repeated; /* the replay has a span of that id already: neither stored nor rejected */
    size_t unknown; /* name a replay that does not exist */
    size_t over; /* the replay is full: XR_REPLAY_SPANS_MAX spans, or XR_REPLAY_SPAN_BYTES_MAX of their text */
};
/* Inside a write. Spans may be of several replays; each is idempotent by (replay, span id). A replay that is open
 * counts as touched: the sweep leaves it alone. */
XR_MUST_USE enum xr_code xr_store_tx_spans_add(struct xr_store_tx *tx, const struct xr_span_new *spans, size_t count,
                                               struct xr_span_counts *ret_counts, struct xr_err *err);
