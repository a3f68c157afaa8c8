// SPDX-License-Identifier: Apache-2.0
#include "http/publish.h"
#include "jobs/announce.h"

static void publish(const struct xr_http_deps *deps, const struct xr_uuid *replay, struct xr_event *event) {
    char id[XR_UUID_TEXT + 1];
    if (event) {
        xr_hub_publish(deps->hub, replay, event);
        xr_event_unref(event);
        return;
    }
    xr_uuid_format(replay, id);
    xr_log(deps->log, XR_LOG_ERROR, "event lost", XR_LOG_S("replay_id", id), XR_LOG_S("reason", "out of memory"));
}

void xr_publish_replay(const struct xr_http_deps *deps, const struct xr_replay *row) {
    publish(deps, &row->uuid, xr_announce_state(row->state, row->step, row->seq));
    if (row->state == XR_FAILED_STATE)
        publish(deps, &row->uuid, xr_announce_failed(row->reason, row->seq));
}
