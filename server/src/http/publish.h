// SPDX-License-Identifier: Apache-2.0
/* http/publish.h - tells subscribers that a replay's row has changed. After the commit; any thread. */
#pragma once
#include "http/http.h"
#include "store/replays.h"

/* A `state` event and, for a failed replay, the terminal `failed` event after it. */
void xr_publish_replay(const struct xr_http_deps *deps, const struct xr_replay *row);
