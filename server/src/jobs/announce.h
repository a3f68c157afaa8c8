// SPDX-License-Identifier: Apache-2.0
/* jobs/announce.h - the events of a replay as complete server-sent-event bytes, ready for the hub. Whoever changed the
 * row publishes, after the commit. seq: the row's seq after the change. Each returns NULL when out of memory; the
 * caller unrefs. Any thread. */
#pragma once
#include "base/str.h"
#include "events/hub.h"
#include "store/lifecycle.h"

struct xr_event *xr_announce_state(enum xr_lifecycle state, enum xr_step step, int64_t seq);
/* percent 0..100 */
struct xr_event *xr_announce_progress(int percent, enum xr_step step, int64_t seq);
/* The two terminal events: no subscriber gets anything after them. result_json: what xr_result_encode wrote. */
struct xr_event *xr_announce_complete(struct xr_str result_json, int64_t seq);
struct xr_event *xr_announce_failed(enum xr_reason reason, int64_t seq);
