// SPDX-License-Identifier: Apache-2.0
/* providers/client.h - requests to other hosts: libcurl's multi interface on one thread, with connections that are
 * kept, HTTP/2 where it is offered, verified TLS, retries, and a bound on how many are under way. Redirects are not
 * followed. Any thread may call anything but free, which belongs to who made it.
 *
 *   xr_client_queue -> [waits for its place] -> ready -> (its maker prepares it) -> xr_client_send
 *     -> [attempts, with pauses] -> done -> (its maker reads the response) -> xr_client_leave
 *
 * ready and done are called on the client's thread and must be short: every other exchange waits for them. The bodies
 * of requests and responses exist only while an exchange has a place, so the places bound their memory too.
 *
 * Places: an exchange belongs to a lane and to a group. A group has at most `per_group` places, a lane `per_lane`; the
 * next free place of a lane goes to the group that has the fewest, and within a group to the one that came first. */
#pragma once
#include "base/clock.h"
#include "providers/exchange.h"

enum { XR_LANES = XR_STAGE_KIND_COUNT };

struct xr_client_config {
    const struct xr_clock *clock;
    const struct xr_providers_config *secrets; /* what must not be in an error; borrowed */
    const char *ca_file; /* NULL: the system's certificates */
    unsigned per_group, per_lane;
    int64_t backoff_ms; /* XR_RETRY_BACKOFF_MS */
};
struct xr_client;
XR_MUST_USE enum xr_code xr_client_new(const struct xr_client_config *config, struct xr_client **ret_client,
                                       struct xr_err *err);
/* Ends every exchange with XR_CANCELLED, waits until each has left, joins the thread. NULL is fine. Nothing may be
 * queued beside it. */
void xr_client_free(struct xr_client *client);
XR_DEFINE_FREEP(struct xr_client, xr_client_free)

/* Never waits and never calls back from inside. */
void xr_client_queue(struct xr_client *client, struct xr_exchange *exchange);
void xr_client_send(struct xr_client *client, struct xr_exchange *exchange);
/* Gives the place back: after done, or after ready instead of sending. The client does not touch the exchange, nor its
 * group, any more once it has returned. */
void xr_client_leave(struct xr_client *client, struct xr_exchange *exchange);
